"""`python -m bookkit.study`: the page of a user study and its key, from stored runs or files."""

from __future__ import annotations

import argparse
import secrets
import sys
from collections.abc import Sequence
from pathlib import Path

from bookkit.study.design import ANSWERS, KEY
from bookkit.study.draw import Size
from bookkit.study.kit import study_of, write_kit
from gegcore.commands.options import add_profile
from gegcore.errors import in_words
from gegcore.profiles import load_profile


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bookkit.study", description=__doc__)
    add_profile(parser)
    parser.add_argument(
        "--systems",
        nargs="+",
        default=["scst", "scst_geg"],
        metavar="SYSTEM",
        help="objectives of runs, or NAME=captions.json; the baseline first (scst scst_geg)",
    )
    parser.add_argument("--model", default="", help="captioner of the runs (default: the first)")
    parser.add_argument("--run-seed", type=int, default=0, help="of the runs (default: the first)")
    parser.add_argument("--trials", type=int, help="of a person in each experiment (20)")
    parser.add_argument("--pictures", type=int, help="asked about in each experiment (60)")
    parser.add_argument("--seed", type=int, help="of the study (default: at random)")
    parser.add_argument("--contact", required=True, help="who asks, and how to reach them")
    parser.add_argument("--to", type=Path, required=True, help="a folder")
    return parser


@in_words
def main(arguments: Sequence[str] | None = None) -> None:
    """Draw a study and write its folder."""
    given = _parser().parse_args(arguments)
    # A seed that can be guessed would tell participants what the key tells.
    seed = secrets.randbits(48) if given.seed is None else given.seed
    size = Size(given.pictures, given.trials)
    profile = load_profile(given.profile)
    study, materials = study_of(profile, given.systems, size, seed, given.model, given.run_seed)
    write_kit(study, materials.data["test"], given.contact, given.to)
    print(f"study {study.digest}: {' and '.join(study.systems)}, {len(study.pictures)} pictures")
    print(f"participants open {given.to / 'page' / 'index.html'} (forms: {len(study.forms)})")
    print(f"their files belong into {given.to / ANSWERS}; {given.to / KEY} stays with you")


if __name__ == "__main__":
    sys.exit(main())
