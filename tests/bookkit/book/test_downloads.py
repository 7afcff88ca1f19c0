"""Tables as CSV and plots as PNG and SVG, made in the page of what it shows."""

from __future__ import annotations

import io
import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from matplotlib.figure import Figure
from PIL import Image
from sample_book import CHECKOUT

from bookkit.report.page import styled
from bookkit.report.style import Panel, panels

TABLE = pd.DataFrame(
    {"R@1": ["25.1\n[24.0, 26.2]", "\N{MINUS SIGN}1.0\n[\N{MINUS SIGN}2.0, 0.5]"], "n": [1000, 7]},
    pd.MultiIndex.from_tuples([("here", "+SCST"), ("here", 'a "b", c')]),
)


@pytest.fixture
def page(browser: Any, tmp_path: Path) -> Any:
    figure = Figure(figsize=(2, 1))
    figure.add_subplot().plot([0, 1], [1, 0])
    body = styled(TABLE, "Some numbers.") + panels([Panel(figure, "A line falls.")])
    shutil.copy(CHECKOUT / "book" / "_static" / "downloads.js", tmp_path)
    script = '<!doctype html><meta charset="utf-8"><script src="downloads.js"></script>'
    (tmp_path / "results.html").write_text(script + body._repr_html_(), encoding="utf-8")
    page = browser.new_page()
    page.goto((tmp_path / "results.html").as_uri())
    yield page
    page.close()


def saved(page: Any, name: str) -> tuple[str, bytes]:
    with page.expect_download() as downloading:
        page.get_by_role("button", name=name).click()
    return downloading.value.suggested_filename, Path(downloading.value.path()).read_bytes()


@pytest.mark.browser
def test_a_table_is_its_numbers_with_intervals_in_columns_of_their_own(page: Any) -> None:
    name, content = saved(page, "Table as CSV")
    assert name == "results-table-1.csv"
    read = pd.read_csv(io.BytesIO(content), index_col=[0, 1])
    assert read.columns.to_list() == ["R@1", "R@1 95 %", "n"]
    assert read.index.to_list() == TABLE.index.to_list()
    assert read["R@1"].to_list() == [25.1, -1.0]
    assert read["R@1 95 %"].to_list() == ["[24.0, 26.2]", "[-2.0, 0.5]"]


@pytest.mark.browser
def test_a_plot_is_an_svg_and_a_png_on_white(page: Any) -> None:
    name, content = saved(page, "Figure as SVG")
    assert name == "results-figure-1a.svg" and content.lstrip().startswith(b"<?xml")
    name, content = saved(page, "Figure as PNG")
    with Image.open(io.BytesIO(content)) as image:
        shown = page.evaluate("document.querySelector('img').naturalWidth")
        assert (name, image.width) == ("results-figure-1a.png", 2 * shown)
        assert image.convert("RGB").getpixel((0, 0)) == (255, 255, 255)
