"""What captioners are given of a picture: its likely words, its regions, and how these stand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import FancyArrowPatch, Rectangle
from matplotlib.patheffects import withStroke

from bookkit.report.page import Html
from bookkit.report.style import BLUE, GREEN, GREY, INK, ORANGE, Panel, panel, panels
from emoji_scenes.vision.detector import RegionExtractor
from gegcore.data.dataset import CaptionDataset
from gegcore.data.relations import RELATIONS
from gegcore.errors import ConfigError

_TINTS = (BLUE, ORANGE, GREEN, "#A8487F", "#7A5C00")
_INCHES = (3.9, 5.3)
_CAPTION = (
    "Bars: probability that the word is in one of five people's captions, for the most certain "
    "words. Arrows: edges from the most certain region to others; labels say how these stand to "
    "it, the main direction first. Not drawn: edges among the others, the ways back, which have "
    "the opposite labels, and the region of the whole picture, which all others lie inside."
)


@dataclass(frozen=True)
class _Picture:
    """What is seen in one picture: things with boxes in pixels; edges (label, j) of the first."""

    pixels: np.ndarray
    things: list[str]
    boxes: list[list[float]]
    edges: list[tuple[str, int]]
    words: list[tuple[str, float]]


def words_and_regions(
    dataset: CaptionDataset, positions: Sequence[int], extractor: RegionExtractor, count: int = 8
) -> Html:
    """Pictures with their regions and edges between them, above their most certain words.

    Args:
        dataset: a split.
        positions: of the pictures.
        extractor: with a word classifier.
        count: words per picture.

    Raises:
        ConfigError: the extractor has no word classifier.
    """
    parts = []
    for picture in _look(dataset.images(list(positions)), extractor, count):
        with panel("", "", "", _INCHES) as (figure, axes):
            axes.remove()
            above, below = figure.subplots(2, 1, height_ratios=(3.4, 1.6))
            _draw_regions(above, picture)
            _draw_words(below, picture)
        parts.append(Panel(figure, _in_words(picture)))
    return panels(parts, _CAPTION)


def _look(images: np.ndarray, extractor: RegionExtractor, count: int) -> list[_Picture]:
    features, seen = extractor(images), extractor.detect(images)
    if extractor.words is None or features.attributes is None or features.relations is None:
        raise ConfigError(
            f"extractor {extractor.name!r} tells no words", "load it with a word classifier"
        )
    names, words = extractor.detector.labels.entities, extractor.words.words
    pictures = []
    for row, pixels in enumerate(images):
        mask = seen.mask[row].clone()
        mask[0] = False  # the whole picture is no thing
        labels = features.relations[row, mask][:1, mask].flatten().tolist()
        shares, likely = features.attributes[row].topk(min(count, len(words)))
        picture = _Picture(
            pixels,
            [names[label - 1].replace("_", " ") for label in seen.labels[row, mask].tolist()],
            seen.boxes[row, mask].tolist(),
            [(RELATIONS[label], j) for j, label in enumerate(labels) if label],
            [(words[k], share) for k, share in zip(likely.tolist(), shares.tolist(), strict=True)],
        )
        pictures.append(picture)
    return pictures


def _in_words(picture: _Picture) -> str:
    """The figure for those who cannot see it."""
    things = [f"{name} ({number})" for number, name in enumerate(picture.things, 1)]
    edges = [f"{things[0]} to {things[j]}: {how}" for how, j in picture.edges]
    words = [f"{word} {share:.2f}" for word, share in picture.words]
    return (
        f"Regions: {', '.join(things) or 'none'}. Edges: {'; '.join(edges) or 'none'}. "
        f"Most certain words: {', '.join(words)}."
    )


def _draw_regions(axes: Axes, picture: _Picture) -> None:
    """Boxes with names, and an arrow from the first centre to another for each edge."""
    height, width = picture.pixels.shape[:2]
    axes.imshow(picture.pixels, extent=(0, width, height, 0), interpolation="nearest")
    axes.set(xticks=[], yticks=[], xlim=(0, width), ylim=(height, 0))
    axes.grid(False)
    centres = [((x0 + x1) / 2, (y0 + y1) / 2) for x0, y0, x1, y1 in picture.boxes]
    for index, (name, box) in enumerate(zip(picture.things, picture.boxes, strict=True)):
        x0, y0, x1, y1 = box
        tint = _TINTS[index % len(_TINTS)]
        axes.add_patch(Rectangle((x0, y0), x1 - x0, y1 - y0, fill=False, ec=tint, linewidth=2))
        _write(axes, (x0 + x1) / 2, y1, name, tint)
    for how, j in picture.edges:
        arrow = FancyArrowPatch(
            centres[0], centres[j], arrowstyle="-|>", mutation_scale=12, color=INK, linewidth=1.4
        )
        arrow.set_path_effects([withStroke(linewidth=3.5, foreground="white")])
        axes.add_patch(arrow)
        (x0, y0), (x1, y1) = centres[0], centres[j]
        _write(axes, (x0 + x1) / 2, (y0 + y1) / 2, how, INK)


def _write(axes: Axes, x: float, y: float, text: str, tint: str) -> None:
    """A line of text centred at a point of the picture, on white."""
    axes.text(
        x, y, text, color=tint, fontsize=8, ha="center", va="center", zorder=5,
        bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.85, "pad": 1.0},
    )  # fmt: skip


def _draw_words(axes: Axes, picture: _Picture) -> None:
    words, shares = zip(*picture.words, strict=True)
    axes.barh(words, shares, color=GREY)
    axes.invert_yaxis()
    axes.set(xlim=(0, 1), xlabel="probability")
    axes.grid(False, axis="y")
