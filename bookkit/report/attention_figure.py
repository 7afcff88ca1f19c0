"""Pictures of attention: the regions that a word looks at stand out, the rest of it fades."""

from __future__ import annotations

import html

from bookkit.report.attention import AttentionExample
from bookkit.report.page import png_address
from emoji_scenes.scenes.painter import paint

_SIDE = 128
_STRONGEST = 3
"""Regions whose frames are drawn; weaker ones only show through."""

STYLE = (
    "<style>.geg-looks{display:grid;grid-template-columns:repeat(auto-fill,minmax(100px,1fr));"
    "gap:.7rem .6rem;margin:.8rem 0 1.2rem;max-width:46rem}"
    ".geg-looks figure{margin:0!important;padding:0!important;min-width:0}"
    ".geg-looks svg{display:block;width:100%;height:auto;border-radius:.4rem}"
    ".geg-looks figcaption{font-size:.84rem;line-height:1.3;margin-top:.2rem;padding:0!important;"
    "text-align:left!important}"
    ".geg-looks small{opacity:.75;margin-left:.3rem;font-variant-numeric:tabular-nums}"
    ".geg-looks .veil{fill:var(--geg-paper,#f6f8fa)}"
    ".geg-looks .region{fill:none;stroke:#fff;stroke-width:2.6}"
    ".geg-looks .region+.region{stroke:#c2510a;stroke-width:1.5}</style>"
)


def attention_figure(example: AttentionExample, key: str) -> str:
    """One small picture a word, after one with all regions; a single line of HTML.

    How clearly a region shows is its weight over the largest weight of the whole caption.

    Args:
        example: what to draw.
        key: unlike those of other figures on the page.
    """
    largest = max((max(row) for row in example.weights), default=0.0) or 1.0
    everything = [1.0] * len(example.boxes)
    pixels = png_address(paint(example.graph(), 2 * _SIDE))
    picture = (
        f'<svg viewBox="0 0 {_SIDE} {_SIDE}" role="img" aria-label="The picture and the '
        f'{len(example.boxes)} regions that the detector found"><defs><image id="{key}" '
        f'width="{_SIDE}" height="{_SIDE}" href="{pixels}"/></defs><use href="#{key}"/>'
        f"{_frames(example, everything, len(everything))}</svg>"
    )
    tiles = [f"<figure>{picture}<figcaption>all regions</figcaption></figure>"]
    for i, (word, row) in enumerate(zip(example.words, example.weights, strict=True)):
        shown = [weight / largest for weight in row]
        drawn = _veiled(example, shown, f"{key}-{i}", _said(example, word, row))
        share = f"<small>{max(row):.0%}</small>"
        caption = f"<figcaption><b>{html.escape(word)}</b>{share}</figcaption>"
        tiles.append(f"<figure>{drawn}{caption}</figure>")
    return f'<div class="geg-looks">{"".join(tiles)}</div>'


def _veiled(example: AttentionExample, shown: list[float], mask: str, said: str) -> str:
    """The picture under a veil that has a hole, more or less clear, for each region."""
    holes = "".join(
        f'<rect {_place(box)} fill="#000" fill-opacity="{opacity:.2f}"/>'
        for box, opacity in zip(example.boxes, shown, strict=True)
        if opacity >= 0.01
    )
    whole = f'width="{_SIDE}" height="{_SIDE}"'
    return (
        f'<svg viewBox="0 0 {_SIDE} {_SIDE}" role="img" aria-label="{html.escape(said)}">'
        f'<mask id="{mask}"><rect {whole} fill="#fff"/>{holes}</mask>'
        f'<use href="#{mask.rsplit("-", 1)[0]}"/>'
        f'<rect class="veil" {whole} opacity="0.82" mask="url(#{mask})"/>'
        f"{_frames(example, shown, _STRONGEST)}</svg>"
    )


def _frames(example: AttentionExample, shown: list[float], count: int) -> str:
    order = sorted(range(len(shown)), key=lambda i: -shown[i])[:count]
    return "".join(
        f'<g opacity="{shown[i]:.2f}"><rect class="region" {_place(example.boxes[i])}/>'
        f'<rect class="region" {_place(example.boxes[i])}/></g>'
        for i in order
    )


def _place(box: tuple[float, float, float, float]) -> str:
    x0, y0, x1, y1 = (_SIDE * edge for edge in box)
    return f'x="{x0:.1f}" y="{y0:.1f}" width="{x1 - x0:.1f}" height="{y1 - y0:.1f}"'


def _said(example: AttentionExample, word: str, row: tuple[float, ...]) -> str:
    first = max(range(len(row)), key=row.__getitem__)
    x0, y0, x1, y1 = example.boxes[first]
    across = ("left", "centre", "right")[min(2, int(3 * (x0 + x1) / 2))]
    down = ("top", "middle", "bottom")[min(2, int(3 * (y0 + y1) / 2))]
    return f"{word}: most weight, {row[first]:.0%}, on a region at the {down} {across}"
