"""One RL step of the embedded world: the package as it is against an older revision of itself.

One run, one table; see ``benchmarks/README.md``. Profile ``quick`` on one core: 64 pictures, five
samples and the greedy caption each, rewards CIDEr-D and GEG-Avg. Captioners are trained with
cross-entropy first, so that captions look like captions. Each revision is a process of its own
that is asked for one step at a time; both start every step from the same weights.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import platform
import statistics
import subprocess
import sys
import tarfile
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file

from gegcore.experiment.train import train
from gegcore.materials import Materials
from gegcore.profiles import Profile, load_profile
from gegcore.storage import write_json

ROOT = Path(__file__).parents[1]
PEER = "c3f7709"
"""The revision before steps were made faster."""
MODELS = ("transformer", "updown", "xlan")
PROFILE = """\
extends: quick
name: world-step
data: {train: 2000, val: 100, test: 100}
objectives: {mle: {epochs: 8}}
"""


def trained(folder: Path) -> tuple[Profile, Materials, dict[str, Path]]:
    """The world and the captioners, under `folder`; what is there already is not made anew."""
    os.environ["GEGCORE_HOME"] = str(folder)
    (folder / "world-step.yaml").write_text(PROFILE, encoding="utf-8")
    profile = load_profile(str(folder / "world-step.yaml"))
    materials = Materials.of(profile)
    runs = {model: train(materials, model, "mle", 1).checkpoint for model in MODELS}
    return profile, materials, runs


def set_up(folder: Path, repeat: int, seed: int) -> dict[str, Any]:
    """Write `setup.pt`, from which both revisions take the same steps; returns some of it."""
    profile, materials, runs = trained(folder)
    config, store = profile.objective("scst_geg"), materials.features["train"]
    images, generator = len(store), torch.Generator().manual_seed(seed)
    shape = (repeat + 1, config.images_per_step, config.samples, profile.max_len)
    size = config.images_per_step
    orders = torch.randperm(images, generator=generator).repeat(repeat * size // images + 2)
    batches = orders[: (repeat + 1) * size].split(size)
    setup = {
        "features": vars(store.batch(range(images))),
        "inputs": asdict(store.sizes),
        "references": materials.references("train"),
        "words": materials.vocabulary.words,
        "clip": materials.clip.model,
        "tokenizer": materials.clip.tokenizer,
        "images": materials.tables["train"].images.clone(),
        "groups": materials.groups["train"].index.clone(),
        "objective": config.model_dump(mode="json", exclude={"label"}),
        "max_len": profile.max_len,
        "models": {name: profile.models[name] for name in MODELS},
        "weights": {name: load_file(path) for name, path in runs.items()},
        "batches": batches,
        "noise": torch.rand(shape, dtype=torch.float64, generator=generator),
    }
    torch.save(setup, folder / "setup.pt")
    return {"images": size, "samples": config.samples, "vocabulary": len(setup["words"])}


class Revision:
    """A process that takes steps with one revision of the package."""

    def __init__(self, name: str, path: Path, folder: Path) -> None:
        self.name = name
        script = Path(__file__).with_name("world_step_worker.py")
        environment = os.environ | {"PYTHONPATH": str(path), "OMP_NUM_THREADS": "1"}
        self.process = subprocess.Popen(
            [sys.executable, str(script), str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )
        where = Path(self._answer()["ready"])
        if not where.is_relative_to(path):
            raise SystemExit(f"{name} runs {where}, not the package of {path}")

    def ask(self, do: str, **options: Any) -> dict[str, float]:
        assert self.process.stdin is not None
        print(json.dumps({"do": do, **options}), file=self.process.stdin, flush=True)
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"{self.name} ended early, with status {self.process.wait()}")
        return dict(json.loads(line))


def check_out(revision: str, folder: Path) -> Path:
    """The package at a revision; the world around it is today's."""
    command = ["git", "archive", revision, "gegcore"]
    archive = subprocess.run(command, cwd=ROOT, check=True, capture_output=True).stdout
    with tarfile.open(fileobj=io.BytesIO(archive)) as stream:
        stream.extractall(folder / "peer", filter="data")
    (folder / "peer" / "emoji_scenes").symlink_to(ROOT / "emoji_scenes")
    return folder / "peer"


def measure(model: str, pair: list[Revision], folder: Path, repeat: int) -> dict[str, Any]:
    """Seconds by part of every turn of both, which alternate in who goes first; and differences.

    Rewards are compared on the same captions, gradients where both said the same ones.
    """
    taken: dict[str, list[dict[str, float]]] = {one.name: [] for one in pair}
    rewards, gradients, alike = [], [], []
    for turn in range(repeat + 1):  # the first warms up
        said, slopes, values = {}, {}, {}
        for one in pair if turn % 2 else reversed(pair):
            seconds = one.ask("step", name=model, turn=turn)
            said[one.name], slopes[one.name] = torch.load(folder / "step.pt")
            if turn:
                taken[one.name].append(seconds)
        old, new = (one.name for one in pair)
        torch.save(said[old], folder / "captions.pt")
        for one in pair:
            one.ask("reward", turn=turn)
            values[one.name] = torch.load(folder / "rewards.pt")
        rewards.append(float((values[old] - values[new]).abs().max()))
        equal = said[old].shape == said[new].shape
        alike.append(float((said[old] == said[new]).all(-1).float().mean()) if equal else 0.0)
        if alike[-1] == 1:
            apart = (slopes[old] - slopes[new]).norm() / slopes[old].norm()
            gradients.append(float(apart))
    check(model, max(rewards), max(gradients, default=0.0), statistics.mean(alike))
    return {
        "taken": taken,
        "reward_difference": max(rewards),
        "gradient_difference": max(gradients, default=None),
        "captions_alike": statistics.mean(alike),
    }


def check(model: str, reward: float, gradient: float, alike: float) -> None:
    """Both must reward alike, say the same but for a few near ties, and have one gradient."""
    if not (reward <= 1e-5 and gradient < 1e-3 and alike > 0.98):
        raise SystemExit(
            f"{model}: rewards differ by {reward:.1e}, gradients by {gradient:.1e}, "
            f"{alike:.1%} of the captions are alike"
        )


def rows(model: str, found: dict[str, Any]) -> list[dict[str, Any]]:
    """Median seconds in all and by part, and the median ratio to the older revision."""
    totals = {name: [sum(run.values()) for run in runs] for name, runs in found["taken"].items()}
    first = next(iter(totals.values()))
    return [
        {
            "model": model,
            "revision": name,
            "seconds": statistics.median(whole),
            "ratio": statistics.median(b / a for a, b in zip(first, whole, strict=True)),
            "parts": {
                part: statistics.median(run[part] for run in found["taken"][name])
                for part in found["taken"][name][0]
            },
        }
        for name, whole in totals.items()
    ]


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--repeat", type=int, default=10, help="turns (default: 10)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path, help="keep world and captioners here")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the numbers here")
    chosen = parser.parse_args()
    if chosen.repeat < 1:
        parser.error("--repeat must be at least 1")
    return chosen


def main() -> None:
    args = arguments()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as scratch:
        folder = (args.folder or Path(scratch)).resolve()
        folder.mkdir(parents=True, exist_ok=True)
        about = set_up(folder, args.repeat, args.seed)
        peer = check_out(PEER, Path(scratch))
        pair = [Revision(PEER, peer, folder), Revision("now", ROOT, folder)]
        found = {model: measure(model, pair, folder, args.repeat) for model in MODELS}
    setting = {
        **about,
        "repeat": args.repeat,
        "clock": "process_time",
        "threads": 1,
        "torch": torch.__version__,
        "machine": platform.machine(),
    }
    table = [row for model, one in found.items() for row in rows(model, one)]
    print(", ".join(f"{name} {value}" for name, value in setting.items()))
    for row in table:
        parts = "  ".join(f"{key} {value:.3f}" for key, value in row["parts"].items())
        line = f"{row['model']:12}{row['revision']:8}{row['seconds']:7.3f} s {row['ratio']:6.2f}"
        print(f"{line}   {parts}")
    agreement = ("reward_difference", "gradient_difference", "captions_alike")
    same = {model: {key: one[key] for key in agreement} for model, one in found.items()}
    print(json.dumps(same))
    if args.json:
        taken = {model: one["taken"] for model, one in found.items()}
        result = {"setting": setting, "rows": table, "agreement": same, "runs": taken}
        write_json(args.json, result)


if __name__ == "__main__":
    main()
