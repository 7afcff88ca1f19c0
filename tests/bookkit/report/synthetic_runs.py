"""A project folder with made-up, but complete run folders: no training, no CLIP, no Java."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
import yaml
from finished_runs import write_records
from torch.nn.functional import normalize

from emoji_scenes.dataset import ScenesDataset
from gegcore.embeddings import EmbeddingTable
from gegcore.groups import SimilarGroups, similar_groups
from gegcore.profiles import Profile
from gegcore.runs import RunFolder
from gegcore.storage import write_json

REVISION = "0123456789abcdef0123456789abcdef01234567"
# Mean CIDEr, share of captions that find their image, GEG-Avg, and how it ends.
EFFECT = {
    "mle": (100.0, 0.25, 0.10, ""),
    "scst": (110.0, 0.25, 0.10, "in a park"),
    "scst_geg": (104.0, 0.5, 0.14, "in a park with a red kite"),
    "mle_geg": (102.0, 0.55, 0.14, "with a red kite"),
    "scst_pp": (110.5, 0.25, 0.10, "in a big park"),
    "scst_er": (103.0, 0.4, 0.12, "in a park with a kite"),
    "scst_geg_min": (105.0, 0.45, 0.13, "in a park with red kites"),
    "scst_geg_sole": (17.4, 0.6, 0.2, "with a kite with a kite with a kite"),
    "identification": (104.0, 0.55, 0.14, "with a red kite in a park"),
}
METRICS = ("CIDEr", "R@1", "R@5", "R@10", "BLEU-1", "BLEU-4", "METEOR", "ROUGE-L")


def make_embeddings(dataset: ScenesDataset, width: int = 32) -> EmbeddingTable:
    """Images at random places; captions near their image."""
    generator = torch.Generator().manual_seed(0)
    images = normalize(torch.randn(len(dataset.records), width, generator=generator), dim=-1)
    owner = torch.arange(len(images)).repeat_interleave(5)
    noise = torch.randn(len(owner), width, generator=generator)
    captions = normalize(images[owner] + 0.25 * noise, dim=-1)
    return EmbeddingTable(images, captions, owner, {})


def make_test_split(home: Path, profile: Profile) -> tuple[ScenesDataset, SimilarGroups]:
    """The test split's annotations and groups, where the report looks for them."""
    artifacts = home / "artifacts" / profile.name
    dataset = ScenesDataset("test", profile.data.test)
    dataset.save(artifacts / "data" / "test.json")
    table = make_embeddings(dataset)
    groups = similar_groups(table.images, table.captions, table.caption_image, profile.group_size)
    groups.save(artifacts / "groups" / f"test-k{profile.group_size}")
    return dataset, groups


def make_run(
    profile: Profile,
    dataset: ScenesDataset,
    objective: str,
    seed: int,
    shift: float = 0.0,
    model: str = "transformer",
    best_epoch: int = 2,
) -> RunFolder:
    """A finished run whose metrics follow `EFFECT`; `shift` is added to CIDEr."""
    run = RunFolder.of(profile.name, model, objective, seed)
    run.path.mkdir(parents=True)
    chosen = profile.objective(objective, model).model_dump(mode="json")
    settings = {"profile": profile.model_dump(mode="json"), "model": model, "objective": chosen}
    run.file("config.yaml").write_text(yaml.safe_dump({**settings, "seed": seed}))
    frame = _per_caption(dataset, objective, seed, shift)
    frame.to_parquet(run.file("per_caption.parquet"))
    rows = frame[["image_id", "caption"]].to_dict("records")
    write_json(run.file("captions.json"), rows)
    write_json(run.file("metrics.json"), {"metrics": _metrics(frame), "signature": {}})
    for size in profile.beams:
        beam = {"metrics": _metrics(frame.assign(CIDEr=frame["CIDEr"] + size)), "signature": {}}
        write_json(run.file(f"beam{size}.metrics.json"), beam)
    log = _log(objective, seed)
    log.to_csv(run.file("log.csv"), index=False)
    slope = 9 if EFFECT[objective][0] > 50 else -24
    history = [
        {"epoch": e, "step": 100 * e, "CIDEr-D": 90.0 + slope * e, "R@1": 20.0 + e, "R@5": 50.0 + e}
        | {"GEG-Avg": 0.1 + 0.01 * e, "GEG-Min": 0.0, "length": 9.0 + 0.1 * e}
        for e in range(4)
    ]
    trained = {
        "git_revision": REVISION,
        "device": "x86_64",
        "created": "2026-01-02T03:04:05+00:00",
        "versions": {"torch": "2.11"},
    }
    record = {"trained": trained, "wall_seconds_training": 61.0, "digests": {"materials": "ab12"}}
    write_json(run.file("provenance.json"), record)
    training = {"best_epoch": best_epoch, "history": history, "seconds": 61.0}
    write_records(run, profile, model, objective, **training)
    return run


def _per_caption(dataset: ScenesDataset, objective: str, seed: int, shift: float) -> pd.DataFrame:
    cider, found, gap, ending = EFFECT[objective]
    rng = np.random.default_rng([seed, list(EFFECT).index(objective)])
    count = len(dataset.records)
    # The same images are hard for all objectives.
    hard = np.random.default_rng(99).normal(size=count)
    ranks = np.where(rng.random(count) < found, 0, rng.integers(1, 20, count))
    return pd.DataFrame(
        {
            "image_id": [record.image_id for record in dataset.records],
            "caption": [f"{r.captions[0]} {ending}".strip() for r in dataset.records],
            "CIDEr": cider + shift + 30 * hard + 2 * rng.normal(size=count),
            "METEOR": 28 + hard,
            "ROUGE-L": 57 + 3 * hard + 0.2 * rng.normal(size=count),
            "rank": ranks,
            "rank judge SigLIP": ranks,
            "rank VSE++": ranks,
            "listener R@1": np.where(ranks == 0, 50.0, 5.0),
            "GEG-Avg": gap + 0.02 * hard,
            "GEG-Min": gap - 0.1 + 0.02 * hard + 0.002 * rng.normal(size=count),
            "facts": 5,
            "true facts": np.where(ranks == 0, 5, 4),
            "similarity": 0.3 + 0.01 * hard,
        }
    )


def _metrics(frame: pd.DataFrame) -> dict[str, dict]:
    values = {name: float(frame[name].mean()) for name in ("CIDEr", "ROUGE-L", "METEOR")}
    values |= {f"R@{k}": float(100 * (frame["rank"] < k).mean()) for k in (1, 5, 10)}
    for judge in ("judge SigLIP", "VSE++"):
        values[f"R@1 {judge}"] = float(100 * (frame[f"rank {judge}"] < 1).mean())
    values["fact precision"] = 100 * float(frame["true facts"].sum() / frame["facts"].sum())
    values |= {"detail recall": 30.0, "facts": 5.0, "repetition": 0.0}
    means = ("GEG-Avg", "GEG-Min", "listener R@1")
    values |= {name: float(frame[name].mean()) for name in means}
    values |= {"BLEU-1": 76.0, "BLEU-4": 36.0}
    return {
        name: {"value": value, "ci95": [value - 1, value + 1], "n": len(frame)}
        for name, value in values.items()
    }


def _log(objective: str, seed: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    steps = np.arange(20, 301, 20)
    noise = 0.02 * rng.normal(size=len(steps))
    if objective == "mle":
        return pd.DataFrame({"step": steps, "epoch": steps // 100, "loss": 3 / np.log(steps)})
    rise = np.array([math.log(step) for step in steps]) / 10 + noise
    return pd.DataFrame(
        {
            "step": steps,
            "epoch": steps // 100,
            "loss": noise,
            "reward": rise,
            "reward_greedy": rise + 0.05,
            "positive_advantage": 0.45 + noise,
            "length": 9 + noise,
            "entropy": 1.5 - rise,
        }
    )


@dataclass(frozen=True)
class Project:
    home: Path
    profile: Profile
    dataset: ScenesDataset
    groups: SimilarGroups

    def run(self, objective: str, seed: int = 1, shift: float = 0.0, **made: Any) -> None:
        make_run(self.profile, self.dataset, objective, seed, shift, **made)

    def all_runs(self) -> None:
        for objective in self.profile.experiments.objectives:
            for seed in self.profile.experiments.seeds:
                self.run(objective, seed)
