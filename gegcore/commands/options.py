"""Options that several commands share."""

from __future__ import annotations

import argparse

Commands = argparse._SubParsersAction
"""What `add_subparsers` returns; argparse has no public name for it."""


def add_profile(parser: argparse.ArgumentParser) -> None:
    """`--profile`, quick by default."""
    parser.add_argument(
        "--profile", default="quick", help="name in config/ or a .yaml path (default: quick)"
    )
