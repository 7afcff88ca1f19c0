"""The explorer on a screen, opened as a file: what a reader does and sees."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import parse_qs

import pytest
from explorer_pages import Open, field, listed, make_pages
from spoken_runs import ODD, captions

from bookkit.play.explorer import address
from bookkit.play.pictures import Pictures
from emoji_scenes.dataset import ScenesDataset
from emoji_scenes.scenes.graph import SceneGraph
from emoji_scenes.truth import count_truth
from gegcore.materials import Materials
from gegcore.profiles import Profile


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
def test_facts_are_true_where_the_truth_checker_says_so(opened: Open, world: ScenesDataset) -> None:
    count = """async () => { const part = await gegData.load("said-smoke-transformer.js");
      const { pictures } = await gegData.open("data/");
      return part.runs[1].said.map((_, row) => gegData.saying(part, 1, row, pictures.holds).facts)
        .map((facts) => [facts.length, facts.filter((fact) => fact.true).length]); }"""
    scenes = {r.image_id: SceneGraph.from_dict(r.scene or {}) for r in world.records}
    truth = count_truth(captions(world, "scst"), scenes)
    found = opened().evaluate(count)
    assert found == [list(pair) for pair in zip(truth.stated, truth.true, strict=True)]


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
