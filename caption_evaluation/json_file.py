"""JSON and JSON Lines as strangers write them: every fault has a file, a line and a column."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

from gegcore.errors import DataError

_LINES = (".jsonl", ".ndjson")


class JsonObject(dict[str, Any]):
    """An object; `repeated` lists the keys that it names twice, of which Python keeps the last."""

    repeated: tuple[str, ...] = ()

    def __init__(self, pairs: list[tuple[str, Any]]) -> None:
        super().__init__(pairs)
        if len(self) < len(pairs):
            counts = Counter(key for key, _ in pairs)
            self.repeated = tuple(key for key, count in counts.items() if count > 1)


def parsed_json(path: Path, text: str) -> tuple[Any, list[str]]:
    """The content of JSON or JSON Lines.

    JSON Lines is recognised by its ending (.jsonl, .ndjson), or by a first line that is an object
    with more behind it: a list, with the place of each value ("line 3") beside it.

    Raises:
        DataError: it is not JSON.
    """
    lines = [(n, line) for n, line in enumerate(text.split("\n"), 1) if line.strip()]
    if path.suffix.lower() in _LINES or (len(lines) > 1 and _is_object(lines[0][1])):
        return [_parsed(path, line, n) for n, line in lines], [f"line {n}" for n, _ in lines]
    return _parsed(path, text), []


def parsed_fields(path: Path, text: str, fields: Collection[str]) -> Any:
    """The content of JSON, of whose objects only these fields are kept.

    The others are dropped while it is read: memory is that of what is kept, and of the text.

    Raises:
        DataError: it is not JSON.
    """
    return _parsed(path, text, keep=lambda pairs: {k: v for k, v in pairs if k in fields})


def _is_object(line: str) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except (RecursionError, ValueError):
        return False


def read_file(path: Path) -> bytes:
    """All of a file, or of a pipe, which can be read only once.

    Raises:
        DataError: it cannot be read.
    """
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise DataError(f"{path} does not exist", "check the path") from error
    except (OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read: {error}", "check the path") from error


def decoded(path: Path, content: bytes) -> str:
    """A file's text; DataError where it is empty or not UTF-8."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        what = f"{path} is not UTF-8 text: byte {content[error.start]:#04x} in line {line}"
        raise DataError(what, "save it as UTF-8") from error
    if not text.strip():
        raise DataError(f"{path} is empty", "check the program that wrote it")
    return text


def _parsed(
    path: Path,
    text: str,
    line: int | None = None,
    keep: Callable[[list[tuple[str, Any]]], dict[str, Any]] = JsonObject,
) -> Any:
    try:
        return json.loads(text, object_pairs_hook=keep)
    except json.JSONDecodeError as error:
        where = f"line {line or error.lineno}, column {error.colno}"
        what = f"{path} is not valid JSON: {error.msg} ({where})"
        raise DataError(what, "mend that place, or write the file with a JSON library") from error
    except (RecursionError, ValueError) as error:
        reason = "nested too deeply" if isinstance(error, RecursionError) else str(error)[:200]
        what = f"{path} is not usable JSON: {reason}"
        raise DataError(what, "write captions by image id") from error
