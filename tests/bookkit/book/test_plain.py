"""Without Jupyter Book, and with or without an address on the web: what changes, and what not."""

from __future__ import annotations

import html
import re
from pathlib import Path
from typing import Any

import pytest
from sample_book import BOOK, CHECKOUT, REPOSITORY, Book

from bookkit.site import addresses, launchers
from gegcore.errors import ConfigError

PAGES = sorted(re.findall(r"(?:file|root): (\S+)", (CHECKOUT / "_toc.yml").read_text()))
COLAB = "https://colab.research.google.com/github/someone/some-book/blob/main/notebooks/lab/"


def source(book: Book, page: str) -> str:
    return (book.html / f"{page}.html").read_text(encoding="utf-8")


def said(book: Book, page: str) -> list[str]:
    """Words of a page's article."""
    (article,) = re.findall(r"<article.*?</article>", source(book, page), re.S)
    return html.unescape(re.sub(r"<[^>]*>", " ", article)).split()


def links(book: Book, page: str) -> list[str]:
    return re.findall(r'href="(https?://[^"]+)"', source(book, page))


def test_plain_sphinx_says_what_jupyter_book_says(book: Book, plain: Book) -> None:
    for page in PAGES:
        assert said(book, page) == said(plain, page), page
    files = [
        {path.relative_to(each.html) for path in each.html.rglob("*") if path.is_file()}
        for each in (book, plain)
    ]
    assert files[0] == files[1]


def test_a_book_with_an_address_has_buttons_that_lead_to_sources(plain: Book) -> None:
    edits = {page: f"{REPOSITORY}/edit/main/{page}.md" for page in ("book/intro", "book/method")}
    edits["book/generated/04_reward"] = f"{REPOSITORY}/edit/main/notebooks/04_reward.ipynb"
    run = "book/generated/runs/00-transformer-mle-seed1"
    edits[run] = f"{REPOSITORY}/edit/main/notebooks/03_train.ipynb"
    for page, edit in edits.items():
        found = links(plain, page)
        assert {REPOSITORY, edit, f"{COLAB}colab.ipynb"} <= set(found), page
        assert (CHECKOUT / edit.removeprefix(f"{REPOSITORY}/edit/main/")).is_file()
        assert "https://codespaces.new/someone/some-book" in found
        assert not any("/book/generated/" in link for link in found if "github" in link)
    assert (CHECKOUT / "notebooks/lab/colab.ipynb").is_file()
    assert (CHECKOUT / ".devcontainer/devcontainer.json").is_file(), "what Codespaces reads"


def test_a_book_with_an_address_has_previews(plain: Book) -> None:
    text = source(plain, "book/method")
    properties = dict(re.findall(r'<meta property="(og:[^"]+)" content="([^"]+)"', text))
    assert properties["og:image"] == f"{BOOK}/_static/card.png"
    assert properties["og:url"] == f"{BOOK}/book/method.html"
    assert properties["og:title"] == "The method"
    assert (plain.html / "_static/card.png").is_file()
    assert 'name="twitter:card"' in text
    assert f'<link rel="canonical" href="{BOOK}/book/method.html"' in text


def test_a_book_without_an_address_promises_none(book: Book) -> None:
    for page in PAGES:
        text = source(book, page)
        assert 'property="og:title"' in text and 'name="description"' in text
        assert not re.search("og:image|og:url|twitter:|rel=.canonical", text), page
        assert not any(
            part in link for link in links(book, page) for part in ("colab", "codespaces", "/edit/")
        )
        assert "source-repository-button" not in text and "launch-buttons" not in text


def test_addresses_are_those_of_the_citation_file(tmp_path: Path) -> None:
    cited = tmp_path / "CITATION.cff"
    cited.write_text("title: a book\n")
    assert addresses(tmp_path) == ("", "")
    cited.write_text(f"repository-code: {REPOSITORY}/\nurl: {BOOK}/\n")
    assert addresses(tmp_path) == (REPOSITORY, BOOK)
    for wrong in ('https://a.b/"><script>', "javascript:alert(1)", "someone/some-book", "7"):
        cited.write_text(f"repository-code: '{wrong}'\n")
        with pytest.raises(ConfigError, match="CITATION.cff"):
            addresses(tmp_path)


@pytest.mark.parametrize("other", ["", "https://gitlab.com/a/b", "https://github.com/a", 'x"y'])
def test_only_repositories_of_github_have_launchers(other: str) -> None:
    assert launchers(other) == []
    assert len(launchers(REPOSITORY)) == 2


@pytest.mark.browser
@pytest.mark.parametrize("page", ["book/intro", "book/method", "book/play"])
def test_page_of_plain_sphinx_in_a_browser(browser: Any, plain: Book, page: str) -> None:
    view = browser.new_page(viewport={"width": 390, "height": 900})
    asked: list[str] = []
    view.on("request", lambda request: asked.append(request.url))
    view.goto((plain.html / f"{page}.html").as_uri(), wait_until="load")
    assert view.evaluate("document.documentElement.scrollWidth") <= 390
    assert all(url.startswith(("file:", "data:", "blob:")) for url in asked)
    view.close()
