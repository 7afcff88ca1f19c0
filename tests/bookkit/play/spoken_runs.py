"""Finished runs that say what a test wants, with values that a test can foretell."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd
import yaml
from finished_runs import write_records

from emoji_scenes.dataset import ScenesDataset
from gegcore.profiles import Profile
from gegcore.runs import RunFolder
from gegcore.storage import write_json

ENDINGS = {"mle": "", "scst": "in a park", "scst_geg": "with a red kite"}
ODD = '<img src="x" onerror="window.pwned = 1"> <b>bold</b> & "quoted"'
"""What the last stage says of the first picture: text, whatever it looks like."""


def speak(
    profile: Profile,
    data: ScenesDataset,
    objective: str,
    seed: int = 1,
    variant: str = "",
    scores: bool = True,
    **metrics: float,
) -> RunFolder:
    """A run of the Transformer: the first reference with an ending, rank `ranks()`."""
    run = RunFolder.of(profile.name, "transformer", objective, seed, variant)
    run.path.mkdir(parents=True)
    chosen = profile.objective(objective, "transformer").model_dump(mode="json")
    settings = {"profile": profile.model_dump(mode="json"), "objective": chosen}
    told = {**settings, "model": "transformer", "seed": seed}
    run.file("config.yaml").write_text(yaml.safe_dump(told))
    said = captions(data, objective, variant)
    rows = [{"image_id": image, "caption": caption} for image, caption in said.items()]
    write_json(run.file("captions.json"), rows)
    if scores:
        values(data, objective).to_parquet(run.file("per_caption.parquet"))
    found = {"CIDEr": 100.0, "R@1": 10.0, **metrics}
    table = {k: {"value": v, "ci95": [v - 1, v + 1], "n": len(rows)} for k, v in found.items()}
    write_json(run.file("metrics.json"), {"metrics": table, "signature": {}})
    write_records(run, profile, "transformer", objective, best_epoch=1, history=[])
    return run


def captions(data: ScenesDataset, objective: str, variant: str = "") -> dict[int, str]:
    ending = f"{ENDINGS[objective]} {variant}".strip()
    said = {r.image_id: f"{r.captions[0]} {ending}".strip() for r in data.records}
    if objective == "scst_geg" and not variant:
        said[data.records[0].image_id] = ODD
    return said


def values(data: ScenesDataset, objective: str) -> pd.DataFrame:
    """Rank, from 0, of picture i: i by MLE, 3 by +SCST, 0 or 7 in turn by +SCST+GEG."""
    count = len(data.records)
    ranks: Mapping[str, Any] = {
        "mle": range(count),
        "scst": [3] * count,
        "scst_geg": [0 if i % 2 == 0 else 7 for i in range(count)],
    }
    gap = {"mle": 0.01, "scst": 0.02, "scst_geg": 0.12345}[objective]
    return pd.DataFrame(
        {
            "image_id": [record.image_id for record in data.records],
            "rank": list(ranks[objective]),
            "GEG-Avg": [gap + 0.001 * i for i in range(count)],
            "GEG-Min": [-gap] * count,
        }
    )
