"""The scorer in a page says what Python says: tokens, embeddings, gaps, ranks, and on a screen."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from bookkit.play.scorer import DATA, text_tower, write_scorer
from gegcore.gap import group_embedding_gap
from gegcore.materials import Materials
from gegcore.metrics.retrieval import retrieval_ranks
from gegcore.profiles import load_profile

ROOT = Path(__file__).resolve().parents[3]
ODD = [
    "",
    "  A   RED\tdog!! ",
    "three dogs' balls aren't red; 12 of 345",
    "caf\N{LATIN SMALL LETTER E WITH ACUTE} \N{SNOWMAN} \N{HIRAGANA LETTER A}",
    "it's we're they've I'd I'll I'm don't",
    "a very long caption " * 20,
    "zyx qqq unheardofword",
    "<|endoftext|> a dog",
    "<end_of_text>, a <start_of_text> dog",
]
PAGE = """<!doctype html><meta charset="utf-8"><div id="here"></div>
<script src="scorer.js"></script>
<script>gegScorer.open(document.getElementById("here"), "scorer-data.js");</script>"""


@pytest.fixture(scope="module")
def page(
    browser: Any, materials: Materials, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Any]:
    """The scorer, loaded by a click, in a page without a server."""
    folder = tmp_path_factory.mktemp("page")
    assert write_scorer(materials.profile, folder) == folder / DATA
    assert (folder / DATA).stat().st_size < 8e6
    shutil.copy(ROOT / "book" / "_static" / "scorer.js", folder)
    (folder / "index.html").write_text(PAGE)
    opened = browser.new_page()
    errors: list[str] = []
    opened.on("pageerror", lambda error: errors.append(str(error)))
    opened.goto((folder / "index.html").as_uri())
    opened.get_by_role("button", name="Load the scorer").click()
    opened.get_by_role("status").wait_for()
    yield opened
    assert errors == []
    opened.close()


@pytest.fixture(scope="module")
def texts(materials: Materials) -> list[str]:
    return [*ODD, *(text for record in materials.data["test"].records for text in record.captions)]


@pytest.mark.browser
def test_tokens_and_embeddings_are_pythons(
    page: Any, materials: Materials, texts: list[str]
) -> None:
    bpe = materials.clip.tokenizer(texts)
    end = materials.clip.tokenizer.eot_token_id
    wanted = [row[: len(row) - row[::-1].index(end)] for row in bpe.tolist()]
    assert page.evaluate("texts => texts.map((text) => gegScorer.tokens(text))", texts) == wanted
    found = torch.tensor(page.evaluate("texts => texts.map((x) => gegScorer.encode(x))", texts))
    assert (found - materials.clip.encode_texts(texts)).abs().max() < 1e-4


@pytest.mark.browser
def test_gaps_and_ranks_are_pythons(page: Any, materials: Materials) -> None:
    table, groups = materials.tables["test"], materials.groups["test"].index
    rows = torch.arange(len(table.images))
    said = [record.captions[1] for record in materials.data["test"].records]
    text = materials.clip.encode_texts(said)
    gap = group_embedding_gap(text, table.images, table.images[groups])
    ranks = retrieval_ranks(text, table.images, rows)
    found = page.evaluate("said => said.map((text, row) => gegScorer.score(text, row))", said)
    for row, one in enumerate(found):
        assert one["average"] == pytest.approx(float(gap.average[row]), abs=1e-4)
        assert one["minimum"] == pytest.approx(float(gap.minimum[row]), abs=1e-4)
        assert one["rank"] == int(ranks[row]) + 1 and one["pictures"] == len(rows)


@pytest.mark.browser
def test_a_reader_types_and_sees(page: Any, materials: Materials) -> None:
    status, field = page.get_by_role("status"), page.get_by_role("textbox")
    before = status.inner_text()
    field.fill("a violin under water")
    assert status.inner_text() != before and "rank" in status.inner_text()
    page.get_by_role("button", name="next").click()
    records = materials.data["test"].records
    assert field.input_value() == records[1].captions[0]
    page.get_by_role("button", name="annotator 2").click()
    assert field.input_value() == records[1].captions[1]
    page.get_by_role("spinbutton").fill("32")
    page.get_by_role("spinbutton").press("Enter")
    assert field.input_value() == records[31].captions[0]
    assert page.locator(".geg-bar img").count() == 1 + materials.profile.group_size
    sizes = page.locator("img").evaluate_all("all => all.map((one) => one.naturalWidth)")
    assert all(size == 192 for size in sizes)


def test_without_the_world_there_is_no_data(tmp_path: Path) -> None:
    (tmp_path / DATA).write_text("old")
    assert write_scorer(load_profile("coco"), tmp_path) is None
    assert not (tmp_path / DATA).exists()


def test_the_text_tower_is_what_is_shipped(materials: Materials) -> None:
    """Matrices come in half precision only because they are shipped so."""
    found, state = text_tower(materials.clip), materials.clip.model.state_dict()
    assert {key for key in state if not key.startswith(("visual", "logit"))} == {*found}
    assert all(torch.equal(tensor.float(), state[key]) for key, tensor in found.items())
    assert found["token_embedding.weight"].dtype == torch.float16
