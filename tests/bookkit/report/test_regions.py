"""Pictures with regions, edges and words: what is drawn is what captioners get."""

from __future__ import annotations

import base64
import html
import re
import xml.etree.ElementTree as ElementTree

import pytest
from conftest import Project

from bookkit.report.regions import words_and_regions
from emoji_scenes.vision.detector import RegionExtractor, load_extractor
from gegcore.data.relations import RELATIONS
from gegcore.errors import ConfigError


@pytest.fixture(scope="module")
def extractor() -> RegionExtractor:
    return load_extractor()


def test_what_is_drawn_is_what_captioners_get(project: Project, extractor: RegionExtractor) -> None:
    positions = [3, 0, 5]
    page = words_and_regions(project.dataset, positions, extractor, count=4).body
    figures = re.findall(r'src="data:image/svg\+xml;base64,([^"]+)" alt="([^"]*)"', page)
    assert len(figures) == len(positions)
    batch = extractor(project.dataset.images(positions))
    assert batch.attributes is not None and batch.relations is not None
    assert extractor.words is not None
    edges = 0
    for row, (svg, text) in enumerate(figures):
        ElementTree.fromstring(base64.b64decode(svg))
        said = re.fullmatch(r"Regions: (.*)\. Edges: (.*)\. Most.*: (.*)\.", html.unescape(text))
        assert said is not None
        things = int(batch.mask[row].sum()) - 1
        assert said[1].count("(") == things
        labels = [RELATIONS[k] for k in batch.relations[row, 1, 2 : things + 1].tolist() if k]
        assert [edge.split(": ")[1] for edge in said[2].split("; ") if ": " in edge] == labels
        edges += len(labels)
        best = batch.attributes[row].argsort(descending=True)[:4].tolist()
        assert re.findall(r"([a-z-]+) \d", said[3]) == [extractor.words.words[k] for k in best]
    assert edges, "some edge is drawn"


def test_an_extractor_without_words_is_refused(
    project: Project, extractor: RegionExtractor
) -> None:
    bare = RegionExtractor("bare", extractor.detector, "0")
    with pytest.raises(ConfigError, match="tells no words") as caught:
        words_and_regions(project.dataset, [0], bare)
    assert "word classifier" in caught.value.fix
