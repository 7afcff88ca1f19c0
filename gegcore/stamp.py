"""Digest of what a job stored, for the stamps of the Snakefile. Imports nothing heavy."""

from __future__ import annotations

import argparse
import hashlib
import sys
from collections.abc import Sequence
from pathlib import Path

from gegcore.errors import DataError, GegError


def content_digest(folder: Path | str, names: Sequence[str] = ()) -> str:
    """Digest of a folder's JSON files (manifests hold the digests of large arrays), or of `names`.

    Raises:
        DataError: a named file is missing, or there is no JSON file.
    """
    folder = Path(folder)
    paths = [folder / name for name in names] or sorted(folder.rglob("*.json"))
    missing = [path.name for path in paths if not path.is_file()]
    if missing or not paths:
        raise DataError(
            f"{folder} holds no {', '.join(missing) or 'manifest'}",
            f"delete {folder} and build again",
        )
    state = hashlib.sha256()
    for path in paths:
        state.update(path.relative_to(folder).as_posix().encode())
        state.update(hashlib.sha256(path.read_bytes()).digest())
    return state.hexdigest()


def main(arguments: Sequence[str] | None = None) -> int:
    """`python -m gegcore.stamp FOLDER [NAME...]`: print the digest."""
    parser = argparse.ArgumentParser(prog="python -m gegcore.stamp", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("names", nargs="*")
    parsed = parser.parse_args(arguments)
    try:
        print(content_digest(parsed.folder, parsed.names))
    except GegError as error:
        print(f"gegcore: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
