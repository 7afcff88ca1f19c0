"""The Java parts of SPICE: pycocoevalcap's jars, and CoreNLP's in a cache folder of the user."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

from pycocoevalcap import spice as upstream

from gegcore.errors import ChecksumError, MissingDependencyError
from gegcore.storage import sha256_file

CORENLP_VERSION = "3.6.0"

CORENLP_JARS = {
    "stanford-corenlp-3.6.0.jar": (
        "d341d5863276f55782c5ef73212222d6b3b48e02ae1951ab6de7618d28b12742"
    ),
    "stanford-corenlp-3.6.0-models.jar": (
        "d285157bd7887ee3018094b5dbae092e49088b023361ccdb550ee1daf9b2c9bd"
    ),
}
"""Name -> SHA-256 of the jars of CoreNLP, released 2015-12-09."""

_PACKAGE = Path(upstream.__file__).parent
_WORKER = Path(__file__).with_name("spice_worker")


def user_cache() -> Path:
    """Folder of what can be made again: `GEGCORE_CACHE`, or else `gegcore` in the user's cache."""
    if chosen := os.environ.get("GEGCORE_CACHE"):
        return Path(chosen).expanduser()
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "gegcore"


def corenlp_folder() -> Path:
    """Where `gegcore setup-spice` puts the jars of CoreNLP."""
    return user_cache() / f"corenlp-{CORENLP_VERSION}"


def corenlp_jars() -> list[Path]:
    """The jars of CoreNLP, not yet verified.

    Raises:
        MissingDependencyError: they are not there.
    """
    jars = [corenlp_folder() / name for name in CORENLP_JARS]
    if missing := [jar.name for jar in jars if not jar.is_file()]:
        setup = "run `gegcore setup-spice` (a download of 385 MB, once)"
        raise MissingDependencyError(f"SPICE needs {' and '.join(missing)}", setup)
    return jars


def verify_jar(path: Path, fix: str = "run `gegcore setup-spice` again") -> None:
    """Compare a jar of CoreNLP with its SHA-256.

    Raises:
        ChecksumError: it is damaged, or another version; `fix` is what to do about it.
    """
    expected = CORENLP_JARS[path.name]
    if (found := sha256_file(path)) != expected:
        what = f"{path} is damaged: its SHA-256 is {found[:16]}..., not {expected[:16]}..."
        raise ChecksumError(what, fix)


def class_path() -> str:
    """The class path of SPICE: our worker, pycocoevalcap's jars, CoreNLP's.

    Raises:
        MissingDependencyError: CoreNLP's jars are not there.
        ChecksumError: one of them is damaged (looked at once per process and change).
    """
    jars = corenlp_jars()
    for jar in jars:
        _verify_once(jar, jar.stat().st_mtime_ns)
    # pycocoevalcap may have put CoreNLP into its lib/ by itself: ours, which was checked, is first.
    parts = [_WORKER, *jars, _PACKAGE / "spice-1.0.jar", _PACKAGE / "lib" / "*"]
    return os.pathsep.join(map(str, parts))


@cache
def _verify_once(jar: Path, modified: int) -> None:
    verify_jar(jar)
