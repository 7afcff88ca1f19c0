"""CoreNLP 3.6.0 for SPICE: by Maven, from Stanford's server, or from files that are there."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path

from gegcore.errors import (
    ChecksumError,
    DataError,
    GegError,
    StorageError,
    ToolError,
)
from gegcore.metrics.spice_jars import CORENLP_JARS, corenlp_folder, verify_jar
from gegcore.storage import need_room
from photographs.download import download

ARCHIVE = "https://nlp.stanford.edu/software/stanford-corenlp-full-2015-12-09.zip"
"""Where pycocoevalcap gets it, too."""

_COORDINATES = {
    "stanford-corenlp-3.6.0.jar": "edu.stanford.nlp:stanford-corenlp:3.6.0:jar",
    "stanford-corenlp-3.6.0-models.jar": "edu.stanford.nlp:stanford-corenlp:3.6.0:jar:models",
}
_WHAT = "the jars of CoreNLP"
_BY_HAND = "run it again, or get the jars by hand and run `gegcore setup-spice --from FOLDER`"


def install_corenlp(source: Path | None = None, url: str = ARCHIVE) -> Path:
    """Put the jars of CoreNLP that are missing or damaged into their folder, and return it.

    A jar appears there only whole and with the right SHA-256. Without `source` Maven gets the
    jars if there is one, else they come out of Stanford's zip.

    Args:
        source: a folder that holds the jars, or the zip.
        url: of the zip.

    Raises:
        DataError: `source` does not hold the jars, or the folder cannot be written.
        StorageError: the disk has no room for them, which is said before they are got.
        ChecksumError: what was found or downloaded is damaged.
        MissingDependencyError: it could not be downloaded.
    """
    folder = corenlp_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder, prefix=".part-") as staging:
            if wanted := [name for name in CORENLP_JARS if not _whole(folder / name)]:
                _collect(wanted, Path(staging), source, url)
            for name in wanted:
                os.replace(Path(staging) / name, folder / name)
    except StorageError:
        raise
    except OSError as error:
        fix = "free 1 GB there, or name another folder: GEGCORE_CACHE=FOLDER"
        raise DataError(f"CoreNLP could not be written to {folder}: {error}", fix) from error
    return folder


def _whole(jar: Path) -> bool:
    try:
        verify_jar(jar)
    except FileNotFoundError:
        return False
    except ChecksumError as error:
        print(f"{error.what}; it is replaced", file=sys.stderr)
        return False
    return True


def _collect(wanted: Sequence[str], staging: Path, source: Path | None, url: str) -> None:
    """Put the wanted jars into `staging`."""
    fix = "take the two jars as released, or the zip that holds them"
    if source is None and shutil.which("mvn"):
        try:
            _from_maven(wanted, staging)
            return
        except GegError as error:
            print(f"{error.what}; trying {url}", file=sys.stderr)
    if source is None:
        source, fix = staging / "corenlp.zip", _BY_HAND
        # The jars in it are packed themselves, so that they take as much again.
        download(url, source, by_hand=_BY_HAND, room=2)
    if source.is_file():
        _extract(source, wanted, staging, fix)
        return
    for name in wanted:
        if not (source / name).is_file():
            raise DataError(f"there is no {name} in {source}", fix)
    need_room(staging, sum((source / name).stat().st_size for name in wanted), _WHAT)
    for name in wanted:
        shutil.copyfile(source / name, staging / name)
        verify_jar(staging / name, fix)


def _from_maven(wanted: Sequence[str], staging: Path) -> None:
    """By the ordinary client, which compares with the checksum that the repository publishes."""
    for name in wanted:
        print(f"Maven gets {name}", file=sys.stderr, flush=True)
        command = [
            *("mvn", "--batch-mode", "--quiet", "--strict-checksums", "dependency:copy"),
            *(f"-Dartifact={_COORDINATES[name]}", f"-DoutputDirectory={staging}"),
        ]
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            cwd=staging,  # Not where a pom.xml could lie.
            check=False,
        )
        if done.returncode != 0 or not (staging / name).is_file():
            said = (done.stdout + done.stderr).strip().splitlines() or ["it said nothing"]
            raise ToolError(f"Maven failed: {said[0][:300]}", _BY_HAND)
        verify_jar(staging / name, "delete it from Maven's local repository")


def _extract(archive: Path, wanted: Sequence[str], staging: Path, fix: str) -> None:
    try:
        with zipfile.ZipFile(archive) as opened:
            members = {Path(name).name: name for name in opened.namelist()}
            for name in wanted:
                if name not in members:
                    raise ChecksumError(f"there is no {name} in {archive}", fix)
            need_room(staging, sum(opened.getinfo(members[n]).file_size for n in wanted), _WHAT)
            for name in wanted:
                with opened.open(members[name]) as packed, open(staging / name, "wb") as stream:
                    shutil.copyfileobj(packed, stream, 1 << 20)
                verify_jar(staging / name, fix)
    except (zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise ChecksumError(f"{archive} is damaged: {error}", fix) from error
