"""The sample project, rendered once by Jupyter Book and once by plain Sphinx; a server."""

from __future__ import annotations

import functools
import http.server
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sample_book import BOOK, REPOSITORY, Book, make_project

from bookkit.book import build_html, render
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


@pytest.fixture(scope="session")
def plain(book: Book, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Book]:
    """The same sources by plain Sphinx, of a project that has an address on the web."""
    cited = book.root / "CITATION.cff"
    before = cited.read_text(encoding="utf-8")
    cited.write_text(f"{before}repository-code: {REPOSITORY}\nurl: {BOOK}\n", encoding="utf-8")
    try:
        html = build_html(book.root, book.root / "plain.txt", plain=True)
    finally:
        cited.write_text(before, encoding="utf-8")
    kept = tmp_path_factory.mktemp("plain") / "html"
    shutil.move(html, kept)
    yield Book(book.root, Path(kept), book.profile)


@pytest.fixture(params=["book", "plain"], ids=["jupyter-book", "plain-sphinx"])
def built(request: pytest.FixtureRequest) -> Book:
    return request.getfixturevalue(request.param)


@pytest.fixture(scope="session")
def address(book: Book) -> Iterator[str]:
    """The book on a local web server, as a reader would have it."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: Any) -> None:
            pass

    handler = functools.partial(Quiet, directory=str(book.html))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
