"""The slider on a screen, opened as a file; and both pages on a phone and in the dark."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import parse_qs

import pytest
from explorer_pages import PAGES, Open, make_pages

from emoji_scenes.dataset import ScenesDataset
from gegcore.profiles import Profile

# Of an element's text on the page's ground, as WCAG has it.
CONTRAST = """x => {
  const linear = (n) => (n <= 0.03928 ? n / 12.92 : ((n + 0.055) / 1.055) ** 2.4);
  const light = (colour) => {
    const [r, g, b] = colour.match(/[\\d.]+/g).slice(0, 3).map((n) => linear(n / 255));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const both = [getComputedStyle(x).color, getComputedStyle(document.body).backgroundColor];
  const [a, b] = both.map(light);
  return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
}"""


@pytest.mark.browser
def test_the_point_moves_and_captions_change_under_it(opened: Open, world: ScenesDataset) -> None:
    page = opened("weights")
    slider, status = page.get_by_role("slider"), page.get_by_role("status")
    slider.focus()
    page.keyboard.press("Home")
    assert "CIDEr 90.0, R@1 10.0" in status.inner_text()
    before = page.locator("circle.now").get_attribute("cx")
    page.get_by_text("with a red kite").first.wait_for()
    page.keyboard.press("ArrowRight")
    assert "beta 50: CIDEr 40.0, R@1 50.0" in status.inner_text()
    assert slider.get_attribute("aria-valuetext") == "beta 50"
    page.get_by_text("strongly").first.wait_for()
    assert float(page.locator("circle.now").get_attribute("cx")) < float(before)
    assert "strongly" in page.locator(".geg-items ins").all_inner_texts()
    other = opened("weights", hash="#" + page.url.partition("#")[2])
    assert "beta 50" in other.get_by_role("status").inner_text()
    first = page.locator(".geg-items li").first.inner_text()
    page.get_by_role("button", name="other pictures").click()
    page.wait_for_function(
        "old => document.querySelector('.geg-items li').innerText !== old", arg=first
    )
    link = page.locator(".geg-items a").first.get_attribute("href")
    assert parse_qs(link.partition("#")[2])["to"] == ["scst_geg,beta=50"]
    choice = page.get_by_label("Runs that differ in")
    (k,) = [
        v for v in choice.locator("option").evaluate_all("x => x.map(o => o.value)") if v[0] == "K"
    ]
    choice.select_option(k)
    slider.focus()
    page.keyboard.press("Home")
    assert "K 3: CIDEr 40.0" in status.inner_text()


@pytest.mark.browser
def test_without_other_runs_it_says_what_makes_them(
    opened: Open, homes: list[Path], world: ScenesDataset, profile: Profile
) -> None:
    alone = make_pages(homes[1], profile, world, others=False)
    page = opened("weights", folder=alone, wait=".geg-missing")
    said = page.locator(".geg-missing").all_inner_texts()
    assert "gegcore run --profile smoke --model transformer --objective scst_geg" in said[0]
    assert "-p K 3" in said[1] and page.get_by_role("slider").count() == 0
    (alone / "data" / "index.js").unlink()
    for name in PAGES:
        page = opened(name, folder=alone, wait="text=make book", quiet=False)


@pytest.mark.browser
@pytest.mark.parametrize("name", PAGES)
def test_pages_fit_a_phone_and_the_dark(opened: Open, name: str) -> None:
    page = opened(name, width=390)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    light = page.locator("ins").first.evaluate("x => getComputedStyle(x).color")
    page.evaluate("document.documentElement.dataset.theme = 'dark'")
    dark = page.locator("ins").first.evaluate("x => getComputedStyle(x).color")
    assert light != dark

    def contrast(what: str) -> float:
        return float(page.locator(what).first.evaluate(CONTRAST))

    for theme in ("dark", "light"):
        page.evaluate(f"document.documentElement.dataset.theme = '{theme}'")
        seen = ["ins", ".geg-lost", *([".geg-false", ".geg-what"] if name == "explorer" else [])]
        assert all(contrast(what) >= 4.5 for what in seen), (theme, [*map(contrast, seen)])
