"""The smallest world, prepared, in a project folder of its own; and pages made of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from explorer_pages import Open, make_pages

from emoji_scenes.dataset import ScenesDataset
from gegcore.materials import Materials
from gegcore.profiles import Profile, load_profile


@pytest.fixture(scope="module")
def materials(
    smoke_artifacts: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Materials]:
    home = tmp_path_factory.mktemp("home")
    (home / "artifacts").symlink_to(smoke_artifacts)
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setenv("GEGCORE_HOME", str(home))
        yield Materials.of(load_profile("smoke"))


@pytest.fixture(scope="module")
def profile() -> Profile:
    return load_profile("smoke")


@pytest.fixture(scope="module")
def world(materials: Materials) -> ScenesDataset:
    data = materials.data["test"]
    assert isinstance(data, ScenesDataset)
    return data


@pytest.fixture(scope="module")
def homes(materials: Materials, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Project folders with the prepared world and no runs."""
    found = [tmp_path_factory.mktemp("pages") for _ in range(3)]
    for home in found:
        (home / "artifacts").symlink_to(materials.folder.parent)
    return found


@pytest.fixture(scope="module")
def folder(homes: list[Path], world: ScenesDataset, profile: Profile) -> Path:
    return make_pages(homes[0], profile, world)


@pytest.fixture
def opened(browser: Any, folder: Path) -> Iterator[Open]:
    """Opens a page as a file; in the end no error was logged and nothing asked of elsewhere."""
    contexts: list[Any] = []
    wrong: list[str] = []

    def open_page(
        name: str = "explorer",
        hash: str = "",
        width: int = 1000,
        folder: Path = folder,
        wait: str = "[role=status]",
        quiet: bool = True,
    ) -> Any:
        contexts.append(browser.new_context(viewport={"width": width, "height": 900}))
        page = contexts[-1].new_page()
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("console", lambda m: wrong.append(m.text) if quiet and m.type == "error" else None)
        page.on("request", lambda r: None if r.url.startswith("file:") else wrong.append(r.url))
        page.goto((folder / f"{name}.html").as_uri() + hash)
        page.locator(wait).first.wait_for()
        return page

    yield open_page
    assert wrong == []
    for context in contexts:
        context.close()
