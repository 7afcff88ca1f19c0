"""Fixtures of a small corpus in Karpathy's form."""

from __future__ import annotations

from pathlib import Path

import pytest
from squares import Corpus, make_corpus


@pytest.fixture
def corpus(tmp_path: Path) -> Corpus:
    return make_corpus(tmp_path, {"train": 24, "val": 9, "test": 9})
