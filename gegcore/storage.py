"""Files that are never half written, and digests that say what is in them."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any
from uuid import uuid4

from gegcore.errors import FREE_ROOM, DataError, StorageError, writing

if TYPE_CHECKING:
    import torch

_TEMPORARY = ".part"


def need_room(folder: Path, size: float, what: str) -> None:
    """Before long work: StorageError where `what` (a plural) needs more bytes than a disk has."""
    there = next(path for path in (folder / "file").absolute().parents if path.exists())
    disk = shutil.disk_usage(there)
    if disk.free < size and disk.total:  # some network file systems say 0 of 0
        said = f"{what} need {_bytes(size)} in {folder}, {_bytes(disk.free)} are free"
        raise StorageError(said, FREE_ROOM)


def _bytes(number: float) -> str:
    power = min((len(str(int(number))) - 1) // 3, 3)
    return f"{number / 1000**power:.3g} {('B', 'kB', 'MB', 'GB')[power]}"


@contextmanager
def atomic_write(path: Path | str, mode: str = "w") -> Iterator[IO[Any]]:
    """Open a temporary file beside `path` and rename it onto `path` only if the block succeeds.

    A crash at any moment leaves either the old file or the new one, never a part of it; the
    temporary file that a killed process leaves is for `remove_temporaries`. StorageError where it
    cannot be written.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{uuid4().hex}{_TEMPORARY}")
    try:
        with writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            with open(temporary, mode, encoding=None if "b" in mode else "utf-8") as stream:
                yield stream
                stream.flush()
                os.fsync(stream.fileno())
            os.replace(temporary, path)
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise


def remove_temporaries(directory: Path | str) -> None:
    """Remove what killed processes' `atomic_write` left in and below a folder nobody writes to."""
    for path in Path(directory).rglob(f".*{_TEMPORARY}"):
        path.unlink(missing_ok=True)


def write_text(path: Path | str, text: str) -> None:
    with atomic_write(path) as stream:
        stream.write(text)


def write_json(path: Path | str, value: Any) -> None:
    """Write `value` as indented JSON atomically. NaN is refused: it is not JSON."""
    write_text(path, json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False) + "\n")


def read_json(path: Path | str) -> Any:
    """Read a JSON file.

    Raises:
        DataError: the file is missing or malformed (line and column are named).
    """
    path = Path(path)
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise DataError(f"{path} does not exist", "check the path") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not UTF-8 text: {error}", "save it as UTF-8") from error
    except json.JSONDecodeError as error:
        what = f"{error.msg} (line {error.lineno}, column {error.colno})"
        raise DataError(f"{path} is not valid JSON: {what}", "mend or make it again") from error


def save_safetensors(
    path: Path | str, tensors: Mapping[str, torch.Tensor], metadata: Mapping[str, str] | None = None
) -> None:
    """Write tensors atomically in safetensors format."""
    from safetensors.torch import save  # and torch: seconds that no `--help` waits for

    ready = {name: tensor.detach().contiguous().cpu() for name, tensor in tensors.items()}
    with atomic_write(path, "wb") as stream:
        stream.write(save(ready, metadata=dict(metadata or {})))


def sha256_file(path: Path | str) -> str:
    """Hex SHA-256 of a file's content, read in blocks of 1 MiB."""
    state = hashlib.sha256()
    with open(path, "rb") as stream:
        while block := stream.read(1 << 20):
            state.update(block)
    return state.hexdigest()


def digest(value: Any) -> str:
    """First 16 hex digits of the SHA-256 of `value` as canonical JSON."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8")).hexdigest()[:16]
