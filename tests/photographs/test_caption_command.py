"""`gegcore caption`, as a newcomer would try it: on files, folders, and images of the world."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gegcore.cli import main
from gegcore.experiment.captioning import load_captioner
from gegcore.experiment.train import train
from gegcore.experiment.validation import greedy_captions
from gegcore.gap import group_embedding_gap
from gegcore.materials import Materials
from gegcore.profiles import load_profile

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
