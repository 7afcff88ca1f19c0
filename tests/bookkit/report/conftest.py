"""A project folder with made-up runs of the smoke profile."""

from __future__ import annotations

from pathlib import Path

import pytest
from synthetic_runs import Project, make_test_split

from gegcore.profiles import load_profile


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """Two seeds of three objectives are wanted; none has run."""
    monkeypatch.setenv("GEGCORE_HOME", str(tmp_path))
    smoke = load_profile("smoke")
    grid = smoke.experiments.model_copy(update={"seeds": (1, 2)})
    profile = smoke.model_copy(update={"experiments": grid})
    return Project(tmp_path, profile, *make_test_split(tmp_path, profile))
