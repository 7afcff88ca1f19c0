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
        7_270_741,
        "d341d5863276f55782c5ef73212222d6b3b48e02ae1951ab6de7618d28b12742",
    ),
    "stanford-corenlp-3.6.0-models.jar": (
        378_116_526,
        "d285157bd7887ee3018094b5dbae092e49088b023361ccdb550ee1daf9b2c9bd",
    ),
}
"""Name -> size in bytes and SHA-256 of the jars of CoreNLP, released 2015-12-09."""

SETUP = "run `gegcore setup-spice` (a download of 385 MB, once)"

_PACKAGE = Path(upstream.__file__).parent
_WORKER = Path(__file__).with_name("spice_worker")


def user_cache() -> Path:
    """Where gegcore keeps what can be fetched or computed again.

    `GEGCORE_CACHE`, or else `gegcore` in `XDG_CACHE_HOME` or `~/.cache`.
    """
    if chosen := os.environ.get("GEGCORE_CACHE"):
        return Path(chosen).expanduser()
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "gegcore"


def corenlp_folder() -> Path:
    """Where `gegcore setup-spice` puts the jars of CoreNLP."""
    return user_cache() / f"corenlp-{CORENLP_VERSION}"


def missing_jars(folder: Path) -> list[str]:
    """Names of CoreNLP's jars that `folder` lacks."""
    return [name for name in CORENLP_JARS if not (folder / name).is_file()]


def verify_jar(path: Path, fix: str = "") -> None:
    """Compare a jar of CoreNLP with its SHA-256.

    Args:
        fix: what to advise; by default to delete it and to set up again.

    Raises:
        ChecksumError: it is damaged, or another version.
    """
    size, expected = CORENLP_JARS[path.name]
    fix = fix or f"delete {path} and run `gegcore setup-spice`"
    if (found := path.stat().st_size) != size:
        raise ChecksumError(f"{path} has {found:,} bytes, not {size:,}", fix)
    if (found_digest := sha256_file(path)) != expected:
        raise ChecksumError(
            f"{path} is damaged: its SHA-256 is {found_digest[:16]}..., not {expected[:16]}...", fix
        )


def class_path() -> str:
    """The class path of SPICE: our worker, pycocoevalcap's jars, CoreNLP's.

    Raises:
        MissingDependencyError: CoreNLP's jars are not there.
        ChecksumError: one of them is damaged (looked at once per process and change).
    """
    folder = corenlp_folder()
    if missing := missing_jars(folder):
        raise MissingDependencyError(
            f"SPICE needs {' and '.join(missing)}, which {folder} lacks", SETUP
        )
    jars = [folder / name for name in CORENLP_JARS]
    for jar in jars:
        _verify_once(jar, jar.stat().st_mtime_ns)
    # pycocoevalcap may have put CoreNLP into its lib/ by itself: ours, which was checked, is first.
    return os.pathsep.join(
        map(str, [_WORKER, *jars, _PACKAGE / "spice-1.0.jar", _PACKAGE / "lib" / "*"])
    )


@cache
def _verify_once(jar: Path, modified: int) -> None:
    verify_jar(jar)
