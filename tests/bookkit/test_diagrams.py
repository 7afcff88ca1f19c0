"""Committed drawings are what their script draws, and say what they show."""

from __future__ import annotations

import ast
import io
import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bookkit.diagrams import card
from bookkit.diagrams.__main__ import DIAGRAMS, STATIC
from bookkit.diagrams.layout import LAYERS
from bookkit.diagrams.svg import maths

GEGCORE = Path(__file__).resolve().parents[2] / "gegcore"


@pytest.mark.parametrize("name", DIAGRAMS)
def test_a_committed_drawing_is_what_is_drawn(name: str) -> None:
    committed = (STATIC / f"{name}.svg").read_text(encoding="utf-8")
    assert committed == DIAGRAMS[name].svg(), "run `python -m bookkit.diagrams`"


@pytest.mark.parametrize("name", DIAGRAMS)
def test_a_drawing_says_what_it_shows(name: str) -> None:
    drawing = DIAGRAMS[name]
    root = ElementTree.fromstring(drawing.svg())
    assert root.get("aria-label") == drawing.alt
    names = [box.name for box in drawing.boxes]
    assert len(set(names)) == len(names)
    texts = ["".join(text.itertext()) for text in root.iterfind(".//{*}text")]
    assert texts and not any("$" in text for text in texts)


@pytest.mark.parametrize("name", [name for name in DIAGRAMS if name.startswith("models/")])
def test_every_box_of_a_network_is_met_and_something_is_new(name: str) -> None:
    drawing = DIAGRAMS[name]
    met = {end.partition(".")[0] for arrow in drawing.arrows for end in (arrow.start, arrow.end)}
    assert {box.name for box in drawing.boxes} <= met
    assert any(box.new for box in drawing.boxes) or any(panel.new for panel in drawing.panels)


def test_letters_after_an_index_are_on_the_line_again() -> None:
    drawn = maths("$h^1_{t-1}, c$ < x")
    shifts = [float(shift) for shift in re.findall(r'dy="([-\d.]+)"', drawn)]
    assert sum(shifts) == 0
    text = "".join(ElementTree.fromstring(f"<t>{drawn}</t>").itertext())
    assert text.replace("\u200b", "") == "h1t-1, c < x"


def imported(path: Path) -> Iterator[str]:
    """Parts of gegcore that a file imports."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("gegcore."):
            yield (node.module or "").split(".")[1]
        elif isinstance(node, ast.ImportFrom) and node.module == "gegcore":
            yield from (alias.name for alias in node.names)


def test_imports_of_gegcore_point_down_in_the_drawing() -> None:
    layer = {name: depth for depth, names in enumerate(LAYERS) for name in names}
    wrong = []
    for path in sorted(GEGCORE.rglob("*.py")):
        name = path.relative_to(GEGCORE).with_suffix("").parts[0]
        wrong += [
            f"{path.relative_to(GEGCORE)} imports {other}"
            for other in imported(path)
            if other != name and layer.get(other, 99) <= layer.get(name, -1)
        ]
    assert wrong == []
    assert all((GEGCORE / name).is_dir() or (GEGCORE / f"{name}.py").is_file() for name in layer)


def test_the_social_card_is_what_is_drawn_and_credits_its_pictures() -> None:
    drawn = np.asarray(Image.open(io.BytesIO(card.card())).convert("RGB"), int)
    committed = np.asarray(Image.open(STATIC / "card.png").convert("RGB"), int)
    assert committed.shape == (card.HEIGHT, card.WIDTH, 3)
    # Letters and edges are rounded otherwise by other versions of their libraries.
    assert (abs(drawn - committed).max(-1) > 40).mean() < 0.01, "run `python -m bookkit.diagrams`"
    assert "OpenMoji" in card.CREDIT and "CC BY-SA 4.0" in card.CREDIT
    assert (STATIC / "card.png").stat().st_size < 300_000, "previews have limits"
