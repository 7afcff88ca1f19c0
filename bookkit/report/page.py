"""Pieces of HTML that notebooks show: they fit a phone, a desktop, JupyterLab and the book."""

from __future__ import annotations

import base64
import html
import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pandas.io.formats.style import Styler
from PIL import Image

from gegcore.metrics import presentation
from gegcore.metrics.presentation import interval as interval
from gegcore.metrics.presentation import signed as signed
from gegcore.storage import digest

DASH = "\N{EN DASH}"

_STYLE = f"<style>{Path(__file__).with_suffix('.css').read_text(encoding='utf-8')}</style>"


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


def styled(
    table: pd.DataFrame | Styler,
    caption: str,
    text: Sequence[str] = (),
    bold: pd.DataFrame | None = None,
    reading: str = "",
) -> Html:
    """A pandas table in the book's style, which scrolls sideways on its own where it is too wide.

    Numbers are printed as in the paper, by the name of their column.

    Args:
        table: may be styled already, for example shaded. Rows without names are shown without.
        caption: below the table: what the numbers are.
        text: columns of words, which wrap.
        bold: of the same shape, True where a cell is bold.
        reading: a sentence below it that says what can be seen in it, computed from it.
    """
    styler = table if isinstance(table, Styler) else table.style
    frame: pd.DataFrame = styler.data  # type: ignore[attr-defined]
    numbers: dict[Any, Any] = {
        column: partial(number, column[-1] if isinstance(column, tuple) else str(column))
        for column, kind in frame.dtypes.items()
        if pd.api.types.is_float_dtype(kind)
    }
    classes = pd.DataFrame("geg-number", frame.index, frame.columns)
    classes[list(text)] = "geg-text"
    headings = {
        column: [{"selector": "th", "props": "text-align:left!important"}] for column in text
    }
    styler = styler.set_table_styles(headings)  # type: ignore[arg-type]
    if isinstance(frame.index, pd.RangeIndex):
        styler = styler.hide()
    if bold is not None:
        classes = classes.mask(bold.astype(bool), "geg-number geg-best")
    styler = styler.format(numbers, na_rep=DASH, thousands=",", escape="html")
    styler = styler.format_index(escape="html").format_index(escape="html", axis=1)
    styler = styler.hide(names=True).hide(names=True, axis=1).set_td_classes(classes)
    made = styler.set_uuid(digest([caption, frame.to_json()])[:8]).to_html(bold_headers=False)
    read = f'<p class="geg-reading">{html.escape(reading)}</p>' if reading else ""
    return _boxed(made, caption, _first_column(frame.index)) + Html(read)


def folded(part: Html, title: str) -> Html:
    """A piece that opens on a click."""
    return Html(f"<details><summary>{html.escape(title)}</summary>{part.body}</details>")


def estimates(table: pd.DataFrame) -> list[str]:
    """Of each row (metric, value, low, high): the value and, on a line of its own, its interval."""
    rows = table[["metric", "value", "low", "high"]].itertuples(index=False)
    return [
        f"{number(name, value)}\n{interval(name, low, high)}" for name, value, low, high in rows
    ]


def in_words(table: pd.DataFrame) -> str:
    """A small table as a sentence, for those who cannot see the figure drawn from it."""
    rows = []
    for name, row in zip(table.index, table.to_numpy(), strict=True):
        cells = zip(map(str, table.columns), row, strict=True)
        title = " ".join(map(str, name)) if isinstance(name, tuple) else name
        rows.append(f"{title}: {', '.join(f'{column} {number(column, x)}' for column, x in cells)}")
    return "; ".join(rows) + "."


def badge(facts: Mapping[str, str]) -> Html:
    """Facts as a row of small labels."""
    items = "".join(
        f"<span><b>{html.escape(name)}</b> {html.escape(value)}</span>"
        for name, value in facts.items()
        if value
    )
    return Html(f'<div class="geg-badge" role="note" aria-label="provenance">{items}</div>')


def _first_column(rows: pd.Index) -> float:
    """How wide the outer of several row headings is, in rem: its longest word, which is bold.

    It stays in view while the table scrolls; what comes after it must know where it ends.
    """
    words = [word for name in rows.get_level_values(0) for word in re.split(r"[\s-]", str(name))]
    return 0.6 * max(map(len, words), default=0) + 0.6


def _boxed(made: str, caption: str, first: float) -> Html:
    label = html.escape(caption, quote=True)
    return Html(
        f'<div class="geg-scroll" style="--first:{first:.1f}rem" tabindex="0" role="region" '
        f'aria-label="{label}">'
        f'{made}</div><p class="geg-under">{label}</p>'
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


def number(metric: str, value: float | None) -> str:
    """As the paper prints it, a dash for what is not there."""
    absent = value is None or np.isnan(value)
    return DASH if absent else presentation.number(metric, value)
