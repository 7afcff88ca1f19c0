"""How people (or simulated annotators) do by the metrics: each of them against the others.

`python -m bookkit.report.annotators --profile NAME` stores numbers, and none of their captions, as
`results/NAME/annotators.json`.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from bookkit.report.stored import STORED
from gegcore.errors import DataError, in_words
from gegcore.experiment.testing import score_captions
from gegcore.materials import Materials
from gegcore.profiles import Profile, load_profile
from gegcore.provenance import git_revision
from gegcore.storage import read_json, write_json

LABEL = "annotators"


def annotator_scores(materials: Materials) -> dict[str, dict[str, Any]]:
    """Metric -> value, ci95 and n: of the first captions of all test images against the others of
    each, then of the second, and so on; the mean.

    Raises:
        DataError: an image with one caption.
    """
    said = {r.image_id: list(r.captions) for r in materials.data["test"].records}
    least = min(map(len, said.values()))
    if least < 2:
        raise DataError("a test image has one caption", "annotators need others to agree with")
    judges, found = materials.judges("test"), []
    for one in range(least):
        captions = {image: texts[one] for image, texts in said.items()}
        others = {image: texts[:one] + texts[one + 1 :] for image, texts in said.items()}
        metrics = score_captions(materials, judges, captions, others).metrics
        found.append({metric: [row["value"], *row["ci95"]] for metric, row in metrics.items()})
    means = pd.DataFrame([pd.DataFrame(each).T.stack() for each in found]).mean().unstack()
    return {
        metric: {"value": value, "ci95": [low, high], "n": len(said)}
        for metric, (value, low, high) in zip(means.index, means.to_numpy().tolist(), strict=True)
    }


def annotators(profile: Profile) -> dict[str, dict[str, Any]]:
    """What is stored of a profile; empty if nothing is."""
    path = STORED / profile.name / "annotators.json"
    return dict(read_json(path)["metrics"]) if path.is_file() else {}


@in_words
def main(arguments: Sequence[str] | None = None) -> None:
    """Score the annotators of a profile's test split and store the numbers."""
    parser = argparse.ArgumentParser(
        prog="python -m bookkit.report.annotators", description=main.__doc__
    )
    parser.add_argument("--profile", default="standard")
    parser.add_argument("--to", type=Path, default=STORED)
    parsed = parser.parse_args(arguments)
    materials = Materials.of(load_profile(parsed.profile))
    metrics = annotator_scores(materials)
    path = parsed.to / materials.profile.name / "annotators.json"
    write_json(path, {"git_revision": git_revision(), "metrics": metrics})
    print(f"{materials.profile.name}: annotators' scores in {path}")


if __name__ == "__main__":
    sys.exit(main())
