"""Figures, captions side by side and statistics of the world: right numbers, readable, inlined."""

from __future__ import annotations

import base64
import re
import xml.etree.ElementTree as ElementTree

import torch
from conftest import Project
from synthetic_runs import make_embeddings

from bookkit.report import captions, curves, scores, world
from bookkit.report.page import Html
from bookkit.report.style import COLOURS, MARKERS, Panel, panel
from gegcore.data.vocabulary import Vocabulary
from gegcore.runs import RunFolder

MODEL = "transformer"


def images(page: Html) -> list[tuple[str, bytes]]:
    """(alt text, SVG) of every figure of a page."""
    found = re.findall(
        r'<img src="data:image/svg\+xml;base64,([^"]+)" alt="([^"]*)"[^>]*>', page.body
    )
    return [(alt, base64.b64decode(data)) for data, alt in found]


def check(page: Html, count: int) -> str:
    """Every figure is well-formed SVG with a description; all descriptions joined."""
    pictures = images(page)
    assert len(pictures) == count
    for alt, svg in pictures:
        ElementTree.fromstring(svg)
        assert len(alt) > 20
    return " ".join(alt for alt, _ in pictures)


def luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_objectives_differ_in_colour_and_marker_and_stand_out_on_white() -> None:
    assert len(set(COLOURS.values())) == len(COLOURS) == len(set(MARKERS.values()))
    assert COLOURS.keys() == MARKERS.keys()
    for colour in COLOURS.values():
        assert 1.05 / (luminance(colour) + 0.05) >= 3  # WCAG 1.4.11


def test_the_same_figure_gives_the_same_file() -> None:
    def draw() -> bytes:
        with panel("t", "x", "y") as (figure, axes):
            axes.plot([0, 1])
        return Panel(figure, "a line").svg()

    assert draw() == draw()


def test_learning_curves_and_health(project: Project) -> None:
    project.all_runs()
    mle, geg = (RunFolder.of("smoke", MODEL, name, 1) for name in ("mle", "scst_geg"))
    check(curves.training_report(mle, "mle"), 5)
    said = check(curves.training_report(geg, "scst_geg"), 5 + 4)
    assert "Entropy" in said and "90 at epoch 0, 117 at epoch 3" in said


def test_marked_words_are_the_new_ones() -> None:
    said = captions.marked(
        "A glass vase filled with pink roses on a table", "A vase filled with flowers on a table"
    )
    assert said == "A <b>glass</b> vase filled with <b>pink</b> <b>roses</b> on a table"
    assert captions.marked("a dog on a <hill>", "a dog") == "a dog on a <b>&lt;hill&gt;</b>"
    assert "<b>" not in captions.marked("the dog on a hill", "a hill with the dog")


def test_groups_never_show_the_target_twice(project: Project) -> None:
    page = captions.group_strip(project.dataset, project.groups, 0)
    assert page.body.count("geg-own") == 1
    assert page.body.count("s = ") == project.groups.k
    gallery = captions.group_gallery(project.dataset, project.groups, [0, 1])
    assert gallery.body.count('class="geg-card"') == 2


def test_sampled_captions_are_those_of_the_run(project: Project) -> None:
    project.run("scst")
    run = RunFolder.of("smoke", MODEL, "scst", 1)
    page = captions.sampled_captions(project.profile, run, count=4)
    assert page.body.count("in a park</figcaption>") == 4


def test_drawn_positions_are_distinct_and_fixed() -> None:
    assert captions.drawn(10, 4) == captions.drawn(10, 4)
    assert sorted(captions.drawn(3, 12)) == [0, 1, 2]


def test_score_table_agrees_with_a_direct_computation(project: Project) -> None:
    embeddings = make_embeddings(project.dataset)
    page = scores.score_table(project.dataset, embeddings, project.groups, 2)
    text = embeddings.captions[10]
    own = float(text @ embeddings.images[2])
    group = embeddings.images[project.groups.index[2]] @ text
    for number in (
        f"{own:.3f}",
        f"{own - float(group.mean()):.4f}",
        f"{own - float(group.max()):.4f}",
    ):
        assert number.replace("-", "\N{MINUS SIGN}") in page.body


def test_statistics_of_the_world(project: Project) -> None:
    embeddings = make_embeddings(project.dataset)
    words = [caption for record in project.dataset.records for caption in record.captions]
    vocabulary = Vocabulary.build(words, 1)
    corpus = world.corpus_table({"test": project.dataset}, vocabulary).body
    assert f"<td>{5 * len(project.dataset.records)}</td>" in corpus and "0.00" in corpus
    said = check(world.cosine_scale(embeddings, project.groups), 1)
    assert "own image: mean 0.5" in said or "own image: mean 0.6" in said
    check(world.length_histogram(project.dataset), 1)
    check(world.score_histogram(project.groups), 1)
    check(world.reference_gaps(embeddings, project.groups), 1)
    assert "alt-text" in world.texts_of(project.dataset, 0).body


def test_families_start_with_the_largest(project: Project) -> None:
    sizes: dict[int, int] = {}
    for i in range(len(project.dataset.records)):
        family = project.dataset.scene(i).family
        sizes[family] = sizes.get(family, 0) + 1
    picked = [project.dataset.scene(i).family for i in world.families(project.dataset, 3)]
    assert [sizes[family] for family in picked] == sorted(sizes.values(), reverse=True)[:3]


def test_family_table_against_a_loop(project: Project) -> None:
    scenes = [project.dataset.scene(i) for i in range(len(project.dataset.records))]
    pairs = [(i, j) for i, row in enumerate(project.groups.index.tolist()) for j in row]
    same = sum(scenes[i].setting == scenes[j].setting for i, j in pairs) / len(pairs)
    body = world.family_table(project.dataset, project.groups).body
    row = next(line for line in body.split("<tr>") if ">same setting<" in line)
    assert f"<td>{100 * same:.1f}</td>" in row


def test_recall_intervals_draw_captions_of_an_image_together() -> None:
    ranks = torch.tensor([0, 0, 9, 9, 9, 9])
    owner = torch.tensor([0, 0, 1, 1, 2, 2])
    first = world.recall_cells(ranks, owner)[0]
    assert first.text == "33.3" and first.small == "[0.0, 100.0]"
