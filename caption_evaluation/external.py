"""Scores that other tools gave to captions, and files that such tools read."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from caption_evaluation.images import ImageId, image_id, matches
from caption_evaluation.json_file import JsonObject, decoded, parsed_json
from caption_evaluation.tables import ID_FIELDS, TEXT_FIELDS, is_parquet, parquet_table, text_table
from gegcore.errors import ConfigError, DataError, some
from gegcore.metrics.evaluate import OWN_NAMES
from gegcore.metrics.scores import Scores
from gegcore.storage import write_text

_FIX = 'write a line a caption, {"image_id": 42, "PAC-S": 0.81}, or a table with such columns'


def check_names(files: Sequence[tuple[Path, bytes]]) -> None:
    """Refuse scores that are called as gegcore's own, or as those of another file.

    Args:
        files: of scores, with what is in them.

    Raises:
        DataError: such a name, or as `read_external`.
    """
    taken = dict.fromkeys(OWN_NAMES, "gegcore's own")
    for path, content in files:
        names = dict.fromkeys(name for _, row in _rows(path, content) for name in row)
        if twice := [name for name in names if name in taken]:
            what = f"{path}, column '{twice[0]}': it is called as {taken[twice[0]]}"
            fix = f"rename the column, to 'my {twice[0]}' for example, or leave it out"
            raise DataError(what, f"{fix}; in a file {{id: score}} its name is the file's")
        taken |= dict.fromkeys(names, f"a column of {path}")


def read_external(path: Path, content: bytes, images: Sequence[ImageId]) -> Scores:
    """Scores of single captions as metrics: their means, under the names that the file has.

    Args:
        content: JSON Lines or a table with an id and columns of numbers; `{"42": 0.81, ...}`, of a
            metric that is called as the file; or capevalkit's output (`per_item`).
        images: that were captioned; scores of others are left out.

    Raises:
        DataError: another layout; an image without a score, or a score that is no finite number.
    """
    rows = _rows(path, content)
    if not rows:
        raise DataError(f"{path} holds no scores", _FIX)
    known: dict[ImageId, Mapping[str, Any]] = {}
    for key, row in rows:
        image = image_id(key)
        if image is None or image in known:
            what = f"{path} has an id that is none, or that stands there twice: {ascii(key)}"
            raise DataError(what, _FIX)
        known[image] = row
    named = matches(images, known)
    if lacking := [repr(image) for image in images if image not in named]:
        raise DataError(f"{path} lacks scores of {len(lacking):,} images: {some(lacking)}", _FIX)
    scored = [known[named[image]] for image in images]
    # Those of any image: where another lacks one, that is said.
    names = dict.fromkeys(name for row in scored for name in row)
    if not names:
        raise DataError(f"{path} has no numbers beside its ids", _FIX)
    values = {name: [row.get(name) for row in scored] for name in names}
    signature = f"of {path.name}@{hashlib.sha256(content).hexdigest()[:16]}"
    found = {name: np.array(_numbers(path, name, each)) for name, each in values.items()}
    return Scores.means(found, dict.fromkeys(found, signature))


def export(folder: Path, captions: Mapping[ImageId, str], references: Mapping[Any, Any]) -> None:
    """Write `predictions.jsonl` and `references.jsonl`, which capevalkit and others read.

    Raises:
        ConfigError: one is there and says something else: nothing is written then.
    """
    said = ({"id": str(image), "caption": text} for image, text in captions.items())
    truth = ({"id": str(i), "references": list(references[i])} for i in captions)
    files = {"predictions.jsonl": _lines(said), "references.jsonl": _lines(truth)}
    for name, text in files.items():
        path = folder / name
        if path.exists() and path.read_bytes() != text.encode():
            raise ConfigError(f"--export would replace {path}", "choose another folder")
    for name, text in files.items():
        write_text(folder / name, text)


def _lines(rows: Iterable[Mapping[str, Any]]) -> str:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def _rows(path: Path, content: bytes) -> list[tuple[Any, Mapping[str, Any]]]:
    """Id and scores by name."""
    if is_parquet(content):
        return _of_table(path, parquet_table(path, content).to_dict("records"))
    text = decoded(path, content)
    if text.lstrip()[:1] not in ("{", "["):
        return _of_table(path, text_table(path, text).to_dict("records"))
    stored, _ = parsed_json(path, text)
    if isinstance(stored, JsonObject):
        items = stored.get("per_item", stored)
        if isinstance(items, JsonObject):
            return [(k, v if isinstance(v, dict) else {path.stem: v}) for k, v in items.items()]
    if not isinstance(stored, list) or not all(isinstance(row, dict) for row in stored):
        raise DataError(f"{path} is no file of scores", _FIX)
    return _of_table(path, stored)


def _of_table(path: Path, rows: Sequence[Mapping[Any, Any]]) -> list[tuple[Any, Mapping[str, Any]]]:
    """Rows by their id; texts, such as the caption itself, are no scores."""
    found: list[tuple[Any, Mapping[str, Any]]] = []
    for number, row in enumerate(rows, 1):
        key = next((field for field in ID_FIELDS if field in row), None)
        if key is None:
            raise DataError(f"{path} has no id in row {number}", _FIX)
        texts = {key, *TEXT_FIELDS}  # A caption may be a number.
        scores = {str(k): v for k, v in row.items() if k not in texts and _number(v) is not None}
        found.append((row[key], scores))
    return found


def _number(value: Any) -> float | None:
    """A finite number, also as text; None of anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _numbers(path: Path, name: str, values: Sequence[Any]) -> list[float]:
    found = [_number(value) for value in values]
    wrong = sum(number is None for number in found)
    if wrong:
        what = f"{path}: {wrong:,} of {len(values):,} scores '{name}' are no finite numbers"
        raise DataError(what, _FIX)
    return [float(number) for number in found if number is not None]
