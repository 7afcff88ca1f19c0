"""Where a report may be written: checked before any work, since nothing of a user's may be lost."""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from caption_evaluation.report import EvaluationReport, as_csv, as_html, as_json, as_markdown
from caption_evaluation.systems import SystemsReport
from caption_evaluation.systems_html import systems_as_html
from caption_evaluation.systems_text import systems_as_csv, systems_as_json, systems_as_markdown
from gegcore.errors import ConfigError, StorageError, writing
from gegcore.storage import atomic_write, write_text

FORMATS = {".json": as_json, ".md": as_markdown, ".html": as_html, ".csv": as_csv}
"""Ending of a report's file -> what writes it."""

SYSTEMS_FORMATS = {
    **{".json": systems_as_json, ".md": systems_as_markdown},
    **{".html": systems_as_html, ".csv": systems_as_csv},
}
"""The same of several systems."""

_HEAD = re.compile(
    rb'\s*\{\s*"gegcore": *"[^"]*",\s*"files": *\{|<!-- gegcore evaluate -->'
    rb'|[^\0]{,200}<meta name="generator" content="gegcore evaluate">'
    rb"|system,metric,value,low,high,n"
)
"""How a report begins, so that only reports are replaced."""


def check_outputs(outputs: Sequence[Path], inputs: Mapping[str, Path | None]) -> None:
    """Refuse files that no report may be written to.

    Args:
        inputs: what is read (the captions, ...) -> its file or folder.

    Raises:
        ConfigError: another ending than those of `FORMATS`; a file that is read, that is named
            twice, that exists and is no report, or that cannot be written.
    """
    seen: set[str] = set()
    for output in outputs:
        place = _place(output, inputs)
        # Letter case and normal forms: some file systems know no difference, no report needs one.
        alike = unicodedata.normalize("NFC", str(place)).casefold()
        if alike in seen:
            raise ConfigError(f"-o {output} is named twice", "name each report once")
        seen.add(alike)


def write_report(output: Path, report: EvaluationReport | SystemsReport) -> None:
    """Write a report in the format of the file's ending; an old one is replaced whole.

    Raises:
        StorageError: it cannot be written.
    """
    ending, place = output.suffix.lower(), os.path.realpath(output)
    if isinstance(report, SystemsReport):
        write_text(place, SYSTEMS_FORMATS[ending](report))
    else:
        write_text(place, FORMATS[ending](report))


def _place(output: Path, inputs: Mapping[str, Path | None]) -> Path:
    """The file behind the links, if a report may be written there."""
    other = "choose another name"
    if output.suffix.lower() not in FORMATS:
        what = f"{output} has none of the endings of a report"
        raise ConfigError(what, f"end it in {', '.join(FORMATS)}")
    for role, path in inputs.items():
        with suppress(OSError):
            if path is not None and os.path.samefile(path, output):
                raise ConfigError(f"-o {output} would replace the {role}", other)
    place = Path(os.path.realpath(output))
    # A folder that is missing is made when the report is written.
    folder = next(folder for folder in place.parents if os.path.lexists(folder))
    try:
        with writing(output):
            # An empty file is what mktemp makes.
            head = place.read_bytes()[:4096] if place.is_file() else b""
            if (head or os.path.lexists(place) > place.is_file()) and not _HEAD.match(head):
                raise ConfigError(f"-o {output} exists and is no report of gegcore", other)
            # Really written, then undone: what a folder allows, no question tells for certain.
            with suppress(InterruptedError), atomic_write(folder / place.name):
                raise InterruptedError
    except StorageError as error:
        raise ConfigError(f"-o {error.what}", other) from error
    return place
