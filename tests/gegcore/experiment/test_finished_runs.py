"""A finished run: kept whatever changes, believed only as it was written."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from safetensors.torch import load_file

from gegcore import code_digest, experiment, groups
from gegcore.cli import main
from gegcore.code_digest import code_digests
from gegcore.decoding import beam_search
from gegcore.errors import ChecksumError
from gegcore.experiment import keys, run_experiment
from gegcore.experiment.keys import code_changes, training_code
from gegcore.experiment.train import new_captioner
from gegcore.materials import Materials
from gegcore.models import registry
from gegcore.models.transformer import Transformer
from gegcore.profiles import Profile, load_profile
from gegcore.runs import RunFolder

MODEL = "transformer"


@pytest.fixture(scope="module")
def finished(smoke_artifacts: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project folder with the three stages finished, and a file of the user's in the first."""
    home = tmp_path_factory.mktemp("finished")
    shutil.copytree(smoke_artifacts, home / "artifacts")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GEGCORE_HOME", str(home))
        for objective in ("mle", "scst", "scst_geg"):
            run_experiment(load_profile("smoke"), MODEL, objective, 1)
    (home / "runs" / "smoke" / f"{MODEL}-mle-seed1" / "notes.txt").write_text("mine")
    return home


@pytest.fixture
def profile(finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Profile:
    shutil.copytree(finished, tmp_path, dirs_exist_ok=True)
    monkeypatch.setenv("GEGCORE_HOME", str(tmp_path))
    return load_profile("smoke")


@pytest.fixture
def run(profile: Profile) -> RunFolder:
    return profile.run(MODEL, "mle", 1)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


@pytest.fixture
def other_code(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Make a module's code another one, as far as digests go."""

    def change(module: str) -> None:
        def digests(*modules: str, without: list[str]) -> dict[str, str]:
            found = code_digests(*modules, without=without)
            return found | ({module: "other"} if module in found else {})

        monkeypatch.setattr(keys, "code_digests", digests)

    return change


def test_a_run_of_older_code_is_said_and_kept(
    profile: Profile,
    run: RunFolder,
    other_code: Callable[[str], None],
    capsys: pytest.CaptureFixture[str],
) -> None:
    before = contents(run.path)
    other_code("gegcore.training.xe")
    assert code_changes(run, profile, MODEL, "mle") == ["gegcore.training.xe"]
    assert run_experiment(profile, MODEL, "mle", 1) == run
    said = capsys.readouterr().err
    assert "kept as older code made it" in said and "gegcore.training.xe" in said
    assert contents(run.path) == before

    arguments = ["run", "--profile", "smoke", "--objective", "mle", "--again"]
    assert main(arguments) == 0
    aside = run.path.with_name(f"{run.name}.old1")
    assert "old1" in capsys.readouterr().err and contents(aside) == before
    assert run.checkpoint.read_bytes() == before["checkpoint.safetensors"]
    assert main(arguments) == 0, "nothing is older now"
    assert not run.path.with_name(f"{run.name}.old2").exists()


def test_what_started_from_a_run_made_again_is_of_an_older_start(
    profile: Profile, run: RunFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    scst = profile.run(MODEL, "scst", 1)
    before = contents(scst.path)
    record = run.training()
    content = bytearray(run.checkpoint.read_bytes())
    content[-1] ^= 1
    run.checkpoint.write_bytes(content)
    run.write_record("training.json", record, record["files"])  # as another training would
    assert run_experiment(profile, MODEL, "scst", 1) == scst and contents(scst.path) == before
    assert "changed since: start" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("objective", "module", "counts"),
    [
        ("mle", "gegcore.models.transformer", True),
        ("mle", "gegcore.models.xlan", False),
        ("mle", "gegcore.training.guards", False),
        ("mle", "gegcore.gap", False),
        ("mle", "gegcore.groups", False),
        ("mle", "gegcore.training.loop", True),
        ("scst", "gegcore.training.scst", True),
        ("scst", "gegcore.rewards.cider", True),
        ("scst", "gegcore.gap", False),
        ("scst_geg", "gegcore.gap", True),
        ("scst_geg", "gegcore.clip", True),
        ("scst_geg", "emoji_scenes.clip.model", True),
        ("scst", "emoji_scenes.clip.model", False),
        ("scst_geg", "gegcore.groups", False),  # their content is an input
        ("scst_geg", "gegcore.metrics.spice", False),
        ("scst_geg", "caption_evaluation.report", False),
    ],
)
def test_code_that_decides_the_weights(objective: str, module: str, counts: bool) -> None:
    assert (module in training_code(load_profile("smoke"), MODEL, objective)) == counts


def test_another_captioner_or_reward_makes_no_run_older(monkeypatch: pytest.MonkeyPatch) -> None:
    profile = load_profile("smoke")
    before = training_code(profile, MODEL, "scst_geg")
    monkeypatch.setitem(registry.ARCHITECTURES, "mine", Transformer)
    monkeypatch.setitem(keys.REWARDS, "mine", keys.REWARDS["cider"])
    assert training_code(profile, MODEL, "scst_geg") == before
    monkeypatch.setitem(keys.REWARDS, "geg_avg", keys.REWARDS["geg_min"])  # wired to another
    after = training_code(profile, MODEL, "scst_geg")
    assert keys.changes(before, after) == ["reward geg_avg"]


DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    "a flipped bit": lambda content: content[:-9] + bytes([content[-9] ^ 1]) + content[-8:],
    "a zeroed block": lambda content: content[:-64] + bytes(64),
    "cut off": lambda content: content[: len(content) // 2],
    "emptied": lambda content: b"",
    "another JSON": lambda content: b"{}",
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_checkpoint_is_named_and_its_scores_stay(
    profile: Profile, run: RunFolder, damage: str
) -> None:
    whole = contents(run.path)
    run.checkpoint.write_bytes(DAMAGE[damage](whole["checkpoint.safetensors"]))
    before = contents(run.path)
    for objective in ("mle", "scst"):
        with pytest.raises(ChecksumError, match=r"checkpoint\.safetensors of run .*mle-seed1"):
            run_experiment(profile, MODEL, objective, 1)
    assert contents(run.path) == before
    again = run_experiment(profile, MODEL, "mle", 1, again=True)
    assert again.checkpoint.read_bytes() == whole["checkpoint.safetensors"]
    assert contents(run.path.with_name(f"{run.name}.old1")) == before


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        ("metrics.json", "deleted"),
        ("metrics.json", "emptied"),
        ("captions.json", "cut off"),
        ("captions.json", "deleted"),
        ("per_caption.parquet", "a flipped bit"),
        ("per_caption.parquet", "deleted"),
        ("beam3.metrics.json", "deleted"),
        ("evaluation.json", "another JSON"),
        ("evaluation.json", "deleted"),
    ],
)
def test_scores_that_are_damaged_are_not_read_and_made_again(
    profile: Profile, run: RunFolder, name: str, damage: str, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = contents(run.path)
    if damage == "deleted":
        run.file(name).unlink()
    else:
        run.file(name).write_bytes(DAMAGE[damage](whole[name]))
    readers = {"captions.json": run.captions, "per_caption.parquet": run.per_caption}
    if (name, damage) != ("evaluation.json", "deleted") and not name.startswith("beam"):
        with pytest.raises(ChecksumError, match=name.replace(".", r"\.")):
            readers.get(name, run.metrics)()
    assert run_experiment(profile, MODEL, "mle", 1) == run
    if name != "evaluation.json":
        assert f"{run.name}: scored anew; not as before: {name}" in capsys.readouterr().err
    assert contents(run.path).keys() == whole.keys()
    for same in ("metrics.json", "captions.json", "per_caption.parquet", "checkpoint.safetensors"):
        assert run.file(same).read_bytes() == whole[same], same
    assert not run.damaged("evaluation.json")


def test_captions_of_beam_search_are_scored_beside_the_greedy_ones(
    profile: Profile, run: RunFolder
) -> None:
    materials = Materials.of(profile)
    model = new_captioner(materials, MODEL, 1)
    model.load_state_dict(load_file(run.checkpoint))
    few = materials.features["test"].batch([0, 1, 2])
    unknown = materials.vocabulary.forbidden
    best = beam_search(model.eval(), few, 3, profile.max_len, unknown).tokens[:, 0]
    said = [row["caption"] for row in json.loads(run.file("beam3.captions.json").read_text())]
    assert said[:3] == [materials.vocabulary.decode(row) for row in best.tolist()]
    assert len(said) == len(run.captions()) and said != [*run.captions().values()]
    greedy, beam = (
        json.loads(run.file(f"{prefix}metrics.json").read_text())["metrics"]
        for prefix in ("", "beam3.")
    )
    assert beam.keys() == greedy.keys() and beam["CIDEr"] != greedy["CIDEr"]


def test_a_changed_setting_is_a_run_beside_the_profiles_own(
    profile: Profile, capsys: pytest.CaptureFixture[str]
) -> None:
    own = profile.run(MODEL, "scst_geg", 1)
    before, arguments = contents(own.path), ["run", "--profile", "smoke", "--objective", "scst_geg"]
    settings = ["--set", "rewards.geg_avg=2", "--set", "epochs=1", "clip_value=null"]
    assert main([*arguments, *settings]) == 0  # the option twice: all of its values
    (other,) = (path for path in own.path.parent.glob(f"{own.name}-*"))
    stored = yaml.safe_load((other / "config.yaml").read_text())["objective"]
    assert stored["rewards"] == {"cider": 0.1, "geg_avg": 2}
    assert stored["clip_value"] is None
    assert contents(own.path) == before
    for wrong in (
        *("epochs", "=3", "epochs=[", "samples=0", "select.metric=R@1", "colour=red"),
        *("epochs=null", "rewards.cider=null", "colour=null", "start_from=scst_geg"),
    ):
        assert main([*arguments, "--set", wrong]) == 1
        assert wrong.split("=")[0].split(".")[-1] in capsys.readouterr().err


def test_an_edited_number_is_not_read(run: RunFolder) -> None:
    path = run.file("metrics.json")
    edited = json.loads(path.read_text())
    edited["metrics"]["R@1"]["value"] = 99.0
    path.write_text(json.dumps(edited))
    with pytest.raises(ChecksumError, match=r"metrics\.json is missing, or not what was written"):
        run.metrics()


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        ("log.csv", "deleted"),
        ("log.csv", "cut off"),
        ("config.yaml", "a flipped bit"),
        ("samples.jsonl", "deleted"),
        ("training.json", "another JSON"),
        ("training.json", "cut off"),
        ("training.json", "deleted"),
    ],
)
def test_what_only_training_makes_is_named(
    profile: Profile, run: RunFolder, name: str, damage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = run.file(name).read_bytes()
    run.file(name).unlink()
    if damage != "deleted":
        run.file(name).write_bytes(DAMAGE[damage](content))
    with pytest.raises(ChecksumError, match=name.replace(".", r"\.")) as caught:
        run_experiment(profile, MODEL, "mle", 1)
    assert "--again" in caught.value.fix
    monkeypatch.setattr(experiment, "evaluate", lambda *_: None)  # it is not what is tried
    assert run_experiment(profile, MODEL, "mle", 1, again=True).file(name).read_bytes()
    assert run.path.with_name(f"{run.name}.old1").is_dir()


def test_other_groups_are_made_and_runs_that_saw_them_are_set_aside(
    profile: Profile, run: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Eq. 2 with its sign changed: stored groups are of other code, and so are their digests."""
    monkeypatch.setattr(experiment, "evaluate", lambda *_: None)
    monkeypatch.setattr(groups, "code_digest", lambda *_: "other")
    block = groups._group_block
    monkeypatch.setattr(groups, "_group_block", lambda s, *rest: block(-s, *rest))
    old = Materials.of(profile).folder / "groups" / "train-k5" / "index.npy"
    before = old.read_bytes()
    for objective in ("mle", "scst", "scst_geg"):
        run_experiment(profile, MODEL, objective, 1)
    assert old.read_bytes() != before
    names = {path.name for path in run.path.parent.iterdir()}
    assert {name for name in names if ".old" in name} == {"transformer-scst_geg-seed1.old1"}


def test_two_profiles_of_one_name_share_no_run(
    smoke_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Files of the same stem in two folders, as two people make them."""
    monkeypatch.setattr(experiment, "evaluate", lambda *_: None)
    runs = []
    for number, rate in enumerate((0.001, 0.002)):
        path = smoke_home / str(number) / "mine.yaml"
        path.parent.mkdir()
        path.write_text(
            f"extends: smoke\nname: smoke\nobjectives: {{mle: {{learning_rate: {rate}}}}}\n"
        )
        runs.append(run_experiment(load_profile(str(path)), MODEL, "mle", 1))
        assert runs[0].log()["loss"].notna().all()
    folders = {path for path in runs[0].path.parent.iterdir() if path.is_dir()}
    assert folders == {run.path for run in runs} and len(folders) == 2


@pytest.mark.parametrize(
    ("place", "damage"),
    [
        ("clip/val/images.npy", "a flipped bit"),
        ("clip/test/manifest.json", "another JSON"),
        ("clip/train/captions.npy", "deleted"),
        ("groups/val-k5/index.npy", "a flipped bit"),
        ("groups/train-k5/manifest.json", "cut off"),
        ("groups/train-k5/score.npy", "deleted"),
        ("judges/{judge}/test/captions.npy", "cut off"),
        ("data/vocabulary.json", "another JSON"),
        ("data/vocabulary.json", "a flipped bit"),
        ("data/vocabulary.json", "deleted"),
        ("features/val/regions.npy", "a flipped bit"),
    ],
)
def test_stored_inputs_that_are_damaged_are_made_again(
    smoke_home: Path, place: str, damage: str
) -> None:
    profile = load_profile("smoke")
    materials = Materials.of(profile)
    materials.judges("test")
    path = materials.folder / place.format(judge=next(iter(profile.judges.values())))
    before = path.read_bytes()
    path.unlink()
    if damage != "deleted":
        path.write_bytes(DAMAGE[damage](before))
    fresh = Materials.of(profile)
    fresh.judges("test")
    assert fresh.vocabulary.digest == materials.vocabulary.digest
    assert fresh.digests("train", "val", "test") == materials.digests("train", "val", "test")
    assert path.read_bytes() == before


def test_digests_of_code_are_of_this_code() -> None:
    """What the fixtures above replace is what keys ask."""
    assert keys.code_digests is code_digest.code_digests is code_digests
    assert groups.code_digest is code_digest.code_digest
