"""Shared by all tests: one thread, and a prepared tiny world built once per session."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest
import torch

from gegcore.profiles import Profile, load_profile

# CI tries the same examples on every machine; elsewhere every run looks for new ones.
hypothesis.settings.register_profile("ci", derandomize=True)
if os.environ.get("CI"):
    hypothesis.settings.load_profile("ci")

os.environ.setdefault("TQDM_MININTERVAL", "60")
torch.set_num_threads(1)


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Bytes do not name tests: those of a zip tell the time, and workers must collect the same."""
    return argname if isinstance(val, bytes) else None


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """A Chromium to open pages in. While it is there, playwright's loop is: `asyncio.run` fails."""
    names = ("chromium", "chromium-browser", "google-chrome")
    found = next(filter(None, map(shutil.which, names)), None)
    if found is None:
        pytest.skip("no Chromium or Chrome on this machine: install one to look at pages")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        arguments = ["--no-sandbox", "--disable-gpu"]
        yield playwright.chromium.launch(executable_path=found, args=arguments)


@pytest.fixture(scope="session")
def smoke_artifacts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`artifacts/` of the smoke profile, made by the real code. Copy it; do not write into it."""
    from gegcore.materials import STAGES, Materials

    home = tmp_path_factory.mktemp("smoke")
    before = os.environ.get("GEGCORE_HOME")
    os.environ["GEGCORE_HOME"] = str(home)
    try:
        materials = Materials.of(load_profile("smoke"))
        for stage in STAGES:
            materials.make(stage)
    finally:
        os.environ.pop("GEGCORE_HOME") if before is None else os.environ.update(GEGCORE_HOME=before)
    return home / "artifacts"


@pytest.fixture
def smoke_home(
    smoke_artifacts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Path]:
    """A fresh project folder with the prepared smoke artifacts and no runs."""
    shutil.copytree(smoke_artifacts, tmp_path / "artifacts")
    monkeypatch.setenv("GEGCORE_HOME", str(tmp_path))
    yield tmp_path


@pytest.fixture
def profile_of(
    smoke_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[str], Profile]:
    """The smoke profile, its prepared data included, and some lines of YAML on top.

    It may name what is in `examples/` and `rivals/`, as a profile in the project's folder may.
    """
    monkeypatch.syspath_prepend(Path(__file__).resolve().parents[1])

    def load(lines: str, name: str = "smoke") -> Profile:
        path = tmp_path / "mine.yaml"
        path.write_text(f"extends: smoke\nname: {name}\n{lines}\n", encoding="utf-8")
        return load_profile(str(path))

    return load
