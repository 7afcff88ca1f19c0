"""JSON and JSON Lines as strangers write them: every fault has a file, a line and a column."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from gegcore.errors import DataError

_LINES = (".jsonl", ".ndjson")


class RepeatedKeys(dict[str, Any]):
    """An object that names a key twice, of which Python keeps the last; `repeated` lists them."""

    repeated: tuple[str, ...] = ()


def read_json_file(path: Path | str) -> tuple[Any, bool]:
    """The content of a JSON or JSON Lines file, and whether it is JSON Lines.

    JSON Lines is recognised by its ending (.jsonl, .ndjson), or by a first line that is an object
    with more behind it; its content is a list of `(line number, value)`.

    Raises:
        DataError: the file cannot be read, is empty, is not UTF-8 text, or not JSON.
    """
    path = Path(path)
    text = _read(path)
    if path.suffix.lower() in _LINES:
        return list(_lines(text, path)), True
    try:
        return _parse(text), False
    except json.JSONDecodeError as error:
        first = text.lstrip().split("\n")[0]
        if error.msg != "Extra data" or not _is_object(first):
            raise _malformed(path, error.msg, error.lineno, error.colno) from error
    except (RecursionError, ValueError) as error:
        raise _unusable(path, error) from error
    return list(_lines(text, path)), True


def _read(path: Path) -> str:
    try:
        content = path.read_bytes()
    except FileNotFoundError as error:
        raise DataError(f"{path} does not exist", "check the path") from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise DataError(f"{path} cannot be read: {reason}", "check the path") from error
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise DataError(
            f"{path} is not UTF-8 text: byte {content[error.start]:#04x} in line {line}",
            "save it as UTF-8",
        ) from error
    if not text.strip():
        raise DataError(f"{path} is empty", "check the program that wrote it")
    return text


def _lines(text: str, path: Path) -> Iterator[tuple[int, Any]]:
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            yield number, _parse(line)
        except json.JSONDecodeError as error:
            raise _malformed(path, error.msg, number, error.colno) from error
        except (RecursionError, ValueError) as error:
            raise _unusable(path, error) from error


def _parse(text: str) -> Any:
    return json.loads(text, object_pairs_hook=_object)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    plain = dict(pairs)
    if len(plain) == len(pairs):
        return plain
    counts = Counter(key for key, _ in pairs)
    repeated = RepeatedKeys(plain)
    repeated.repeated = tuple(key for key, count in counts.items() if count > 1)
    return repeated


def _is_object(line: str) -> bool:
    try:
        return isinstance(_parse(line), dict)
    except (RecursionError, ValueError):
        return False


def _malformed(path: Path, problem: str, line: int, column: int) -> DataError:
    return DataError(
        f"{path} is not valid JSON: {problem} (line {line}, column {column})",
        "mend that place, or write the file with a JSON library",
    )


def _unusable(path: Path, error: Exception) -> DataError:
    reason = "nested too deeply" if isinstance(error, RecursionError) else str(error)
    return DataError(f"{path} is not usable JSON: {reason[:200]}", "write captions by image id")
