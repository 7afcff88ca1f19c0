"""In how many pieces a step is computed changes nothing: micro-batches, processes, precision."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from child_processes import together
from safetensors.torch import load_file
from sittings import config, objective, train, validate
from tiny_training import IMAGES, noise, small_model
from torch import Tensor

from gegcore.errors import ConfigError, TrainingError
from gegcore.experiment.objective import build_objective
from gegcore.materials import Materials
from gegcore.profiles import load_profile
from gegcore.training.config import ObjectiveConfig
from gegcore.training.distributed import PRECISIONS, check_same_weights, start_accelerator
from gegcore.training.step import OptimiserStep

LOSSES = ("cross_entropy", "self_critical")
CLOSE = {"rtol": 1e-9, "atol": 1e-10}  # float64; Adam's division magnifies rounding
CLOSE_METRICS = {"rtol": 1e-6, "atol": 1e-7}  # means that an objective takes in float32


def settings(loss: str, **changed: Any) -> ObjectiveConfig:
    """Eight images in steps of five and three."""
    return config(loss, **{"images_per_step": 5, "clip_value": None, "clip_norm": 0.5} | changed)


def assert_alike(one: Path, other: Path) -> None:
    """Every logged number and every weight."""
    records = [json.loads((folder / "history.json").read_text()) for folder in (one, other)]
    for name in ("log", "history"):
        rows = zip(*(record[name] for record in records), strict=True)
        for here, there in rows:
            assert here == pytest.approx(there, rel=1e-6)
    weights = (load_file(folder / "checkpoint.safetensors") for folder in (one, other))
    torch.testing.assert_close(*weights, **CLOSE)


def parted(settings: ObjectiveConfig, batch: int) -> tuple[dict[str, Tensor], Tensor]:
    """Metrics of a step, and the gradient that was clipped for it."""
    step = OptimiserStep(
        small_model(dropout=False), objective(settings), settings, start_accelerator("cpu")
    )
    numbers = noise(step.objective, 3, batch)
    means, _ = step(torch.arange(batch), numbers, 1e-2, stop=lambda: False)
    return means, step.gradients


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("batch", [8, 5, 1])
def test_micro_batches_make_one_step(loss: str, batch: int) -> None:
    means, gradient = parted(settings(loss), batch)
    assert gradient.norm() > 0 and means["loss"].isfinite()
    for accumulate in (2, 3, 8):
        other_means, other = parted(settings(loss, accumulate=accumulate), batch)
        torch.testing.assert_close(other_means, means, **CLOSE_METRICS)
        torch.testing.assert_close(other_means["loss"], means["loss"], **CLOSE)
        torch.testing.assert_close(other, gradient, **CLOSE)


@pytest.mark.parametrize("loss", LOSSES)
def test_the_gradient_is_that_of_the_mean_over_tokens(loss: str) -> None:
    told = settings(loss, clip_norm=None)
    means, gradient = parted(told, IMAGES)
    model, made = small_model(dropout=False), objective(told)
    part = made.step(model, torch.arange(IMAGES), noise(made, 3))
    mean = part.total / part.tokens
    mean.backward()
    expected = torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None])
    torch.testing.assert_close(gradient, expected, **CLOSE)
    torch.testing.assert_close(means["loss"], mean.detach(), **CLOSE)
    torch.testing.assert_close(means["grad_norm"], expected.norm(), **CLOSE)


@pytest.mark.parametrize("loss", LOSSES)
def test_accumulation_gives_one_trajectory(loss: str, tmp_path: Path) -> None:
    for accumulate in (1, 2, 8):
        told = settings(loss, accumulate=accumulate)
        train(tmp_path / str(accumulate), told, dropout=False)
    assert_alike(tmp_path / "2", tmp_path / "1")
    assert_alike(tmp_path / "8", tmp_path / "1")


def train_all(folder: Path, per_step: int) -> None:
    for loss in LOSSES:
        told = settings(loss, images_per_step=per_step, accumulate=2)
        train(folder / loss, told, dropout=False, validate=_only_in_the_main_process)


def _only_in_the_main_process(model: Any) -> dict[str, float]:
    assert torch.distributed.get_rank() == 0
    return validate(model)


@pytest.mark.timeout(300)
def test_two_processes_are_one(tmp_path: Path) -> None:
    """The last step of an epoch has one image of seven: a process without any."""
    together(train_all, 2, tmp_path / "two", 7)
    for loss in LOSSES:
        train(tmp_path / loss, settings(loss, images_per_step=7), dropout=False)
        assert_alike(tmp_path / "two" / loss, tmp_path / loss)


def differ(folder: Path) -> None:
    accelerator = start_accelerator("cpu")
    weights = [torch.ones(3), torch.zeros(2)]
    check_same_weights(accelerator, weights)
    weights[1][0] = 1e-7 * accelerator.process_index
    with pytest.raises(TrainingError, match="no longer have the same weights"):
        check_same_weights(accelerator, weights)
    with pytest.raises(ConfigError, match="cannot be had here"):
        start_accelerator("cpu", "bf16")  # this group has begun without


def test_processes_notice_that_their_weights_differ(tmp_path: Path) -> None:
    together(differ, 2, tmp_path)


@pytest.fixture
def no_precision_asked(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.delenv("ACCELERATE_MIXED_PRECISION", raising=False)
    yield
    start_accelerator("cpu")


def test_precision_is_chosen_and_refused(
    no_precision_asked: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert start_accelerator("cpu").mixed_precision == "no"
    assert start_accelerator("cpu", "bf16").mixed_precision == "bf16"
    monkeypatch.setenv("ACCELERATE_MIXED_PRECISION", "bf16")
    assert start_accelerator("cpu").mixed_precision == "bf16"
    assert start_accelerator("cpu", "no").mixed_precision == "no"
    with pytest.raises(ConfigError, match="'fp16' cannot be had here"):
        start_accelerator("cpu", "fp16")
    with pytest.raises(ConfigError, match=f"unknown precision 'half'\n.*{', '.join(PRECISIONS)}"):
        start_accelerator("cpu", "half")


@pytest.mark.parametrize("loss", LOSSES)
def test_bfloat16_reaches_every_parameter(loss: str, no_precision_asked: None) -> None:
    """Weights cast while sampling without gradient must not be found again while scoring."""
    told = settings(loss, clip_norm=None)
    gradients = {}
    for precision in ("no", "bf16"):
        model = small_model(dropout=False).float()
        made: Any = objective(told)
        made.features.regions = made.features.regions.float()
        step = OptimiserStep(model, made, told, start_accelerator("cpu", precision))
        step(torch.arange(IMAGES), noise(made, 3), 1e-2, stop=lambda: False)
        assert all(p.dtype == torch.float32 for p in model.parameters())
        gradients[precision] = [p.grad.clone() for p in step.parameters]
    reached = [[bool(g.any()) for g in found] for found in gradients.values()]
    assert reached[0] == reached[1] and any(reached[0])
    full, half = (torch.cat([g.flatten() for g in found]) for found in gradients.values())
    assert not torch.equal(full, half)
    if loss == "cross_entropy":  # samples may differ, and the gradient with them
        assert torch.nn.functional.cosine_similarity(full, half, dim=0) > 0.99


def scaled(scale: float, dtype: torch.dtype) -> tuple[OptimiserStep, torch.amp.GradScaler]:
    """A step with a scaler, as float16 has it, in other arithmetic."""
    scaler = torch.amp.GradScaler("cpu", init_scale=scale)
    plain = start_accelerator("cpu")
    accelerator: Any = SimpleNamespace(
        scaler=scaler,
        backward=lambda loss: scaler.scale(loss).backward(),
        **{name: getattr(plain, name) for name in ("autocast", "process_index", "num_processes")},
    )
    told = settings("cross_entropy")
    made: Any = objective(told)
    made.features.regions = made.features.regions.to(dtype)
    return OptimiserStep(small_model(dropout=False).to(dtype), made, told, accelerator), scaler


def test_scaled_gradients_are_unscaled_before_they_are_clipped() -> None:
    _, expected = parted(settings("cross_entropy"), IMAGES)
    step, _ = scaled(2.0**10, torch.float64)
    step(torch.arange(IMAGES), noise(step.objective, 3), 1e-2, stop=lambda: False)
    torch.testing.assert_close(step.gradients, expected, **CLOSE)


def test_an_overflow_skips_the_step_and_halves_the_scale() -> None:
    step, scaler = scaled(2.0**127, torch.float32)
    before = [p.detach().clone() for p in step.parameters]
    step(torch.arange(IMAGES), noise(step.objective, 3), 1e-2, stop=lambda: False)
    assert all(torch.equal(p, b) for p, b in zip(step.parameters, before, strict=True))
    assert scaler.get_scale() == 2.0**126


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_tables_are_mapped_not_copied(smoke_home: Path) -> None:
    """Features, embeddings and groups are pages of their files, the same for all processes."""
    materials = Materials.of(load_profile("smoke"))
    store, table = materials.features["train"], materials.tables["train"]
    objective: Any = build_objective(materials, materials.profile.objective("scst_geg", "updown"))
    geg = objective.reward.weighted["geg_avg"][1]
    arrays = [array for part in store._arrays.folders for array in part.arrays.values()]
    assert arrays and all(isinstance(array, np.memmap) for array in arrays)
    index = materials.groups["train"].index
    for tensor in (table.images, index, geg.image_embeddings, geg.group_index):
        assert mapped_file(tensor.data_ptr()).startswith(str(smoke_home))


def mapped_file(address: int) -> str:
    """The file that an address of this process's memory is a page of."""
    for line in Path("/proc/self/maps").read_text().splitlines():
        start, end = (int(bound, 16) for bound in line.split()[0].split("-"))
        if start <= address < end:
            return " ".join(line.split()[5:])
    return ""


def test_the_package_does_not_wait_for_accelerate() -> None:
    code = "import sys, gegcore.cli, gegcore.experiment; sys.exit('accelerate' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
