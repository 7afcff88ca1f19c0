"""Pieces of HTML that notebooks show: they fit a phone, a desktop, JupyterLab and the book."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from gegcore.metrics.presentation import interval as interval
from gegcore.metrics.presentation import number as number
from gegcore.metrics.presentation import signed as signed

# The book's theme shows HTML on a light panel in dark mode, and dims pictures (unless of class
# dark-light); our colours follow the theme, so both are undone.
# Colours come from the book's style sheet where there is one, and from here in JupyterLab.
_STYLE = """<style>
.geg-scroll{overflow-x:auto;margin:.6rem 0 .3rem}
.geg-scroll table{border-collapse:collapse;font-size:.9rem;font-variant-numeric:tabular-nums;
margin:0;display:table!important;width:auto}
.geg-scroll th,.geg-scroll td{padding:.35rem .6rem;text-align:right;vertical-align:top;
border-bottom:1px solid var(--geg-line,#d9dfe6);white-space:nowrap;background:none}
.geg-scroll .geg-text{text-align:left;white-space:normal;min-width:7.5rem}
.geg-scroll tbody th,.geg-scroll th.geg-corner{text-align:left;font-weight:600}
.geg-scroll thead th{vertical-align:bottom;border-bottom-width:2px}
.geg-scroll tr.geg-section th{text-align:left;color:var(--geg-accent,#b8460f);padding-top:.9rem}
.geg-scroll small{display:block;opacity:.75;font-size:.76rem}
.geg-best{font-weight:700}
.geg-panels{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(300px,100%),1fr));
gap:.7rem;margin:.6rem 0 .3rem;align-items:start}
.geg-panels img{width:100%;max-width:470px;height:auto;background:#fff;border-radius:.5rem}
.geg-under{font-size:.84rem;opacity:.85;margin:.1rem 0 1rem}
.geg-cards{display:grid;gap:1rem;margin:.8rem 0}
.geg-card{border:1px solid var(--geg-line,#d9dfe6);border-radius:.7rem;padding:.8rem;
background:var(--geg-paper,transparent);min-width:0}
.geg-beside{display:grid;grid-template-columns:minmax(5rem,8rem) 1fr;gap:1rem;align-items:start}
.geg-beside img{width:100%;height:auto;border-radius:.4rem}.geg-beside dl{margin-top:0!important}
.geg-card p{margin:.1rem 0 .4rem;line-height:1.45}
.geg-row{display:grid;grid-template-columns:repeat(auto-fit,minmax(84px,1fr));gap:.45rem;
max-width:50rem;margin:0}
.geg-row figure{margin:0!important;padding:0!important;min-width:0}
.geg-row img{width:100%;height:auto;border-radius:.4rem;display:block}
.geg-row figcaption{font-size:.76rem;line-height:1.3;margin-top:.25rem;padding:0!important;
text-align:left!important;opacity:.9}
.geg-row .geg-own img{outline:3px solid var(--geg-accent,#b8460f);outline-offset:-2px}
.geg-sheet{grid-template-columns:repeat(auto-fill,minmax(104px,1fr));max-width:none}
.geg-said-by{display:grid;grid-template-columns:max-content 1fr;gap:.25rem .9rem;
margin:.7rem 0 0!important}
.geg-said-by dt{font-weight:600;font-size:.84rem;margin:0}
.geg-said-by dd{margin:0!important}
.geg-said-by dd b{color:var(--geg-accent,#b8460f)}
.geg-pill{display:inline-block;border:1px solid currentColor;border-radius:1rem;font-size:.74rem;
padding:.02rem .5rem;white-space:nowrap;opacity:.9}
.geg-claim{display:grid;grid-template-columns:7.2rem 1fr;gap:.1rem .8rem;padding:.6rem 0;
border-bottom:1px solid var(--geg-line,#d9dfe6);line-height:1.45}
.geg-claim>div{min-width:0}.geg-claim p{margin:0}
.geg-claim .geg-numbers{display:flex;flex-wrap:wrap;gap:.1rem 1.4rem;font-size:.9rem;
font-variant-numeric:tabular-nums}
.geg-claim .geg-why{font-size:.82rem;opacity:.8}
.geg-holds{color:var(--geg-good,#1d6b3f)}.geg-fails{color:var(--geg-accent,#b8460f)}
.geg-badge{display:flex;flex-wrap:wrap;gap:.35rem;font-size:.76rem}
.geg-badge span{border:1px solid var(--geg-line,#d9dfe6);border-radius:1rem;padding:.08rem .6rem}
.geg-badge b{margin-right:.25rem}
html[data-theme="dark"] .bd-content div.cell_output .text_html:has([class^="geg-"]){
background:none!important;color:inherit!important}
html[data-theme="dark"] .geg-panels img{filter:brightness(.88)}
@media (max-width:600px){.geg-said-by{grid-template-columns:1fr;gap:.05rem}
.geg-said-by dd{margin-bottom:.5rem!important}.geg-claim{grid-template-columns:1fr}
.geg-scroll th,.geg-scroll td{padding:.3rem .4rem}}
</style>"""


@dataclass(frozen=True)
class Html:
    """A piece of a page; shown as such where it is the value of a notebook cell."""

    body: str

    def _repr_html_(self) -> str:
        return _STYLE + self.body

    def __repr__(self) -> str:
        return f"<HTML, {len(self.body):,} characters>"

    def __add__(self, other: Html) -> Html:
        return Html(self.body + other.body)


@dataclass(frozen=True)
class Cell:
    """A cell of a table: text, something smaller below it, a CSS class."""

    text: str
    small: str = ""
    kind: str = ""

    def html(self) -> str:
        small = f"<small>{html.escape(self.small)}</small>" if self.small else ""
        kind = f' class="{self.kind}"' if self.kind else ""
        return f"<td{kind}>{html.escape(self.text)}{small}</td>"


@dataclass(frozen=True)
class Row:
    """A row of a table; without cells it is the heading of those that follow."""

    name: str
    cells: Sequence[Cell] = ()


def table(columns: Sequence[str], rows: Iterable[Row], caption: str, corner: str = "") -> Html:
    """A table that scrolls sideways on its own where the screen is narrower than it is.

    Args:
        columns: headings of the cells.
        rows: each with as many cells as there are columns, or none.
        caption: below the table: what the numbers are.
        corner: heading of the row names.
    """
    body, kinds = "", [""] * len(columns)
    for row in rows:
        name = html.escape(row.name)
        if row.cells:
            kinds = ["geg-text" if "geg-text" in cell.kind else "" for cell in row.cells]
            cells = "".join(cell.html() for cell in row.cells)
            body += f'<tr><th scope="row">{name}</th>{cells}</tr>'
        else:
            span = f'colspan="{len(columns) + 1}"'
            body += f'<tr class="geg-section"><th {span} scope="rowgroup">{name}</th></tr>'
    head = "".join(
        f'<th scope="col" class="{kind}">{html.escape(name)}</th>'
        for name, kind in zip(columns, kinds, strict=True)
    )
    corner = f'<th scope="col" class="geg-corner">{html.escape(corner)}</th>'
    return scrolling(f"<thead><tr>{corner}{head}</tr></thead><tbody>{body}</tbody>", caption)


def scrolling(rows: str, caption: str) -> Html:
    """Rows of a table in a box that scrolls, which the keyboard reaches, and a caption below it.

    The caption stays outside the box: it wraps where the table is cut.
    """
    said = html.escape(caption)
    label = html.escape(caption, quote=True)
    return Html(
        f'<div class="geg-scroll" tabindex="0" role="region" aria-label="{label}">'
        f'<table>{rows}</table></div><p class="geg-under">{said}</p>'
    )


def picture(array: np.ndarray, alt: str, colours: int = 96) -> str:
    """An `<img>` that carries its pixels: uint8 RGB `(H, W, 3)` as a small PNG.

    Args:
        array: the picture.
        alt: what it shows, for those who cannot see it.
        colours: of the palette; these scenes are flat, so that few are enough.
    """
    height, width = array.shape[:2]
    return (
        f'<img src="{png_address(array, colours)}" alt="{html.escape(alt, quote=True)}" '
        f'width="{width}" height="{height}" loading="lazy" class="dark-light">'
    )


def png_address(array: np.ndarray, colours: int = 96) -> str:
    """A `data:` address that is the PNG itself: uint8 RGB `(H, W, 3)` in a palette."""
    buffer = io.BytesIO()
    Image.fromarray(array).quantize(colours).save(buffer, "PNG", optimize=True)
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"
