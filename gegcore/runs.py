"""Run folders: where an experiment keeps what it made, and whether that is still what it was."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from filelock import FileLock, Timeout

from gegcore.errors import ChecksumError, DataError, writing
from gegcore.registry import file_name
from gegcore.storage import digest, read_json, sha256_file, write_json

TRAINED, EVALUATED = "training.json", "evaluation.json"
"""Records of a finished stage: key (what it was made from), files (SHA-256 of each), and more."""

STARTED = "state/key.json"
"""Key of a run that is not finished."""

_AGAIN = {
    TRAINED: "`gegcore run ... --again` trains it anew and keeps this folder beside the new one",
    EVALUATED: "`gegcore run`, notebook 03 or `make book` scores the run anew",
}

_ABOVE = Path(__file__).resolve().parents[1]
"""A checkout, or the environment's site-packages."""


def project_root() -> Path:
    """Folder that holds `artifacts/` and `runs/`, the same from wherever a notebook is run.

    `$GEGCORE_HOME`; without it, the checkout that this package is imported from; for an installed
    package, the working directory.
    """
    home = os.environ.get("GEGCORE_HOME")
    if not home and (_ABOVE / "pyproject.toml").is_file():
        return _ABOVE
    return Path(home or "").resolve()


@dataclass(frozen=True)
class RunFolder:
    """`runs/<profile>/<model>-<objective>-seed<k>/` (DESIGN.md section 3).

    Training ends with `training.json`, evaluation with `evaluation.json`: records of what they were
    made from, and of every file as it was written. What is read is compared with them.
    """

    path: Path

    @classmethod
    def of(
        cls, profile: str, model: str, objective: str, seed: int, variant: str = ""
    ) -> RunFolder:
        """The folder of a run; `Profile.run` finds the one of its very settings."""
        name = f"{file_name(model)}-{objective}-seed{seed}" + (f"-{variant}" if variant else "")
        return cls(project_root() / "runs" / profile / name)

    @property
    def name(self) -> str:
        return self.path.name

    @property
    def checkpoint(self) -> Path:
        return self.path / "checkpoint.safetensors"

    def file(self, name: str) -> Path:
        return self.path / name

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Keep other processes from training this run; wait, and say so, while one does.

        Raises:
            StorageError: nothing can be written beside the run.
        """
        lock = FileLock(self.path.with_name(f".{self.name}.lock"), timeout=0)
        with writing(self.path.parent):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            try:
                lock.acquire()
            except Timeout:
                print(f"{self.name}: another process trains it; waiting for it", file=sys.stderr)
                lock.acquire(timeout=-1)
        try:
            yield
        finally:
            lock.release()

    @property
    def settings(self) -> str | None:
        """Digest of the settings of the run that is kept here, "" if nothing tells them.

        None where any may come: nothing is kept here, or a checkpoint from elsewhere.
        """
        if not self.path.is_dir() or not any(self.path.iterdir()):
            return None
        for name in (TRAINED, STARTED, EVALUATED):
            record = self.record(name) or {}
            if "imported" in record:
                return None
            with suppress(KeyError, TypeError):
                return digest(record["key"]["settings"])
        return ""

    def record(self, name: str) -> dict[str, Any] | None:
        """A record that `write_record` wrote, None if it is missing or damaged."""
        with suppress(DataError, AttributeError, KeyError, TypeError):
            record = read_json(self.path / name)
            if record.pop("digest") == digest(record):
                return dict(record)
        return None

    def write_record(self, name: str, content: Mapping[str, Any], files: Iterable[str]) -> None:
        """Write a record of a stage and of those files that it has written."""
        there = (file for file in files if self.file(file).is_file())
        record = {**content, "files": {file: sha256_file(self.file(file)) for file in there}}
        record = json.loads(json.dumps(record))
        write_json(self.path / name, {**record, "digest": digest(record)})

    def made_from(self, name: str) -> Any:
        """The key in a record; None if that stage is not done, or its record is damaged."""
        return (self.record(name) or {}).get("key")

    def damaged(self, name: str) -> list[str]:
        """Files of a stage that are missing or not as they were written, its record among them."""
        record = self.record(name)
        if record is None:
            return [name]
        return [file for file, known in record["files"].items() if not self._is(file, known)]

    def check(self, name: str) -> None:
        """ChecksumError where `damaged` finds something."""
        if damaged := self.damaged(name):
            what = f"{', '.join(damaged)} of run {self.path}: missing, or not what was written"
            raise ChecksumError(what, _AGAIN[name])

    def metrics(self) -> dict[str, dict[str, Any]]:
        """Metric name -> {value, ci95, n}; errors as those of `whole`."""
        return dict(read_json(self.whole("metrics.json"))["metrics"])

    def calibration(self) -> dict[str, Any]:
        """Whether CLIP measured as is published of it; empty where the profile does not ask."""
        return dict(read_json(self.whole("metrics.json")).get("calibration", {}))

    def captions(self) -> dict[int, str]:
        """Image id -> generated caption of the test split."""
        rows = read_json(self.whole("captions.json"))
        return {row["image_id"]: row["caption"] for row in rows}

    def per_caption(self) -> pd.DataFrame:
        return pd.read_parquet(self.whole("per_caption.parquet"))

    def log(self) -> pd.DataFrame:
        return pd.read_csv(self.whole("log.csv", TRAINED))

    def history(self) -> pd.DataFrame:
        """Validation metrics per epoch."""
        return pd.DataFrame(self.training()["history"])

    def training(self) -> dict[str, Any]:
        """What `training.json` says; errors as those of `whole`."""
        return self._finished(TRAINED)

    def whole(self, name: str, stage: str = EVALUATED) -> Path:
        """A file of a finished stage, as it was written.

        Raises:
            DataError: the stage is not finished.
            ChecksumError: the file is missing or was changed.
        """
        files = self._finished(stage)["files"]
        if not self._is(name, files.get(name)):
            what = f"{self.path / name} is missing, or not what was written"
            raise ChecksumError(what, _AGAIN[stage])
        return self.path / name

    def _is(self, name: str, known: str | None) -> bool:
        return self.file(name).is_file() and sha256_file(self.file(name)) == known

    def _finished(self, stage: str) -> dict[str, Any]:
        record = self.record(stage)
        if record is None and self.file(stage).exists():
            raise ChecksumError(f"{self.path / stage} was changed or is damaged", _AGAIN[stage])
        if record is None:
            raise DataError(
                f"run {self.name} has no {stage}: it is not finished",
                "run `make book`, or notebook 03 with this model, objective and seed",
            )
        return record
