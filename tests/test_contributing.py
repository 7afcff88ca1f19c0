"""CONTRIBUTING.md: what it names is there, and its list of mutants is of the code as it is."""

from __future__ import annotations

import fnmatch
import importlib
import re
import sys
from functools import reduce
from pathlib import Path

import pytest
import surviving_mutants as mutants
import yaml

from gegcore import __version__

if sys.version_info >= (3, 11):
    import tomllib
else:
    tomllib = pytest.importorskip("tomli", reason="reads pyproject.toml: needs Python 3.11")

ROOT = Path(__file__).resolve().parents[1]
TEXT = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
LISTED = mutants.listed(TEXT)
SETTINGS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["mutmut"]


def test_every_path_and_target_is_there() -> None:
    for path in re.findall(r"\]\((?!http)([^)]+)\)|`((?:[\w.]+/)+[\w.]*)`", TEXT):
        assert (ROOT / "".join(path)).exists() or path[1] == "mutants/", path
    targets = re.findall(r"^(\w+):.*##", (ROOT / "Makefile").read_text(), re.MULTILINE)
    named = re.findall(r"`make (\w+)", TEXT)
    assert named and set(named) <= set(targets)


def test_every_function_of_the_list_is_one_that_is_mutated() -> None:
    for name in LISTED:
        parts = name.split(".")
        cut = next(n for n in range(len(parts), 0, -1) if (ROOT / _file(parts[:n])).is_file())
        module = importlib.import_module(".".join(parts[:cut]))
        assert callable(reduce(getattr, parts[cut:], module)), name
        assert any(fnmatch.fnmatch(_file(parts[:cut]), p) for p in SETTINGS["only_mutate"]), name


def _file(parts: list[str]) -> str:
    return "/".join(parts) + ".py"


def test_the_list_says_how_many_and_why() -> None:
    rows = [line for line in TEXT.splitlines() if re.match(r"\| `\w+\.", line)]
    assert len(rows) == len(LISTED) > 0
    assert all(count > 0 and len(why) > 10 for count, why in LISTED.values())
    assert list(LISTED) == sorted(LISTED)


def test_files_and_tests_of_the_settings_are_there() -> None:
    for pattern in SETTINGS["only_mutate"]:
        assert list(ROOT.glob(pattern)), pattern
    selection = SETTINGS["pytest_add_cli_args_test_selection"]
    for path in (part for part in selection if part.startswith("tests/")):
        assert (ROOT / path).exists(), path


def test_survivors_are_read_from_what_mutmut_prints() -> None:
    printed = """
    gegcore.groups.x__all_images__mutmut_35: survived
    gegcore.groups.x_similar_groups__mutmut_2: timeout
    gegcore.rewards.text.xǁTextRewardǁ__init____mutmut_3: no tests
    gegcore.gap.x_group_embedding_gap__mutmut_1: not checked
"""
    found = [mutants.function_of(name) for name in mutants.survivors(printed)]
    assert found == ["gegcore.groups._all_images", "gegcore.rewards.text.TextReward.__init__"]
    row = "| `gegcore.groups._all_images` | 4 | as stable on a CPU |\n"
    assert mutants.listed(row) == {"gegcore.groups._all_images": (4, "as stable on a CPU")}
    alive = [f"gegcore.groups.x__all_images__mutmut_{n}" for n in range(5)]
    assert mutants.unlisted(alive[1:], mutants.listed(row)) == []
    assert mutants.unlisted(alive, mutants.listed(row)) == alive
    assert mutants.unlisted(alive[:1], {}) == alive[:1]


def test_how_to_cite_names_this_version_and_the_paper() -> None:
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert cited["version"] == __version__ and cited["license"] == "MIT"
    paper = cited["preferred-citation"]
    assert paper["title"] in (ROOT / "README.md").read_text(encoding="utf-8").replace("\n", " ")
    assert [author["family-names"] for author in paper["authors"]] == ["Zhang", "Wang", "Wu", "Xu"]
