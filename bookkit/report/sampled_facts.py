"""What a reward has to choose from: which facts of sampled captions are true, by their kind.

`python -m bookkit.report.sampled_facts --profile standard --epochs 6 15` trains MLE for each number
of epochs and stores what validation said, in `results/sweeps/PROFILE-mle-sampled_facts.json`. A
detail that samples get wrong more often than not lowers the reward: it is unlearnt, not learnt.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from safetensors.torch import load_file

from bookkit.report.added_facts import truth_of
from bookkit.report.stored import STORED
from bookkit.sweep import joined, kept_at
from emoji_scenes.scenes.parse import facts_of
from gegcore.decoding import decode
from gegcore.errors import DataError, in_words
from gegcore.experiment import train
from gegcore.experiment.train import new_captioner
from gegcore.materials import Materials
from gegcore.models.captioner import Captioner
from gegcore.profiles import Profile, load_profile
from gegcore.provenance import environment
from gegcore.storage import read_json, write_json
from gegcore.training.distributed import start_accelerator

SAMPLES = 4
"""Captions drawn per validation image."""

_IMAGES_PER_BATCH = 100


def sampled_facts(materials: Materials, model: Captioner, seed: int = 0) -> pd.DataFrame:
    """Facts in captions drawn from the policy for the validation images.

    Returns: a row a kind: `stated`, facts per caption, and `true`, per cent of them.

    Raises:
        DataError: the data set has no scene graphs.
    """
    said = sampled_captions(materials, model, seed)
    rows = []
    for record, captions in zip(materials.data["val"].records, said, strict=True):
        holds = truth_of(record)
        rows += [
            {"kind": fact.kind, "true": 100.0 * bool(fact.atoms & holds)}
            for caption in captions
            for fact in facts_of(caption)
        ]
    by_kind = pd.DataFrame(rows, columns=["kind", "true"]).groupby("kind")["true"]
    count = sum(map(len, said))
    return pd.DataFrame({"stated": by_kind.size() / count, "true": by_kind.mean()}).reset_index()


def sampled_captions(materials: Materials, model: Captioner, seed: int) -> list[list[str]]:
    """`SAMPLES` captions of each validation image, drawn word by word."""
    words, longest = materials.vocabulary, materials.profile.max_len
    store, generator = materials.features["val"], torch.Generator().manual_seed(seed)
    found: list[list[str]] = []
    model.eval()
    for rows in torch.arange(len(materials.data["val"].records)).split(_IMAGES_PER_BATCH):
        size = len(rows), SAMPLES, longest
        noise = torch.rand(size, generator=generator, dtype=torch.float64).to(materials.device)
        batch = store.batch(rows.tolist()).to(materials.device)
        limits: dict[str, Any] = {"max_len": longest, "forbid": words.forbidden}
        with torch.no_grad():
            tokens = decode(model, batch, SAMPLES, noise=noise, **limits).tokens[:, 1:]
        found += [[words.decode(caption) for caption in each] for each in tokens.tolist()]
    return found


def tried(
    profile: Profile, models: Sequence[str], epochs: Sequence[int], seeds: Sequence[int]
) -> list[dict[str, Any]]:
    """An entry a captioner, number of epochs and seed: validation after the last, and facts."""
    materials, entries = Materials.of(profile, start_accelerator().device), []
    for model, count, seed in product(models, epochs, seeds):
        changed = materials.under(profile.changed(model, "mle", epochs=count))
        run = train(changed, model, "mle", seed)
        captioner = new_captioner(changed, model, seed)
        captioner.load_state_dict(load_file(run.checkpoint))
        facts = sampled_facts(changed, captioner).to_dict("records")
        about = {"model": model, "seed": seed, "value": count}
        entries.append({**about, "validation": run.training()["history"][-1], "facts": facts})
    return entries


def read_tried(profile: Profile, folder: Path = STORED) -> tuple[pd.DataFrame, pd.DataFrame]:
    """What is stored: validation, a row an entry; facts, a row an entry and kind. `value`: epochs.

    Raises:
        DataError: nothing is.
    """
    path = _file(profile, folder)
    if not path.is_file():
        raise DataError(f"{path} is not stored", f"see python -m {__name__} --help")
    entries: list[dict[str, Any]] = read_json(path)["entries"]
    about: list[str | list[str]] = ["model", "seed", "value"]
    facts = pd.json_normalize(entries, "facts", about)
    return pd.json_normalize([{**e, **e.pop("validation")} for e in entries]), facts


def _file(profile: Profile, folder: Path) -> Path:
    return folder / "sweeps" / f"{profile.name}-mle-sampled_facts.json"


@in_words
def main(arguments: Sequence[str] | None = None) -> None:
    """Train MLE for several numbers of epochs and store which sampled facts are true."""
    parser = argparse.ArgumentParser(
        prog="python -m bookkit.report.sampled_facts", description=main.__doc__
    )
    parser.add_argument("--profile", default="standard")
    parser.add_argument("--models", default=["transformer"], nargs="+")
    parser.add_argument("--epochs", type=int, required=True, nargs="+")
    parser.add_argument("--seeds", type=int, default=[1], nargs="+")
    parser.add_argument("--to", type=Path, default=STORED)
    parsed = parser.parse_args(arguments)
    profile = load_profile(parsed.profile)
    path = _file(profile, parsed.to)
    before = kept_at(path)["entries"]
    found = tried(profile, parsed.models, parsed.epochs, parsed.seeds)
    entries = joined(before, found)
    write_json(path, {"entries": entries, "environment": environment()})
    print(f"{len(entries)} runs kept in {path}")


if __name__ == "__main__":
    sys.exit(main())
