"""The explorer and the slider on a screen, opened as files: what a reader does and sees."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest
from spoken_runs import ENDINGS, ODD, captions, speak

from bookkit.play.explorer import address, write_explorer
from bookkit.play.pictures import Pictures
from emoji_scenes.dataset import ScenesDataset
from gegcore.materials import Materials
from gegcore.profiles import Profile, load_profile

ROOT = Path(__file__).resolve().parents[3]
STATIC = ROOT / "book" / "_static"
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)
PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>page</title>
<meta name="viewport" content="width=device-width">
<link rel="stylesheet" href="book.css"><link rel="stylesheet" href="explorer.css">
<style>body { margin: 8px; background: var(--back, #fff); color: var(--text, #222); }
html[data-theme=dark] { --back: #121212; --text: #ddd; }</style>
<article class="bd-article"><div id="here" class="geg-holder"></div></article>
<script src="explorer-data.js"></script><script src="explorer-view.js"></script>
<script src="NAME.js"></script>
<script>OBJECT.open(document.getElementById("here"), "data/");</script></html>"""
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
PAGES = {"explorer": "gegExplorer", "weights": "gegWeights"}
Open = Callable[..., Any]


@pytest.fixture(scope="module")
def profile() -> Profile:
    return load_profile("smoke")


@pytest.fixture(scope="module")
def world(materials: Materials) -> ScenesDataset:
    data = materials.data["test"]
    assert isinstance(data, ScenesDataset)
    return data


OTHERS: dict[str, dict[str, Any]] = {
    "strongly": {"rewards.geg_avg": 50.0},
    "few": {"group_size": 3},
}
"""Runs of +SCST+GEG with another weight, and with another K."""


def make_pages(
    home: Path, profile: Profile, world: ScenesDataset, others: bool = True, scores: bool = True
) -> Path:
    """Both pages beside their data, of three stages and, if wanted, `OTHERS`."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GEGCORE_HOME", str(home))
        for objective, cider in zip(ENDINGS, (100.0, 120.0, 90.0), strict=True):
            speak(profile, world, objective, scores=scores, CIDEr=cider)
        for variant, changes in OTHERS.items() if others else ():
            other = profile.changed("transformer", "scst_geg", **changes)
            speak(other, world, "scst_geg", variant=variant, CIDEr=40.0, **{"R@1": 50.0})
        write_explorer(profile, home / "page" / "data")
    for name, made in PAGES.items():
        text = PAGE.replace("NAME", name).replace("OBJECT", made)
        (home / "page" / f"{name}.html").write_text(text)
    for file in (*STATIC.glob("explorer*"), STATIC / "weights.js", STATIC / "book.css"):
        shutil.copy(file, home / "page")
    return home / "page"


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


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine: install one to open the pages")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield started
        started.close()


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


def field(page: Any, name: str) -> Any:
    return page.locator(f".geg-field-{name} :is(select, input)")


def listed(page: Any) -> list[int]:
    """Numbers of the pictures in the list, from 1."""
    keys = page.locator(".geg-items button").evaluate_all("all => all.map(x => x.dataset.key)")
    return [int(key.removeprefix("pick")) + 1 for key in keys]


@pytest.mark.browser
def test_search_finds_words_that_begin_so(opened: Open, world: ScenesDataset) -> None:
    page = opened(hash="#from=mle&to=scst")
    page.get_by_label("Words in the captions").fill("RED ball")
    said = captions(world, "scst")
    words = [text.lower().split() for text in said.values()]
    wanted = [
        n + 1
        for n, text in enumerate(words)
        if all(any(w.startswith(start) for w in text) for start in ("red", "ball"))
    ]
    assert listed(page) == wanted[:24]
    page.get_by_label("Words in the captions").fill("zyzzyva")
    assert listed(page) == [] and page.get_by_text("No picture: ask for less.").is_visible()
    page.get_by_role("button", name="clear filters").click()
    assert f"{len(said)} of {len(said)} pictures" in page.get_by_role("status").inner_text()


@pytest.mark.browser
def test_filters_go_by_rank_and_gap(opened: Open, world: ScenesDataset) -> None:
    page, count = opened(hash="#from=scst&to=scst_geg"), len(world.records)
    found = {}
    for only in ("better", "worse", "found", "lost"):
        field(page, "only").select_option(only)
        found[only] = page.get_by_role("status").inner_text().split(" of ")[0]
    half = (str(-(-count // 2)), str(count // 2))
    assert found == {"better": half[0], "found": half[0], "worse": half[1], "lost": "0"}
    field(page, "only").select_option("")
    field(page, "rank").fill("4")
    assert listed(page) == []
    field(page, "rank").fill("3")
    assert listed(page) == [n for n in range(1, count + 1) if n % 2][:24]
    field(page, "rank").fill("")
    field(page, "average").fill("0.11")
    assert listed(page) == []
    field(page, "average").fill("0.1")
    assert len(listed(page)) == 24
    field(page, "sort").select_option("worse")
    assert listed(page)[:3] == [2, 4, 6]


@pytest.mark.browser
def test_facts_are_found_by_kind_and_truth(opened: Open, world: ScenesDataset) -> None:
    """All but the first caption add a red kite, which is nowhere or in a few pictures."""
    page = opened(hash="#from=mle&to=scst_geg,beta=50")
    kites = {
        n + 1
        for n, record in enumerate(world.records)
        if any(thing["entity"] == "kite" for thing in (record.scene or {})["things"])
    }
    field(page, "kind").select_option("thing")
    field(page, "truth").select_option("true")
    assert set(listed(page)) <= kites
    field(page, "truth").select_option("false")
    assert not {*listed(page)} & kites and listed(page)
    chips = page.locator(".geg-facts").first.locator("li").all_inner_texts()
    assert any(text.startswith("object kite") and text.endswith("false") for text in chips)
    field(page, "kind").select_option("mood")
    assert listed(page) == []


@pytest.mark.browser
def test_words_that_came_and_went_are_marked(opened: Open, world: ScenesDataset) -> None:
    page = opened(hash="#from=scst&to=scst_geg&picture=2")
    first = world.records[1].captions[0]
    said = page.locator(".geg-two .geg-captions dd")
    texts = [" ".join(text.split()) for text in said.all_inner_texts()]
    assert texts == [
        *world.records[1].captions[:2],
        f"{first} in a park rank 4",
        f"{first} with a red kite rank 8",
    ]
    assert " ".join(said.nth(2).locator("del").all_inner_texts()).split() == ["in", "park"]
    assert " ".join(said.nth(3).locator("ins").all_inner_texts()).split() == ["with", "red", "kite"]
    stages = page.locator(".geg-stages tbody tr")
    assert stages.locator("th").all_inner_texts()[:3] == ["MLE", "+SCST", "+SCST+GEG"]
    assert "+0.124" in stages.nth(2).inner_text() and "\u22120.123" in stages.nth(2).inner_text()
    minus = stages.nth(2).locator(".geg-minus").bounding_box()
    plus = stages.nth(2).locator(".geg-plus").bounding_box()
    assert minus["width"] == pytest.approx(plus["width"], rel=0.05) and plus["width"] > 5


@pytest.mark.browser
def test_an_address_brings_back_the_view(opened: Open, folder: Path) -> None:
    page = opened()
    field(page, "from").select_option("mle")
    field(page, "only").select_option("better")
    field(page, "sort").select_option("places")
    page.get_by_label("Words in the captions").fill("a")
    page.locator(".geg-items button").nth(2).click()
    before, chosen = page.get_by_role("status").inner_text(), listed(page)
    kept = page.url
    assert page.get_by_role("link", name="link to this view").evaluate("a => a.href") == kept
    fields = parse_qs(kept.partition("#")[2])
    assert fields["picture"] == [str(chosen[2])] and fields["sort"] == ["places"]
    other = opened(hash="#" + kept.partition("#")[2])
    assert other.get_by_role("status").inner_text() == before and listed(other) == chosen
    assert field(other, "words").input_value() == "a"
    page.locator(".geg-items button").nth(4).click()
    assert f"picture {chosen[4]}" in page.get_by_role("status").inner_text()
    page.go_back()
    page.wait_for_function(
        "text => document.querySelector('[role=status]').innerText === text", arg=before
    )
    page.evaluate("location.hash = '#from=scst&to=mle&picture=5'")
    page.wait_for_function("document.querySelector('.geg-one b').innerText === 'picture 5'")
    assert field(page, "from").input_value() == "scst" and field(page, "to").input_value() == "mle"


@pytest.mark.browser
def test_an_address_may_say_anything(opened: Open) -> None:
    odd = "#of=constructor&model=__proto__&seed=x&from=toString&only=constructor&sort=valueOf"
    page = opened(hash=odd + "&rank=abc&picture=-1&words=%3Cimg%3E")
    assert page.get_by_role("status").inner_text().startswith("1 of ")
    assert field(page, "from").input_value() == "scst"


@pytest.mark.browser
def test_captions_are_text(opened: Open) -> None:
    page = opened(hash="#from=scst&to=scst_geg&picture=1")
    assert ODD in " ".join(page.locator(".geg-two dd").last.inner_text().split())
    assert ODD in page.locator(".geg-stages").inner_text()
    page.wait_for_timeout(200)
    assert page.evaluate("window.pwned") is None and page.locator("img, .geg-two dd b").count() == 0


@pytest.mark.browser
def test_keys_lead_through_what_was_found(opened: Open) -> None:
    page = opened(hash="#from=scst&to=scst_geg&only=better")
    page.get_by_role("button", name="next", exact=True).focus()
    shown = []
    for key in ("ArrowRight", "Enter", "ArrowLeft"):
        page.keyboard.press(key)
        shown.append(page.locator(".geg-one b").first.inner_text())
    assert shown == ["picture 3", "picture 5", "picture 3"]
    field(page, "words").focus()
    page.keyboard.press("ArrowRight")
    assert page.locator(".geg-one b").first.inner_text() == "picture 3"
    page.locator(".geg-items button").nth(3).focus()
    page.keyboard.press("Enter")
    assert page.locator(".geg-one b").first.inner_text() == "picture 7"
    assert page.evaluate("document.activeElement.dataset.key") == "pick6"
    names = page.locator("button, a, input, select").evaluate_all(
        "all => all.map(x => x.innerText || x.labels[0].innerText)"
    )
    assert all(names)


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
def test_of_photographs_there_are_captions_and_numbers_alone(
    opened: Open, materials: Materials, profile: Profile, world: ScenesDataset, tmp_path: Path
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Pictures, "of_scenes", lambda profile: None)
        photographs = make_pages(tmp_path, profile, world)
    assert not list((photographs / "data").glob("sheet*"))
    page = opened(hash="#from=scst&to=scst_geg&picture=2", folder=photographs)
    said = page.locator(".geg-two .geg-captions dd").all_inner_texts()
    assert len(said) == 2 and "rank 8" in said[1]
    assert page.locator(".geg-thumb, .geg-near, .geg-facts").count() == 0
    assert not field(page, "kind").is_visible() and field(page, "rank").is_enabled()
    other = opened("weights", folder=photographs)
    other.get_by_text("picture 2", exact=True).wait_for()


@pytest.mark.browser
def test_runs_without_values_of_captions_say_so(
    opened: Open, homes: list[Path], profile: Profile, world: ScenesDataset
) -> None:
    page = opened(folder=make_pages(homes[2], profile, world, others=False, scores=False))
    assert "not stored with these runs" in page.get_by_role("status").inner_text()
    assert field(page, "rank").is_disabled() and field(page, "kind").is_visible()
    field(page, "only").select_option("better")
    assert listed(page) == []


@pytest.mark.browser
def test_a_run_has_an_address(opened: Open, profile: Profile) -> None:
    there = address(profile, "transformer", "scst_geg", 1)
    page = opened(hash="#" + there.partition("#")[2])
    chosen = [field(page, name).input_value() for name in ("of", "model", "seed", "from", "to")]
    assert chosen == ["smoke", "transformer", "1", "scst", "scst_geg"]
