"""`gegcore evaluate`: every metric of anybody's captions, with intervals."""

from __future__ import annotations

import argparse
import io
import re
import sys
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING

from gegcore.commands.options import Commands
from gegcore.errors import ToolError

if TYPE_CHECKING:
    from gegcore.evaluation.report import EvaluationReport

_EXAMPLE = """\
captions.json is [{"image_id": 42, "caption": "a dog"}, ...], one such object a line, {"42": "a
dog", ...}, or a table (CSV, TSV, Parquet) with these two columns. refs.json is any of these with
several captions an image, COCO's, nocaps' or TextCaps' annotations, Karpathy's dataset_*.json, or
Flickr's token.txt; it may hold more images than have captions. 42 and "42" are the same image,
whose picture is 42.jpg, 000042.png, COCO_val2014_000000000042.jpg, or the file that is named.

  gegcore evaluate captions.json --references refs.json --images pictures -o report.html
"""


def add(commands: Commands[argparse.ArgumentParser]) -> None:
    evaluate = commands.add_parser(
        "evaluate",
        help="score a captions file with every metric, with intervals",
        epilog=_EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    option = evaluate.add_argument
    option("captions", type=Path, metavar="CAPTIONS")
    option("--references", type=Path, required=True, metavar="FILE")
    option(
        "--split",
        choices=("train", "val", "test"),
        help="of references in Karpathy's format (default: all)",
    )
    option("--images", type=Path, metavar="DIR", help="pictures; without: metrics of language only")
    option("--compare", type=Path, metavar="FILE", help="other captions of the same images")
    option(
        *("-o", "--output"),
        type=Path,
        action="append",
        default=[],
        metavar="REPORT",
        help="write a report, .json, .md or .html (may be given several times; replaces a report)",
    )
    option(
        "--clip",
        default="ViT-B-32-quickgelu",
        metavar="MODEL",
        help="open_clip architecture, or scenes-clip (default: ViT-B-32-quickgelu, the paper's)",
    )
    option("--pretrained", metavar="TAG|PATH", help="its weights (default: openai, or the shipped)")
    option(
        "--groups",
        default="5",
        metavar="K|FILE",
        help="similar images a group (default: 5), or a file {id: [ids]} of the groups of "
        "CIDErBtw and DisWordRate",
    )
    option(
        "--groups-by",
        choices=("clip", "cider"),
        default="clip",
        help="what finds their groups: CLIP in the pictures (default), or CIDEr in the references",
    )
    option("--seed", type=int, default=0, help="of the bootstrap (default: 0)")
    option("--resamples", type=int, default=2000, help="default: 2000")
    option("--device", default="cpu", help="of CLIP, e.g. cuda (default: cpu)")
    option("--batch-size", type=int, help="pictures in CLIP at once")
    option("--cache", type=Path, metavar="DIR", help="of embeddings (default: the user's cache)")
    option(
        "--timeout",
        type=float,
        metavar="SECONDS",
        help="of silence, after which METEOR or SPICE has failed and all else is reported",
    )
    option("--skip-bad", action="store_true", help="leave bad input out, and list it")
    option(
        "--no-spice",
        dest="spice",
        action="store_false",
        help="leave out SPICE: minutes for new captions",
    )
    evaluate.set_defaults(function=_evaluate)


def _evaluate(arguments: argparse.Namespace) -> None:
    from gegcore.evaluation.files import EvaluationSettings, evaluate_files
    from gegcore.evaluation.outputs import check_outputs, write_report
    from gegcore.evaluation.report import as_text
    from gegcore.metrics.spice_jars import user_cache

    # What cannot be written, or must not be, is noticed now, not after the work.
    inputs = {role: getattr(arguments, role) for role in ("captions", "references", "images")}
    inputs |= {"compared captions": arguments.compare, "weights": arguments.pretrained}
    inputs |= {"groups": Path(arguments.groups)}
    check_outputs(arguments.output, inputs)
    number = re.fullmatch(r"-?\d+", arguments.groups)
    arguments.k = int(arguments.groups) if number else EvaluationSettings.k
    arguments.groups = None if number else Path(arguments.groups)
    given = {each.name: getattr(arguments, each.name) for each in fields(EvaluationSettings)}
    settings = EvaluationSettings(**given | {"cache": arguments.cache or user_cache()})
    report = evaluate_files(
        arguments.captions, arguments.references, arguments.images, arguments.compare, settings
    )
    if isinstance(sys.stdout, io.TextIOWrapper):  # File names may have letters it lacks.
        sys.stdout.reconfigure(errors="backslashreplace")
    print(as_text(report))
    for path in arguments.output:
        write_report(path, report)
        print(f"report: {path}")
    _complain(report)


def _complain(report: EvaluationReport) -> None:
    """What could not be scored because a program failed makes the exit status 1."""
    if failed := {name: each.missing[name] for each in report.evaluations for name in each.failed}:
        said = "; ".join(f"{name}: {reason}" for name, reason in failed.items())
        fix = "run it again, with a longer --timeout"
        raise ToolError(f"not everything was scored: {said}", fix)
