"""How long a captions file takes: every metric of `gegcore evaluate`, and pycocoevalcap's share.

One run, one table; see ``benchmarks/README.md``.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import platform
import resource
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from functools import partial
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from pycocoevalcap.bleu.bleu import Bleu
from pycocoevalcap.cider.cider import Cider
from pycocoevalcap.meteor.meteor import Meteor
from pycocoevalcap.rouge.rouge import Rouge
from pycocoevalcap.tokenizer import ptbtokenizer

from caption_evaluation import files as wiring
from caption_evaluation.files import EvaluationSettings, evaluate_files
from emoji_scenes.dataset import ScenesDataset
from gegcore.metrics.java import java_executable
from gegcore.metrics.meteor import shared_meteor
from gegcore.storage import write_json

PEER = "pycocoevalcap: 7 metrics of language"
_PAINTED_AT_ONCE = 100

Values = dict[str, float]


def paint(folder: Path, images: int) -> None:
    """Pictures, references and captions of the embedded world as a stranger would have them.

    A caption is one of another annotator's, of another picture for every third.
    """
    dataset = ScenesDataset("val", images)
    records = dataset.records
    (folder / "pictures").mkdir()
    for start in range(0, images, _PAINTED_AT_ONCE):
        indices = range(start, min(images, start + _PAINTED_AT_ONCE))
        for index, pixels in zip(indices, dataset.images(indices), strict=True):
            path = folder / "pictures" / f"{records[index].image_id}.png"
            Image.fromarray(pixels).save(path, compress_level=1)
    references = {str(record.image_id): list(record.captions) for record in records}
    shift = [index + (index % 3 == 0) for index in range(images)]
    captions = {
        str(record.image_id): f"{records[other % images].captions[0]} now"
        for record, other in zip(records, shift, strict=True)
    }
    for name, value in (("references", references), ("captions", captions)):
        (folder / f"{name}.json").write_text(json.dumps(value), encoding="utf-8")


def ours(folder: Path, images: bool, cache: Path | None) -> Values:
    """`gegcore evaluate` from the files on, METEOR started anew."""
    shared_meteor().close()
    settings = EvaluationSettings(clip="scenes-clip", cache=cache, spice=False)
    pictures = folder / "pictures" if images else None
    report = evaluate_files(
        folder / "captions.json", folder / "references.json", pictures, settings=settings
    )
    shared_meteor().close()  # Its time is counted when it has ended.
    return {name: found["value"] for name, found in report.evaluation.metrics.items()}


def peer(folder: Path) -> Values:
    """The sequence of pycocoevalcap's `COCOEvalCap.evaluate`, SPICE apart."""
    references = json.loads((folder / "references.json").read_text(encoding="utf-8"))
    captions = json.loads((folder / "captions.json").read_text(encoding="utf-8"))
    tokenizer = ptbtokenizer.PTBTokenizer()
    truth = tokenizer.tokenize(
        {key: [{"caption": text} for text in texts] for key, texts in references.items()}
    )
    said = tokenizer.tokenize({key: [{"caption": text}] for key, text in captions.items()})
    with redirect_stdout(io.StringIO()):
        bleu = Bleu(4).compute_score(truth, said)[0]
    values = {
        **{f"BLEU-{n}": value for n, value in enumerate(bleu, 1)},
        "METEOR": Meteor().compute_score(truth, said)[0],
        "ROUGE-L": Rouge().compute_score(truth, said)[0],
        "CIDEr": Cider().compute_score(truth, said)[0],
    }
    return {name: 100 * float(value) for name, value in values.items()}


@contextmanager
def upstream_at_home() -> Iterator[None]:
    """pycocoevalcap with the Java of the package, and with a tokenizer that writes elsewhere."""
    before = os.environ["PATH"], os.environ.get("LC_ALL"), ptbtokenizer.__file__
    with tempfile.TemporaryDirectory() as folder:
        jar = Path(ptbtokenizer.__file__).with_name(ptbtokenizer.STANFORD_CORENLP_3_4_1_JAR)
        shutil.copy(jar, folder)
        ptbtokenizer.__file__ = str(Path(folder) / "ptbtokenizer.py")
        os.environ["PATH"] = f"{java_executable().parent}{os.pathsep}{before[0]}"
        os.environ["LC_ALL"] = "C"  # METEOR would hang in a German terminal.
        try:
            yield
        finally:
            os.environ["PATH"], _, ptbtokenizer.__file__ = before
            os.environ.pop("LC_ALL") if before[1] is None else os.environ.update(LC_ALL=before[1])


def clock() -> tuple[float, float]:
    """Seconds on the wall, and of all processors, those of ended children included."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return time.perf_counter(), sum(each.ru_utime + each.ru_stime for each in used)


class Phases:
    """Seconds and processor seconds by name."""

    def __init__(self) -> None:
        self.spent: dict[str, tuple[float, float]] = {}

    def timed(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """`function`, whose calls are measured."""

        def run(*args: Any, **kwargs: Any) -> Any:
            start = clock()
            try:
                return function(*args, **kwargs)
            finally:
                before, end = self.spent.get(name, (0.0, 0.0)), clock()
                wall, cpu = (x + b - a for x, a, b in zip(before, start, end, strict=True))
                self.spent[name] = wall, cpu

        return run


PHASES = {
    "embed_pictures": "pictures through CLIP",
    "embed_texts": "references through CLIP",
    "similar_groups": "similar groups",
    "evaluate_captions": "captions: CLIP, language, bootstrap",
}
"""Function that `evaluate_files` calls -> its name in the table."""


@contextmanager
def measured_phases() -> Iterator[Phases]:
    """Measure the parts of `evaluate_files`."""
    phases, before = Phases(), {name: getattr(wiring, name) for name in PHASES}
    for name, label in PHASES.items():
        setattr(wiring, name, phases.timed(label, before[name]))
    try:
        yield phases
    finally:
        for name, function in before.items():
            setattr(wiring, name, function)


def measure(folder: Path) -> tuple[list[dict[str, Any]], dict[str, Values], Phases]:
    """Every contender once, and the parts of the first."""
    cache = folder / "cache"
    contenders: dict[str, Callable[[], Values]] = {
        "every metric, nothing embedded before": partial(ours, folder, True, cache),
        "every metric, pictures and references known": partial(ours, folder, True, cache),
        "metrics of words only, with intervals": partial(ours, folder, False, None),
        PEER: partial(peer, folder),
    }
    rows, values, first = [], {}, Phases()
    for name, contender in contenders.items():
        with measured_phases() as phases:
            start = clock()
            values[name] = contender()
            wall, cpu = (b - a for a, b in zip(start, clock(), strict=True))
        first = first if rows else phases
        rows.append({"contender": name, "seconds": wall, "processor_seconds": cpu})
    return rows, values, first


def check(values: dict[str, Values]) -> float:
    """Largest difference of a score to pycocoevalcap's.

    Raises:
        SystemExit: it is more than rounding.
    """
    expected = values[PEER]
    worst = max(abs(found[name] - expected[name]) for found in values.values() for name in expected)
    if worst > 1e-4:  # 1e-6 on pycocoevalcap's own scale
        raise SystemExit(f"scores differ by {worst:.1e}")
    return worst


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--images", type=int, default=5000, help="default: 5000")
    parser.add_argument("--threads", type=int, default=2, help="of torch (default: 2)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the numbers here")
    chosen = parser.parse_args()
    if chosen.images < 6 or chosen.threads < 1:
        parser.error("--images must be at least 6, --threads at least 1")
    return chosen


def main() -> None:
    args = arguments()
    torch.set_num_threads(args.threads)
    with tempfile.TemporaryDirectory() as folder, upstream_at_home():
        paint(Path(folder), args.images)
        rows, values, phases = measure(Path(folder))
    worst = check(values)
    setting = {
        "captions": args.images,
        "references": 5 * args.images,
        "CLIP": "scenes-clip",
        "threads": args.threads,
        "load": round(os.getloadavg()[1], 1),
        "torch": torch.__version__,
        "machine": platform.machine(),
    }
    print(", ".join(f"{name} {value}" for name, value in setting.items()))
    for row in rows:
        print(f"{row['contender']:52}{row['seconds']:7.1f} s{row['processor_seconds']:8.1f} CPU s")
    parts = [
        {"phase": name, "seconds": wall, "processor_seconds": cpu}
        for name, (wall, cpu) in phases.spent.items()
    ]
    for part in parts:
        print(f"  {part['phase']:50}{part['seconds']:7.1f} s{part['processor_seconds']:8.1f} CPU s")
    print(f"largest difference to pycocoevalcap {worst:.1e}")
    if args.json:
        result = {"setting": setting, "difference": worst, "rows": rows, "phases": parts}
        write_json(args.json, result)


if __name__ == "__main__":
    main()
