"""Facts of sampled captions by kind, and the sweep of MLE's epochs that stores them."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest

from bookkit.report import sampled_facts as module
from bookkit.report.sampled_facts import main, read_tried, sampled_facts
from emoji_scenes.dataset import ScenesDataset
from gegcore.errors import DataError
from gegcore.profiles import load_profile


def test_facts_are_counted_by_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of annotators everything is true; of the captions of other scenes it is not."""
    world = ScenesDataset("val", size=40)
    materials: Any = SimpleNamespace(data={"val": world})

    def found(shift: int) -> Any:
        records = world.records
        said = [list(records[(i + shift) % 40].captions) for i in range(40)]
        monkeypatch.setattr(module, "sampled_captions", lambda *_: said)
        model: Any = None
        return sampled_facts(materials, model).set_index("kind")

    own, other = found(0), found(7)
    assert (own["true"] == 100).all() and {"thing", "colour", "setting"} <= set(own.index)
    assert own["stated"].to_dict() == other["stated"].to_dict()
    assert 1 < own["stated"]["thing"] < 3 and other["true"]["thing"] < 50


def test_photographs_have_no_facts(monkeypatch: pytest.MonkeyPatch) -> None:
    record = SimpleNamespace(image_id=3, scene=None)
    materials: Any = SimpleNamespace(data={"val": SimpleNamespace(records=[record])})
    monkeypatch.setattr(module, "sampled_captions", lambda *_: [["a dog"]])
    model: Any = None
    with pytest.raises(DataError, match="image 3 has no scene graph"):
        sampled_facts(materials, model)


def test_epochs_of_mle_are_tried_and_kept(
    smoke_home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = smoke_home / "results"
    command = ["--profile", "smoke", "--to", str(target), "--epochs"]
    assert main([*command, "1", "2"]) == 0
    validation, facts = read_tried(load_profile("smoke"), target)
    assert validation["value"].tolist() == [1, 2] and {"CIDEr-D", "R@1"} <= set(validation)
    assert validation["epoch"].tolist() == [1, 2]
    assert set(facts["value"]) == {1, 2} and facts["true"].between(0, 100).all()
    assert main([*command, "1"]) == 0  # The other stays.
    assert "2 runs kept" in capsys.readouterr().out
    pd.testing.assert_frame_equal(read_tried(load_profile("smoke"), target)[1], facts)
    with pytest.raises(DataError, match="is not stored"):
        read_tried(load_profile("smoke"), smoke_home)
