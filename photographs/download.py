"""Downloads that go on where they stopped, and that are only there once they are whole."""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from tqdm import tqdm

from gegcore.errors import FULL, ChecksumError, MissingDependencyError, StorageError
from gegcore.storage import need_room, write_json

_SILENCE = 60.0
"""Seconds without a byte after which a connection is given up."""
_ATTEMPTS, _PAUSE = 4, 2.0
"""Connections in a row that bring nothing before we give up, and seconds between the first two."""
_BLOCK = 1 << 20
_BROKEN = (OSError, http.client.HTTPException)  # URLError and TimeoutError are OSErrors


def download(url: str, target: Path, md5: str = "", by_hand: str = "", room: float = 1.0) -> Path:
    """Get a file, if it is not there; an interrupted download goes on, now and in another session.

    What has come lies beside `target` as `.<name>.download`; under its name the file appears only
    whole and, where it is known, with the right MD5. A file on the server that has changed since
    is begun anew.

    Args:
        by_hand: what a user may do instead.
        room: how many times the file's size the disk must have.

    Raises:
        MissingDependencyError: the server cannot be reached, or does not have the file.
        ChecksumError: it is not the file that it should be; what has come is deleted.
        StorageError: the disk has no room for it, which is said before anything is got.
    """
    if target.is_file():
        return target
    part = target.with_name(f".{target.name}.download")
    part.parent.mkdir(parents=True, exist_ok=True)
    failures, last = 0, "nothing came"
    while failures < _ATTEMPTS:
        before = _size(part)
        try:
            if _go_on(url, part, room):
                break
            last = "the connection broke off"
        except HTTPError as error:
            if error.code < 500 and error.code not in (408, 429):
                raise _failed(url, str(error), by_hand) from error
            last = str(error)
        except _BROKEN as error:
            if isinstance(error, StorageError) or getattr(error, "errno", None) in FULL:
                raise  # not the connection's fault
            last = str(error)
        failures = 0 if _size(part) > before else failures + 1
        time.sleep(_PAUSE * failures)
    else:
        raise _failed(url, last, by_hand)
    _check(part, url, md5, by_hand)
    os.replace(part, target)
    _about(part).unlink(missing_ok=True)
    return target


def remote_size(url: str) -> int:
    """Bytes of a file, without getting it; 0 if the server does not say, or is not there."""
    with suppress(*_BROKEN), urlopen(Request(url, method="HEAD"), timeout=_SILENCE) as response:
        return int(response.headers.get("Content-Length", 0))
    return 0


def _go_on(url: str, part: Path, room: float) -> bool:
    """Append to what has come, or begin anew; whether all is there now."""
    known, there = _read_about(part), _size(part)
    resumes = bool(there and known.get("tag"))
    headers = {"Range": f"bytes={there}-", "If-Range": known["tag"]} if resumes else {}
    try:
        response = urlopen(Request(url, headers=headers), timeout=_SILENCE)
    except HTTPError as error:
        if error.code == 416 and resumes and there == known.get("total"):
            return True  # all had come
        if error.code == 416:
            part.unlink(missing_ok=True)
        raise
    with response:
        if response.status != http.client.PARTIAL_CONTENT:
            there = 0  # the whole file: it is another one now, or the server knows no ranges
        rest = int(response.headers.get("Content-Length", 0))
        total = there + rest if rest else None
        need_room(part.parent, room * (total or 0) - there, f"the bytes of {part.name[1:-9]}")
        tag = response.headers.get("ETag") or response.headers.get("Last-Modified") or ""
        if not tag.startswith("W/"):  # a weak tag says nothing about bytes
            write_json(_about(part), {"url": url, "tag": tag, "total": total})
        name = part.name.removeprefix(".").removesuffix(".download")
        bar = tqdm(total=total, initial=there, desc=name, unit="B", unit_scale=True)
        with bar, open(part, "ab" if there else "wb") as stream:
            while block := response.read(_BLOCK):
                stream.write(block)
                bar.update(len(block))
    return total is None or _size(part) == total


def _check(part: Path, url: str, md5: str, by_hand: str) -> None:
    if not md5:
        return
    state = hashlib.md5(usedforsecurity=False)
    with open(part, "rb") as stream, tqdm(total=_size(part), desc="MD5", unit="B") as bar:
        while block := stream.read(_BLOCK):
            state.update(block)
            bar.update(len(block))
    if state.hexdigest() != md5:
        part.unlink()
        what = f"{url} gave a file whose MD5 is not {md5}: it is damaged, or another one"
        raise ChecksumError(what, by_hand or "run it again")


def _failed(url: str, why: str, by_hand: str) -> MissingDependencyError:
    what = f"{url} could not be downloaded: {why}"
    return MissingDependencyError(what, by_hand or "run it again: it goes on where it stopped")


def _about(part: Path) -> Path:
    """What the server said of the file that comes."""
    return part.with_name(f"{part.name}.json")


def _read_about(part: Path) -> Mapping[str, Any]:
    with suppress(OSError, ValueError):
        known = json.loads(_about(part).read_text(encoding="utf-8"))
        if isinstance(known, dict):
            return known
    return {}


def _size(part: Path) -> int:
    return part.stat().st_size if part.is_file() else 0
