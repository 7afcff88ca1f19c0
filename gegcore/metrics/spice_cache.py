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


def cache_key(*parts: Any) -> str:
    """SHA-256 of any JSON values."""
    return hashlib.sha256(json.dumps(parts).encode("ascii")).hexdigest()


class SpiceCache:
    """Key -> JSON value, in `spice.sqlite` of a folder; several processes may share it.

    A write is a transaction: after a kill the values of earlier ones are there. A damaged file is
    thrown away, a value whose checksum is wrong is not returned, and where nothing can be written
    nothing is remembered.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / "spice.sqlite"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._database = _open(self._path)
        except (OSError, sqlite3.Error) as error:
            self._warn(error)
            self._database = _open(":memory:")

    def get(self, keys: Iterable[str]) -> dict[str, Any]:
        """Those of the keys that are known, with their values."""
        query = "SELECT key, value, crc FROM entry WHERE key IN (SELECT value FROM json_each(?))"
        rows = self._database.execute(query, [json.dumps(list(keys))])
        return {key: json.loads(text) for key, text, crc in rows if crc == _checksum(key, text)}

    def put(self, values: Mapping[str, Any]) -> None:
        """Store values, all of them or none."""
        texts = {key: json.dumps(value) for key, value in values.items()}
        rows = [(key, text, _checksum(key, text)) for key, text in texts.items()]
        try:
            with self._database:
                self._database.executemany("INSERT OR REPLACE INTO entry VALUES (?,?,?)", rows)
        except sqlite3.Error as error:
            self._warn(error)

    def close(self) -> None:
        self._database.close()

    def _warn(self, error: Exception) -> None:
        warnings.warn(f"SPICE's cache {self._path} cannot be used: {error}", stacklevel=3)


def _open(path: Path | str) -> sqlite3.Connection:
    database = sqlite3.connect(path, timeout=60)
    try:
        if database.execute("PRAGMA quick_check").fetchone() != ("ok",):
            raise sqlite3.DatabaseError("it is damaged")
        with database:
            database.execute(
                "CREATE TABLE IF NOT EXISTS entry"
                " (key TEXT PRIMARY KEY, value TEXT NOT NULL, crc INTEGER NOT NULL)"
            )
    except sqlite3.OperationalError:
        database.close()
        raise  # Locked, or not writable: not damaged.
    except sqlite3.DatabaseError:
        database.close()
        Path(path).unlink()
        return _open(path)
    return database


def _checksum(key: str, value: str) -> int:
    return zlib.crc32(f"{key} {value}".encode())
