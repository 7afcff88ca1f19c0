"""Benchmarks of the paper's scale, small: what they measure is what they say."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import open_clip
import pytest
import torch

from benchmarks import dry_run, groups
from benchmarks.generated import GeneratedMaterials
from benchmarks.paper_size import VOCABULARY
from gegcore.groups import similar_groups


def _run(module: Any, monkeypatch: pytest.MonkeyPatch, path: Path, *options: str) -> Any:
    monkeypatch.setattr(sys, "argv", ["benchmark", *options, "--json", str(path)])
    module.main()
    return json.loads(path.read_text())


def test_groups_are_exact_and_an_index_is_measured_against_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    report = _run(
        groups, monkeypatch, tmp_path / "groups.json", "--sizes", "300", "--device", "cpu"
    )
    (row,) = report["sizes"]
    assert row["images"] == row["rows computed"] == 300 and row["ratio"] > 0
    flat, *inverted = row["indices"]
    assert flat["index"] == "flat" and flat["recall"] == 1.0
    recalls = [one["recall"] for one in inverted]
    assert recalls == sorted(recalls) and 0 < recalls[0] < 1
    part = groups.measure(300, 100, torch.device("cpu"))
    assert part["rows computed"] == 100 and part["indices"][0]["recall"] == 1.0


def test_some_rows_are_the_same_as_in_all(monkeypatch: pytest.MonkeyPatch) -> None:
    image, caption = groups.embeddings(60, torch.device("cpu"))
    owner = torch.arange(60).repeat_interleave(groups.CAPTIONS)
    every = similar_groups(image, caption, owner, 4)
    some = similar_groups(image, caption, owner, 4, rows=range(17, 43))
    assert torch.equal(some.index, every.index[17:43])
    assert torch.equal(some.score, every.score[17:43])


class RandomClip:
    """What the vocabulary is made from."""

    clip = SimpleNamespace(tokenizer=open_clip.get_tokenizer("ViT-B-32-quickgelu"))


def test_a_dry_run_measures_and_forecasts_a_profile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of one captioner, with features of its own size on the disk, which a second run reuses."""
    monkeypatch.setattr(dry_run, "_WARM", 0)
    profile = tmp_path / "tiny.yaml"
    profile.write_text(
        "extends: coco\nmodels:\n  transformer: {width: 16, heads: 2, encoder_layers: 1, "
        "decoder_layers: 1, ffn_width: 16}\nobjectives:\n  mle: {epochs: 3, images_per_step: 4}\n"
        "  scst: {epochs: 2, images_per_step: 4}\n  scst_geg: {epochs: 2, images_per_step: 8}\n"
        "clip: ViT-B-32-quickgelu\n"
        "experiments: {models: [transformer], objectives: [mle, scst, scst_geg], seeds: [1, 2],\n"
        "  ablations: {models: [transformer], objectives: [scst_pp, scst_er]}}\n"
    )
    options = ["--profile", str(profile), "--images", "40", "--steps", "1", "--regions", "3"]
    options += ["--folder", str(tmp_path / "made")]
    report = _run(dry_run, monkeypatch, tmp_path / "dry.json", *options)
    assert len(GeneratedMaterials.vocabulary.func(RandomClip())) == VOCABULARY  # type: ignore[attr-defined]
    measured = report["measured"]["transformer"]
    assert set(measured) == {"mle", "scst", "scst_geg"}
    assert all(one["seconds per step"] > 0 for one in measured.values())
    runs = report["hours"]["runs"]
    assert list(runs["Table 2"]) == [f"transformer {name}" for name in measured]
    assert list(runs["Table 3"]) == ["transformer scst_pp", "transformer scst_er"]
    hours = dry_run._forecast(
        dry_run.load_profile(str(profile)), 40, {"transformer": {"mle": {"seconds per step": 360}}}
    )
    assert hours["runs"]["Table 2"] == {"transformer mle": 3.0}  # 10 steps, 3 epochs, 0.1 hours
