"""A foreign checkpoint becomes the run that SCST starts from, or is refused with the reason."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from safetensors.torch import load_file
from torch import Tensor

from gegcore.cli import main
from gegcore.errors import DataError
from gegcore.experiment import run_experiment, train
from gegcore.experiment.keys import import_key
from gegcore.experiment.train import FILES
from gegcore.interop.import_xmodaler import import_xmodaler
from gegcore.interop.layouts import layout_of
from gegcore.materials import Materials
from gegcore.models import InputSizes, build_captioner
from gegcore.profiles import CONFIG_FOLDER, Profile, load_profile
from gegcore.runs import TRAINED
from gegcore.storage import read_json

SIZES: dict[str, Any] = dict(width=16, word_width=12, heads=4, encoder_layers=1, attention_width=6)


def profile_with(folder: Path, **sizes: Any) -> Path:
    """The smoke profile with a tiny X-LAN beside its Transformer."""
    fields = yaml.safe_load((CONFIG_FOLDER / "smoke.yaml").read_text())
    fields["name"] = "smoke"
    fields["models"]["xlan"] = SIZES | sizes
    path = folder / "with-xlan.yaml"
    path.write_text(yaml.safe_dump(fields))
    return path


@pytest.fixture
def profile(smoke_home: Path) -> Profile:
    return load_profile(str(profile_with(smoke_home)))


@pytest.fixture
def materials(profile: Profile) -> Materials:
    return Materials.of(profile)


def foreign_state(vocab_size: int, regions: int) -> dict[str, Tensor]:
    """Random weights as X-modaler would store them."""
    torch.manual_seed(5)
    model = build_captioner("xlan", vocab_size, InputSizes(regions), **SIZES)
    state = model.state_dict()
    return {layout_of("xlan").theirs(ours)[0]: tensor for ours, tensor in state.items()}


def write(folder: Path, words: list[str], regions: int) -> tuple[Path, Path]:
    checkpoint, vocabulary = folder / "model.pth", folder / "vocabulary.txt"
    torch.save({"model": foreign_state(len(words) + 1, regions)}, checkpoint)
    vocabulary.write_text("".join(f"{word}\n" for word in words))
    return checkpoint, vocabulary


@pytest.fixture
def files(materials: Materials, tmp_path: Path) -> tuple[Path, Path]:
    regions = materials.features["train"].sizes.regions
    return write(tmp_path, list(materials.vocabulary.words), regions)


def test_scst_starts_from_the_imported_run(
    smoke_home: Path, profile: Profile, files: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    yaml_path = str(smoke_home / "with-xlan.yaml")
    arguments = [*map(str, files), "--model", "xlan", "--profile", yaml_path, "--seed", "4"]
    assert main(["import-xmodaler", *arguments]) == 0
    assert "xlan-mle-seed4: imported" in capsys.readouterr().out
    folder = smoke_home / "runs" / "smoke" / "xlan-mle-seed4"
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]
    theirs, ours = (
        torch.load(files[0], weights_only=True)["model"],
        load_file(folder / "checkpoint.safetensors"),
    )
    for key, tensor in ours.items():
        assert torch.equal(tensor, theirs[layout_of("xlan").theirs(key)[0]]), key

    scst = run_experiment(profile, "xlan", "scst", seed=4)
    assert scst.metrics()["CIDEr"]["n"] == profile.data.test
    before = read_json(folder / "training.json")["history"][0]
    start = read_json(scst.file("training.json"))["history"][0]
    assert start == before  # its epoch 0 is the imported model
    weights = (folder / "checkpoint.safetensors").read_bytes()
    mle = run_experiment(profile, "xlan", "mle", seed=4)  # evaluates it, and does not train
    assert mle.checkpoint.read_bytes() == weights
    assert mle.metrics()["CIDEr"]["n"] == profile.data.test


def test_another_name_of_the_captioner_is_the_same_run(
    profile: Profile, materials: Materials, files: tuple[Path, Path]
) -> None:
    run = import_xmodaler(profile, *files, "x_lan", materials=materials)
    assert run.name == "xlan-mle-seed1"
    for name in ("xlan", "x_lan"):
        assert run.training()["import_key"] == import_key(materials, name)
        assert train(materials, name, "mle", 1) == run


def test_an_imported_run_is_never_trained_over(
    profile: Profile, materials: Materials, files: tuple[Path, Path], smoke_home: Path
) -> None:
    """Days of somebody's training are not lost to a change of code or of a learning rate."""
    run = import_xmodaler(profile, *files, "xlan", materials=materials)
    weights = run.checkpoint.read_bytes()
    record = run.training()
    code = {**record["key"], "code": {"gegcore.gap": "other"}}
    run.write_record(TRAINED, record | {"key": code}, FILES)
    assert train(materials, "xlan", "mle", 1).checkpoint.read_bytes() == weights

    run.write_record(TRAINED, record | {"import_key": "another profile"}, FILES)
    with pytest.raises(DataError, match="imported for another vocabulary"):
        train(materials, "xlan", "mle", 1)
    assert run.checkpoint.read_bytes() == weights


def test_a_run_that_exists_is_left_alone(
    profile: Profile, materials: Materials, files: tuple[Path, Path], smoke_home: Path
) -> None:
    folder = smoke_home / "runs" / "smoke" / "xlan-mle-seed1"
    folder.mkdir(parents=True)
    with pytest.raises(DataError, match="xlan-mle-seed1 exists already"):
        import_xmodaler(profile, *files, "xlan", materials=materials)
    assert not list(folder.iterdir())


def test_other_words_and_other_places_are_named(
    profile: Profile, materials: Materials, tmp_path: Path
) -> None:
    words = list(materials.vocabulary.words)
    lost, swapped = words[5], (words[2], words[3])
    words[5] = "zeppelin"
    words[2:4] = reversed(swapped)
    files = write(tmp_path, words, materials.features["train"].sizes.regions)
    with pytest.raises(DataError) as raised:
        import_xmodaler(profile, *files, "xlan", materials=materials)
    said = raised.value.what
    assert f"missing: {lost}; not in the profile's: zeppelin; in another place: " in said
    assert said.endswith(f"{swapped[0]} (4, not 3), {swapped[1]} (3, not 4)")


def test_words_listed_twice_and_the_unknown_word(
    profile: Profile, materials: Materials, tmp_path: Path
) -> None:
    regions = materials.features["train"].sizes.regions
    words = list(materials.vocabulary.words)
    with pytest.raises(DataError, match=r"vocabulary\.txt: vocabulary lists words twice"):
        import_xmodaler(
            profile, *write(tmp_path, [*words, words[0]], regions), "xlan", materials=materials
        )
    with pytest.raises(DataError, match="missing: UNK$|missing: UNK\n"):
        import_xmodaler(profile, *write(tmp_path, words[:-1], regions), "xlan", materials=materials)


def test_long_lists_of_words_are_cut(
    profile: Profile, materials: Materials, tmp_path: Path
) -> None:
    words = [f"w{i}" for i in range(100)]
    files = write(tmp_path, words, materials.features["train"].sizes.regions)
    with pytest.raises(DataError, match="not in the profile's: w0, w1, .*w7 and 92 more"):
        import_xmodaler(profile, *files, "xlan", materials=materials)


def test_vocabulary_of_another_checkpoint(
    profile: Profile, materials: Materials, files: tuple[Path, Path]
) -> None:
    count = len(materials.vocabulary.words)
    with files[1].open("a") as stream:
        stream.write("one-more\n")
    with pytest.raises(DataError, match=f"knows {count + 1} ids, .* lists {count + 1} words"):
        import_xmodaler(profile, *files, "xlan", materials=materials)


def test_other_features_are_refused(profile: Profile, materials: Materials, tmp_path: Path) -> None:
    regions = materials.features["train"].sizes.regions
    files = write(tmp_path, list(materials.vocabulary.words), regions + 1)
    told = f"regions: {regions + 1} in the checkpoint, {regions} in the data"
    with pytest.raises(DataError, match=told):
        import_xmodaler(profile, *files, "xlan", materials=materials)


def test_other_sizes_are_refused_with_the_settings_that_fit(
    smoke_home: Path, materials: Materials, files: tuple[Path, Path]
) -> None:
    other = load_profile(str(profile_with(smoke_home, width=32, word_dropout=0.1)))
    with pytest.raises(DataError, match=r"width: 16, not 32(.|\n)*models: {xlan: {width: 16}}"):
        import_xmodaler(other, *files, "xlan", materials=materials)


def test_what_shapes_do_not_tell_must_be_the_same(
    smoke_home: Path, files: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    path = profile_with(smoke_home, celu_alpha=1.0, word_dropout=0.1)
    arguments = ["import-xmodaler", *map(str, files), "--model", "xlan", "--profile", str(path)]
    assert main(arguments) == 1
    assert "celu_alpha: 1.3, not 1.0" in capsys.readouterr().err
    assert not (smoke_home / "runs").exists()
    assert main([*arguments, "--set", "celu_alpha=1.0"]) == 0


@pytest.mark.parametrize("setting", ["heads", "=4", "heads=[4"])
def test_malformed_settings(
    setting: str, smoke_home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["import-xmodaler", "a", "b", "--model", "xlan", "--set", setting]) == 1
    assert "is no KEY=VALUE" in capsys.readouterr().err


def test_a_checkpoint_with_nan_becomes_no_run(
    profile: Profile, materials: Materials, files: tuple[Path, Path], smoke_home: Path
) -> None:
    stored = torch.load(files[0], weights_only=True)
    stored["model"]["encoder.proj.bias"][0] = float("nan")
    torch.save(stored, files[0])
    with pytest.raises(DataError, match="NaN or infinite values in encoder.proj.bias"):
        import_xmodaler(profile, *files, "xlan", materials=materials)
    assert not (smoke_home / "runs").exists()


def test_a_crash_leaves_no_run(
    profile: Profile,
    materials: Materials,
    files: tuple[Path, Path],
    smoke_home: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("gegcore.interop.import_xmodaler.write_text", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        import_xmodaler(profile, *files, "xlan", materials=materials)
    assert not list((smoke_home / "runs" / "smoke").iterdir())
