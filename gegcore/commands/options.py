"""What several commands share."""

from __future__ import annotations

import argparse
from typing import Any

Commands = argparse._SubParsersAction
"""What `add_subparsers` returns; argparse has no public name for it."""


def add_profile(parser: argparse.ArgumentParser) -> None:
    """`--profile`, quick by default."""
    parser.add_argument(
        "--profile", default="quick", help="name in config/ or a .yaml path (default: quick)"
    )


def say_calibration(found: dict[str, Any]) -> None:
    """Where it failed, as an error is said: nothing stops, but reports will carry a red flag."""
    from gegcore.errors import say
    from gegcore.metrics.calibration import described

    if found["passed"]:
        print(described(found))
    else:
        fix = "check its weights, their precision and the pictures; reports carry a red flag"
        say(f"{described(found)}\n  -> {fix}")
