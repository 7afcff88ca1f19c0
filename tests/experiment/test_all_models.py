"""Every captioner of the paper goes through MLE, SCST and GEG on the embedded world."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from gegcore.experiment import train
from gegcore.models import ARCHITECTURES
from gegcore.prepare import Materials
from gegcore.profiles import load_profile


@pytest.mark.parametrize("model", ARCHITECTURES)
def test_three_stages_each_from_the_one_before(smoke_home: Path, model: str) -> None:
    materials = Materials.of(load_profile("smoke"))
    assert model in materials.profile.models, "the smoke profile gives every model a small size"
    weights, losses = {}, {}
    for objective in ("mle", "scst", "scst_geg"):
        run = train(materials, model, objective, seed=1)
        weights[objective] = load_file(run.checkpoint)
        losses[objective] = run.log()["loss"]
        assert losses[objective].notna().all()
        assert run.history()["CIDEr-D"].notna().all()
    assert run.history()["length"].between(0, 20).all()
    for name, before in weights["mle"].items():
        after = weights["scst_geg"][name]
        assert torch.isfinite(after).all()
        assert (after - before).abs().max() < 1.0
    changed = sum(
        not torch.equal(weights["mle"][n], weights["scst_geg"][n]) for n in weights["mle"]
    )
    assert changed > len(weights["mle"]) / 2


def test_the_world_has_every_input(smoke_home: Path) -> None:
    materials = Materials.of(load_profile("smoke"))
    sizes = materials.features["val"].sizes
    assert min(sizes.regions, sizes.pooled, sizes.attributes, sizes.relations) > 1
    batch = materials.features["val"].batch(range(24))
    assert batch.attributes is not None and batch.relations is not None
    assert batch.attributes.min() >= 0 and batch.attributes.max() <= 1
    assert 0 < batch.relations.max() < sizes.relations
