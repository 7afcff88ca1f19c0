"""*Run it yourself*: its profiles load and its commands parse; what they do is tested elsewhere."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from gegcore.cli import _parser
from gegcore.profiles import load_profile

PAGE = (Path(__file__).resolve().parents[3] / "book" / "reproduce.md").read_text(encoding="utf-8")
PROFILES = [
    block
    for block in re.findall(r"^```yaml\n(.*?)^```", PAGE, flags=re.MULTILINE | re.DOTALL)
    if not block.startswith("metrics")
]
COMMANDS = re.findall(
    r"^\$ \.venv/bin/(?:gegcore|accelerate launch -m gegcore\.cli) (.*)$",
    PAGE.replace("\\\n    ", ""),
    flags=re.MULTILINE,
)


@pytest.mark.parametrize("block", PROFILES, ids=range(len(PROFILES)))
def test_profiles_of_the_page_are_profiles(
    block: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The files that they name are not there: that is said only when they are opened."""
    monkeypatch.setenv("GEGCORE_HOME", str(tmp_path))
    text = block if block.startswith("extends") else f"extends: coco\n{block}"
    (tmp_path / "mine.yaml").write_text(text)
    assert load_profile(str(tmp_path / "mine.yaml")).name == "mine"


def test_there_are_some() -> None:
    assert len(PROFILES) >= 4 and len(COMMANDS) >= 8


@pytest.mark.parametrize("command", COMMANDS)
def test_commands_of_the_page_parse(command: str) -> None:
    words = shlex.split(command.replace("...", ""), comments=True)
    assert _parser().parse_args(words).function
