"""One look for all figures: colours that colour-blind readers tell apart, one per objective."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import matplotlib
import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.rcsetup import cycler

from bookkit.report.page import Html
from gegcore.training.config import OBJECTIVES

BLUE, ORANGE, GREEN, PURPLE, OLIVE = "#0072B2", "#C2510A", "#00785A", "#A8487F", "#7A5C00"
INK, GREY, FAINT = "#26303a", "#5b6673", "#c4ccd4"

COLOURS: dict[str, str] = {
    "mle": BLUE,
    "scst": ORANGE,
    "scst_geg": GREEN,
    "mle_geg": "#B8860B",
    "scst_geg_min": PURPLE,
    "scst_pp": "#3D8FBF",
    "scst_er": OLIVE,
    "scst_geg_sole": "#444444",
}
"""Objective -> colour, after Okabe and Ito's palette, darkened to be read on white."""

MARKERS: dict[str, str] = {
    "mle": "o",
    "scst": "s",
    "scst_geg": "D",
    "mle_geg": "*",
    "scst_geg_min": "^",
    "scst_pp": "v",
    "scst_er": "P",
    "scst_geg_sole": "X",
}
"""Objective -> marker: colour is never the only difference."""

FONT = "DejaVu Sans"
"""Of all letters in figures; matplotlib carries it."""

# A panel is as wide as a phone, so that its letters keep their size there; panels wrap.
PANEL_INCHES = (3.9, 2.9)

# Typed loosely: matplotlib lists its 300 keys in the type.
_RC: Any = {
    "figure.figsize": PANEL_INCHES,
    "figure.constrained_layout.use": True,
    "axes.prop_cycle": cycler(color=[BLUE, ORANGE, GREEN, PURPLE, OLIVE, GREY]),
    "font.family": FONT,
    "font.size": 9.5,
    "axes.titlesize": 10.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.labelsize": 9.5,
    "xtick.labelsize": 8.5,
    "ytick.labelsize": 8.5,
    "legend.fontsize": 8.5,
    "legend.frameon": False,
    "legend.handlelength": 1.2,
    "legend.handletextpad": 0.5,
    "legend.columnspacing": 1.2,
    "patch.edgecolor": "white",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#8a95a0",
    "axes.labelcolor": INK,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.grid": True,
    "grid.color": "#e6eaee",
    "grid.linewidth": 0.8,
    "axes.axisbelow": True,
    "lines.linewidth": 1.8,
    "lines.markersize": 5.5,
    # The page shows through: a dark page turns what is dark in a plot light (page.css).
    **dict.fromkeys(("figure.facecolor", "axes.facecolor", "savefig.facecolor"), "none"),
    # Letters as outlines: the same on every machine. Fixed ids: the same file every time.
    "svg.fonttype": "path",
    "svg.hashsalt": "gegcore",
}


def use_style() -> None:
    """The book's look for every figure that a notebook draws from here on."""
    matplotlib.rcParams.update(_RC)


@dataclass(frozen=True)
class Panel:
    """A figure and what it shows in words; shown once where it is the value of a notebook cell."""

    figure: Figure
    alt: str

    def __post_init__(self) -> None:
        plt.close(self.figure)  # else the notebook shows it again, without its description

    def _repr_html_(self) -> str:
        return panels([self])._repr_html_()

    def svg(self) -> bytes:
        """The figure as SVG, byte for byte the same for the same figure."""
        buffer = io.BytesIO()
        with matplotlib.rc_context(_RC):
            self.figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
        return buffer.getvalue()


@contextmanager
def panel(
    title: str, x: str, y: str, inches: tuple[float, float] = PANEL_INCHES
) -> Iterator[tuple[Figure, Axes]]:
    """A figure with one pair of labelled axes, in the book's style.

    No pyplot: nothing is registered globally, and notebooks do not show it twice.
    """
    with matplotlib.rc_context(_RC):
        figure = Figure(figsize=inches, layout="constrained")
        axes = figure.add_subplot()
        axes.set(title=title, xlabel=x, ylabel=y)
        yield figure, axes


def panels(parts: Sequence[Panel], caption: str = "") -> Html:
    """Panels side by side where there is room, below each other where there is not."""
    images = ""
    for part in parts:
        data = base64.b64encode(part.svg()).decode()
        alt = html.escape(part.alt, quote=True)
        kind = "geg-photo" if any(axes.images for axes in part.figure.axes) else "geg-plot"
        address = f"data:image/svg+xml;base64,{data}"
        images += f'<img src="{address}" alt="{alt}" class="dark-light {kind}">'
    under = f'<p class="geg-under">{html.escape(caption)}</p>' if caption else ""
    return Html(f'<div class="geg-panels">{images}</div>{under}')


def legend_below(axes: Axes, columns: int = 3) -> None:
    """A legend below the axes, where it hides nothing."""
    axes.figure.legend(
        *axes.get_legend_handles_labels(), loc="outside lower center", ncols=columns,
        columnspacing=1.2, handletextpad=0.5, handlelength=1.4,
    )  # fmt: skip


def colour(objective: str) -> str:
    """Of an objective, the same in every figure."""
    return COLOURS.get(objective, GREY)


def marker(objective: str) -> str:
    """Of an objective, the same in every figure."""
    return MARKERS.get(objective, "o")


PALETTE = {OBJECTIVES[name].label: tint for name, tint in COLOURS.items()}
"""Label of an objective in tables -> colour, for seaborn."""

SHAPES = {OBJECTIVES[name].label: shape for name, shape in MARKERS.items()}
"""Label of an objective in tables -> marker, for seaborn."""
