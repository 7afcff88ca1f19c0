"""The participants' page in a browser: a whole session, by keyboard, on a phone, offline."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from bookkit.study.answers import Answers, read_answers
from bookkit.study.design import Study, read_study
from bookkit.study.kit import write_kit
from emoji_scenes.dataset import ScenesDataset
from gegcore.data.dataset import ImageRecord
from gegcore.errors import ConfigError
from photographs.dataset import Photographs
from photographs.pictures import PictureFiles

CONTACT = "Jo Doe <jo@example.org>"
NO_STORE = "Storage.prototype.setItem = () => { throw new Error('refused'); };"

# Buttons, fields and pictures without a name that a screen reader can say; ids used twice.
UNNAMED = """() => [...document.querySelectorAll('button, input, textarea, summary, progress, img')]
  .filter(one => one.tagName === 'IMG' ? one.getAttribute('alt') === null
    : !(one.ariaLabel || one.textContent.trim() || one.closest('label')?.textContent.trim()))
  .map(one => one.outerHTML)"""
# The ratio of WCAG 2 between two colours as browsers compute them.
CONTRAST = """() => {
  const light = (text) => text.match(/\\d+/g).slice(0, 3).map(x => x / 255)
    .map(x => x <= 0.04045 ? x / 12.92 : ((x + 0.055) / 1.055) ** 2.4)
    .reduce((sum, x, i) => sum + x * [0.2126, 0.7152, 0.0722][i], 0);
  const ground = (one) => { const found = getComputedStyle(one).backgroundColor;
    return found.endsWith(', 0)') && one.parentElement ? ground(one.parentElement) : found; };
  return Math.min(...[...document.querySelectorAll('h1, p, button, li, legend, label')].map(one => {
    const [a, b] = [light(getComputedStyle(one).color), light(ground(one))].sort((x, y) => y - x);
    return (a + 0.05) / (b + 0.05); }));
}"""


@pytest.fixture(scope="module")
def kit(study: Study, world: ScenesDataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("kit")
    write_kit(study, world, CONTACT, folder)
    return folder


@pytest.fixture
def view(browser: Any, kit: Path) -> Iterator[Any]:
    """A fresh browser profile; whatever goes wrong or leaves the folder fails the test."""
    wrong: list[str] = []
    inside = ((kit / "page").as_uri(), "blob:", "data:")
    context = browser.new_context(viewport={"width": 390, "height": 800}, color_scheme="dark")
    page = context.new_page()
    page.on("console", lambda said: wrong.append(said.text) if said.type == "error" else None)
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("request", lambda r: None if r.url.startswith(inside) else wrong.append(r.url))
    yield page
    assert wrong == []
    context.close()


def begin(view: Any, kit: Path, query: str = "") -> None:
    view.goto(f"{(kit / 'page' / 'index.html').as_uri()}{query}")
    view.get_by_role("button", name="take part").click()


def rank(view: Any) -> None:
    """The first ten, by mouse or finger."""
    for tile in view.locator(".grid button").all()[:10]:
        tile.click()
    view.get_by_role("button", name="Next").click()


def compare(view: Any) -> None:
    view.get_by_role("radio", name="A", exact=True).first.check()
    view.get_by_role("radio", name="no difference").last.check()
    view.get_by_role("button", name="Next").click()


def saved(view: Any, button: str, to: Path) -> Answers:
    with view.expect_download() as download:
        view.get_by_role("button", name=button).click()
    download.value.save_as(to / download.value.suggested_filename)
    return Answers.model_validate_json((to / download.value.suggested_filename).read_text())


def press(view: Any, *keys: str) -> None:
    for key in keys:
        view.keyboard.press(key)


@pytest.mark.browser
def test_a_whole_session_by_keyboard(view: Any, kit: Path, study: Study, tmp_path: Path) -> None:
    view.goto((kit / "page" / "index.html").as_uri() + "?form=2")
    assert CONTACT in view.inner_text("main") and "OpenMoji" in view.inner_text("main")
    press(view, "Tab", "Enter")  # consent
    picked = []
    for trial in range(-1, 4):
        if trial < 0:
            press(view, "Tab", "Enter")  # instructions
        assert view.evaluate("document.activeElement.tagName") == "H1"
        press(view, "Tab", "Space", "ArrowRight", "Enter", "ArrowDown", "Enter")
        for _ in range(7):
            press(view, "Tab", "Space")
        assert view.get_by_role("status").inner_text() == "10 of 10 chosen"
        labels = view.locator(".grid button").evaluate_all("all => all.map(x => x.ariaLabel)")
        assert labels[0] == "picture 1, your number 1" and labels[1] == "picture 2, your number 2"
        assert labels[4] == "picture 5, your number 3"  # three columns: below the second
        if trial >= 0:
            assert f"{trial + 1} of 8" in view.inner_text("main")
            sources = view.locator(".grid img").evaluate_all("all => all.map(x => x.src)")
            names = [re.sub(r".*/(\w+)\.webp", r"\1", source) for source in sources]
            picked.append([names[place] for place in (0, 1, 4, 5, 6, 7, 8, 9, 10, 11)])
        while view.evaluate("document.activeElement.textContent") != "Next":
            press(view, "Tab")
        press(view, "Enter")
    press(view, "Tab", "Enter")  # instructions
    for _ in range(5):
        press(view, "Tab", "Space", "Tab", "ArrowLeft", "Tab", "Enter")
    answers = saved(view, "Save the answers", tmp_path)
    found = read_answers(tmp_path, study)
    assert found.answers == [answers] and found.refused == {}
    assert answers.form == 2 and len(answers) == 8
    assert [each.ranking for each in answers.retrieval] == picked
    for pair in answers.comparison:  # the first option; then, from it, one to the left: the last
        assert (pair.accuracy, pair.distinctiveness) == (pair.shown[0], pair.shown[1])
    assert all(each.seconds > 0 for each in answers.retrieval)
    form = study.forms[2]
    assert {each.trial for each in answers.retrieval} == {*form.retrieval}
    assert {each.trial for each in answers.comparison} == {*form.comparison}


@pytest.mark.browser
def test_it_goes_on_after_a_reload(view: Any, kit: Path, tmp_path: Path) -> None:
    begin(view, kit)
    view.get_by_role("button", name="Practise").click()
    for _ in range(3):
        rank(view)
    before = saved(view, "Save the answers so far", tmp_path)
    shown = view.locator(".grid img").evaluate_all("all => all.map(x => x.src)")
    assert "3 of 8" in view.inner_text("main") and len(before) == 2
    view.reload()
    assert "3 of 8" in view.inner_text("main")
    assert view.locator(".grid img").evaluate_all("all => all.map(x => x.src)") == shown
    rank(view)
    after = saved(view, "Save the answers so far", tmp_path)
    assert after.participant == before.participant and after.retrieval[:2] == before.retrieval
    assert len(after) == 3


@pytest.mark.browser
def test_where_nothing_can_be_kept_it_says_so_and_saves(
    view: Any, kit: Path, tmp_path: Path
) -> None:
    view.add_init_script(NO_STORE)
    begin(view, kit)
    assert "does not let the page keep your answers" in view.inner_text("main")
    view.get_by_role("button", name="Practise").click()
    rank(view), rank(view)
    assert len(saved(view, "Save the answers so far", tmp_path)) == 1


@pytest.mark.browser
def test_what_another_study_kept_is_not_taken_over(view: Any, kit: Path) -> None:
    begin(view, kit)
    view.evaluate("""() => { const [key] = Object.keys(localStorage), held = localStorage[key];
      localStorage.clear(); localStorage['study other'] = held; }""")
    view.reload()
    assert view.get_by_role("button", name="take part").is_visible()


@pytest.mark.browser
def test_answers_lack_nothing_before_the_next_trial(view: Any, kit: Path) -> None:
    begin(view, kit)
    view.get_by_role("button", name="Practise").click()
    tiles, status = view.locator(".grid button"), view.get_by_role("status")
    for place in (0, 1, 2, 0):
        tiles.nth(place).click()
    assert tiles.nth(1).get_attribute("aria-label") == "picture 2, your number 1"
    assert tiles.nth(0).get_attribute("aria-pressed") == "false"
    view.get_by_role("button", name="Next").click()
    assert status.inner_text() == "Please choose 8 more"
    for place in range(3, 14):
        tiles.nth(place).click()
    assert status.inner_text() == "10 of 10 chosen"  # the eleventh is not taken
    view.get_by_role("button", name="Next").click()
    for _ in range(4):
        rank(view)
    view.get_by_role("button", name="Practise").click()
    view.get_by_role("radio", name="B", exact=True).first.check()
    view.get_by_role("button", name="Next").click()
    assert view.get_by_role("status").inner_text() == "Please answer both questions"


@pytest.mark.browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1300])
def test_every_screen_fits_and_can_be_read(view: Any, kit: Path, width: int, scheme: str) -> None:
    view.set_viewport_size({"width": width, "height": 900})
    view.emulate_media(color_scheme=scheme)

    def look() -> None:
        assert view.evaluate("document.documentElement.scrollWidth") <= width
        assert view.evaluate(UNNAMED) == []
        assert view.evaluate(CONTRAST) >= 4.5
        assert view.evaluate("document.querySelectorAll('h1').length") == 1
        sizes = view.locator("button").evaluate_all("all => all.map(x => x.offsetHeight)")
        assert min(sizes) >= 44
        view.wait_for_function("[...document.images].every(i => i.complete && i.naturalWidth)")

    view.goto((kit / "page" / "index.html").as_uri())
    look()
    for name in ("take part", "Practise"):
        view.get_by_role("button", name=name).click()
        look()
    for _ in range(5):
        look()
        rank(view)
    look()
    view.get_by_role("button", name="Practise").click()
    for _ in range(5):
        look()
        compare(view)
    look()
    view.get_by_text("No file?").click()
    assert json.loads(view.get_by_role("textbox").input_value())["study"]


@pytest.mark.browser
def test_the_next_person_is_another_participant(view: Any, kit: Path, tmp_path: Path) -> None:
    begin(view, kit)
    view.get_by_role("button", name="Practise").click()
    for _ in range(5):
        rank(view)
    view.get_by_role("button", name="Practise").click()
    for _ in range(5):
        compare(view)
    first = saved(view, "Save the answers", tmp_path)
    view.get_by_role("button", name="Another person").click()
    view.get_by_role("button", name="take part").click()
    view.get_by_role("button", name="Practise").click()
    rank(view), rank(view)
    second = saved(view, "Save the answers so far", tmp_path)
    assert first.participant != second.participant and len(second) == 1


@pytest.mark.browser
def test_sides_and_places_differ_between_participants(browser: Any, kit: Path) -> None:
    seen = set()
    for _ in range(4):
        context = browser.new_context()
        page = context.new_page()
        begin(page, kit, "?form=0")
        page.get_by_role("button", name="Practise").click()
        seen.add(tuple(page.locator(".grid img").evaluate_all("all => all.map(x => x.src)")))
        context.close()
    assert len(seen) == 4


def test_the_page_is_blind_and_whole(kit: Path, study: Study) -> None:
    page = kit / "page"
    assert read_study(kit / "key.json") == study
    assert not (page / "key.json").exists() and (kit / "answers").is_dir()
    pictures = {path.stem for path in (page / "pictures").iterdir()}
    assert pictures == {*study.pictures}
    text = (page / "data.js").read_text()
    assert "wordy" not in text and "terse" not in text
    for path in page.glob("*.*"):
        assert not re.search(r"https?://|@import|url\(", path.read_text()), path


def test_a_key_that_answers_may_need_is_not_written_over(
    kit: Path, study: Study, world: ScenesDataset
) -> None:
    with pytest.raises(ConfigError, match="has a study already"):
        write_kit(study, world, CONTACT, kit)


def test_photographs_are_copied_as_pixels_alone(study: Study, tmp_path: Path) -> None:
    """Longer side 384, upright, in their own shape; where and when they were taken stays behind."""
    exif = Image.Exif()
    exif[0x010F], exif[0x0132] = "a camera", "2020:01:02 03:04:05"
    pixels = np.random.default_rng(0).integers(0, 255, (300, 600, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "one.jpg", exif=exif)
    file = str(tmp_path / "one.jpg")
    records = [ImageRecord(int(image), (), file) for image in study.pictures.values()]
    write_kit(
        study, Photographs("mine", "test", records, PictureFiles(), 64), "Jo", tmp_path / "to"
    )
    for path in (tmp_path / "to" / "page" / "pictures").iterdir():
        with Image.open(path) as copied:
            assert copied.size == (384, 192) and not copied.getexif()
        assert b"a camera" not in path.read_bytes()
