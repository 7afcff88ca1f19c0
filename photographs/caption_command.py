"""`gegcore caption`: captions of anybody's pictures by a trained run."""

from __future__ import annotations

import argparse
import json
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from gegcore.commands.options import Commands

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gegcore.data.dataset import CaptionDataset
    from gegcore.experiment.captioning import Gap
    from gegcore.materials import Materials
    from gegcore.profiles import Profile
    from gegcore.runs import RunFolder

_EXAMPLES = """\
  gegcore caption test:12 --run runs/quick/transformer-scst_geg-seed1
  gegcore caption holiday/ --run runs/coco/xlan-scst_geg-seed1 --group holiday/ --json
  gegcore caption dog.jpg --profile flickr8k --model updown --objective scst --regions drawn/
"""

_IN_SPLIT = re.compile(r"(train|val|test):(\d+)")


def add(commands: Commands[argparse.ArgumentParser]) -> None:
    caption = commands.add_parser(
        "caption",
        help="caption pictures with a trained run",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    caption.add_argument(
        "pictures",
        nargs="+",
        metavar="PICTURE",
        help="a file, a folder of them, or test:12, image 12 of the profile's test split",
    )
    caption.add_argument("--run", type=Path, metavar="DIR", help="folder of a trained run")
    caption.add_argument("--profile", help="default: that of --run, or quick")
    caption.add_argument("--model", help="default: that of --run, or transformer")
    caption.add_argument("--objective", help="default: that of --run, or scst_geg")
    caption.add_argument("--seed", type=int, help="default: that of --run, or 1")
    caption.add_argument("--beam", type=int, default=3, help="size of beam search; 1: greedy")
    caption.add_argument("--json", action="store_true", help="a line of JSON a picture")
    caption.add_argument(
        "--group",
        nargs="+",
        metavar="PICTURE",
        help="pictures to tell them from: the nearest of them, and the group embedding gap",
    )
    caption.add_argument("--k", type=int, help="so many nearest (default: the profile's K)")
    caption.add_argument("--regions", type=Path, metavar="DIR", help="draw the regions into it")
    caption.set_defaults(function=_caption)


class _Asked(NamedTuple):
    """Images of one data set: of files, or of a split."""

    dataset: CaptionDataset
    split: str
    rows: list[int]
    names: list[str]


def _caption(arguments: argparse.Namespace) -> None:
    """Of each picture a line of text, or of JSON, which `gegcore evaluate` reads."""
    from gegcore.experiment.captioning import caption_images
    from gegcore.materials import Materials
    from gegcore.metrics.uncertainty import check_numbers
    from photographs.region_pictures import draw_regions

    given = {name: getattr(arguments, name) for name in ("beam", "k", "seed")}
    check_numbers(given, "--")
    profile, run, model = _run(arguments)
    materials = Materials.of(profile)
    for asked in _asked(materials, arguments.pictures):
        captions = caption_images(materials, run, model, asked.dataset, asked.rows, arguments.beam)
        found = _gaps(materials, asked, captions, arguments.group, arguments.k)
        for name, caption, gap in zip(asked.names, captions, found, strict=True):
            _say(name, caption, gap, arguments.json)
        if arguments.regions:
            place = asked.dataset, asked.rows, asked.names
            for path in draw_regions(materials, *place, arguments.regions):
                print(f"regions: {path}", file=sys.stderr)


def _run(arguments: argparse.Namespace) -> tuple[Profile, RunFolder, str]:
    """The profile, the run and its captioner, of `--run` or of what else is given."""
    import yaml

    from gegcore.errors import DataError
    from gegcore.profiles import load_profile
    from gegcore.runs import RunFolder

    given: dict[str, Any] = {"profile": "quick", "model": "transformer", "objective": "scst_geg"}
    given["seed"] = 1
    if arguments.run:
        path = arguments.run / "config.yaml"
        try:
            stored = yaml.safe_load(path.read_text(encoding="utf-8"))
            given = {"profile": stored["profile"]["name"], "model": stored["model"]}
            given |= {"objective": stored["objective"]["name"], "seed": stored["seed"]}
        except (OSError, UnicodeDecodeError, yaml.YAMLError, KeyError, TypeError) as error:
            what = f"{arguments.run} is no folder of a trained run: {error}"
            raise DataError(what, "give one that `gegcore run` made: runs/PROFILE/RUN") from error
    for name in given:
        if getattr(arguments, name) is not None:
            given[name] = getattr(arguments, name)
    profile = load_profile(given["profile"])
    names = given["model"], given["objective"], given["seed"]
    return profile, RunFolder(arguments.run) if arguments.run else profile.run(*names), names[0]


def _asked(materials: Materials, pictures: Sequence[str]) -> list[_Asked]:
    """What the arguments mean: all files together, then the images of each split."""
    from gegcore.errors import DataError

    places = [(text, _IN_SPLIT.fullmatch(text)) for text in pictures]
    files = [path for text, split in places if not split for path in _files(text)]
    asked = []
    if files:
        dataset = materials.profile.data.of_files(files)
        asked.append(_Asked(dataset, "", [*range(len(files))], [path.name for path in files]))
    for split in dict.fromkeys(found[1] for _, found in places if found):
        dataset = materials.data[split]
        rows = [int(found[2]) for _, found in places if found and found[1] == split]
        beyond = [row for row in rows if row >= len(dataset.records)]
        if beyond:
            what = f"{split}:{beyond[0]} is beyond the {len(dataset.records):,} images"
            raise DataError(what, f"give {split}:0 to {split}:{len(dataset.records) - 1}")
        asked.append(_Asked(dataset, split, rows, [f"{split}:{row}" for row in rows]))
    return asked


def _files(text: str) -> list[Path]:
    """A file, or the pictures of a folder in order."""
    from PIL import Image

    from gegcore.errors import DataError

    path = Path(text)
    if not path.exists():
        raise DataError(f"{text} does not exist", "give a file, a folder, or an image as test:12")
    if not path.is_dir():
        return [path]
    known = Image.registered_extensions()
    found = sorted(p for p in path.rglob("*") if p.suffix.lower() in known and p.name[0] != ".")
    if not found:
        raise DataError(f"{path} holds no pictures", "give a folder of photographs")
    return found


def _gaps(
    materials: Materials,
    asked: _Asked,
    captions: Sequence[str],
    group: Sequence[str] | None,
    k: int | None,
) -> list[tuple[Gap, list[str]] | None]:
    """Each caption's gap and the names of the nearest pictures, where there is a group."""
    from gegcore.experiment.captioning import gaps, gaps_in_split

    if group:
        files = [path for text in group for path in _files(text)]
        others = materials.profile.data.of_files(files)
        at = {path.resolve(): row for row, path in enumerate(files)}
        own = [getattr(asked.dataset.records[row], "file", None) for row in asked.rows]
        itself = [at.get(Path(f).resolve(), -1) if f and not asked.split else -1 for f in own]
        size = k or materials.profile.group_size
        found = gaps(materials, asked.dataset, asked.rows, captions, others, size, itself)
        return [(gap, [files[row].name for row in gap.nearest]) for gap in found]
    if asked.split:
        found = gaps_in_split(materials, asked.split, asked.rows, captions)
        return [(gap, [f"{asked.split}:{row}" for row in gap.nearest]) for gap in found]
    return [None] * len(captions)


def _say(name: str, caption: str, found: tuple[Gap, list[str]] | None, as_json: bool) -> None:
    from gegcore.errors import printable

    if as_json:
        line: dict[str, Any] = {"image_id": name, "caption": caption}
        if found:
            gap, nearest = found
            line |= {"similarity": gap.similarity, "GEG-Avg": gap.average, "GEG-Min": gap.minimum}
            line["nearest"] = nearest
        print(json.dumps(line, ensure_ascii=False))
        return
    print(f"{printable(name)}: {caption}")
    if found:
        gap, nearest = found
        values = f"similarity {gap.similarity:.3f}, GEG-Avg {gap.average:+.3f}"
        shown = ", ".join(map(printable, nearest))
        print(f"    {values}, GEG-Min {gap.minimum:+.3f}; nearest: {shown}")
