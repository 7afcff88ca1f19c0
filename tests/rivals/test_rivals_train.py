"""Every method of `config/rivals.yaml` is trained, small, by the lines that a user has."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import yaml

from gegcore.experiment import train
from gegcore.experiment.objective import build_objective
from gegcore.experiment.train import new_captioner
from gegcore.materials import Materials
from gegcore.profiles import CONFIG_FOLDER, Profile, load_profile
from rivals import clip_reward, disc_cap

RIVALS = yaml.safe_load((CONFIG_FOLDER / "rivals.yaml").read_text(encoding="utf-8"))
CAPTIONER = {
    "stack_cap": "rivals.stack_cap:StackCap",
    "disc_cap": "attention",
    "gdis_cap": "rivals.gdis_cap:GdisCap",
}
"""Of the methods that are not a matter of the objective alone."""
SMALL = {"epochs": 1, "images_per_step": 8, "learning_rate": 1e-3, "warmup_steps": 0, "samples": 2}
METHODS = [name for name, fields in RIVALS["objectives"].items() if not name.endswith("_mle")]


def test_they_are_stored_beside_the_runs_of_standard() -> None:
    profile, standard = load_profile("rivals"), load_profile("standard")
    assert profile.name == standard.name == "standard"
    for model, objective in (("transformer", "mle"), ("xlan", "scst_geg")):
        assert profile.settings(model, objective) == standard.settings(model, objective)
    labels = [profile.objective(name).label for name in RIVALS["objectives"]]
    assert len(set(labels)) == len(labels)


def test_every_method_is_run_with_its_captioner() -> None:
    profile = load_profile("rivals")
    runs = {(model, objective) for model, objective, _ in profile.experiments.runs()}
    methods = {name for _, name in runs if name in METHODS}
    assert methods == set(METHODS)
    for name in METHODS:
        assert (CAPTIONER.get(name, "transformer"), name) in runs
    seeds = {seed for _, _, seed in profile.experiments.runs()}
    assert seeds == {1, 2, 3}


def test_all_have_the_budget_of_a_chain_of_standard() -> None:
    """As many epochs of MLE, and as many of RL as SCST and what follows it may have."""
    profile = load_profile("rivals")
    mle, scst, after = (profile.objective(name).epochs for name in ("mle", "scst", "scst_geg"))
    for name in METHODS:
        config = profile.objective(name)
        begin = profile.objective(config.start_from or "")
        assert (begin.epochs, config.epochs) in {(mle, scst + after), (scst, after)}


@pytest.mark.parametrize("method", METHODS)
def test_it_trains(
    method: str, profile_of: Callable[[str], Profile], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clip_reward, "STEPS", 5)
    monkeypatch.setattr(disc_cap, "VSE", disc_cap.VSE.model_copy(update={"epochs": 1}))
    captioner = CAPTIONER.get(method, "transformer")
    chain, name = [], method
    while name in RIVALS["objectives"]:
        fields = RIVALS["objectives"][name]
        chain.append(
            (name, {**fields, **{key: SMALL[key] for key in SMALL.keys() & fields.keys()}})
        )
        name = fields.get("start_from", "")
    lines = {"objectives": dict(chain), "judges": {}, "metrics": []}
    if captioner in RIVALS["models"]:
        sizes = RIVALS["models"][captioner]
        lines["models"] = {captioner: {k: 16 if "width" in k else v for k, v in sizes.items()}}
    profile = profile_of(yaml.safe_dump(lines))
    materials = Materials.of(profile)
    for stage in profile.stages(method):
        run = train(materials, captioner, stage, 1)
    model = new_captioner(materials, captioner, 1)
    objective = build_objective(materials, profile.objective(profile.stages(method)[0]))
    noise = torch.rand(4, *objective.noise_shape, dtype=torch.float64)
    objective.step(model, torch.arange(4), noise).total.backward()
    still = [name for name, p in model.named_parameters() if p.grad is None or not p.grad.any()]
    assert still == [], "every layer learns, those too that only its own loss reads"
    log = run.log()
    assert log["loss"].notna().all() and run.history()["CIDEr-D"].notna().all()
    for reward in profile.objective(method).rewards:
        if profile.objective(method).loss != "cross_entropy":
            assert f"reward/{reward}" in log
