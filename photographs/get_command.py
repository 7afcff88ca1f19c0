"""`gegcore get`: public captions and photographs, downloaded to where profiles look for them."""

from __future__ import annotations

import argparse
from pathlib import Path

from gegcore.commands.options import Commands

_EXAMPLE = """\
  gegcore get coco                      20 GB, into data/coco; run it again where it was interrupted
  gegcore get coco --to /data/coco      then link it: ln -s /data/coco data/coco

The zips of photographs are not unpacked: they are read as they are.
"""


def add(commands: Commands[argparse.ArgumentParser]) -> None:
    from photographs.sources import SOURCES

    command = commands.add_parser(
        "get",
        help="download captions and photographs of a public data set",
        epilog=_EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.add_argument("name", choices=SOURCES)
    command.add_argument("--to", type=Path, metavar="DIR", help="default: data/NAME of the project")
    command.add_argument("--mirror", default="", metavar="URL", help="a folder with these files")
    command.set_defaults(function=_get)


def _get(arguments: argparse.Namespace) -> None:
    from gegcore.runs import project_root
    from photographs.sources import SOURCES, get

    folder = arguments.to or project_root() / "data" / arguments.name
    captions, pictures, digests = get(arguments.name, folder, arguments.mirror)
    train, val, test = SOURCES[arguments.name].splits
    print(f"captions: {captions}: {train:,} / {val:,} / {test:,} images")
    known = SOURCES[arguments.name].digests
    for split, found in digests.items():
        print(f"  {split}: file names {found}{', as published' if split in known else ''}")
    for path in pictures:
        print(f"photographs: {path}")
    if not pictures:
        print(f"photographs: ask for them at {SOURCES[arguments.name].ask}, and put the folder or")
        print(f"             zip to {folder / 'images'}")
