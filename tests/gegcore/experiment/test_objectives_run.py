"""Every objective of the paper goes through a whole tiny training."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from gegcore.experiment import train
from gegcore.experiment.objective import build_objective
from gegcore.experiment.train import new_captioner
from gegcore.materials import Materials
from gegcore.profiles import Profile, load_profile
from gegcore.training.config import OBJECTIVES, ScheduledSampling

AFTER_SCST = [name for name, config in OBJECTIVES.items() if config.start_from == "scst"]


def test_every_objective_trains_from_its_start(smoke_home: Path) -> None:
    """The parts of its reward are logged; all that follow +SCST start alike and end apart."""
    profile = load_profile("smoke")
    materials = Materials.of(profile)
    runs = {name: train(materials, "transformer", name, seed=1) for name in OBJECTIVES}
    parts = {
        name: {c.removeprefix("reward/") for c in run.log() if c.startswith("reward/")}
        for name, run in runs.items()
    }
    assert parts == {
        "mle": set(),
        "scst": {"cider"},
        "scst_pp": {"cider"},
        "scst_er": {"cider", "similarity"},
        "scst_geg": {"cider", "geg_avg"},
        "mle_geg": {"cider", "geg_avg"},
        "scst_geg_min": {"cider", "geg_min"},
        "scst_geg_sole": {"geg_avg"},
    }
    for name, run in runs.items():
        history = run.history()
        assert len(history) == profile.objective(name).epochs + 1
        assert history.notna().all(axis=None) and run.log()["loss"].notna().all()
    after = [runs[name].history().round(9) for name in AFTER_SCST]
    assert len({tuple(history.iloc[0]) for history in after}) == 1
    assert len({tuple(history.iloc[-1]) for history in after}) == len(AFTER_SCST)


@pytest.mark.parametrize("sampling", ["multinomial", "beam"])
@pytest.mark.parametrize("name", ["updown", "xlan"])
def test_recurrent_captioners_sample_both_ways(smoke_home: Path, name: str, sampling: str) -> None:
    materials = Materials.of(load_profile("smoke"))
    config = materials.profile.objective("scst_geg").model_copy(update={"sampling": sampling})
    objective = build_objective(materials, config)
    noise = torch.rand(4, *objective.noise_shape, dtype=torch.float64)
    result = objective.step(new_captioner(materials, name, seed=1), torch.arange(4), noise)
    result.total.backward()
    assert result.total.isfinite() and result.tokens >= 4 * config.samples
    assert 0 <= result.metrics["bad_endings"] <= 1


def test_scheduled_sampling_follows_the_epochs_of_the_trainer(smoke_home: Path) -> None:
    """It starts one interval after its start: the first epoch is teacher forcing, the next not."""
    materials = Materials.of(load_profile("smoke"))
    schedule = ScheduledSampling(start=0, every=1, increase=0.5, most=0.5)

    def last_loss(epochs: int, own_words: ScheduledSampling | None) -> float:
        settings = {"epochs": epochs, "scheduled_sampling": own_words}
        profile = materials.profile.changed("updown", "mle", **settings)
        log = train(materials.under(profile), "updown", "mle", seed=1).log()
        return float(log["loss"].iloc[-1])

    assert last_loss(1, schedule) == last_loss(1, None)
    assert last_loss(2, schedule) != last_loss(2, None)


def test_every_objective_has_a_name_in_tables() -> None:
    labels = {config.label for config in OBJECTIVES.values()}
    assert len(labels) == len(OBJECTIVES) and "" not in labels


@pytest.mark.parametrize("name", ["quick", "standard"])
def test_profiles_compare_like_with_like(name: str) -> None:
    """Everything that follows +SCST trains as long and as fast, on the same number of pictures."""
    profile: Profile = load_profile(name)
    same = ("epochs", "images_per_step", "learning_rate", "baseline", "samples", "start_from")
    settings = {
        tuple(getattr(profile.objective(name), field) for field in same) for name in AFTER_SCST
    }
    assert len(settings) == 1
    sole = profile.objective("scst_geg_sole")
    beta = profile.objective("scst_geg").rewards["geg_avg"]
    assert sole.rewards == {"geg_avg": beta}
    assert (sole.select.metric, sole.select.least_cider_share) == ("R@1", 0)
