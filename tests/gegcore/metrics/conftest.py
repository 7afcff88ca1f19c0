"""One METEOR of ours, started in a hostile environment, and pycocoevalcap's own beside it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from metric_captions import GERMAN, HYPOTHESES, REFERENCES

from gegcore.metrics.meteor import Meteor, shared_meteor


@pytest.fixture(scope="session")
def upstream() -> Iterator[Callable[[], dict[str, Any]]]:
    """pycocoevalcap's scores of the captions: started here, waited for when called."""
    process = subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name("upstream.py"))],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        encoding="utf-8",
    )

    def scores() -> dict[str, Any]:
        given = json.dumps({"references": REFERENCES, "hypotheses": HYPOTHESES})
        output, _ = process.communicate(given, timeout=180)
        return json.loads(output.rpartition("\n@")[2])

    yield scores
    process.kill()
    process.wait()


@pytest.fixture(scope="session")
def meteor(upstream: Callable[[], dict[str, Any]]) -> Meteor:
    """The session's METEOR, in a German environment. Both METEORs load at the same time."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in GERMAN.items():
            patch.setitem(os.environ, name, value)
        shared_meteor().close()
        shared_meteor().start()
    return shared_meteor()
