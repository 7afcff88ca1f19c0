"""Captions in tables: CSV, TSV and Parquet with a column of ids and one of captions; token.txt."""

from __future__ import annotations

import ast
import csv
import io
import re
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from gegcore.data.karpathy import SPLIT_OF
from gegcore.errors import ConfigError, DataError, some

ID_FIELDS = (
    *("image_id", "image", "file_name", "filename", "image_name", "cocoid", "img_id", "imgid"),
    "id",
)
TEXT_FIELDS = (
    *("caption", "captions", "references", "text", "caption_str", "sentence", "comment"),
    *("prediction", "raw"),
)
"""What columns and fields of ids and of captions are called; the first that is there counts."""

_SEPARATORS = (",", "\t", "|", ";")
_TOKEN = re.compile(r"(\S.*?)#\d+\t(.*)")
"""Flickr's `*.token.txt`: name#number, a tab, the caption."""


class Entries(NamedTuple):
    """What a file says, before it is checked.

    Attributes:
        items: where each entry stands ("row 3"), and the entry: an object with an id and a text.
        files: image id as written -> its file, where the layout has it.
        repeated: keys that are images and stand there twice.
    """

    items: list[tuple[str, Any]]
    files: list[tuple[Any, Any]] = []
    repeated: tuple[str, ...] = ()


def is_parquet(content: bytes) -> bool:
    return content[:4] == b"PAR1"


def parquet_entries(path: Path, content: bytes, split: str | None = None) -> Entries:
    """Captions of a Parquet file; raises as `table_entries`, and DataError if it is damaged."""
    return table_entries(path, parquet_table(path, content), split)


def parquet_table(path: Path, content: bytes) -> pd.DataFrame:
    """A Parquet file; DataError where it is damaged."""
    try:
        return pd.read_parquet(io.BytesIO(content))
    except Exception as error:  # pyarrow raises what it likes
        what = f"{path} is no whole Parquet file: {' '.join(str(error).split())[:200]}"
        raise DataError(what, "write or download it again") from error


def text_table(path: Path, text: str) -> pd.DataFrame:
    """CSV or TSV with a header in which one of the columns holds ids; DataError of others."""
    first = next((line for line in text.splitlines() if line.strip()), "")
    for separator in _SEPARATORS:
        names = next(csv.reader([first], delimiter=separator), [])
        if len(names) > 1 and {name.strip() for name in names} & {*ID_FIELDS}:
            return _read_csv(path, text, separator)
    what = f"{path} has no column of image ids in its first line: {first[:60]!r}"
    raise DataError(what, f"call it {ID_FIELDS[0]}")


def text_entries(path: Path, text: str, split: str | None = None) -> Entries | None:
    """Rows of CSV or TSV with a header, or lines of token.txt; None of a text that is neither.

    Raises as `table_entries`.
    """
    first = next((line for line in text.splitlines() if line.strip()), "")
    if _TOKEN.fullmatch(first):
        refuse_split(path, split)
        return _token_entries(path, text)
    for separator in _SEPARATORS:
        names = next(csv.reader([first], delimiter=separator), [])
        if _columns(names):
            return table_entries(path, _read_csv(path, text, separator), split)
    called = {".csv": ",", ".tsv": "\t"}.get(path.suffix.lower())
    return table_entries(path, _read_csv(path, text, called), split) if called and first else None


def _read_csv(path: Path, text: str, separator: str) -> pd.DataFrame:
    try:
        return pd.read_csv(
            io.StringIO(text),
            sep=separator,
            dtype=str,
            keep_default_na=False,
            skipinitialspace=True,
            index_col=False,
            on_bad_lines="error",
        )
    except (pd.errors.ParserError, ValueError) as error:
        what = f"{path} is no table: {' '.join(str(error).split())[:200]}"
        raise DataError(what, "put texts that hold the separator in double quotes") from error


def _token_entries(path: Path, text: str) -> Entries:
    items = []
    for number, line in enumerate(text.splitlines(), 1):
        found = _TOKEN.fullmatch(line)
        if found:
            items.append((f"line {number}", {"image_id": found[1], "caption": found[2]}))
        elif line.strip():
            what = f"{path} has a line {number} that is not `name#number`, a tab and a caption"
            raise DataError(what, "mend that line")
    return Entries(items)


def table_entries(path: Path, table: pd.DataFrame, split: str | None = None) -> Entries:
    """Rows of a table by its columns of ids and texts; a list in a cell is several captions.

    Args:
        split: only rows that a column "split" says are of this one.

    Raises:
        DataError: it has no such columns, or no row of this split; ConfigError: it has no splits.
    """
    if split:
        table = _of_split(path, table, split)
    found = _columns(map(str, table.columns))
    if not found:
        columns = some(map(str, table.columns)) or "none"
        raise DataError(
            f"{path} has no columns of image ids and captions; it has: {columns}",
            f"call them {ID_FIELDS[0]} and {TEXT_FIELDS[0]}",
        )
    ids, texts = (table.iloc[:, place].tolist() for place in found)
    return Entries(
        [
            (f"row {number}", {"image_id": _plain(image), "caption": _plain(text)})
            for number, (image, text) in enumerate(zip(ids, texts, strict=True), 1)
        ]
    )


class NoSplits(ConfigError):
    """A split was asked of a file without splits."""


def splits_of(path: Path, values: Iterable[tuple[str, Any]]) -> list[str]:
    """The split of every entry, by its name here or in Karpathy's files, in any case.

    Args:
        values: where an entry stands ("row 3"), and what it has as its split.

    Raises:
        DataError: an entry has no split or an unknown one: it would silently belong to none.
    """
    found = []
    for place, value in values:
        known = SPLIT_OF.get(str(value).strip().lower())
        if known is None:
            what = f"{path}, {place}: split {str(value)[:40]!r} is unknown"
            raise DataError(what, f"give every entry one of: {', '.join(SPLIT_OF)}")
        found.append(known)
    return found


def _of_split(path: Path, table: pd.DataFrame, split: str) -> pd.DataFrame:
    """Rows of one split."""
    column = next((x for x in table if str(x).strip().lower() == "split"), None)
    if column is None:
        refuse_split(path, split)
    places = ((f"row {number}", value) for number, value in enumerate(table[column], 1))
    rows = table[[each == split for each in splits_of(path, places)]]
    if rows.empty:
        raise DataError(f"{path} has no row of split '{split}'", "use the whole file")
    return rows


def refuse_split(path: Path, split: str | None) -> None:
    """Raise NoSplits if a split is asked of a file without splits."""
    if split:
        raise NoSplits(f"{path} has no splits, --split {split}", "leave --split out")


def _columns(names: Iterable[str]) -> tuple[int, int] | None:
    """Places of the columns of ids and of texts."""
    known = {name.strip().lower(): place for place, name in reversed([*enumerate(names)])}
    ids, texts = ([known[x] for x in each if x in known] for each in (ID_FIELDS, TEXT_FIELDS))
    return (ids[0], texts[0]) if ids and texts else None


def _plain(value: Any) -> Any:
    """A cell as JSON would have it: arrays as lists, and lists that were written as text."""
    if isinstance(value, str) and value.startswith("["):
        with suppress(ValueError, SyntaxError, RecursionError, MemoryError):
            found = ast.literal_eval(value)
            return found if all(isinstance(text, str) for text in found) else value
    return value.tolist() if hasattr(value, "tolist") else value
