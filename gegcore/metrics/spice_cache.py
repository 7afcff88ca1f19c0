"""What SPICE has computed before: a small database that may be deleted at any time."""

from __future__ import annotations

import hashlib
import json
import sqlite3
import warnings
import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

_COLUMNS = "key TEXT PRIMARY KEY, value TEXT NOT NULL, crc INTEGER NOT NULL"
_BLOCK = 500
"""Keys asked for at once: old versions of SQLite take at most 999 variables."""


def cache_key(*parts: Any) -> str:
    """SHA-256 of any JSON values."""
    return hashlib.sha256(json.dumps(parts).encode("ascii")).hexdigest()


class SpiceCache:
    """Key -> JSON value, in `spice.sqlite` of a folder; several processes may share it.

    A write is a transaction: after a kill the values of earlier ones are there. A damaged file is
    thrown away, a value whose checksum is wrong is not returned, and where nothing can be written
    the values last as long as this object.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / "spice.sqlite"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._database = self._open()
        except (OSError, sqlite3.OperationalError) as error:
            self._use_memory(error)

    def get(self, keys: Iterable[str]) -> dict[str, Any]:
        """Those of the keys that are known, with their values."""
        try:
            return self._get(list(dict.fromkeys(keys)))
        except sqlite3.DatabaseError as error:
            self._start_anew(error)
            return {}

    def put(self, values: Mapping[str, Any]) -> None:
        """Store values, all of them or none."""
        texts = {key: json.dumps(value) for key, value in values.items()}
        rows = [(key, text, _checksum(key, text)) for key, text in texts.items()]
        for _ in range(2):
            try:
                with self._database:
                    self._database.executemany("INSERT OR REPLACE INTO entry VALUES (?,?,?)", rows)
                return
            except sqlite3.DatabaseError as error:
                self._start_anew(error)

    def close(self) -> None:
        self._database.close()

    def _get(self, keys: list[str]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for start in range(0, len(keys), _BLOCK):
            block = keys[start : start + _BLOCK]
            marks = ",".join("?" * len(block))
            query = f"SELECT key, value, crc FROM entry WHERE key IN ({marks})"
            for key, value, crc in self._database.execute(query, block):
                if crc == _checksum(key, value):
                    found[key] = json.loads(value)
        return found

    def _open(self) -> sqlite3.Connection:
        try:
            return _connect(self._path)
        except sqlite3.OperationalError:
            raise  # Locked, or not writable: not damaged.
        except sqlite3.DatabaseError:
            self._path.unlink()
            return _connect(self._path)

    def _start_anew(self, error: sqlite3.DatabaseError) -> None:
        self._database.close()
        if isinstance(error, sqlite3.OperationalError):
            self._use_memory(error)
            return
        try:
            self._path.unlink(missing_ok=True)
            self._database = self._open()
        except (OSError, sqlite3.DatabaseError) as cause:
            self._use_memory(cause)

    def _use_memory(self, error: Exception) -> None:
        warnings.warn(f"SPICE's cache {self._path} cannot be used: {error}", stacklevel=3)
        self._database = _connect(":memory:")


def _connect(path: Path | str) -> sqlite3.Connection:
    database = sqlite3.connect(path, timeout=60)
    try:
        with database:
            database.execute(f"CREATE TABLE IF NOT EXISTS entry ({_COLUMNS})")
    except BaseException:
        database.close()
        raise
    return database


def _checksum(key: str, value: str) -> int:
    """Of a value and of whose it is."""
    return zlib.crc32(f"{key} {value}".encode())
