"""`gegcore caption`, as a newcomer would try it: on files, folders, and images of the world."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from gegcore.cli import main
from gegcore.experiment import captioning
from gegcore.experiment.captioning import gaps_in_split, load_captioner
from gegcore.experiment.train import train
from gegcore.experiment.validation import greedy_captions
from gegcore.gap import group_embedding_gap
from gegcore.materials import Materials
from gegcore.profiles import load_profile
from photographs.region_pictures import region_files

Say = Callable[..., tuple[int, list[str], str]]


@pytest.fixture(scope="module")
def home(smoke_artifacts: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A project folder with one trained run of the embedded world, and pictures."""
    folder = tmp_path_factory.mktemp("home")
    (folder / "artifacts").symlink_to(smoke_artifacts)
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setenv("GEGCORE_HOME", str(folder))
        monkeypatch.chdir(folder)
        materials = Materials.of(load_profile("smoke"))
        train(materials, "transformer", "mle", 1)
        (folder / "pictures").mkdir()
        for row, picture in enumerate(materials.data["test"].images(range(7))):
            Image.fromarray(picture).save(folder / "pictures" / f"{row}.png")
        yield folder


@pytest.fixture
def caption(home: Path, capsys: pytest.CaptureFixture[str]) -> Say:
    def call(*arguments: str) -> tuple[int, list[str], str]:
        capsys.readouterr()
        done = main(["caption", *arguments])
        said = capsys.readouterr()
        return done, said.out.splitlines(), said.err

    return call


RUN = ["--run", "runs/smoke/transformer-mle-seed1"]


def test_a_file_and_the_same_image_of_the_split_are_said_alike(home: Path, caption: Say) -> None:
    """Greedily as when the run was tested; the run tells profile, captioner and objective."""
    done, lines, _ = caption("pictures/3.png", "test:3", *RUN, "--beam", "1")
    assert done == 0 and lines[0].startswith("3.png: ")
    assert lines[1] == lines[0].replace("3.png", "test:3")
    materials = Materials.of(load_profile("smoke"))
    run = materials.profile.run("transformer", "mle", 1)
    model = load_captioner(materials, run, "transformer")
    tokens = greedy_captions(materials, model, "test")
    assert lines[1].partition(": ")[2] == materials.vocabulary.decode(tokens[3].tolist())
    assert "similarity" in lines[2] and lines[2].count("test:") == 5


def test_a_run_that_is_not_trained_is_named_with_its_command(caption: Say) -> None:
    done, _, error = caption("test:3", "--profile", "smoke", "--model", "m2", "--objective", "scst")
    assert done == 1 and "meshed_memory-scst-seed1 is not trained" in error
    options = "--profile smoke --model meshed_memory --objective scst --seed 1"
    assert f"run `gegcore run {options}`" in error


def test_json_is_what_evaluate_reads(caption: Say) -> None:
    done, lines, _ = caption("test:0", "test:31", *RUN, "--json")
    rows = [json.loads(line) for line in lines]
    assert done == 0 and [row["image_id"] for row in rows] == ["test:0", "test:31"]
    materials = Materials.of(load_profile("smoke"))
    table, groups = materials.tables["test"], materials.groups["test"]
    text = materials.clip.encode_texts([row["caption"] for row in rows])
    wanted = group_embedding_gap(text, table.images[[0, 31]], table.images[groups.index[[0, 31]]])
    for row, average, minimum in zip(rows, *map(list, wanted), strict=True):
        assert row["GEG-Avg"] == pytest.approx(float(average), abs=1e-5)
        assert row["GEG-Min"] == pytest.approx(float(minimum), abs=1e-5)
    assert rows[0]["nearest"] == [f"test:{row}" for row in groups.index[0].tolist()]


def test_a_folder_against_itself_as_a_group(caption: Say) -> None:
    """Each against its nearest others, never itself."""
    done, lines, _ = caption("pictures", *RUN, "--json", "--group", "pictures", "--k", "3")
    rows = [json.loads(line) for line in lines]
    assert done == 0 and [row["image_id"] for row in rows] == [f"{n}.png" for n in range(7)]
    materials = Materials.of(load_profile("smoke"))
    images = materials.tables["test"].images[:7]
    nearness = (images @ images.T).fill_diagonal_(-9)
    for row, near in zip(rows, nearness, strict=True):
        assert row["nearest"] == [f"{n}.png" for n in near.topk(3).indices.tolist()]


def test_k_is_of_groups_of_a_split_as_well(caption: Say) -> None:
    """Fewer than the profile's K, or more: the first so many of the same order."""
    materials, nearest = Materials.of(load_profile("smoke")), {}
    assert materials.profile.group_size == 5
    for k in (2, 5, 9):
        done, lines, _ = caption("test:4", "test:0", *RUN, "--json", "--k", str(k))
        nearest[k] = [json.loads(line)["nearest"] for line in lines]
        assert done == 0 and [len(names) for names in nearest[k]] == [k, k]
    for two, five, nine in zip(*nearest.values(), strict=True):
        assert two == five[:2] and five == nine[:5]
    done, lines, said = caption("test:4", *RUN, "--k", "32")
    assert done == 1 and not lines and "K = 32 needs more than 32 images" in said


def test_every_group_that_is_given_counts(caption: Say) -> None:
    groups = ["--group", "pictures/0.png", "--group", "pictures/1.png", "pictures/2.png"]
    done, lines, _ = caption("pictures/3.png", *RUN, "--json", *groups, "--k", "3")
    assert done == 0 and sorted(json.loads(lines[0])["nearest"]) == ["0.png", "1.png", "2.png"]


def test_a_training_image_is_measured_by_what_embeds_its_split() -> None:
    """A CLIP that has learnt from it rewards through others, whose embeddings are longer."""
    images = torch.eye(4)[:3]
    rewarding = SimpleNamespace(encode_texts=lambda texts: torch.eye(4)[: len(texts)])
    given: Any = SimpleNamespace(
        clip=SimpleNamespace(rewarding=rewarding),
        tables={"train": SimpleNamespace(images=images)},
        groups={"train": SimpleNamespace(index=torch.tensor([[1, 2], [0, 2], [0, 1]]), k=2)},
    )
    assert gaps_in_split(given, "train", [0], ["a dog"])[0].similarity == 1.0


def _in_batches_of_two(monkeypatch: pytest.MonkeyPatch, stop_at: int = 99) -> None:
    """Captioning; Ctrl-C comes in a batch."""
    batches, search = [0], captioning.beam_search

    def stopped(*given: Any) -> Any:
        if batches[0] == stop_at:
            raise KeyboardInterrupt
        batches[0] += 1
        return search(*given)

    monkeypatch.setattr(captioning, "_AT_ONCE", 2)
    monkeypatch.setattr(captioning, "beam_search", stopped)


def test_what_cannot_be_read_is_left_out_and_counted(
    home: Path, caption: Say, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In batches with and without readable pictures, in the group as well."""
    shutil.copytree(home / "pictures", home / "mixed")
    for row in (1, 2, 3):
        (home / "mixed" / f"{row}.png").write_bytes(b"\x89PNG, cut off")
    _in_batches_of_two(monkeypatch)
    done, lines, said = caption("mixed", *RUN, "--json", "--group", "mixed", "--k", "3")
    rows = [json.loads(line) for line in lines]
    assert done == 1 and [row["image_id"] for row in rows] == ["0.png", "4.png", "5.png", "6.png"]
    assert {*rows[0]["nearest"]} == {"4.png", "5.png", "6.png"}
    assert said.count("left out: mixed/2.png does not open as a picture") == 1
    assert said.splitlines()[-2] == "gegcore: pictures left out, as they cannot be read: 3"
    _, whole, _ = caption("pictures/4.png", *RUN, "--json")
    assert rows[1]["caption"] == json.loads(whole[0])["caption"]
    done, lines, said = caption("mixed", *RUN, "--group", "mixed", "--k", "4")
    assert done == 1 and not lines and "K = 4 pictures needs more than the 3" in said
    done, lines, said = caption("mixed/2.png", *RUN)
    assert done == 1 and not lines and "left out" not in said
    assert "mixed/2.png does not open as a picture" in said


def test_ctrl_c_leaves_what_is_said(caption: Say, monkeypatch: pytest.MonkeyPatch) -> None:
    _in_batches_of_two(monkeypatch, stop_at=2)
    done, lines, said = caption("pictures", *RUN, "--regions", "until")
    assert done == 130 and [line[:7] for line in lines] == [f"{n}.png: " for n in range(4)]
    assert said.count("regions: until/") == 4


def test_each_picture_has_a_name_of_its_own(home: Path, caption: Say) -> None:
    """Its path in the folder; as it was given, where two folders have the same. Once each."""
    for name in ("tree/a/1.png", "tree/b/1.png", "tree/b/1.jpg", "tree/.hidden/1.png"):
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        Image.open(home / "pictures" / "1.png").convert("RGB").save(home / name)
    for name in ("scan.pdf", "arrays.h5", "film.mpg"):
        (home / "tree" / name).write_bytes(b"no picture")
    (home / "tree" / "loop").symlink_to(".")

    def names(*arguments: str) -> list[str]:
        done, lines, _ = caption(*arguments, *RUN, "--json")
        assert done == 0
        return [json.loads(line)["image_id"] for line in lines]

    assert names("tree", "--regions", "all") == ["a/1.png", "b/1.jpg", "b/1.png"]
    drawn = sorted(path.relative_to(home / "all") for path in (home / "all").rglob("*.png"))
    assert [*map(str, drawn)] == ["a/1-regions.png", "b/1-regions-2.png", "b/1-regions.png"]
    assert names("tree/a", "tree/b/", "test:3", "test:3") == [
        *("tree/a/1.png", "tree/b/1.jpg", "tree/b/1.png", "test:3")
    ]
    assert names("tree/a/1.png", "tree/a", "./tree/a/1.png", "pictures/2.png") == ["1.png", "2.png"]


def test_regions_are_drawn_nowhere_else(tmp_path: Path) -> None:
    names = ["../x/1.png", "x/1.png", "/x/1.jpg", "../../1.png", "test:12"]
    files = [*region_files(tmp_path, names).values()]
    assert len({*files}) == 5 and all(file.is_relative_to(tmp_path) for file in files)
    assert not any(".." in file.parts for file in files)


def test_regions_are_drawn_and_nothing_is_overwritten(home: Path, caption: Say) -> None:
    done, _, said = caption("test:2", "pictures/1.png", *RUN, "--regions", "drawn")
    assert done == 0 and said.count("regions: ") == 2
    drawn = np.asarray(Image.open(home / "drawn" / "test-2-regions.png"))
    plain = Image.fromarray(Materials.of(load_profile("smoke")).data["test"].images([2])[0])
    same = np.asarray(plain.resize(drawn.shape[1::-1], Image.Resampling.LANCZOS))
    changed = (drawn != same).any(-1).mean()
    assert drawn.shape == (480, 480, 3) and 0.005 < changed < 0.3
    done, _, said = caption("test:2", *RUN, "--regions", "drawn")
    assert done == 1 and "test-2-regions.png is there already" in said


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (["absent.png", *RUN], "absent.png does not exist"),
        (["test:32", *RUN], "test:32 is beyond the 32 images"),
        (["pictures/1.png", "--run", "runs"], "runs is no folder of a trained run"),
        (["pictures/1.png", "--profile", "smoke"], "transformer-scst_geg-seed1"),
        (["empty", *RUN], "empty holds no pictures"),
        (["test:0", *RUN, "--beam", "0"], "--beam 0 is not positive"),
        (["pictures", *RUN, "--group", "pictures", "--k", "7"], "K = 7 pictures"),
        (["pictures/1.png", *RUN, "--model", "updown"], "does not fit updown"),
    ],
)
def test_what_is_wrong_is_said(home: Path, caption: Say, arguments: list[str], what: str) -> None:
    (home / "empty").mkdir(exist_ok=True)
    done, lines, said = caption(*arguments)
    assert done == 1 and what in said and not lines
