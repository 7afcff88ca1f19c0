"""The page *Extend it*: every line of a profile that it shows loads, and what it names is there."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from gegcore import registry
from gegcore.cli import main
from gegcore.data.dataset import SPLITS
from gegcore.errors import DataError
from gegcore.models.registry import architecture
from gegcore.profiles import Profile
from gegcore.rewards import REWARDS

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "book" / "extend.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```yaml\n(.*?)```", PAGE, flags=re.DOTALL)


def test_the_page_shows_all_kinds() -> None:
    assert len(BLOCKS) == 6 and {
        "reward",
        "loss",
        "captioner",
        "metric",
        "dataset",
        "judge",
    } == set(re.findall(r"examples\.(\w+):", PAGE))


@pytest.mark.parametrize("lines", BLOCKS)
def test_lines_of_a_profile_load(
    lines: str,
    profile_of: Callable[..., Profile],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    if "my_pictures" in lines:  # which the reader has
        with pytest.raises(DataError, match="captions.jsonl does not exist"):
            profile_of(lines)
        (tmp_path / "my_pictures").mkdir()
        rows = [{"file": "0.png", "split": split, "captions": ["a dog"]} for split in SPLITS] * 6
        listed = tmp_path / "my_pictures" / "captions.jsonl"
        listed.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    profile = profile_of(lines)
    for model in profile.experiments.models:
        architecture(model)
    for name in profile.metrics:
        assert callable(registry.find("metric", name))
    for objective in profile.experiments.objectives:
        for name in profile.objective(objective).rewards:
            assert callable(registry.find("reward", name, REWARDS))
    assert all(name.startswith("scenes") or ":" in name for name in profile.judges.values())


def test_the_commands_of_the_page_run(
    profile_of: Callable[..., Profile],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Written by the page's own `echo` lines, trained by its `gegcore run` lines."""
    written = re.findall(r"^\$ echo '(.*)' >>? mine.yaml$", PAGE, flags=re.MULTILINE)
    commands = re.findall(r"^\$ \.venv/bin/gegcore (.*)$", PAGE, flags=re.MULTILINE)
    assert len(written) == 2 and len(commands) == 2
    monkeypatch.chdir(tmp_path)
    profile_of("")  # the prepared smoke data, under its own name
    with open("mine.yaml", "w", encoding="utf-8") as stream:
        stream.write("\n".join([*written, "name: smoke", ""]))
    for command in commands:
        assert main(command.split()) == 0
    assert "CIDEr" in capsys.readouterr().out
