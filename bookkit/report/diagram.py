"""A small kit for drawings of networks: boxes, arrows and panels as SVG, in the book's colours.

All drawings have the width of a phone and one letter size, so that nothing shrinks there. They need
`diagram_style.STYLE` on their page.
"""

from __future__ import annotations

import html
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from bookkit.report.diagram_style import KINDS, Kind
from gegcore.errors import ConfigError

WIDTH = 360
"""Of every drawing, in pixels on a phone."""

Point = tuple[float, float]

_LINE, _CORNER, _HEAD = 15, 6, 7
_AWAY: dict[str, Point] = {"left": (-1, 0), "right": (1, 0), "top": (0, -1), "bottom": (0, 1)}


@dataclass(frozen=True)
class Box:
    """A named box; what it is called in arrows, where its middle and top are, what it says.

    Attributes:
        name: for arrows.
        x: of its middle.
        y: of its top.
        text: the first line large, the others small; maths between dollars, ``$h^1_{t-1}$``.
        kind: decides the colour.
        width: of the box.
        new: the model before this one does not have it.
        copies: drawn as that many cards.
    """

    name: str
    x: float
    y: float
    text: str
    kind: Kind = "layer"
    width: float = 120
    new: bool = False
    copies: int = 1

    @property
    def height(self) -> float:
        return 13 + _LINE * (1 + self.text.count("\n"))

    @property
    def left(self) -> float:
        return self.x - self.width / 2

    @property
    def spread(self) -> float:
        """How far the cards behind the first one stick out, up and to the right."""
        return 4.0 * (self.copies - 1)


@dataclass(frozen=True)
class Arrow:
    """From a side of a box to a side of another: ``Arrow("a.bottom", "b.top:0.25")``.

    Attributes:
        start: ``box.side`` or ``box.side:share``.
        end: likewise.
        label: beside its longest part, or beside the part after ``via``'s first point.
        via: corners on the way; default: at most two, at right angles.
        back: dashed: from the word before.
        shift: of the label.
    """

    start: str
    end: str
    label: str = ""
    via: tuple[Point, ...] = ()
    back: bool = False
    shift: Point = (0, 0)


@dataclass(frozen=True)
class Panel:
    """A titled background; or, as ``group``, a dotted frame with its title at the top right.

    Arrows may start and end at one that has a name.
    """

    y: float
    height: float
    title: str
    group: bool = False
    left: float = 4
    right: float = WIDTH - 4
    name: str = ""
    new: bool = False

    @property
    def width(self) -> float:
        return self.right - self.left


@dataclass(frozen=True)
class Diagram:
    """A drawing. ``alt`` says in words what it shows."""

    alt: str
    height: float
    panels: tuple[Panel, ...]
    boxes: tuple[Box, ...]
    arrows: tuple[Arrow, ...]

    def svg(self) -> str:
        """One line of SVG.

        Raises:
            ConfigError: an arrow starts or ends at no box.
        """
        ends: dict[str, Box | Panel] = {panel.name: panel for panel in self.panels}
        ends |= {box.name: box for box in self.boxes}
        parts = [_panel(panel) for panel in self.panels]
        parts += [_box(box) for box in self.boxes]
        parts += [_arrow(arrow, ends) for arrow in self.arrows]
        return (
            f'<svg viewBox="0 0 {WIDTH} {self.height:g}" role="img" '
            f'aria-label="{html.escape(self.alt, quote=True)}">{"".join(parts)}</svg>'
        )

    def figure(self) -> str:
        """The drawing above its legend, as one line of HTML."""
        used = {box.kind for box in self.boxes}
        keys = "".join(
            f'<span><i class="{kind}"></i>{what}</span>'
            for kind, what in KINDS.items()
            if kind in used
        )
        if any(arrow.back for arrow in self.arrows):
            keys += '<span><i class="line"></i>from the step before</span>'
        return (
            f'<figure class="geg-diagram">{self.svg()}<div class="geg-legend">{keys}</div></figure>'
        )


def maths(text: str) -> str:
    """Text with ``$...$`` parts as SVG: italic letters, ``_`` and ``^`` lowered and raised."""
    parts = text.split("$")
    return "".join(
        f'<tspan class="maths">{_scripts(part)}</tspan>' if i % 2 else html.escape(part)
        for i, part in enumerate(parts)
    )


def _scripts(text: str) -> str:
    done, level = "", 0.0
    for sign, braced, single, plain in re.findall(r"([_^])(?:\{(.*?)\}|(.))|([^_^]+)", text):
        target = {"_": 3.5, "^": -4.5, "": 0.0}[sign]
        size = ' font-size="9"' if sign else ""
        done += f'<tspan dy="{target - level:g}"{size}>{html.escape(braced or single or plain)}'
        done, level = done + "</tspan>", target
    # Letters after this one are on the line again.
    return done + (f'<tspan dy="{-level:g}">\u200b</tspan>' if level else "")


def _text(x: float, y: float, text: str, kind: str = "", anchor: str = "middle") -> str:
    where = f'x="{x:g}" y="{y:g}" text-anchor="{anchor}"'
    return f'<text {where} class="{kind}">{maths(text)}</text>'


def _haloed(x: float, y: float, text: str, kind: str, anchor: str = "middle") -> str:
    """Text in front of lines: first its outline in the colour of the panel, then itself."""
    outline = _text(x, y, text, f"{kind} halo", anchor).replace("<text", '<text aria-hidden="true"')
    return outline + _text(x, y, text, kind, anchor)


def _panel(panel: Panel) -> str:
    kind, radius = ("group", 7) if panel.group else ("panel", 10)
    frame = (
        f'<rect class="{kind}" x="{panel.left:g}" y="{panel.y:g}" width="{panel.width:g}" '
        f'height="{panel.height:g}" rx="{radius}"/>'
    )
    if panel.group:
        x = panel.right - 8
        tag = _text(x, panel.y + 30, "new", "new", "end") if panel.new else ""
        return frame + _text(x, panel.y + 15, panel.title, "label", "end") + tag
    return frame + _text(panel.left + 10, panel.y + 16, panel.title, "title", "start")


def _box(box: Box) -> str:
    left, rx = box.left, 13 if box.kind in ("data", "operation") else 5
    kind = f"{box.kind} is-new" if box.new else box.kind
    cards = "".join(
        f'<rect class="{kind}" x="{left + 4 * i:g}" y="{box.y - 4 * i:g}" '
        f'width="{box.width:g}" height="{box.height:g}" rx="{rx}"/>'
        for i in reversed(range(box.copies))
    )
    lines = box.text.split("\n")
    said = "".join(
        _text(box.x, box.y + 18.5 + _LINE * i, line, "small" if i else "")
        for i, line in enumerate(lines)
    )
    tag = ""
    if box.new:
        x, y = left + box.width - 2 + box.spread, box.y - 4 - box.spread
        tag = _haloed(x, y, "new", "new", "end")
    return f'<g class="box">{cards}{said}</g>{tag}'


def _arrow(arrow: Arrow, ends: Mapping[str, Box | Panel]) -> str:
    start, side, _ = _end(arrow.start, ends)
    end, end_side, into = _end(arrow.end, ends)
    corners = arrow.via or _corners(start, side, end, end_side)
    points = [start, *corners, end]
    (x, y), (dx, dy) = end, into
    stop = (x + dx * _HEAD * 0.8, y + dy * _HEAD * 0.8)
    head = [
        (x, y),
        (x + dx * _HEAD + dy * 3.6, y + dy * _HEAD + dx * 3.6),
        (x + dx * _HEAD - dy * 3.6, y + dy * _HEAD - dx * 3.6),
    ]
    triangle = " ".join(f"{px:g},{py:g}" for px, py in head)
    kind = "flow back" if arrow.back else "flow"
    drawn = f'<path class="{kind}" d="{_path([*points[:-1], stop])}"/>'
    drawn += f'<polygon class="head" points="{triangle}"/>'
    return drawn + (_label(arrow, points) if arrow.label else "")


def _end(where: str, ends: Mapping[str, Box | Panel]) -> tuple[Point, str, Point]:
    """A point, its side, and the direction away from the box."""
    name, _, side = where.partition(".")
    side, _, share = side.partition(":")
    if name not in ends or side not in _AWAY:
        raise ConfigError(f"an arrow names {where!r}", f"boxes: {', '.join(ends)}; a side")
    box, (dx, dy) = ends[name], _AWAY[side]
    along = float(share or 0.5)
    x = box.left + box.width * (along if dy else (dx + 1) / 2)
    y = box.y + box.height * (along if dx else (dy + 1) / 2)
    if isinstance(box, Box) and side in ("right", "top"):
        x, y = x + dx * box.spread, y + dy * box.spread
    return (x, y), side, (dx, dy)


def _corners(start: Point, side: str, end: Point, end_side: str) -> tuple[Point, ...]:
    (x0, y0), (x1, y1) = start, end
    down, into_down = side in ("top", "bottom"), end_side in ("top", "bottom")
    if down and into_down:
        middle = (y0 + y1) / 2
        return () if abs(x0 - x1) < 0.5 else ((x0, middle), (x1, middle))
    if not down and not into_down:
        middle = (x0 + x1) / 2
        return () if abs(y0 - y1) < 0.5 else ((middle, y0), (middle, y1))
    return ((x0, y1),) if down else ((x1, y0),)


def _path(points: Sequence[Point]) -> str:
    """Straight parts with rounded corners."""
    path = f"M{points[0][0]:g} {points[0][1]:g}"
    for before, corner, after in zip(points, points[1:], points[2:], strict=False):
        enter, leave = _towards(corner, before), _towards(corner, after)
        path += f"L{enter[0]:g} {enter[1]:g}Q{corner[0]:g} {corner[1]:g} {leave[0]:g} {leave[1]:g}"
    return path + f"L{points[-1][0]:g} {points[-1][1]:g}"


def _towards(corner: Point, other: Point) -> Point:
    dx, dy = other[0] - corner[0], other[1] - corner[1]
    length = max(abs(dx) + abs(dy), 1e-9)
    share = min(_CORNER, length / 2) / length
    return corner[0] + dx * share, corner[1] + dy * share


def _label(arrow: Arrow, points: Sequence[Point]) -> str:
    """Beside the longest straight part: right of a vertical one, above a horizontal one."""
    parts = list(pairwise(points))
    (x0, y0), (x1, y1) = max(parts, key=lambda p: abs(p[0][0] - p[1][0]) + abs(p[0][1] - p[1][1]))
    x, y = (x0 + x1) / 2 + arrow.shift[0], (y0 + y1) / 2 + arrow.shift[1]
    if abs(x0 - x1) < 1:
        return _haloed(x + 5, y + 4, arrow.label, "label", "start")
    return _haloed(x, y - 5, arrow.label, "label")
