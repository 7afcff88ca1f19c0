"""Run folders: where an experiment keeps what it made, and whether that is still fresh."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from gegcore.errors import DataError
from gegcore.registry import file_name
from gegcore.storage import read_json

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

    `checkpoint.safetensors` is written when training is done, `metrics.json` when evaluation is;
    each has a record of what it was made from beside it (`training.json`, `evaluation.json`).
    """

    path: Path

    @classmethod
    def of(
        cls, profile: str, model: str, objective: str, seed: int, variant: str = ""
    ) -> RunFolder:
        """The folder of a run; one of other settings than the profile's has a variant."""
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

    def made_from(self, record: str) -> str | None:
        """Key stored in `training.json` or `evaluation.json`; None if that stage is not done."""
        path = self.path / record
        return read_json(path)["key"] if path.is_file() else None

    def metrics(self) -> dict[str, dict[str, Any]]:
        """Metric name -> {value, ci95, n}; DataError where the run is not finished."""
        return self._finished("metrics.json")["metrics"]

    def captions(self) -> dict[int, str]:
        """Image id -> generated caption of the test split."""
        return {row["image_id"]: row["caption"] for row in self._finished("captions.json")}

    def per_caption(self) -> pd.DataFrame:
        self._finished("metrics.json")
        return pd.read_parquet(self.path / "per_caption.parquet")

    def log(self) -> pd.DataFrame:
        self._finished("training.json")
        return pd.read_csv(self.path / "log.csv")

    def history(self) -> pd.DataFrame:
        """Validation metrics per epoch."""
        return pd.DataFrame(self._finished("training.json")["history"])

    def _finished(self, name: str) -> Any:
        if not (self.path / name).is_file():
            raise DataError(
                f"run {self.name} has no {name}: it is not finished",
                "run `make book`, or notebook 03 with this model, objective and seed",
            )
        return read_json(self.path / name)
