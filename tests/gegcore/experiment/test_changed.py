"""A run of other settings or of a reward of one's own: a folder of its own, from the same start."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import yaml
from torch import Tensor

from gegcore import experiment
from gegcore.errors import ConfigError
from gegcore.experiment import run_experiment
from gegcore.experiment.keys import code_changes
from gegcore.experiment.train import new_captioner
from gegcore.materials import Materials
from gegcore.profiles import Profile, load_profile
from gegcore.runs import RunFolder

MODEL = "transformer"


@pytest.fixture
def trained(smoke_home: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Profile, Materials]:
    """The smoke profile with MLE and +SCST trained; nothing in here needs test scores."""
    monkeypatch.setattr(experiment, "evaluate", lambda *_: None)
    profile = load_profile("smoke")
    materials = Materials.of(profile)
    for objective in ("mle", "scst"):
        run_experiment(profile, MODEL, objective, 1, materials=materials)
    return profile, materials


def contents(run: RunFolder) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in run.path.iterdir() if path.is_file()}


def test_changed_settings_never_touch_another_run(trained: tuple[Profile, Materials]) -> None:
    profile, materials = trained
    own = run_experiment(profile, MODEL, "scst_geg", 1, materials=materials)
    before = contents(own)
    changes = ({"group_size": 3}, {"rewards": {"cider": 0.1, "geg_min": 2}}, {"epochs": 2})
    runs = [
        run_experiment(profile.changed(MODEL, "scst_geg", **changed), MODEL, "scst_geg", 1,
                       materials=materials)
        for changed in changes
    ]  # fmt: skip
    assert contents(own) == before
    assert len({run.path for run in (own, *runs)}) == 1 + len(changes)
    assert [len(run.history()) for run in (own, *runs)] == [2, 2, 2, 3]
    # All start from the profile's own +SCST, also under another K; GEG depends on K.
    starts = [run.history().iloc[0] for run in (own, *runs)]
    assert len({(start["CIDEr-D"], start["R@1"]) for start in starts}) == 1
    assert starts[0]["GEG-Avg"] == starts[2]["GEG-Avg"] != starts[1]["GEG-Avg"]
    assert "reward/geg_min" in runs[1].log() and "reward/geg_avg" in runs[0].log()
    again = profile.changed(MODEL, "scst_geg", group_size=3)
    stamp = runs[0].checkpoint.stat().st_mtime_ns
    assert run_experiment(again, MODEL, "scst_geg", 1, materials=materials) == runs[0]
    assert runs[0].checkpoint.stat().st_mtime_ns == stamp


def test_another_name_of_a_captioner_is_the_same_run(
    smoke_home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its size, its weights, its folder and what it is called there."""
    monkeypatch.setattr(experiment, "evaluate", lambda *_: None)
    profile = load_profile("smoke")
    materials = Materials.of(profile)
    both = [new_captioner(materials, name, 3).state_dict() for name in ("m2", "meshed_memory")]
    assert all(torch.equal(both[0][name], both[1][name]) for name in both[0].keys() | both[1])
    run = run_experiment(profile, "m2", "mle", 1, materials=materials)
    assert run.name == "meshed_memory-mle-seed1"
    assert yaml.safe_load(run.file("config.yaml").read_text())["model"] == "meshed_memory"
    before = contents(run)
    capsys.readouterr()
    for name in ("meshed_memory", "m2"):
        assert run_experiment(profile, name, "mle", 1, materials=materials) == run
        assert code_changes(run, profile, name, "mle") == []
    assert contents(run) == before and "older code" not in capsys.readouterr().err


def says(word: int, bonus: float = 1.0) -> Callable[[Tensor, Tensor], Tensor]:
    def reward(tokens: Tensor, image_index: Tensor) -> Tensor:
        return bonus * (tokens == word).float().sum(-1)

    return reward


def short(tokens: Tensor, image_index: Tensor) -> Tensor:
    """Minus the number of words."""
    return -(tokens > 0).float().sum(-1)


class Long(torch.nn.Module):
    def __init__(self, weight: float) -> None:
        super().__init__()
        self.weight = weight

    def forward(self, tokens: Tensor, image_index: Tensor) -> Tensor:
        return self.weight * (tokens > 0).float().sum(-1)


def test_a_run_of_an_edited_profile_has_a_folder_of_its_own(
    trained: tuple[Profile, Materials],
) -> None:
    profile, materials = trained
    run = RunFolder.of(profile.name, MODEL, "scst", 1)
    run.file("mine.txt").write_text("a note of the user's", encoding="utf-8")
    before = contents(run)
    longer = {"scst": {**profile.objectives["scst"], "epochs": 2}}
    edited = profile.model_copy(update={"objectives": {**profile.objectives, **longer}})
    other = run_experiment(edited, MODEL, "scst", 1, materials=materials.under(edited))
    assert len(other.history()) == 3 and other.path.parent == run.path.parent
    assert run_experiment(profile, MODEL, "scst", 1, materials=materials) == run
    assert contents(run) == before


def test_a_run_of_other_data_is_set_aside(
    trained: tuple[Profile, Materials], capsys: pytest.CaptureFixture[str]
) -> None:
    """The same settings, but captions are others: files of the same name may change."""
    profile, materials = trained
    run = RunFolder.of(profile.name, MODEL, "mle", 1)
    run.file("mine.txt").write_text("a note of the user's", encoding="utf-8")
    before = contents(run)
    other = Materials.of(profile)
    first, *rest = materials.data["train"].records
    records = [replace(first, captions=first.captions[::-1]), *rest]
    other.data["train"].__dict__["records"] = records
    run_experiment(profile, MODEL, "mle", 1, materials=other)
    said = capsys.readouterr().err
    assert f"{run.name}.old1" in said and "inputs data train" in said
    assert contents(RunFolder(run.path.with_name(f"{run.name}.old1"))) == before
    assert "mine.txt" not in contents(run) and run.log()["loss"].notna().all()


def test_a_reward_of_ones_own_has_a_folder_by_its_code(trained: tuple[Profile, Materials]) -> None:
    """Two closures of one function differ in what they close over."""
    profile, materials = trained
    own = contents(RunFolder.of(profile.name, MODEL, "scst", 1))
    runs = {}
    for name, reward in {
        "closure": says(3), "other word": says(4), "function": short,
        "module": Long(1.0), "other weight": Long(2.0),
    }.items():  # fmt: skip
        run = run_experiment(profile, MODEL, "scst", 1, materials=materials, reward=reward)
        (column,) = (name for name in run.log() if name.startswith("reward/"))
        assert run.log()[column].tolist() == run.log()["reward"].tolist()
        runs[name] = run
    assert len({run.path for run in runs.values()}) == len(runs)
    assert contents(RunFolder.of(profile.name, MODEL, "scst", 1)) == own
    again = run_experiment(profile, MODEL, "scst", 1, materials=materials, reward=says(3))
    assert again == runs["closure"]
    assert (runs["function"].log()["reward"] < 0).all()


def test_a_reward_named_by_a_profile(
    trained: tuple[Profile, Materials], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A function as it is; a class constructed with what is known of the training split."""
    profile, materials = trained
    module = tmp_path / "theirs_reward.py"
    module.write_text(
        "import torch\n"
        "def words(tokens, image_index):\n"
        "    return (tokens > 0).float().sum(-1)\n"
        "class References:\n"
        "    def __init__(self, given):\n"
        "        assert given.encoder is given.encoder and given.images.shape[0] == 96\n"
        "        assert given.groups.k == 5 and given.count_end\n"
        "        self.count = torch.tensor([len(image) for image in given.references])\n"
        "    def __call__(self, tokens, image_index):\n"
        "        return self.count[image_index, None].expand(tokens.shape[:2]).float()\n"
        "number = 3\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    weights = {"theirs_reward:words": 0.5, "theirs_reward:References": 2.0}
    changed = profile.changed(MODEL, "scst", rewards=weights)
    run = run_experiment(changed, MODEL, "scst", 1, materials=materials)
    log, key = run.log(), run.made_from("training.json")
    assert (log["reward/theirs_reward:References"] == 5).all()
    expected = 0.5 * log["reward/theirs_reward:words"] + 10
    assert log["reward"].tolist() == pytest.approx(expected.tolist(), rel=1e-4)

    module.write_text(module.read_text().replace(".sum(-1)", ".sum(-1) + 1"))
    monkeypatch.delitem(__import__("sys").modules, "theirs_reward")
    again = run_experiment(changed, MODEL, "scst", 1, materials=materials)
    assert again == run and again.made_from("training.json") == key  # other code: it is kept
    assert code_changes(run, changed, MODEL, "scst") == ["theirs_reward"]
    again = run_experiment(changed, MODEL, "scst", 1, materials=materials, again=True)
    assert again == run and again.made_from("training.json") != key
    with pytest.raises(ConfigError, match="reward 'theirs_reward:number' cannot be called"):
        nothing = profile.changed(MODEL, "scst", rewards={"theirs_reward:number": 1})
        run_experiment(nothing, MODEL, "scst", 1, materials=materials)
