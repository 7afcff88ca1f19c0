"""`gegcore evaluate`: every metric of anybody's captions, with intervals."""

from __future__ import annotations

import argparse
import io
import re
import sys
from collections.abc import Iterable
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gegcore.commands.options import Commands
from gegcore.errors import ConfigError, DataError, ToolError

if TYPE_CHECKING:
    from gegcore.metrics.evaluate import Evaluation

_TABLES = (".json", ".jsonl", ".ndjson", ".csv", ".tsv", ".parquet")
"""Endings of captions files in a folder."""

_EXAMPLE = """\
captions.json is [{"image_id": 42, "caption": "a dog"}, ...], one such object a line, {"42": "a
dog", ...}, or a table (CSV, TSV, Parquet) with these two columns. refs.json is any of these with
several captions an image, COCO's, nocaps' or TextCaps' annotations, Karpathy's dataset_*.json, or
Flickr's token.txt; it may hold more images than have captions. 42 and "42" are the same image,
whose picture is 42.jpg, 000042.png, COCO_val2014_000000000042.jpg, or the file that is named.

  gegcore evaluate captions.json --references refs.json --images pictures -o report.html
  gegcore evaluate one.json two.json three.json --references refs.json -o table.html -o table.csv
"""


def add(commands: Commands[argparse.ArgumentParser]) -> None:
    evaluate = commands.add_parser(
        "evaluate",
        help="score a captions file with every metric, with intervals",
        epilog=_EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    evaluate.add_argument(
        "captions",
        type=Path,
        nargs="+",
        metavar="CAPTIONS",
        help="a file of captions; of several, or of a folder of them, one table compares all",
    )
    for add_options in (_input, _report, _clip, _other_tools):
        add_options(evaluate)
    evaluate.set_defaults(function=_evaluate)


def _input(evaluate: argparse.ArgumentParser) -> None:
    option = evaluate.add_argument_group("input").add_argument
    option(
        "--references", type=Path, required=True, metavar="FILE", help="several captions an image"
    )
    option(
        "--split",
        choices=("train", "val", "test"),
        help="of references in Karpathy's format (default: all)",
    )
    option("--images", type=Path, metavar="DIR", help="pictures; without: metrics of language only")
    option(
        "--instances",
        type=Path,
        nargs="+",
        action="extend",
        default=[],
        metavar="FILE",
        help="COCO's instances_*.json of the images: adds CHAIR, the share of captions (s) and of "
        "named objects (i) where neither this file nor a reference has the object",
    )
    option("--compare", type=Path, metavar="FILE", help="other captions of the same images")
    option("--skip-bad", action="store_true", help="leave bad input out, and list it")


def _report(evaluate: argparse.ArgumentParser) -> None:
    option = evaluate.add_argument_group("report and intervals").add_argument
    option(
        *("-o", "--output"),
        type=Path,
        action="append",
        default=[],
        metavar="REPORT",
        help="write a report, .json, .csv, .md or .html (several times, too; replaces a report)",
    )
    option("--seed", type=int, default=0, help="of the bootstrap (default: 0)")
    option("--resamples", type=int, default=2000, help="of the bootstrap (default: 2000)")


def _clip(evaluate: argparse.ArgumentParser) -> None:
    option = evaluate.add_argument_group("CLIP and similar images").add_argument
    option(
        "--clip",
        default="ViT-B-32-quickgelu",
        metavar="MODEL",
        help="open_clip architecture, or scenes-clip (default: ViT-B-32-quickgelu, the paper's)",
    )
    option("--pretrained", metavar="TAG|PATH", help="its weights (default: openai, or the shipped)")
    option("--device", default="cpu", help="of CLIP, e.g. cuda (default: cpu)")
    option("--batch-size", type=int, help="pictures in CLIP at once")
    option("--cache", type=Path, metavar="DIR", help="of embeddings (default: the user's cache)")
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


def _other_tools(evaluate: argparse.ArgumentParser) -> None:
    option = evaluate.add_argument_group("metrics of other tools").add_argument
    option(
        "--no-spice",
        dest="spice",
        action="store_false",
        help="leave out SPICE: minutes for new captions",
    )
    option(
        "--timeout",
        type=float,
        metavar="SECONDS",
        help="of silence, after which METEOR or SPICE has failed and all else is reported",
    )
    option(
        "--external",
        type=Path,
        nargs="+",
        action="extend",
        default=[],
        metavar="FILE",
        help="scores that other tools gave to these captions: JSON Lines or a table with an id, or "
        "capevalkit's output",
    )
    option(
        "--export", type=Path, metavar="DIR", help="write captions and references for such tools"
    )


def _evaluate(arguments: argparse.Namespace) -> None:
    from caption_evaluation.files import evaluate_files, evaluate_systems
    from caption_evaluation.outputs import check_outputs, write_report
    from caption_evaluation.report import as_text
    from caption_evaluation.settings import EvaluationSettings
    from caption_evaluation.systems_text import systems_as_text
    from gegcore.metrics.spice_jars import user_cache

    captions = _captions_files(arguments)
    # What cannot be written, or must not be, is noticed now, not after the work.
    inputs = {role: getattr(arguments, role) for role in ("references", "images")}
    inputs |= {"compared captions": arguments.compare, "weights": arguments.pretrained}
    inputs |= {"groups": Path(arguments.groups), "captions": captions[0]}
    inputs |= {f"captions {path}": path for path in captions[1:]}
    inputs |= {f"scores {path}": path for path in arguments.external}
    inputs |= {f"instances {path}": path for path in arguments.instances}
    check_outputs(arguments.output, inputs)
    number = re.fullmatch(r"-?\d+", arguments.groups)
    arguments.k = int(arguments.groups) if number else EvaluationSettings.k
    arguments.groups = None if number else Path(arguments.groups)
    arguments.external = tuple(arguments.external)
    arguments.instances = tuple(arguments.instances)
    given = {each.name: getattr(arguments, each.name) for each in fields(EvaluationSettings)}
    settings = EvaluationSettings(**given | {"cache": arguments.cache or user_cache()})
    files = arguments.references, arguments.images
    report: Any
    if len(captions) > 1:
        report = evaluate_systems(captions, *files, settings)
    else:
        report = evaluate_files(captions[0], *files, arguments.compare, settings)
    text: Any = systems_as_text if len(captions) > 1 else as_text
    if isinstance(sys.stdout, io.TextIOWrapper):  # File names may have letters it lacks.
        sys.stdout.reconfigure(errors="backslashreplace")
    print(text(report))
    for path in arguments.output:
        write_report(path, report)
        print(f"report: {path}")
    every = report.evaluations
    _complain(every.values() if isinstance(every, dict) else every)


def _captions_files(arguments: argparse.Namespace) -> list[Path]:
    """The files that are named, and those in the folders that are."""
    found: list[Path] = []
    for path in arguments.captions:
        inside = sorted(path.iterdir()) if path.is_dir() else []
        found += [each for each in inside if each.suffix.lower() in _TABLES]
        found += [] if path.is_dir() else [path]
    read = {each.resolve() for each in (arguments.references, *arguments.output)}
    found = [path for path in found if path.resolve() not in read or path in arguments.captions]
    if not found:
        listed = ", ".join(map(str, arguments.captions))
        raise DataError(f"{listed}: no captions files", f"end them in {', '.join(_TABLES)}")
    if len(found) > 1 and arguments.compare:
        raise ConfigError("--compare is for one captions file", "name all files one after another")
    return found


def _complain(evaluations: Iterable[Evaluation]) -> None:
    """What could not be scored because a program failed makes the exit status 1."""
    if failed := {name: each.missing[name] for each in evaluations for name in each.failed}:
        said = "; ".join(f"{name}: {reason}" for name, reason in failed.items())
        fix = "run it again, with a longer --timeout"
        raise ToolError(f"not everything was scored: {said}", fix)
