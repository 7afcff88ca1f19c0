"""The example of a metric, named in a profile as its readers name it."""

from __future__ import annotations

from pathlib import Path

import pytest

from emoji_scenes.dataset import ScenesDataset
from gegcore import registry
from gegcore.metrics.evaluate import Evaluation, evaluate_captions
from gegcore.metrics.inputs import MetricInputs
from gegcore.metrics.presentation import families_of
from gegcore.profiles import load_profile

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
NAME = "colour words"


@pytest.fixture
def evaluation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Evaluation:
    """Of the first reference of each test picture, by the metrics of a profile."""
    monkeypatch.syspath_prepend(EXAMPLES)
    path = tmp_path / "mine.yaml"
    path.write_text('extends: smoke\nmetrics: ["metric:colour_words"]\n')
    profile = load_profile(str(path))
    records = ScenesDataset("test", profile.data.size("test")).records
    given = MetricInputs(
        {record.image_id: record.captions[0] for record in records},
        {record.image_id: record.captions[1:] for record in records},
        spice=False,
    )
    more = [registry.find("metric", name) for name in profile.metrics]
    return evaluate_captions(given, more, resamples=profile.resamples)


def test_it_has_a_value_an_interval_a_column_and_a_signature(evaluation: Evaluation) -> None:
    found, column = evaluation.metrics[NAME], evaluation.per_caption[NAME]
    low, high = found["ci95"]
    assert found["value"] == pytest.approx(column.mean())
    assert 0 <= low < found["value"] < high <= 100 and found["n"] == len(column)
    captions = evaluation.per_caption["caption"]
    assert (
        captions[column == 100]
        .str.contains(r"\b(?:red|orange|yellow|green|blue|purple|pink|brown|black|white)\b")
        .all()
    )
    assert not captions[column == 0].str.contains(r"\b(?:red|green|blue|pink)\b").any()
    assert "words" in evaluation.signature[NAME]


def test_it_stands_in_tables_without_being_known_to_them(evaluation: Evaluation) -> None:
    assert families_of(list(evaluation.metrics))["Others"] == [NAME]
