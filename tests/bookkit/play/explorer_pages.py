"""The explorer and the slider as files beside their data, and how a test reads them."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from spoken_runs import ENDINGS, speak

from bookkit.play.explorer import write_explorer
from emoji_scenes.dataset import ScenesDataset
from gegcore.profiles import Profile

ROOT = Path(__file__).resolve().parents[3]
STATIC = ROOT / "book" / "_static"
PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>page</title>
<meta name="viewport" content="width=device-width">
<link rel="stylesheet" href="book.css"><link rel="stylesheet" href="explorer.css">
<style>body { margin: 8px; background: var(--back, #fff); color: var(--text, #222); }
html[data-theme=dark] { --back: #121212; --text: #ddd; }</style>
<article class="bd-article"><div id="here" class="geg-holder"></div></article>
<script src="explorer-data.js"></script><script src="explorer-view.js"></script>
<script src="NAME.js"></script>
<script>OBJECT.open(document.getElementById("here"), "data/");</script></html>"""
PAGES = {"explorer": "gegExplorer", "weights": "gegWeights"}
Open = Callable[..., Any]
OTHERS: dict[str, dict[str, Any]] = {
    "strongly": {"rewards.geg_avg": 50.0},
    "few": {"group_size": 3},
}
"""Runs of +SCST+GEG with another weight, and with another K."""


def make_pages(
    home: Path, profile: Profile, world: ScenesDataset, others: bool = True, scores: bool = True
) -> Path:
    """Both pages beside their data, of three stages and, if wanted, `OTHERS`."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GEGCORE_HOME", str(home))
        for objective, cider in zip(ENDINGS, (100.0, 120.0, 90.0), strict=True):
            speak(profile, world, objective, scores=scores, CIDEr=cider)
        for variant, changes in OTHERS.items() if others else ():
            other = profile.changed("transformer", "scst_geg", **changes)
            speak(other, world, "scst_geg", variant=variant, CIDEr=40.0, **{"R@1": 50.0})
        write_explorer(profile, home / "page" / "data")
    for name, made in PAGES.items():
        text = PAGE.replace("NAME", name).replace("OBJECT", made)
        (home / "page" / f"{name}.html").write_text(text)
    for file in (*STATIC.glob("explorer*"), STATIC / "weights.js", STATIC / "book.css"):
        shutil.copy(file, home / "page")
    return home / "page"


def field(page: Any, name: str) -> Any:
    return page.locator(f".geg-field-{name} :is(select, input)")


def listed(page: Any) -> list[int]:
    """Numbers of the pictures in the list, from 1."""
    keys = page.locator(".geg-items button").evaluate_all("all => all.map(x => x.dataset.key)")
    return [int(key.removeprefix("pick")) + 1 for key in keys]
