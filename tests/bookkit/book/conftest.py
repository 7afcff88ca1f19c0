"""The sample project, rendered once for all tests of this folder."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sample_book import Book, make_project

from bookkit.book import render
from gegcore.profiles import load_profile


@pytest.fixture(scope="session")
def book(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Book]:
    root = tmp_path_factory.mktemp("book")
    profile = load_profile("smoke")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GEGCORE_HOME", str(root))
        make_project(root, profile)
        front = render(profile, root, root / "log.txt")
        yield Book(root, front.parent, profile)
