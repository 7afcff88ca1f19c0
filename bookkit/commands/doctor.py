"""`gegcore doctor`: what works on this machine, and how to mend what does not."""

from __future__ import annotations

import argparse
import json
import os
import sys

from gegcore.commands.options import Commands
from gegcore.errors import GegError


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
    from bookkit.doctor import CHECKS, examine, healthy
    from bookkit.doctor.lines import lines

    colour = sys.stdout.isatty() and "NO_COLOR" not in os.environ
    results = []
    for result in examine(CHECKS, arguments.full):
        results.append(result)
        if not arguments.json:
            print(lines(result, colour), flush=True)
    fatal = [result.check.name for result in results if result.fatal]
    if arguments.json:
        records = [result.record() for result in results]
        print(json.dumps({"ok": healthy(results), "full": arguments.full, "checks": records}))
    if fatal:
        raise GegError(f"make book does not work here: {', '.join(fatal)}", "mend it as said above")
    if not arguments.json:
        print("Everything that make book needs works.")
