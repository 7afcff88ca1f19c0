"""A dry run of a profile at true size: steps a second on this machine, and hours of each table.

    python -m benchmarks.dry_run --profile coco --json results/benchmarks/dry_run.json

Features of 113,287 generated images (9 GB) are written to `--folder` as `gegcore prepare` writes
real ones, and read from the disk in random order; references, vocabulary and group are of COCO's
size; captioners, recipes, batches and rewards are the profile's own, weights are random. Captions
take all 20 steps, the most work there can be. On a GPU it takes minutes, on two cores half an hour;
`--models` and `--steps` make it shorter, and it says so.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import resource
import statistics
import time
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from benchmarks.generated import GeneratedMaterials
from benchmarks.paper_size import make_talk
from gegcore.experiment.objective import build_objective
from gegcore.models import build_captioner
from gegcore.models.captioner import Captioner
from gegcore.profiles import Profile, load_profile
from gegcore.provenance import environment
from gegcore.runs import project_root
from gegcore.storage import write_json
from gegcore.training.distributed import start_accelerator
from gegcore.training.step import OptimiserStep

_WARM = 1


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--profile", default="coco")
    parser.add_argument("--models", nargs="+", help="default: all of the profile")
    parser.add_argument("--objectives", nargs="+", default=["mle", "scst", "scst_geg"])
    parser.add_argument("--images", type=int, default=113_287)
    parser.add_argument("--regions", type=int, default=36)
    parser.add_argument("--steps", type=int, default=3, help="measured ones of each; 1 before them")
    parser.add_argument("--folder", type=Path, help="default: artifacts/dry-run of the project")
    parser.add_argument("--precision", choices=("no", "bf16", "fp16"))
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the report here, too")
    arguments = parser.parse_args()
    report = dry_run(arguments)
    print(json.dumps(report, indent=1))
    if arguments.json:
        write_json(arguments.json, report)


def dry_run(arguments: argparse.Namespace) -> dict[str, Any]:
    """Measure every captioner under every objective, and forecast the profile's grid."""
    profile = load_profile(arguments.profile)
    accelerator = start_accelerator(None, arguments.precision)
    folder = arguments.folder or project_root() / "artifacts" / "dry-run"
    began, load = time.perf_counter(), round(os.getloadavg()[0], 1)
    given = GeneratedMaterials(
        profile, arguments.images, arguments.regions, folder, accelerator.device
    )
    preparing = time.perf_counter() - began
    models = arguments.models or list(profile.experiments.models)
    measured: dict[str, dict[str, Any]] = {}
    for model in models:
        for name in arguments.objectives:
            measured.setdefault(model, {})[name] = _measure(
                given, model, name, arguments.steps, accelerator
            )
    return {
        "setting": {
            "images": arguments.images,
            "regions": arguments.regions,
            "steps": arguments.steps,
            "precision": accelerator.mixed_precision,
            "device": _device(accelerator.device),
            "threads": torch.get_num_threads(),
            "load before": load,
            "revision": environment()["git_revision"],
        },
        "seconds until features are mapped": round(preparing, 1),
        "measured": measured,
        "hours": _forecast(profile, arguments.images, measured),
    }


def _measure(
    given: GeneratedMaterials, model_name: str, name: str, steps: int, accelerator: Any
) -> dict[str, float]:
    """Seconds of a step (median), images a second, and peak memory in GB."""
    profile, device = given.profile, given.device
    config = profile.objective(name, model_name)
    sizes = given.features["train"].sizes
    torch.manual_seed(0)
    fields = profile.models.get(model_name, {})
    model: Captioner = build_captioner(model_name, len(given.vocabulary), sizes, **fields)
    model = make_talk(model).to(device)
    objective = build_objective(given, config)  # type: ignore[arg-type]
    step = OptimiserStep(model, objective, config, accelerator)
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    seconds = []
    for number in tqdm(range(_WARM + steps), desc=f"{model_name} {name}", leave=False):
        generator = torch.Generator().manual_seed(number)
        batch = torch.randperm(given.count, generator=generator)[: config.images_per_step]
        shape = (len(batch), *objective.noise_shape)
        noise = torch.rand(shape, dtype=torch.float64, generator=generator).to(device)
        objective.start_epoch(0)
        began = _clock(device)
        step(batch, noise, config.learning_rate, lambda: False)
        seconds.append(_clock(device) - began)
    median = statistics.median(seconds[_WARM:])
    return {
        "images per step": config.images_per_step,
        "seconds per step": round(median, 4),
        "images per second": round(config.images_per_step / median, 2),
        "peak GB": round(_peak(device) / 1e9, 2),
    }


def _forecast(profile: Profile, images: int, measured: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Hours of training of each run of the grid, by table, at one seed.

    An ablation takes as long as what it is like: +SCST++ as +SCST, what asks CLIP as +GEG.
    """
    grid, hours = profile.experiments, {"Table 2": {}, "Table 3": {}}  # type: ignore[var-annotated]
    for model, name, _ in dict.fromkeys((m, o, 0) for m, o, _ in grid.runs()):
        config = profile.objective(name, model)
        like = name if name in measured.get(model, {}) else _like(config)
        found = measured.get(model, {}).get(like)
        if found:
            steps = math.ceil(images / config.images_per_step) * config.epochs
            table = "Table 2" if name in grid.objectives and model in grid.models else "Table 3"
            hours[table][f"{model} {name}"] = round(steps * found["seconds per step"] / 3600, 1)
    sums = {table: round(sum(runs.values()), 1) for table, runs in hours.items()}
    return {"total": sums, "runs": hours}


def _like(config: Any) -> str:
    if config.loss == "cross_entropy":
        return "mle"
    return "scst_geg" if config.sees_pictures else "scst"


def _clock(device: torch.device) -> float:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()


def _peak(device: torch.device) -> float:
    """Bytes: of a GPU what tensors took, else of the process, which never falls again."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024.0


def _device(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else "CPU"


if __name__ == "__main__":
    main()
