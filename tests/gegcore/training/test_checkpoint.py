"""The state file: everything comes back, and what does not fit is refused by name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny_training import small_model

from gegcore.errors import TrainingError
from gegcore.storage import atomic_write, remove_temporaries
from gegcore.training.checkpoint import FORMAT, Progress, Resumable, load_state, save_state

RUN = {"model": "Transformer", "learning_rate": 0.1, "betas": (0.9, 0.999)}


def parts(name: str = "transformer", seed: int = 0, trained: int = 0, **changed: Any) -> Resumable:
    model = small_model(name, seed=seed)
    optimiser = torch.optim.Adam(model.parameters())
    for _ in range(trained):
        sum(p.square().sum() for p in model.parameters()).backward()
        optimiser.step()
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**seed)
    return Resumable(model, optimiser, scaler, RUN | changed)


@pytest.fixture
def stored(tmp_path: Path) -> Path:
    path = tmp_path / "state" / "resume.safetensors"
    save_state(path, parts(seed=3, trained=2), Progress(step=2, history=[{"epoch": 0}]), None)
    return path


def rewritten(path: Path, **metadata: Any) -> Path:
    """The same tensors with other metadata."""
    tensors = load_file(path)
    save_file(tensors, path, {name: json.dumps(value) for name, value in metadata.items()})
    return path


def test_everything_comes_back(tmp_path: Path) -> None:
    source, target = parts(seed=3, trained=3), parts(seed=1)
    best = small_model(seed=7).state_dict()
    progress = Progress(step=7, epoch=2, best=0.1 + 0.2, best_epoch=1, log=[{"loss": 1 / 3}])
    save_state(tmp_path / "state", source, progress, best)
    loaded, loaded_best = load_state(tmp_path / "state", target)
    assert loaded == progress and loaded_best is not None
    for there, here in (
        (source.model.state_dict(), target.model.state_dict()),
        (best, loaded_best),
    ):
        assert there.keys() == here.keys()
        assert all(torch.equal(there[name], here[name]) for name in there)
    there, here = (p.optimiser.state_dict()["state"] for p in (source, target))
    assert there.keys() == here.keys() and len(there) == len(list(source.model.parameters()))
    for index, moments in there.items():
        assert all(torch.equal(value, here[index][name]) for name, value in moments.items())
    assert target.scaler is not None and target.scaler.get_scale() == 8.0


def test_another_run_is_refused_by_what_differs(stored: Path) -> None:
    assert load_state(stored, parts())[0].step == 2  # a tuple is as good as the list it becomes
    told = r"another run: learning_rate 0\.1, not 0\.2; warmup None, not 5"
    with pytest.raises(TrainingError, match=told):
        load_state(stored, parts(learning_rate=0.2, warmup=5))


def test_another_model_is_refused(stored: Path) -> None:
    with pytest.raises(TrainingError, match="cannot be resumed from"):
        load_state(stored, parts("updown"))


@pytest.mark.parametrize("metadata", [{}, {"progress": {"step": 1}}, {"format": FORMAT + 1}])
def test_another_format_is_refused(stored: Path, metadata: dict[str, Any]) -> None:
    known = metadata.get("format", 1)
    with pytest.raises(TrainingError, match=f"has format {known}, this version reads {FORMAT}"):
        load_state(rewritten(stored, **metadata), parts())


@pytest.mark.parametrize("length", [0, 7, 100, -1])
def test_a_damaged_file_is_refused(stored: Path, length: int) -> None:
    stored.write_bytes(stored.read_bytes()[:length])
    with pytest.raises(TrainingError, match="cannot be resumed from") as raised:
        load_state(stored, parts())
    assert "delete the run folder" in raised.value.fix


def test_progress_of_another_version_is_refused(stored: Path) -> None:
    rewritten(stored, format=FORMAT, run=RUN, progress={"steps": 3})
    with pytest.raises(TrainingError, match="cannot be resumed from"):
        load_state(stored, parts())


def test_temporary_files_of_the_dead_are_removed(tmp_path: Path) -> None:
    keep = tmp_path / "state" / ".hidden"
    with atomic_write(keep) as stream:
        stream.write("kept")
    with pytest.raises(RuntimeError), atomic_write(tmp_path / "state" / "log.csv") as stream:
        (left,) = set((tmp_path / "state").iterdir()) - {keep}
        copy = left.read_bytes()
        raise RuntimeError
    left.write_bytes(copy)  # as if the process had been killed
    remove_temporaries(tmp_path)
    assert list((tmp_path / "state").iterdir()) == [keep]
