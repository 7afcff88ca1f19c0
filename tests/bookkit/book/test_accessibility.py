"""Every page by axe-core, on a desk in light and on a phone in dark; what is serious fails."""

from __future__ import annotations

import re
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from sample_book import CHECKOUT, Book

PAGES = re.findall(r"(?:file|root): (\S+)", (CHECKOUT / "_toc.yml").read_text())
PAGES += ["book/generated/runs/00-transformer-mle-seed1", "search", "genindex"]
SERIOUS = ("serious", "critical")


@pytest.mark.browser
@pytest.mark.parametrize(("width", "mode"), [(1280, "light"), (390, "dark")])
@pytest.mark.parametrize("page", PAGES)
def test_axe_finds_nothing_serious(
    browser: Any, book: Book, page: str, width: int, mode: str
) -> None:
    view = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=mode)
    view.add_init_script(f"localStorage.setItem('mode', '{mode}')")
    view.goto((book.html / f"{page}.html").as_uri(), wait_until="load")
    assert view.evaluate("document.documentElement.dataset.theme") == mode
    found = Axe().run(view, options={"resultTypes": ["violations"]}).response["violations"]
    view.close()
    said = [
        f"{each['id']}: {node['target']}: {node['failureSummary']}"
        for each in found
        if each["impact"] in SERIOUS
        for node in each["nodes"]
    ]
    assert said == []


@pytest.mark.browser
def test_axe_finds_what_is_wrong(browser: Any) -> None:
    view = browser.new_page()
    view.set_content("<html lang='en'><title>t</title><main><img src='x.png'><button></button>")
    found = Axe().run(view).response["violations"]
    assert {"image-alt", "button-name"} <= {each["id"] for each in found}
    view.close()
