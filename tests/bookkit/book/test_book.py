"""The rendered book: strict, offline, with provenance; looked at in a browser at two widths."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import nbformat
import pytest
from finished_runs import write_records
from nbformat.v4 import new_output
from sample_book import CHECKOUT, REVISION, Book, executed, make_project

from bookkit.book import build_html, copy_mathjax, reading_minutes, stage_pages
from bookkit.experiments import experiments
from bookkit.report.frontpage import glance
from bookkit.report.results import Runs
from gegcore.errors import ChecksumError, DataError, GegError
from gegcore.profiles import load_profile
from gegcore.runs import RunFolder
from gegcore.storage import write_json

RUNS = tuple(
    f"book/generated/runs/{number:02}-{run}"
    for number, run in enumerate(experiments(load_profile("smoke")))
)
CONTENTS = tuple(re.findall(r"(?:file|root): (\S+)", (CHECKOUT / "_toc.yml").read_text()))
FRONT, *PAGES = CONTENTS
EXECUTED = (*(page for page in PAGES if page.startswith("book/generated/")), *RUNS)
SOURCES = {page: CHECKOUT / f"{page}.md" for page in CONTENTS if page not in EXECUTED}
DRAWN = [page for page, source in SOURCES.items() if ".svg" in source.read_text()]
MODELS = [page for page in DRAWN if page.startswith("book/models/")]
WIDTHS = (1300, 390)


def html_of(book: Book, page: str) -> str:
    return (book.html / f"{page}.html").read_text()


def test_every_page_is_there_and_linked(built: Book) -> None:
    menu = html_of(built, FRONT)
    for page in PAGES:
        assert (built.html / f"{page}.html").is_file()
        assert page.removeprefix("book/") + ".html" in menu
    for page in RUNS:
        assert page.removeprefix("book/") + ".html" in html_of(built, "book/runs")


def test_every_link_inside_the_book_leads_somewhere(built: Book) -> None:
    """What a cell prints is no source that Sphinx would resolve: such links are to .html."""
    for page in built.html.rglob("*.html"):
        for target in re.findall(r"<a\b[^>]*?\bhref=\"([^\"#?:]+)[\"#?]", page.read_text()):
            assert (page.parent / unquote(target)).exists(), (page.name, target)


def test_every_hand_written_page_is_in_the_contents() -> None:
    written = [path for path in (CHECKOUT / "book").rglob("*.md") if "generated" not in path.parts]
    assert {path.relative_to(CHECKOUT).with_suffix("").as_posix() for path in written} <= set(
        CONTENTS
    )


def test_nothing_is_loaded_from_elsewhere(built: Book) -> None:
    loading = re.compile(
        r"<(?:script|img|iframe|source|video|audio|link(?! rel=.canonical))\b[^>]*?"
        r"(?:src|href)=[\"'](?:https?:)?//[^\"']+"
    )
    for page in built.html.rglob("*.html"):
        assert loading.findall(page.read_text()) == [], page
    for style in built.html.rglob("*.css"):
        assert not re.search(r"(@import|url\()\s*[\"']?https?://", style.read_text()), style


def test_pages_say_where_they_come_from(built: Book) -> None:
    for page in EXECUTED:
        text = html_of(built, page)
        assert re.search(r"<b>reading</b> \d+ min", text)
        assert "2026-01-02 03:04 UTC" in text
        assert REVISION[:8] in text


def test_minutes_of_reading_are_those_of_words_and_outputs() -> None:
    page = executed("Title", "word " * 389)
    assert len(page.cells[0].source.split()) == 400 and reading_minutes(page) == 2
    assert reading_minutes(executed("Title")) == 1
    page.cells += [page.cells[-1]] * 5
    assert reading_minutes(page) == 3
    told = new_output("display_data", data={"text/markdown": "word " * 400})
    page.cells[-1].outputs.append(told)
    assert reading_minutes(page) == 3 + 6 * 2  # one and the same cell, six times


def test_a_page_shows_what_it_ran_with_and_not_the_defaults(book: Book) -> None:
    for page in EXECUTED:
        cells = nbformat.read(book.root / f"{page}.ipynb", as_version=4).cells
        named = [cell.source for cell in cells if "profile = " in cell.source]
        assert named == ["# Which profile.\nprofile = 'smoke'\nfew = [3, 4]"], page


def test_training_pages_are_named_after_their_runs_in_order(built: Book) -> None:
    listed = re.findall(r"Transformer[^<]*, seed 1", html_of(built, "book/runs"))
    names = list(dict.fromkeys(listed))
    assert names == [
        "Transformer MLE, seed 1",
        "Transformer+SCST, seed 1",
        "Transformer+SCST+GEG, seed 1",
    ]


def test_progress_bars_stay_out_of_the_pages(built: Book) -> None:
    for page in EXECUTED:
        text = html_of(built, page)
        assert "printed" in text and "1/10 [" not in text


def test_front_page_numbers_are_those_of_the_runs(book: Book, monkeypatch: Any) -> None:
    monkeypatch.setenv("GEGCORE_HOME", str(book.root))
    runs = Runs.of(book.profile)
    text = glance(runs)
    for run in runs.folders.values():
        assert f"<td>{run.metrics()['CIDEr']['value']:.1f}</td>" in text
    assert text in html_of(book, "book/intro").replace("&#39;", "'")


def test_front_page_shows_the_method_with_one_picture_and_two_captions(book: Book) -> None:
    text = html_of(book, "book/intro")
    assert text.count('alt="Similar image: ') == book.profile.group_size
    assert text.count('alt="Target image: ') == 2  # large, and among its group
    for label in ("+SCST", "+SCST+GEG"):  # no +SCST++ in this profile
        assert f"<b>{label}</b> " in text
    assert "retrieves its picture" in text and "rank of its picture: " in text
    assert '<th scope="col">GEG-Avg</th>' in text


def test_front_page_says_what_came_out_beside_the_paper(book: Book) -> None:
    text = re.sub(r"\s+", " ", html_of(book, "book/intro"))
    assert "<td>19.6 \N{RIGHTWARDS ARROW} 25.1</td>" in text
    assert 'GEG raises R@1: <span class="geg-pill geg-' in text


def test_equations_stand_beside_the_code(built: Book) -> None:
    text = html_of(built, "book/method")
    for name in ("similarity", "similar_groups", "group_embedding_gap", "self_critical_loss"):
        assert re.search(rf'<span class="nf">{name}</span>', text)


def test_pages_of_models_show_a_drawing_and_code(built: Book) -> None:
    assert MODELS
    for page in MODELS:
        text = html_of(built, page)
        assert re.search(r'<svg [^>]*class="geg-diagram"[^>]*aria-label="([^"]+)"', text), page
        folds = re.findall(r'<summary class="sd-summary-title[^"]*">', text)
        assert len(folds) >= text.count('<div class="math notranslate') > 2
        assert text.count('<span class="linenos">') > 10


def test_citations_are_numbers(built: Book) -> None:
    cited = re.findall(
        r'class="bibtex reference internal"[^>]*>(.*?)</a>|\[<a[^>]*>(\d+)</a>\]',
        html_of(built, "book/method"),
    )
    assert cited


def test_a_warning_fails_the_build_and_the_old_book_stays(book: Book, tmp_path: Path) -> None:
    front = book.root / "book" / "intro.md"
    before = front.read_text()
    old = (book.html / "index.html").read_text()
    front.write_text(before + "\n[nowhere](no-such-page.md) {cite}`nobody1900`\n")
    try:
        with pytest.raises(GegError) as caught:
            build_html(book.root, tmp_path / "log.txt")
    finally:
        front.write_text(before)
    assert "no-such-page" in str(caught.value)
    assert "nobody1900" in str(caught.value)
    assert (book.html / "index.html").read_text() == old
    assert "no-such-page" in (tmp_path / "log.txt").read_text()


def test_missing_page_is_an_error_that_names_it(
    tmp_path: Path, book: Book, monkeypatch: Any
) -> None:
    make_project(tmp_path, book.profile)
    monkeypatch.setenv("GEGCORE_HOME", str(tmp_path))
    page = min((tmp_path / "artifacts" / "smoke" / "pages").glob("*.ipynb"))
    page.unlink()
    with pytest.raises(DataError, match=page.stem):
        stage_pages(book.profile, tmp_path)


def test_page_without_title_and_unfinished_run_are_errors(
    tmp_path: Path, book: Book, monkeypatch: Any
) -> None:
    make_project(tmp_path, book.profile)
    monkeypatch.setenv("GEGCORE_HOME", str(tmp_path))
    page = min((tmp_path / "artifacts" / "smoke" / "pages").glob("*.ipynb"))
    untitled = executed("Start")
    untitled.cells[0].source = "no title"
    nbformat.write(untitled, str(page))
    with pytest.raises(DataError, match="title"):
        stage_pages(book.profile, tmp_path)
    nbformat.write(executed("Start"), str(page))
    (tmp_path / "runs" / "smoke" / "transformer-scst-seed1" / "metrics.json").unlink()
    with pytest.raises(ChecksumError, match="transformer-scst-seed1"):
        stage_pages(book.profile, tmp_path)


def test_glance_says_what_geg_did(tmp_path: Path, book: Book, monkeypatch: Any) -> None:
    monkeypatch.setenv("GEGCORE_HOME", str(tmp_path))
    values = {"mle": 20.0, "scst": 20.0, "scst_geg": 25.0}
    for objective, value in values.items():
        names = ("CIDEr", "R@1", "R@5", "R@10", "GEG-Avg", "GEG-Min")
        metrics = {name: {"value": value, "ci95": [0, 1], "n": 32} for name in names}
        folder = tmp_path / "runs" / "smoke" / f"transformer-{objective}-seed1"
        write_json(folder / "metrics.json", {"metrics": metrics})
        write_records(RunFolder(folder), book.profile, "transformer", objective)
    text = glance(Runs.of(book.profile))
    assert "From +SCST to +SCST+GEG: R@1 20.0 \N{RIGHTWARDS ARROW} 25.0" in text


def test_mathjax_is_one_local_file(tmp_path: Path) -> None:
    copy_mathjax(tmp_path)
    (file,) = tmp_path.iterdir()
    assert file.stat().st_size > 1_000_000


# What is wider than its place, where no shadow says so and no key scrolls it. MathJax keeps a copy
# of each formula for screen readers, which nobody sees.
_CUT_OFF = """() => [...document.querySelectorAll('article *')].filter(e => {
  const style = getComputedStyle(e), over = e.scrollWidth - e.clientWidth;
  return style.display !== 'inline' && e.clientWidth && over > 1 && style.overflowX !== 'visible'
    && !e.closest('mjx-container, .math, pre, .geg-scroll, table table, thead, tbody')
    && !(e.matches('.text_html, .geg-glance, table')
         && getComputedStyle(e).backgroundImage.includes('gradient'));
}).map(e => e.tagName + '.' + e.className)"""
# Row headings that stay in view while a table scrolls: no longer than their column.
_CUT_HEADINGS = """() => [...document.querySelectorAll('.geg-scroll tbody th')].filter(
  e => e.clientWidth && e.scrollWidth > e.clientWidth + 1).map(e => e.textContent)"""


_BROKEN_IMAGES = "[...document.images].filter(i => i.complete && !i.naturalWidth).map(i => i.src)"


# Texts of a drawing that leave it, leave their box, or touch another text, and the smallest letter.
_MISPLACED = """() => {
  const misplaced = [], within = (a, b, gap) => a.left >= b.left - gap && a.right <= b.right + gap
    && a.top >= b.top - gap && a.bottom <= b.bottom + gap;
  for (const svg of document.querySelectorAll('svg.geg-diagram')) {
    const all = [...svg.querySelectorAll('text:not([aria-hidden])')];
    const place = new Map(all.map(text => [text, text.getBoundingClientRect()]));
    for (const text of all) {
      const box = text.closest('.box')?.querySelector('rect:last-of-type') ?? svg;
      const fits = within(place.get(text), box.getBoundingClientRect(), 1);
      if (!fits) misplaced.push(text.textContent);
      for (const other of all) {
        const [a, b] = [place.get(text), place.get(other)];
        const across = Math.min(a.right, b.right) - Math.max(a.left, b.left);
        const down = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
        if (text !== other && across > 1 && down > 4)
          misplaced.push(text.textContent + ' on ' + other.textContent);
      }
    }
  }
  return misplaced;
}"""
_SMALLEST = """() => Math.min(...[...document.querySelectorAll('.geg-diagram text')].map(text =>
  parseFloat(getComputedStyle(text).fontSize) * text.getScreenCTM().a))"""


@pytest.mark.browser
@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("page", DRAWN)
def test_drawing_is_legible(browser: Any, address: str, page: str, width: int) -> None:
    view = browser.new_page(viewport={"width": width, "height": 900})
    view.goto(f"{address}{page}.html", wait_until="load")
    assert view.locator("svg.geg-diagram").count() >= 1
    assert view.evaluate(_MISPLACED) == []
    assert view.evaluate(_SMALLEST) >= 9.5
    view.close()


@pytest.mark.browser
@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("page", (*CONTENTS, RUNS[-1]))
def test_page_in_a_browser(browser: Any, address: str, page: str, width: int) -> None:
    context = browser.new_context(viewport={"width": width, "height": 900})
    view = context.new_page()
    errors: list[str] = []
    outside: list[str] = []
    view.on("console", lambda said: errors.append(said.text) if said.type == "error" else None)
    view.on("pageerror", lambda error: errors.append(str(error)))
    view.on(
        "request",
        lambda r: None if r.url.startswith((address, "data:", "blob:")) else outside.append(r.url),
    )
    view.goto(f"{address}{page}.html", wait_until="load")
    source = view.content()
    if "math notranslate" in source:
        view.wait_for_selector("mjx-container", state="attached", timeout=20_000)
        assert view.locator(".math").count() <= view.locator("mjx-container").count()
    assert view.evaluate("document.documentElement.scrollWidth") <= width
    assert view.evaluate(_BROKEN_IMAGES) == []
    assert view.evaluate(_CUT_OFF) == []
    assert view.evaluate(_CUT_HEADINGS) == []
    assert view.locator("article h1").first.bounding_box()["height"] > 10
    assert errors == []
    assert outside == []
    context.close()


@pytest.mark.browser
def test_captions_of_a_run_are_three_clicks_from_the_front_page(browser: Any, address: str) -> None:
    view = browser.new_page(viewport={"width": 1280, "height": 900})
    view.goto(f"{address}{FRONT}.html", wait_until="load")
    view.locator(".sd-card", has_text="I want to read captions").click()
    view.locator(".geg-items button").first.wait_for()
    view.goto(f"{address}{FRONT}.html", wait_until="load")
    view.get_by_role("link", name="Training runs").first.click()
    view.get_by_role("link", name="Transformer+SCST, seed 1").first.click()
    view.get_by_role("link", name="All its captions").click()
    view.locator(".geg-items button").first.wait_for()
    chosen = [view.locator(f".geg-field-{end} select").input_value() for end in ("from", "to")]
    assert chosen == ["mle", "scst"]
    view.close()
