"""A loss of one's own: named by a profile, checked before anything runs, trained like any other."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from bookkit.sweep import main as sweep
from gegcore.cli import main
from gegcore.errors import ConfigError
from gegcore.experiment import train
from gegcore.experiment.keys import training_code
from gegcore.materials import Materials
from gegcore.profile_fields import read_fields
from gegcore.profiles import Profile, load_profile
from gegcore.storage import read_json
from gegcore.training.config import OBJECTIVES, ObjectiveConfig

BOLD = 'objectives: {bold: {loss: "examples.loss:EntropyBonus", start_from: mle, epochs: 1%s}}'


def bold(profile_of: Callable[[str], Profile], more: str = "") -> Profile:
    return profile_of(BOLD % more)


def test_an_objective_of_ones_own_trains_and_has_a_key_of_its_own(
    profile_of: Callable[[str], Profile],
) -> None:
    profile = bold(profile_of, ", loss_settings: {weight: 5}")
    config = profile.objective("bold")
    assert (config.label, config.start_from) == ("bold", "mle") and config.sees_pictures
    assert config.decisive()["loss_settings"] == {"weight": 5}
    assert "examples.loss" in training_code(profile, "transformer", "bold")
    materials = Materials.of(profile)
    train(materials, "transformer", "mle", 1)
    run = train(materials, "transformer", "bold", 1)
    plain = bold(profile_of, ", loss_settings: {weight: 0}")
    other = train(Materials.of(plain), "transformer", "bold", 1)
    assert run.name == "transformer-bold-seed1" and other.path != run.path
    log = run.log()
    assert {"reward/cider", "entropy"} <= set(log)
    assert log["loss"].tolist() != other.log()["loss"].tolist()


def test_without_settings_it_is_what_it_was() -> None:
    """Keys of runs that were trained before losses had settings."""
    assert all("loss_settings" not in config.decisive() for config in OBJECTIVES.values())
    config = ObjectiveConfig(loss="examples.loss:EntropyBonus")
    assert "loss_settings" not in config.decisive()


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('bold: {loss: "examples.loss:EntropyBonus", loss_settings: {wieght: 1}}', "wieght"),
        ('bold: {loss: "examples.loss:EntropyBonus", loss_settings: {weight: -1}}', "weight"),
        ('bold: {loss: "examples.loss:Nothing"}', "examples.loss:Nothing"),
        ('bold: {loss: "examples.reward:distinct_words"}', "no class with a Config"),
        ("bold: {loss: hinge}", "unknown loss 'hinge'"),
        ("bold: {epochs: 3}", "unknown objective 'bold'"),
        ('"../bold": {loss: self_critical}', "unknown objective '../bold'"),
        ("scst: {loss_settings: {weight: 1}}", "no settings of its own"),
    ],
)
def test_what_is_wrong_is_said_when_the_profile_is_read(
    tmp_path: Path, line: str, message: str
) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(f"extends: smoke\nobjectives: {{{line}}}\n")
    with pytest.raises(ConfigError, match=message):
        load_profile(str(path))


def test_the_command_runs_it(smoke_home: Path) -> None:
    path = smoke_home / "mine.yaml"
    path.write_text("extends: smoke\nname: smoke\n" + BOLD % "")
    asked = ["--profile", str(path), "--objective", "bold"]
    assert main(["run", *asked]) == 0
    assert (smoke_home / "runs/smoke/transformer-bold-seed1/metrics.json").is_file()
    field = "loss_settings.weight"
    assert main(["run", *asked, "--set", f"{field}=0.1"]) == 0
    (other,) = (smoke_home / "runs/smoke").glob("transformer-bold-seed1-*/config.yaml")
    assert read_fields(other)["objective"]["loss_settings"] == {"weight": 0.1}
    to = ["--field", field, "--values", "0.05", "0.1", "--to", str(smoke_home)]
    assert sweep([*asked, *to]) == 0
    kept = read_json(smoke_home / f"sweeps/smoke-bold-{field}.json")
    assert [entry["value"] for entry in kept["entries"]] == [0.05, 0.1]
    assert kept["shared"]["transformer"]["loss_settings"] == {}


def test_the_bonus_pays_for_entropy() -> None:
    """Its gradient is that of minus the entropy: what was likely becomes less likely."""
    from examples.loss import EntropyBonus
    from gegcore.training.objectives import Sampled

    logits = torch.tensor([2.0, 0.0, -1.0], dtype=torch.double, requires_grad=True)
    bonus = object.__new__(EntropyBonus)
    bonus.weight = 1.0
    total = torch.zeros((), dtype=torch.double)
    for word, share in enumerate(logits.softmax(0).tolist()):  # the expectation, exactly
        log_probs = logits.log_softmax(0)[word].view(1, 1, 1)
        tokens = torch.tensor([[[0], [word]]])
        step = Sampled(None, None, None, None, tokens, None, torch.zeros(1, 1), log_probs)  # type: ignore[arg-type]
        total = total + share * bonus.loss(step)
    (found,) = torch.autograd.grad(total, logits)
    again = logits.detach().requires_grad_()
    p = again.softmax(0)
    (expected,) = torch.autograd.grad((p * p.log()).sum(), again)
    torch.testing.assert_close(found, expected)
