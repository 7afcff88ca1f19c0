"""Data of the pages *Caption explorer* and *Move beta and K*: what the stored runs said, in parts.

A page of files can ask for scripts only, so every part is one: it hands gzipped JSON to `gegData`.
"""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from bookkit.play.pictures import Pictures, side_within, write_sheets
from bookkit.play.said import SHOWN, Listed, Stage, said_by
from bookkit.play.weights import all_series, commands
from bookkit.report.paper import MODEL_NAMES
from bookkit.report.results import Runs
from gegcore.errors import DataError
from gegcore.profiles import Profile
from gegcore.progress import track
from gegcore.registry import file_name
from gegcore.storage import write_text

INDEX, PICTURES = "index.js", "pictures.js"

BUDGET = 8_000_000
"""Bytes of all files together."""

_INDEX = 200_000  # bytes kept for the index, which is written last


def write_explorer(profile: Profile, folder: Path, budget: int = BUDGET) -> Path | None:
    """Write what `explorer.js` and `weights.js` ask for; None, and nothing, without any run.

    Runs of the profile come first, then those of others with the same test pictures, as long as
    they fit: what does not is named in the page.

    Returns:
        The index.
    """
    every = alike(profile)
    written: dict[str, int] = {}
    if every:
        pictures = Pictures.of_scenes(profile) or Pictures(captioned(every[0].stages))
        side = side_within(len(pictures.ids), budget // 2)
        sheets = write_sheets(pictures.data, folder, side) if pictures.data else []
        written = {name: (folder / name).stat().st_size for name in sheets}
        written |= _write(folder, PICTURES, pictures.content(sheets, side))
        room = budget - sum(written.values()) - _INDEX
        index, parts = _write_runs(every, pictures, folder, room)
        index |= {"series": all_series(every), "commands": commands(every[0].runs)}
        written |= parts | _write(folder, INDEX, index)
    for path in folder.glob("*"):
        if path.name not in written:
            path.unlink()
    return folder / INDEX if every else None


def address(profile: Profile, model: str, objective: str, seed: int) -> str:
    """Of the view of a run, against the one it starts from, relative to `book/`."""
    start = profile.objective(objective).start_from or objective
    view = {"of": profile.name, "model": model, "seed": seed, "from": start, "to": objective}
    return f"explorer.html#{urlencode(view)}"


def alike(profile: Profile) -> list[Listed]:
    """Runs of a profile, and of others that caption and rank the same test pictures."""
    try:
        every = Runs.every(profile)
    except DataError:
        return []
    shared = ("data", "clip", "clip_pretrained", "group_size")
    own = [getattr(profile, name) for name in shared]
    same = (runs for runs in every if [getattr(runs.profile, name) for name in shared] == own)
    return [Listed.of(runs) for runs in same]


def captioned(stages: Sequence[Stage]) -> list[int]:
    """Ids of the pictures that any of the runs has a caption of."""
    return sorted(set[int]().union(*(stage.run.captions() for stage in stages)))


def packed(name: str, content: Any) -> str:
    """A script that hands over a part; base64 of gzip: no text of a caption is code or markup."""
    text = json.dumps(content, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    zipped = base64.b64encode(gzip.compress(text.encode("utf-8"), mtime=0)).decode()
    return f'gegData.take({json.dumps(name)}, "{zipped}");\n'


def _write_runs(
    every: Sequence[Listed], pictures: Pictures, folder: Path, room: int
) -> tuple[dict[str, Any], dict[str, int]]:
    """A part a profile and captioner while there is room: the index, and files with their sizes."""
    sets: dict[str, dict[str, Any]] = {}
    written: dict[str, int] = {}
    left_out: list[str] = []
    pairs = [(listed, model) for listed in every for model in listed.runs.models]
    for (runs, all_stages), model in track(pairs, "captions of the explorer", delay=2):
        profile, shown = runs.profile.name, MODEL_NAMES.get(model, model)
        stages = [stage for stage in all_stages if stage.model == model]
        name = f"said-{profile}-{file_name(model)}.js"
        text = packed(name, said_by(stages, pictures)) if stages else ""
        if sum(written.values()) + len(text) > room:
            left_out.append(f"{shown} of profile {profile}")
        elif stages:
            write_text(folder / name, text)
            written[name] = len(text)
            about = {"profile": profile, "source": runs.source, "models": []}
            of_model = {"id": model, "name": shown, "part": name, "runs": list(map(_about, stages))}
            sets.setdefault(profile, about)["models"].append(of_model)
    return {"sets": list(sets.values()), "leftOut": left_out}, written


def _about(stage: Stage) -> dict[str, Any]:
    """A run in the index."""
    metrics = {k: v["value"] for k, v in stage.run.metrics().items() if k in SHOWN}
    return {"name": stage.name, "label": stage.said, "seed": stage.seed, "metrics": metrics}


def _write(folder: Path, name: str, content: Any) -> dict[str, int]:
    text = packed(name, content)
    write_text(folder / name, text)
    return {name: len(text)}
