"""Colours and letters of drawings: CSS inside each file, which follows the book's theme."""

from __future__ import annotations

from typing import Literal

Kind = Literal["data", "layer", "attention", "state", "operation"]

LEGEND: dict[str, str] = {
    "data": "vectors",
    "layer": "learned layer",
    "attention": "attention",
    "state": "LSTM, keeps its own state",
    "operation": "no weights",
    "back": "from the step before",
}
"""What the colours mean."""

# kind: fill and edge, on light and on dark pages.
_COLOURS = {
    "data": ("#eceff2", "#8b97a3", "#2b323a", "#7b8793"),
    "layer": ("#e1edf9", "#3a78b0", "#15314b", "#6aa7da"),
    "attention": ("#fde9d9", "#b8460f", "#47280f", "#ff9a62"),
    "state": ("#ddf1e8", "#1d7a55", "#10382a", "#68cda0"),
    "operation": ("#ffffff", "#8b97a3", "#14181c", "#7b8793"),
    "panel": ("#f6f8fa", "#d9dfe6", "#1d2227", "#3c444d"),
    "ink": ("#1d242b", "#56616c", "#eef2f6", "#a9b4bf"),  # letters; arrows
}
_LIGHT = "".join(f"--{k}:{fill};--{k}-line:{line};" for k, (fill, line, *_) in _COLOURS.items())
_DARK = "".join(f"--{k}:{fill};--{k}-line:{line};" for k, (*_, fill, line) in _COLOURS.items())
_BOXES = "".join(
    f".geg-diagram .{kind}{{fill:var(--{kind});stroke:var(--{kind}-line)}}" for kind in _COLOURS
)
STYLE = f"""<style>
.geg-diagram{{display:block;width:100%;max-width:31rem;height:auto;margin:1rem 0 1.2rem;
font-family:-apple-system,"Segoe UI","Helvetica Neue",Arial,sans-serif;{_LIGHT}--new:#8a2a6b}}
html[data-theme="dark"] .geg-diagram{{{_DARK}--new:#f0a3d6}}
.geg-diagram text{{fill:var(--ink);font-size:12.5px}}
.geg-diagram .small{{font-size:10.5px}}
.geg-diagram .label{{fill:var(--ink-line);font-size:12px}}
.geg-diagram .title{{fill:var(--ink-line);font-size:11px;letter-spacing:.03em}}
.geg-diagram .maths{{font-family:"STIX Two Text","Times New Roman",Georgia,serif;
font-style:italic;font-size:1.08em}}
.geg-diagram .flow{{fill:none;stroke:var(--ink-line);stroke-width:1.4}}
.geg-diagram .back{{stroke-dasharray:4 3}}
.geg-diagram .head{{fill:var(--ink-line)}}
.geg-diagram .group{{fill:none;stroke:var(--ink-line);stroke-dasharray:2 3}}
.geg-diagram .is-new{{stroke-width:2.2}}
.geg-diagram .new{{fill:var(--new);font-size:10.5px;font-weight:700}}
.geg-diagram .halo{{fill:none;stroke:var(--panel);stroke-width:5px;stroke-linejoin:round}}
{_BOXES}
</style>"""
"""On light pages, and on dark ones where the book's switch says so."""
