"""Bars of `gegcore.progress` beside lines that are printed while they go."""

import io
from functools import partial

import pytest
from tqdm import tqdm

from gegcore import progress


def _screen(written: str) -> list[str]:
    """What is left to see: each carriage return begins the line anew."""
    lines: list[str] = []
    for line in written.split("\n"):
        seen = ""
        for part in line.split("\r"):
            seen = part + seen[len(part) :]
        lines.append(seen.rstrip())
    return lines


@pytest.mark.parametrize(("delay", "drawn"), [(0, True), (1e-9, True), (60, False)])
def test_a_bar_leaves_nothing_beside_what_is_printed(
    monkeypatch: pytest.MonkeyPatch, delay: float, drawn: bool
) -> None:
    said = io.StringIO()
    shown = partial(progress._Bar, disable=False)  # where `TQDM_DISABLE` is set as well
    monkeypatch.setattr(progress, "_Bar", shown)
    monkeypatch.setattr("sys.stderr", said)
    monkeypatch.setattr("sys.stdout", said)
    for step in progress.track(range(2), "steps", delay=delay):
        tqdm.write(f"step {step}")
    said.write("the end")
    assert _screen(said.getvalue()) == ["step 0", "step 1", "the end"]
    assert ("steps: " in said.getvalue()) == drawn
