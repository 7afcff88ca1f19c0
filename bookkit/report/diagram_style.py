"""Colours and letters of drawings, as CSS that follows the book's light or dark theme."""

from __future__ import annotations

from typing import Literal

Kind = Literal["data", "layer", "attention", "state", "operation"]

KINDS: dict[Kind, str] = {
    "data": "vectors",
    "layer": "learned layer",
    "attention": "attention",
    "state": "LSTM, keeps its own state",
    "operation": "no weights",
}
"""What the colours mean, for the legend."""

_FIXED = """
.geg-diagram{margin:1rem 0 1.2rem!important;padding:0!important;max-width:31rem;
--data:#eceff2;--data-line:#8b97a3;--layer:#e1edf9;--layer-line:#3a78b0;--attention:#fde9d9;
--attention-line:#b8460f;--state:#ddf1e8;--state-line:#1d7a55;--operation:#fff;
--operation-line:#8b97a3;--ink:#1d242b;--flow:#56616c;--panel:var(--geg-paper,#f6f8fa);
--panel-line:var(--geg-line,#d9dfe6);--new:#8a2a6b}
html[data-theme="dark"] .geg-diagram{--data:#2b323a;--data-line:#7b8793;--layer:#15314b;
--layer-line:#6aa7da;--attention:#47280f;--attention-line:#ff9a62;--state:#10382a;
--state-line:#68cda0;--operation:#14181c;--operation-line:#7b8793;--ink:#eef2f6;--flow:#a9b4bf;
--new:#f0a3d6}
.geg-diagram svg{display:block;width:100%;height:auto;font-family:inherit}
.geg-diagram text{fill:var(--ink);font-size:12.5px}
.geg-diagram .small{font-size:10.5px}.geg-diagram .label{fill:var(--flow);font-size:12px}
.geg-diagram .title{fill:var(--flow);font-size:11px;letter-spacing:.03em}
.geg-diagram .halo{fill:none!important;stroke:var(--panel);stroke-width:5px;stroke-linejoin:round}
.geg-diagram .maths{font-family:"STIX Two Text","Times New Roman",Georgia,serif;
font-style:italic;font-size:1.08em}
.geg-diagram .flow{fill:none;stroke:var(--flow);stroke-width:1.4}
.geg-diagram .back{stroke-dasharray:4 3}.geg-diagram .head{fill:var(--flow)}
.geg-diagram .panel{fill:var(--panel);stroke:var(--panel-line)}
.geg-diagram .group{fill:none;stroke:var(--flow);stroke-dasharray:2 3}
.geg-diagram .is-new{stroke-width:2.2}
.geg-diagram .new{fill:var(--new);font-size:10.5px;font-weight:700}
.geg-legend{display:flex;flex-wrap:wrap;gap:.15rem .9rem;font-size:.8rem;margin-top:.4rem;
color:var(--geg-muted,#5b6673)}
.geg-legend i{display:inline-block;width:.95rem;height:.7rem;border-radius:.2rem;
border:1.5px solid;margin-right:.35rem;vertical-align:-.02rem}
.geg-legend .line{border:0;border-top:2px dashed var(--flow);height:.2rem;border-radius:0}
"""
_PER_KIND = "".join(
    f".geg-diagram .{kind}{{fill:var(--{kind});stroke:var(--{kind}-line)}}"
    f".geg-legend .{kind}{{background:var(--{kind});border-color:var(--{kind}-line)}}"
    for kind in KINDS
)
STYLE = f"<style>{' '.join(_FIXED.split())}{_PER_KIND}</style>"
"""One line, to stand once on a page with drawings."""
