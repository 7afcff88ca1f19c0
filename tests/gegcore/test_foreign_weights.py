"""Files of weights as other people leave them: read without running code, or refused by name."""

from __future__ import annotations

import argparse
import collections
import datetime
import gzip
import math
import random
import re
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from gegcore.errors import DataError
from gegcore.weights import read_tensors, unwrap

STATE = {"a.weight": torch.arange(6.0).view(2, 3), "a.bias": torch.ones(2), "b": torch.tensor(3)}


def load(path: Path) -> dict[str, Tensor]:
    return unwrap(path, read_tensors(path)[0], STATE)


def same(found: dict[str, Tensor], expected: dict[str, Tensor] = STATE) -> bool:
    equal = (torch.equal(found[key], tensor) for key, tensor in expected.items())
    return found.keys() == expected.keys() and all(equal)


def save(path: Path, value: Any) -> Path:
    torch.save(value, path)
    return path


def prefixed(prefix: str) -> dict[str, Tensor]:
    return {f"{prefix}{key}": tensor for key, tensor in STATE.items()}


WRAPPED: dict[str, Any] = {
    **{f"key {key}": {key: STATE, "epoch": 3} for key in (
        "model", "state_dict", "model_state_dict", "net", "captioner", "ema", "params", "generator"
    )},
    **{f"prefix {prefix}": prefixed(prefix) for prefix in (
        "module.", "_orig_mod.", "net.", "model.", "_orig_mod.module.", "module._orig_mod.",
        "captioner.decoder.",
    )},
    "nested": {"state": {"best": {"weights": prefixed("module.model.")}}},
    "in the middle": {"a._orig_mod.weight": STATE["a.weight"], "a.module.bias": STATE["a.bias"],
                      "b": STATE["b"]},
    "beside an optimiser": {
        "model": STATE,
        "optimizer": torch.optim.Adam([nn.Parameter(torch.ones(2))]).state_dict(),
        "lr_scheduler": {"last_epoch": 3, "_last_lr": [0.1]},
    },
    "beside a part of another": {"model": STATE, "teacher": {"a.weight": torch.zeros(2, 3)}},
    "beside a loss": {"state_dict": prefixed("model.") | {"criterion.weight": torch.ones(4)}},
    "twice the same": {"model": STATE, "best": dict(STATE)},
    "wide": {"model": {k: t.double() if t.is_floating_point() else t for k, t in STATE.items()}},
    "parameters": {"model": {k: nn.Parameter(t, False) for k, t in STATE.items()}},
}  # fmt: skip


@pytest.mark.parametrize("kind", WRAPPED)
def test_what_wraps_the_weights_is_left_out(kind: str, tmp_path: Path) -> None:
    found = load(save(tmp_path / "a.pt", WRAPPED[kind]))
    assert same(found) and {t.dtype for k, t in found.items() if k != "b"} == {torch.float32}


def test_between_two_fits_nobody_guesses(tmp_path: Path) -> None:
    other = {key: tensor + 1 for key, tensor in STATE.items()}
    path = save(tmp_path / "a.pt", {"model": STATE, "ema": other})
    with pytest.raises(DataError, match=r"2 sets of weights that fit: model, ema") as raised:
        load(path)
    assert "torch.save(checkpoint['model'], 'weights.pt')" in raised.value.fix


HARMLESS: dict[str, Any] = {
    "numpy scalar": np.float64(1.13),
    "numpy integer": np.int64(4),
    "numpy bool": np.bool_(True),
    "numpy array": np.arange(3, dtype=np.float32),
    "numpy random state": np.random.RandomState(0).get_state(),
    "random state": random.Random(0).getstate(),
    "options": argparse.Namespace(lr=0.1, name="x", nested=argparse.Namespace(a=None)),
    "time": datetime.datetime(2024, 5, 1, 12, tzinfo=datetime.timezone.utc),
    "duration": datetime.timedelta(seconds=3),
    "path": Path("/data/runs"),
    "device": torch.device("cpu"),
    "type": torch.float16,
    "size": torch.Size([2]),
    "ordered": collections.OrderedDict(a=1),
    "counter": collections.Counter("abc"),
    "default dictionary": collections.defaultdict(list, a=[1]),
    "set": {1, 2},
    "complex": 1j,
    "scalars": [True, None, 1.5, "x", b"y", (1, 2), 2**70],
}


@pytest.mark.parametrize("kind", HARMLESS)
def test_harmless_objects_beside_the_weights_load(kind: str, tmp_path: Path) -> None:
    assert same(load(save(tmp_path / "a.pt", {"model": STATE, "beside": HARMLESS[kind]})))


def test_scalars_of_older_numpy_load(tmp_path: Path) -> None:
    """Which calls the same function numpy.core.multiarray.scalar."""
    path = save(tmp_path / "a.pt", {"model": STATE, "best": np.float64(1.13)})
    with zipfile.ZipFile(path) as stored, zipfile.ZipFile(tmp_path / "b.pt", "w") as older:
        for name in stored.namelist():
            older.writestr(name, stored.read(name).replace(b"numpy._core.", b"numpy.core."))
    assert same(load(tmp_path / "b.pt"))


class Configuration:
    pass


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize(
    "value", [Configuration(), nn.Linear(1, 1), print], ids=["object", "module", "function"]
)
def test_what_may_run_code_is_named(value: Any, legacy: bool, tmp_path: Path) -> None:
    culprit = value if value is print else type(value)
    path = tmp_path / "a.pt"
    torch.save({"model": STATE, "x": value}, path, _use_new_zipfile_serialization=not legacy)
    with pytest.raises(DataError, match="without running code") as raised:
        load(path)
    assert f"it holds {culprit.__module__}.{culprit.__qualname__}".replace("builtins.", "") in str(
        raised.value
    )
    assert "\x1b" not in str(raised.value) and "options" not in raised.value.what
    assert "torch.save(checkpoint['model']" in raised.value.fix


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.float64])
@pytest.mark.parametrize("value", [math.nan, math.inf, 1e300])
def test_weights_that_are_not_finite_are_named(
    value: float, dtype: torch.dtype, tmp_path: Path
) -> None:
    broken = STATE["a.weight"].to(dtype, copy=True)
    broken[1, 1] = torch.tensor(value, dtype=torch.float64).to(dtype)
    path = save(tmp_path / "a.pt", {"model": STATE | {"a.weight": broken}})
    with pytest.raises(DataError, match=r"NaN or infinite values in a\.weight"):
        load(path)


def zipped(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("readme.txt", "weights are elsewhere")


def cut(path: Path) -> None:
    save(path, STATE)
    path.write_bytes(path.read_bytes()[:-400])


def cut_safetensors(path: Path) -> None:
    save_file(STATE, path)
    path.write_bytes(path.read_bytes()[:-9])


LFS = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a214614ab2935c943f9e0ff69d22e\n"
OTHER: dict[str, tuple[Callable[[Path], Any], str]] = {
    "empty": (Path.touch, "it is empty"),
    "pointer": (lambda path: path.write_text(LFS), "pointer of Git LFS"),
    "page": (lambda path: path.write_text("\n<!DOCTYPE html><html>404</html>"), "a web page"),
    "text": (lambda path: path.write_text("Entschuldigung, nicht gefunden: ö"), "a text file"),
    "json": (lambda path: path.write_text('{"weight_map": {}}'), "a text file"),
    "zip": (zipped, "another kind of zip"),
    "cut": (cut, "it is cut off"),
    "cut safetensors": (cut_safetensors, "cannot be read"),
    "gzip": (lambda path: path.write_bytes(gzip.compress(b"x")), "no checkpoint that can be read"),
    "zeros": (lambda path: path.write_bytes(bytes(3000)), "cannot be read|no checkpoint"),
    "array": (lambda path: np.save(path.open("wb"), np.ones(3)), "no checkpoint that can be read"),
    "no tensors": (lambda path: save(path, {"epoch": 3}), "no state_dict"),
}


@pytest.mark.parametrize("kind", OTHER)
@pytest.mark.parametrize("name", ["weights.pt", "model.safetensors"])
def test_files_of_another_kind_are_named(kind: str, name: str, tmp_path: Path) -> None:
    make, said = OTHER[kind]
    make(tmp_path / name)
    with pytest.raises(DataError, match=said) as raised:
        read_tensors(tmp_path / name)
    assert str(tmp_path / name) in raised.value.what


def test_a_file_is_told_by_what_it_holds(tmp_path: Path) -> None:
    """Files of the Hugging Face cache have no ending where links lead."""
    save_file(STATE, tmp_path / "blob")
    save_file(STATE, tmp_path / "weights.bin")
    save(tmp_path / "odd.safetensors", STATE)
    assert all(same(load(tmp_path / n)) for n in ("blob", "weights.bin", "odd.safetensors"))


class Sum(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Linear(3, 2)
        self.register_buffer("b", torch.tensor(3))

    def forward(self, x: Tensor) -> Tensor:
        return self.a(x) + self.b


def archive(path: Path) -> dict[str, Tensor]:
    torch.jit.trace(Sum(), torch.ones(1, 3)).half().save(str(path))
    return torch.jit.load(str(path)).state_dict()


@pytest.mark.filterwarnings("ignore:.*torch.jit.*deprecated:DeprecationWarning")
def test_torchscript_archives_give_their_tensors(tmp_path: Path) -> None:
    expected = archive(tmp_path / "a.pt")
    found, _ = read_tensors(tmp_path / "a.pt")
    assert same(found, expected) and found["a.weight"].dtype == torch.float16


class Running(nn.Module):
    """torch.jit.load runs what it exports."""

    def __init__(self) -> None:
        super().__init__()
        self.b = nn.Parameter(torch.ones(2))

    @torch.jit.export
    def __getstate__(self) -> tuple[Tensor, bool]:
        return self.b, self.training

    @torch.jit.export
    def __setstate__(self, state: tuple[Tensor, bool]) -> None:
        print("code of the archive ran")
        self.b = state[0]
        self.training = state[1]

    def forward(self, x: Tensor) -> Tensor:
        return x


@pytest.mark.filterwarnings("ignore:.*torch.jit.*deprecated:DeprecationWarning")
def test_code_of_an_archive_is_not_run(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    torch.jit.script(Running()).save(str(tmp_path / "a.pt"))
    torch.jit.load(str(tmp_path / "a.pt"))
    assert "code of the archive ran" in capfd.readouterr().out
    with pytest.raises(DataError, match=re.escape(str(tmp_path / "a.pt"))):
        read_tensors(tmp_path / "a.pt")
    assert capfd.readouterr().out == ""
