"""Scores of published captioners on COCO: `python -m bookkit.real_captions FOLDER`.

FOLDER holds captions of others, which stay where they are: `references_karpathy_test.json`,
`similar_sets_k5.json`, `systems_2015_2017/` and `brainhub/` (its own `references.json` beside the
captions). Numbers are stored, and none of the captions.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from bookkit.report.stored import STORED
from caption_evaluation.files import EvaluationSettings, evaluate_systems
from caption_evaluation.systems import SystemsReport
from gegcore.errors import in_words
from gegcore.provenance import git_revision
from gegcore.storage import write_json, write_text

NAME = "coco_captions"

_SYSTEMS, _BRAINHUB = "systems_2015_2017", "brainhub"


def score(folder: Path, spice: bool = True) -> dict[str, SystemsReport]:
    """Name of each set of systems -> their scores.

    Args:
        spice: minutes for every thousand captions that are new.

    Raises: as `evaluate_systems`.
    """
    groups = EvaluationSettings(groups=folder / "similar_sets_k5.json", spice=spice)
    plain = EvaluationSettings(groups_by="cider", spice=spice)
    truth = folder / "references_karpathy_test.json"
    brainhub = folder / _BRAINHUB / "references.json"
    systems = sorted((folder / _SYSTEMS).glob("*.json"))
    brains = sorted(set((folder / _BRAINHUB).glob("*.json")) - {brainhub})
    return {
        _SYSTEMS: evaluate_systems(systems, truth, settings=groups),
        _BRAINHUB: evaluate_systems(brains, brainhub, settings=plain),
    }


def store(reports: dict[str, SystemsReport], folder: Path) -> None:
    """Write `NAME.csv`, `NAME-pairs.csv` and what they were computed from."""
    about: dict[str, object] = {"git_revision": git_revision()}
    for name, report in reports.items():
        write_text(folder / f"{name}.csv", _table(report.scores))
        pairs = [
            {"metric": metric, "first": pair.first, "second": pair.second, "p_holm": pair.p_holm}
            | {"difference": pair.difference.value, "low": pair.difference.low}
            | {"high": pair.difference.high}
            for metric, each in report.pairs.items()
            for pair in each
        ]
        write_text(folder / f"{name}-pairs.csv", _table(pd.DataFrame(pairs)))
        first = next(iter(report.evaluations.values()))
        about[name] = {"files": report.files, "missing": first.missing, "hints": report.hints}
        about[name] |= {"signature": first.signature}  # type: ignore[operator]
    write_json(folder / "provenance.json", about)


def _table(rows: pd.DataFrame) -> str:
    return rows.to_csv(index=False, float_format="%.6g")


@in_words
def main(arguments: Sequence[str] | None = None) -> None:
    """Score published captioners and store the numbers."""
    parser = argparse.ArgumentParser(prog="python -m bookkit.real_captions", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--no-spice", dest="spice", action="store_false")
    parser.add_argument("--to", type=Path, default=STORED / NAME)
    parsed = parser.parse_args(arguments)
    store(score(parsed.folder, parsed.spice), parsed.to)
    print(f"scores in {parsed.to}")


if __name__ == "__main__":
    sys.exit(main())
