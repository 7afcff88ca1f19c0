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
    from collections.abc import Iterable, Sequence

    from torch import Tensor

    from gegcore.data.dataset import CaptionDataset
    from gegcore.errors import DataError
    from gegcore.experiment.captioning import Gap, Readable
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
        action="extend",
        metavar="PICTURE",
        help="pictures to tell them from: the nearest of them, and the group embedding gap",
    )
    caption.add_argument(
        "--k", type=int, help="so many nearest of a group or split (default: K of the profile)"
    )
    caption.add_argument("--regions", type=Path, metavar="DIR", help="draw the regions into it")
    caption.set_defaults(function=_caption)


class _Asked(NamedTuple):
    """Images of one data set, of files or of a split, and the name of each row."""

    dataset: CaptionDataset
    split: str
    names: dict[int, str]


class _Group(NamedTuple):
    """Pictures to tell others from: names, embeddings `(N, E)`, position of each file, K."""

    names: list[str]
    embeddings: Tensor | None
    at: dict[Path, int]
    k: int

    def positions(self, asked: _Asked, rows: Iterable[int]) -> list[int]:
        """Of images that are asked for, in the group; -1: it is not there."""
        files = ("" if asked.split else str(asked.dataset.records[row].file) for row in rows)
        return [self.at.get(Path(file).resolve(), -1) for file in files]


class _LeftOut:
    """Pictures that cannot be read: each is said at once, all are counted in the end."""

    def __init__(self) -> None:
        self._said: set[str] = set()

    def add(self, broken: Iterable[DataError]) -> None:
        from gegcore.errors import say

        for error in broken:
            if error.what not in self._said:  # of the group as well
                say(f"left out: {error.what}")
            self._said.add(error.what)

    def check(self) -> None:
        from gegcore.errors import DataError

        if self._said:
            what = f"pictures left out, as they cannot be read: {len(self._said):,}"
            raise DataError(what, "replace them, or remove them")


def _caption(arguments: argparse.Namespace) -> None:
    """Of each picture a line of text, or of JSON, which `gegcore evaluate` reads."""
    from tqdm import tqdm

    from gegcore.experiment.captioning import caption_images
    from gegcore.materials import Materials
    from gegcore.metrics.uncertainty import check_numbers
    from photographs.region_pictures import draw_regions, region_files

    given = {name: getattr(arguments, name) for name in ("beam", "k", "seed")}
    check_numbers(given, "--")
    profile, run, model = _run(arguments)
    materials = Materials.of(profile)
    asked, left_out = _asked(materials, arguments.pictures), _LeftOut()
    every = [name for images in asked for name in images.names.values()]
    drawn = region_files(arguments.regions, every) if arguments.regions else {}
    group = _group(materials, asked, arguments, left_out) if arguments.group else None
    for images in asked:
        rows = [*images.names]
        for found in caption_images(materials, run, model, images.dataset, rows, arguments.beam):
            if found.broken and len(every) == 1:
                raise found.broken[rows[0]]
            against = _gaps(materials, images, found, group, arguments.k)
            with tqdm.external_write_mode():  # not into the line of a progress bar
                left_out.add(found.broken.values())
                for row, caption, gap in zip(found.rows, found.made or (), against, strict=True):
                    _say(images.names[row], caption, gap, arguments.json)
                sys.stdout.flush()  # what is said stays, whatever comes
            if drawn:
                paths = [drawn[images.names[row]] for row in found.rows]
                draw_regions(materials, images.dataset, found.rows, paths)
    left_out.check()


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
    files = _named([text for text, split in places if not split])
    asked = []
    if files:
        dataset = materials.profile.data.of_files([*files])
        asked.append(_Asked(dataset, "", dict(enumerate(files.values()))))
    for split in dict.fromkeys(found[1] for _, found in places if found):
        dataset = materials.data[split]
        rows = [int(found[2]) for _, found in places if found and found[1] == split]
        beyond = [row for row in rows if row >= len(dataset.records)]
        if beyond:
            what = f"{split}:{beyond[0]} is beyond the {len(dataset.records):,} images"
            raise DataError(what, f"give {split}:0 to {split}:{len(dataset.records) - 1}")
        asked.append(_Asked(dataset, split, {row: f"{split}:{row}" for row in rows}))
    return asked


def _named(places: Iterable[str]) -> dict[Path, str]:
    """Files, and the pictures of folders in order: each once, with a name that no other has.

    It is the path from the folder on; where two would have the same name, paths as they were given.
    """
    found: dict[Path, Path] = {}
    for text in places:
        for file, name in _files(Path(text)):
            found.setdefault(file, name)
    if len({*found.values()}) < len(found):
        found = {file: file for file in found}
    # A name that is no text, as zips of other systems leave it, could not be written.
    return {
        file: name.as_posix().encode(errors="backslashreplace").decode()
        for file, name in found.items()
    }


def _files(place: Path) -> list[tuple[Path, Path]]:
    """A file, or the pictures of a folder in order, and what each is called."""
    from caption_evaluation.images import SUFFIXES, visible_files
    from gegcore.errors import DataError

    if not place.exists():
        raise DataError(f"{place} does not exist", "give a file, a folder, or an image as test:12")
    if not place.is_dir():
        return [(place, Path(place.name))]
    found = sorted(Path(x) for _, x in visible_files(place) if x.lower().endswith(SUFFIXES))
    if not found:
        raise DataError(f"{place} holds no pictures", f"give files of {', '.join(SUFFIXES)}")
    return [(file, file.relative_to(place)) for file in found]


def _group(
    materials: Materials, asked: Sequence[_Asked], arguments: argparse.Namespace, left_out: _LeftOut
) -> _Group:
    """ConfigError where it has fewer than K other pictures."""
    from gegcore.experiment.captioning import check_k, embed_group

    named = _named(arguments.group)
    found = embed_group(materials, materials.profile.data.of_files([*named]))
    left_out.add(found.broken.values())
    there = [[*named][row] for row in found.rows]
    at = {file.resolve(): position for position, file in enumerate(there)}
    k = arguments.k or materials.profile.group_size
    group = _Group([named[file] for file in there], found.made, at, k)
    within = any(max(group.positions(images, images.names)) >= 0 for images in asked)
    check_k(k, len(there) - within)
    return group


def _gaps(
    materials: Materials,
    asked: _Asked,
    found: Readable[list[str]],
    group: _Group | None,
    k: int | None,
) -> Sequence[tuple[Gap, list[str]] | None]:
    """Each caption's gap and the names of the nearest pictures, where there is a group."""
    from gegcore.experiment.captioning import gaps, gaps_in_split

    rows, captions = found.rows, found.made
    if captions is None or not (group or asked.split):
        return [None] * len(rows)
    if group is None:
        measured = gaps_in_split(materials, asked.split, rows, captions, k)
        return [(gap, [f"{asked.split}:{row}" for row in gap.nearest]) for gap in measured]
    assert group.embeddings is not None  # else `check_k` complains
    itself = group.positions(asked, rows)
    measured = gaps(materials, asked.dataset, rows, captions, group.embeddings, group.k, itself)
    return [(gap, [group.names[row] for row in gap.nearest]) for gap in measured]


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
