"""`gegcore doctor`: what works on this machine, and how to mend what does not."""

from __future__ import annotations

import argparse
import json
import os
import sys
from typing import Any

from gegcore.commands.options import Commands
from gegcore.errors import GegError

_COLOURS = {"ok": 32, "note": 36, "missing": 33, "broken": 31}


def add(commands: Commands[argparse.ArgumentParser]) -> None:
    doctor = commands.add_parser(
        "doctor", help="say what works on this machine, and how to mend what does not"
    )
    doctor.add_argument(
        "--full", action="store_true", help="really run CLIP, METEOR and SPICE (about a minute)"
    )
    doctor.add_argument("--json", action="store_true", help="print one JSON object, no lines")
    doctor.set_defaults(function=_doctor)


def _doctor(arguments: argparse.Namespace) -> None:
    from bookkit.doctor import CHECKS, examine

    colour = sys.stdout.isatty() and "NO_COLOR" not in os.environ
    results = []
    for result in examine(CHECKS, arguments.full):
        results.append(result)
        if not arguments.json:
            print(line(result, colour), flush=True)
    fatal = [r["name"] for r in results if r["needed"] and r["status"] in ("missing", "broken")]
    if arguments.json:
        print(json.dumps({"ok": not fatal, "full": arguments.full, "checks": results}))
    if fatal:
        raise GegError(f"make book does not work here: {', '.join(fatal)}", "mend it as said above")
    if not arguments.json:
        print("Everything that make book needs works.")


def line(result: dict[str, Any], colour: bool = False) -> str:
    """A result, readable without colour, and below it the command that mends what is wrong."""
    mark = f"{result['status']:8}"
    if colour:
        mark = f"\033[{_COLOURS[result['status']]}m{mark}\033[0m"
    optional = "" if result["needed"] else "optional: "
    text = f"{mark}{result['name']:15}{result['detail']} ({optional}{result['purpose']})"
    return f"{text}\n{'':8}-> {result['fix']}" if result["fix"] else text
