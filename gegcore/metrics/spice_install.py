"""CoreNLP 3.6.0 for SPICE: by Maven, from Stanford's server, or from files that are there."""

from __future__ import annotations

import http.client
import os
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

from tqdm import tqdm

from gegcore.errors import ChecksumError, DataError, GegError, MissingDependencyError, ToolError
from gegcore.metrics.spice_jars import CORENLP_JARS, corenlp_folder, verify_jar

ARCHIVE = "https://nlp.stanford.edu/software/stanford-corenlp-full-2015-12-09.zip"
"""Where pycocoevalcap gets it, too."""

_COORDINATES = {
    "stanford-corenlp-3.6.0.jar": "edu.stanford.nlp:stanford-corenlp:3.6.0:jar",
    "stanford-corenlp-3.6.0-models.jar": "edu.stanford.nlp:stanford-corenlp:3.6.0:jar:models",
}
_MAVEN_TIMEOUT = 3600.0
_STAGING = ".part-"
_SILENCE = 60.0
"""Seconds without a byte after which a download is tried again."""
_ATTEMPTS = 3
_BY_HAND = "check the network, or get the jars by hand and run `gegcore setup-spice --from FOLDER`"


def install_corenlp(source: Path | None = None, url: str = ARCHIVE) -> Path:
    """Put the jars of CoreNLP that are missing or damaged into their folder, and return it.

    A jar appears there only whole and with the right SHA-256. Without `source` Maven gets the
    jars if there is one, else they come out of Stanford's zip; a broken download is gone on with.

    Args:
        source: a folder that holds the jars, or the zip.
        url: of the zip.

    Raises:
        DataError: `source` does not hold the jars, or the folder cannot be written.
        ChecksumError: what was found or downloaded is damaged.
        MissingDependencyError: it could not be downloaded.
    """
    folder = corenlp_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if wanted := [name for name in CORENLP_JARS if not _whole(folder / name)]:
            _install(wanted, folder, source, url)
    except OSError as error:
        fix = "free 1 GB there, or name another folder: GEGCORE_CACHE=FOLDER"
        raise DataError(f"CoreNLP could not be written to {folder}: {error}", fix) from error
    return folder


def _install(wanted: Sequence[str], folder: Path, source: Path | None, url: str) -> None:
    for left in folder.glob(f"{_STAGING}*"):  # By a run that was killed.
        if time.time() - left.stat().st_mtime > _MAVEN_TIMEOUT:
            shutil.rmtree(left, ignore_errors=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix=_STAGING) as staging:
        if source is not None:
            _copy(source, wanted, Path(staging))
        else:
            _fetch(wanted, Path(staging), url)
        for name in wanted:
            os.replace(Path(staging) / name, folder / name)
    _archive_part(folder).unlink(missing_ok=True)


def _whole(jar: Path) -> bool:
    try:
        verify_jar(jar)
    except FileNotFoundError:
        return False
    except ChecksumError as error:
        _say(f"{error.what}; it is replaced")
        return False
    return True


def _copy(source: Path, wanted: Sequence[str], staging: Path) -> None:
    fix = "take stanford-corenlp-3.6.0.jar and stanford-corenlp-3.6.0-models.jar as released"
    if source.is_file():
        _extract(source, wanted, staging, fix)
        return
    for name in wanted:
        if not (source / name).is_file():
            raise DataError(f"there is no {name} in {source}", fix)
        shutil.copyfile(source / name, staging / name)
        verify_jar(staging / name, fix)


def _fetch(wanted: Sequence[str], staging: Path, url: str) -> None:
    if shutil.which("mvn"):
        try:
            _from_maven(wanted, staging)
            return
        except GegError as error:
            _say(f"{error.what}; trying {url}")
    part = _archive_part(corenlp_folder())
    download(url, part)
    try:
        _extract(part, wanted, staging, "run it again: it is downloaded anew")
    except ChecksumError:
        part.unlink()
        raise


def _from_maven(wanted: Sequence[str], staging: Path) -> None:
    """By the ordinary client, which compares with the checksum that the repository publishes."""
    for name in wanted:
        _say(f"Maven gets {name} ({CORENLP_JARS[name][0] / 1e6:.0f} MB)")
        command = [
            *("mvn", "--batch-mode", "--quiet", "--strict-checksums", "dependency:copy"),
            *(f"-Dartifact={_COORDINATES[name]}", f"-DoutputDirectory={staging}"),
        ]
        try:
            done = subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                cwd=staging,  # Not where a pom.xml could lie.
                timeout=_MAVEN_TIMEOUT,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise ToolError(f"Maven failed: {error}", _BY_HAND) from error
        if done.returncode != 0 or not (staging / name).is_file():
            said = (done.stdout + done.stderr).strip().splitlines() or ["it said nothing"]
            raise ToolError(f"Maven failed: {said[0][:300]}", _BY_HAND)
        verify_jar(staging / name, "delete it from Maven's local repository")


def download(url: str, target: Path) -> None:
    """Download to `target` behind a progress bar; what is already there is not fetched again.

    Raises:
        MissingDependencyError: it failed several times. What had come is kept.
    """
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            if _download_rest(url, target):
                return
            reason = "the connection broke off"
        except (URLError, http.client.HTTPException, ConnectionError, TimeoutError) as error:
            reason = str(error)
        if attempt < _ATTEMPTS:
            _say(f"{url}: {reason}; again")
    raise MissingDependencyError(f"{url} could not be downloaded: {reason}", _BY_HAND)


def _download_rest(url: str, target: Path) -> bool:
    """Append what is missing; whether all is there now."""
    start = target.stat().st_size if target.exists() else 0
    try:
        response = urlopen(
            Request(url, headers={"Range": f"bytes={start}-"} if start else {}), timeout=_SILENCE
        )
    except HTTPError as error:
        if error.code != 416:  # Nothing follows: it is whole, or not this file.
            raise
        if error.headers.get("Content-Range") == f"bytes */{start}":
            return True
        target.unlink()
        return False
    with response:
        if response.status != 206:  # The server sends all of it.
            start = 0
        length = response.headers.get("Content-Length")
        total = None if length is None else start + int(length)
        bar = tqdm(desc=target.name, initial=start, total=total, unit="B", unit_scale=True)
        with bar, open(target, "ab" if start else "wb") as stream:
            while block := response.read(1 << 16):
                stream.write(block)
                bar.update(len(block))
    return total is None or target.stat().st_size == total


def _extract(archive: Path, wanted: Sequence[str], staging: Path, fix: str) -> None:
    try:
        with zipfile.ZipFile(archive) as opened:
            members = {Path(name).name: name for name in opened.namelist()}
            for name in wanted:
                if name not in members:
                    raise ChecksumError(f"there is no {name} in {archive}", fix)
                with opened.open(members[name]) as packed, open(staging / name, "wb") as stream:
                    shutil.copyfileobj(packed, stream, 1 << 20)
    except (zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise ChecksumError(f"{archive} is damaged: {error}", fix) from error
    for name in wanted:
        verify_jar(staging / name, fix)


def _archive_part(folder: Path) -> Path:
    return folder / "stanford-corenlp.zip.part"


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
