"""What notebooks show with a helper: figures in one style, described; pictures and captions."""

from __future__ import annotations

import base64
import html
import re
import xml.etree.ElementTree as ElementTree
from types import SimpleNamespace
from typing import Any, cast

import matplotlib.pyplot as plt
import numpy as np
import pytest
from synthetic_runs import Project

from bookkit.report import captions
from bookkit.report.style import COLOURS, MARKERS, Panel, panel, panels, use_style
from emoji_scenes.dataset import ScenesDataset
from emoji_scenes.scenes.painter import paint
from gegcore.training.config import OBJECTIVES


def luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_objectives_differ_in_colour_and_marker_and_stand_out_on_white() -> None:
    assert COLOURS.keys() == MARKERS.keys() == OBJECTIVES.keys()
    assert len(set(COLOURS.values())) == len(COLOURS) == len(set(MARKERS.values()))
    for colour in COLOURS.values():
        assert 1.05 / (luminance(colour) + 0.05) >= 3  # WCAG 1.4.11


def test_the_same_figure_gives_the_same_file() -> None:
    def draw() -> bytes:
        with panel("t", "x", "y") as (figure, axes):
            axes.plot([0, 1])
        return Panel(figure, "a line").svg()

    assert draw() == draw()


def test_a_notebook_shows_a_figure_once_and_described() -> None:
    with plt.rc_context():
        use_style()
        figure, axes = plt.subplots()
        axes.plot([0, 1])
        shown = Panel(figure, 'a "line"')
    assert not plt.get_fignums()  # the notebook has nothing left to show by itself
    page = shown._repr_html_()
    assert page == panels([shown])._repr_html_()
    ((svg, alt),) = re.findall(r'src="data:image/svg\+xml;base64,([^"]+)" alt="([^"]*)"', page)
    assert html.unescape(alt) == 'a "line"'
    ElementTree.fromstring(base64.b64decode(svg))


def test_scenes_are_painted_for_the_page_and_photographs_stay_as_they_are() -> None:
    scenes = ScenesDataset("test", 3)
    (large,) = captions.sharp(scenes, [2])
    assert large.shape == (captions.SIDE, captions.SIDE, 3)
    half = large.reshape(captions.SIDE // 2, 2, -1, 2, 3).mean((1, 3))
    small = paint(scenes.scene(2), captions.SIDE // 2)
    assert abs(half - small).mean() < 8  # the same scene
    photographs = SimpleNamespace(images=lambda positions: np.full((len(positions), 9, 7, 3), 5))
    assert [one.shape for one in captions.sharp(cast(Any, photographs), [0, 4])] == [(9, 7, 3)] * 2


def test_marked_words_are_the_new_ones() -> None:
    said = captions.marked(
        "A glass vase filled with pink roses on a table", "A vase filled with flowers on a table"
    )
    assert said == "A <b>glass</b> vase filled with <b>pink</b> <b>roses</b> on a table"
    assert captions.marked("a dog on a <hill>", "a dog") == "a dog on a <b>&lt;hill&gt;</b>"
    assert "<b>" not in captions.marked("the dog on a hill", "a hill with the dog")


def test_pictures_are_described_whatever_stands_below(project: Project) -> None:
    page = captions.contact_sheet(project.dataset, [2, 0], ["0.1", "<0.2>"]).body
    assert re.findall("<figcaption>(.*?)</figcaption>", page) == ["0.1", "&lt;0.2&gt;"]
    alts = [html.unescape(alt) for alt in re.findall('alt="([^"]*)"', page)]
    assert alts == [project.dataset.records[i].captions[0] for i in (2, 0)]
    below = re.findall(
        "<figcaption>(.*?)</figcaption>", captions.contact_sheet(project.dataset, [2]).body
    )
    assert [html.unescape(text) for text in below] == alts[:1]


def test_groups_never_show_the_target_twice(project: Project) -> None:
    page = captions.group_strip(project.dataset, project.groups, 0).body
    assert page.count("geg-own") == page.count("Target image: ") == 1
    assert page.count("Similar image: ") == page.count("s = ") == project.groups.k
    scores = [float(score) for score in re.findall(r"s = (-?[\d.]+)", page)]
    assert scores == pytest.approx(project.groups.score[0].tolist(), abs=5e-4)
    gallery = captions.group_gallery(project.dataset, project.groups, [0, 1])
    assert gallery.body.count('class="geg-card"') == 2


def test_drawn_positions_are_distinct_and_fixed() -> None:
    assert captions.drawn(10, 4) == captions.drawn(10, 4)
    assert sorted(captions.drawn(3, 12)) == [0, 1, 2]
