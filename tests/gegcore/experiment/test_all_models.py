"""Every captioner that the smoke profile sizes goes through MLE, SCST and GEG."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from gegcore.experiment import train
from gegcore.experiment.objective import build_objective
from gegcore.experiment.train import new_captioner
from gegcore.materials import Materials
from gegcore.profiles import load_profile
from gegcore.storage import read_json

models = pytest.mark.parametrize("model", load_profile("smoke").models)


@models
def test_three_stages_each_from_the_one_before(smoke_home: Path, model: str) -> None:
    materials = Materials.of(load_profile("smoke"))
    before: dict[str, float] = {}
    for objective in ("mle", "scst", "scst_geg"):
        config = materials.profile.objective(objective)
        run = train(materials, model, objective, seed=1)
        history = run.history()
        assert len(history) == config.epochs + 1 and history.notna().all(axis=None)
        assert run.log()["loss"].notna().all()
        if before:  # epoch 0 is the checkpoint of the stage before
            assert history.iloc[0]["CIDEr-D"] == before["CIDEr-D"]
        best = int(read_json(run.file("training.json"))["best_epoch"])
        before = history.iloc[best].to_dict()


@models
@pytest.mark.parametrize("objective", ["mle", "scst_geg"])
def test_every_parameter_is_trained(smoke_home: Path, model: str, objective: str) -> None:
    materials = Materials.of(load_profile("smoke"))
    config = materials.profile.objective(objective)
    captioner = new_captioner(materials, model, seed=1)
    built = build_objective(materials, config)
    noise = torch.rand(8, *built.noise_shape, dtype=torch.float64)
    built.step(captioner, torch.arange(8), noise).total.backward()
    untouched = [n for n, p in captioner.named_parameters() if p.grad is None or not p.grad.any()]
    # A constant before a softmax changes nothing: X-LAN has one, as X-modaler has.
    assert [name for name in untouched if not name.endswith("spatial.bias")] == []


def test_the_world_has_every_input(smoke_home: Path) -> None:
    materials = Materials.of(load_profile("smoke"))
    sizes = materials.features["val"].sizes
    assert min(sizes.regions, sizes.pooled, sizes.attributes, sizes.relations) > 1
    batch = materials.features["val"].batch(range(24))
    assert batch.attributes is not None and batch.relations is not None
    assert batch.attributes.min() >= 0 and batch.attributes.max() <= 1
    assert 0 < batch.relations.max() < sizes.relations
