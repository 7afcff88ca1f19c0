"""Results as lines of text, readable without colour."""

from __future__ import annotations

from bookkit.doctor.check import Result

_COLOURS = {"ok": 32, "note": 36, "missing": 33, "broken": 31}


def lines(result: Result, colour: bool = False) -> str:
    """One line, and below it the command that mends what is wrong.

    Args:
        colour: mark the first word with an ANSI colour.
    """
    check, finding = result.check, result.finding
    mark = f"{finding.status:8}"
    if colour:
        mark = f"\033[{_COLOURS[finding.status]}m{mark}\033[0m"
    optional = "" if check.needed else "optional: "
    text = f"{mark}{check.name:15}{finding.detail} ({optional}{check.purpose})"
    return f"{text}\n{'':8}-> {finding.fix}" if finding.fix else text
