"""Names of profiles and commands: what is found, and what is said where nothing is."""

from __future__ import annotations

from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from gegcore import registry
from gegcore.errors import ConfigError, MissingDependencyError
from gegcore.metrics.judged import load_judge

OWN = {"cider": 1, "similarity": 2}


@pytest.fixture
def theirs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, with a module of somebody's and one whose import fails."""
    (tmp_path / "theirs_found.py").write_text("class Outer:\n    inner = 7\n\nreward = 5\n")
    (tmp_path / "theirs_broken.py").write_text("import a_package_nobody_has\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_own_names_and_objects_of_modules(theirs: Path) -> None:
    assert registry.find("reward", "cider", OWN) == 1
    assert registry.find("reward", "theirs_found:reward", OWN) == 5
    assert registry.find("reward", "theirs_found:Outer.inner") == 7
    assert registry.module("theirs_found:reward") == "theirs_found"
    assert registry.module("cider", "reward") == ""


@pytest.mark.parametrize(
    ("name", "what", "fix"),
    [
        ("cidre", "unknown reward 'cidre'", "did you mean 'cider'"),
        ("xyz", "unknown reward 'xyz'", "cider, similarity; or give package.module:object"),
        ("theirs_foun:reward", "No module named 'theirs_foun'", "check its module"),
        ("theirs_found:rewards", "no attribute 'rewards'", "check its module and its name"),
        (":reward", "Empty module name", "check its module"),
    ],
)
def test_what_is_not_there_is_named(theirs: Path, name: str, what: str, fix: str) -> None:
    with pytest.raises(ConfigError) as caught:
        registry.find("reward", name, OWN)
    assert what in caught.value.what and fix in caught.value.fix


def test_a_missing_package_is_no_misspelt_name(theirs: Path) -> None:
    with pytest.raises(MissingDependencyError, match="needs the package a_package_nobody_has") as e:
        registry.find("reward", "theirs_broken:reward")
    assert e.value.fix == "pip install a_package_nobody_has"


def test_packages_announce_names(theirs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def announced(group: str) -> list[EntryPoint]:
        entries = {"gegcore.judge": [EntryPoint("mine", "theirs_found:reward", "gegcore.judge")]}
        return entries.get(group, [])

    monkeypatch.setattr(registry, "entry_points", announced)
    assert registry.names("judge", {"own": 1}) == ["own", "mine"]
    assert registry.find("judge", "mine") == 5
    assert registry.module("mine", "judge") == "theirs_found"
    with pytest.raises(ConfigError, match="did you mean 'mine'"):
        registry.find("judge", "nine")


@pytest.mark.parametrize("kind", ["clip", "command", "dataset", "extractor", "judge"])
def test_everything_that_this_project_announces_is_there(kind: str) -> None:
    """The names that its own packages add to gegcore."""
    assert registry.names(kind)
    for entry in registry._announced(kind):
        assert entry.load() is not None


def test_a_judge_is_found_by_name_or_is_a_clip() -> None:
    assert {load_judge(name).name for name in ("scenes-vse", "scenes-siglip")} == {
        "scenes-vse",
        "scenes-siglip",
    }
    with pytest.raises(ConfigError, match="did you mean 'scenes-vse'"):
        load_judge("scenes-vsee")
