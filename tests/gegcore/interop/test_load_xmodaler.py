"""Checkpoints of every captioner that X-modaler has load; misfits are told in full."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor
from xmodaler_vectors import SETTINGS, features, read

from gegcore.errors import ConfigError, DataError
from gegcore.interop.layouts import layouts
from gegcore.interop.xmodaler import load_xmodaler
from gegcore.models import ARCHITECTURES, InputSizes, build_captioner
from gegcore.models.registry import architecture
from gegcore.storage import save_safetensors

PE = "token_embed.embeddings_pos.pe"
models = pytest.mark.parametrize("name", sorted(layouts()))


def weights(name: str) -> dict[str, Tensor]:
    return dict(read(name)["state_dict"])


def save(path: Path, value: Any) -> Path:
    torch.save(value, path)
    return path


@models
def test_loaded_model_has_the_logits_of_xmodaler(name: str, tmp_path: Path) -> None:
    stored = read(name)
    path = save(tmp_path / "model.pt", {"model": stored["state_dict"], "iteration": 7})
    model = load_xmodaler(path, name, **SETTINGS.get(name, {}))
    assert not model.training
    assert {p.dtype for p in model.parameters()} == {torch.float32}  # the file has float16
    batch = features(stored["inputs"], torch.float64)
    with torch.no_grad():
        logits = model.double()(batch, stored["inputs"]["tokens"])
    valid = stored["logits_valid"]
    torch.testing.assert_close(logits[valid], stored["logits64"][valid], rtol=0, atol=1e-9)


@pytest.mark.parametrize(("other", "name"), [("m2", "meshed_memory"), ("up_down", "updown")])
def test_models_go_by_their_other_names(other: str, name: str, tmp_path: Path) -> None:
    path = save(tmp_path / "model.pt", {"state_dict": weights(name)})
    settings = SETTINGS.get(name, {})
    model, again = (load_xmodaler(path, key, **settings) for key in (other, name))
    assert type(model) is type(again)
    assert sum(p.numel() for p in model.parameters()) == sum(p.numel() for p in again.parameters())


WRITERS: dict[str, Callable[[Path, dict[str, Tensor]], Any]] = {
    "bare": lambda path, state: torch.save(state, path),
    "float32": lambda path, state: torch.save({k: v.float() for k, v in state.items()}, path),
    "distributed": lambda path, state: torch.save(
        {"model": {f"module.{k}": v for k, v in state.items()}}, path
    ),
    "safetensors": lambda path, state: save_file(state, path),
    "without the position table": lambda path, state: torch.save(
        {k: v for k, v in state.items() if k != PE}, path
    ),
    "legacy pickle": lambda path, state: torch.save(
        state, path, _use_new_zipfile_serialization=False
    ),
    "compiled": lambda path, state: torch.save(
        {"net": {f"_orig_mod.{k}": v for k, v in state.items()}, "epoch": 3}, path
    ),
    "a part of a larger model": lambda path, state: torch.save(
        {"state_dict": {f"captioner.{k}": v for k, v in state.items()}}, path
    ),
    "wrapped safetensors": lambda path, state: save_file(
        {f"model.{k}": v.clone() for k, v in state.items()}, path
    ),
    "beside a numpy score": lambda path, state: torch.save(
        {"model": state, "best_score": np.float64(1.13), "args": Namespace(lr=1e-4)}, path
    ),
}


@pytest.mark.parametrize("kind", WRITERS)
def test_every_kind_of_file_gives_the_same_model(kind: str, tmp_path: Path) -> None:
    state = weights("meshed_memory")
    expected = load_xmodaler(save(tmp_path / "a.pt", {"model": state}), "meshed_memory", heads=4)
    WRITERS[kind](tmp_path / "b", state)
    model = load_xmodaler(tmp_path / "b", "meshed_memory", heads=4)
    assert model.config == expected.config
    for key, value in expected.state_dict().items():
        assert torch.equal(model.state_dict()[key], value), key


@models
def test_our_own_checkpoints_load_too(name: str, tmp_path: Path) -> None:
    """As `gegcore run` writes them; the sizes are read from our tensors."""
    path = save(tmp_path / "model.pt", weights(name))
    model = load_xmodaler(path, name, **SETTINGS.get(name, {}))
    ours = tmp_path / "checkpoint.safetensors"
    save_safetensors(ours, model.state_dict(), {"model": name})
    again = load_xmodaler(ours, name, **SETTINGS.get(name, {}))
    assert again.config == model.config and again.vocab_size == model.vocab_size == 60
    for key, value in model.state_dict().items():
        assert torch.equal(again.state_dict()[key], value), key


def test_our_own_options_are_given_by_name(tmp_path: Path) -> None:
    ours = tmp_path / "checkpoint.safetensors"
    small = dict(width=8, heads=2, encoder_layers=1, decoder_layers=1, ffn_width=8)
    options = dict(box_embedding=True, heads=2)
    model = build_captioner("transformer", 9, InputSizes(6), **(small | options))
    save_safetensors(ours, model.state_dict(), {"model": "transformer"})
    assert load_xmodaler(ours, "transformer", **options).config == model.config
    with pytest.raises(DataError, match=r"unknown: regions\.box\.bias, regions\.box\.weight"):
        load_xmodaler(ours, "transformer", heads=2)
    with pytest.raises(DataError, match="holds a model 'transformer', not 'xlan'"):
        load_xmodaler(ours, "xlan")


def test_an_option_that_xmodaler_does_not_have_is_a_missing_tensor(tmp_path: Path) -> None:
    path = save(tmp_path / "model.pt", weights("transformer"))
    with pytest.raises(DataError, match=r"missing: regions\.box\.bias, regions\.box\.weight"):
        load_xmodaler(path, "transformer", heads=4, box_embedding=True)


def test_all_misfits_are_in_one_error(tmp_path: Path) -> None:
    state = weights("xlan")
    for key in ("decoder.att2ctx.0.bias", "encoder.layer_norm.weight"):
        del state[key]
    state["encoder.extra.weight"] = state["encoder.more"] = torch.zeros(2)
    state["encoder.proj.bias"] = torch.zeros(5, 2)
    with pytest.raises(DataError) as raised:
        load_xmodaler(save(tmp_path / "model.pt", state), "xlan")
    said = raised.value.what
    assert "missing: decoder.att2ctx.0.bias, encoder.layer_norm.weight\n" in said
    assert "unknown: encoder.extra.weight, encoder.more\n" in said
    assert said.endswith("of a wrong shape: encoder.proj.bias is 5 x 2, not 32")


def test_part_of_a_fused_tensor_must_have_its_own_shape(tmp_path: Path) -> None:
    """Query, key and value are one tensor of ours: 16 + 48 + 32 rows would fit it by chance."""
    state = weights("transformer")
    first = "encoder.layers.0.attention.self"
    state[f"{first}.query.bias"] = torch.zeros(16)
    state[f"{first}.key.bias"] = torch.zeros(48)
    with pytest.raises(DataError, match=rf"{first}\.query\.bias is 16, not 32, .*key\.bias is 48"):
        load_xmodaler(save(tmp_path / "model.pt", state), "transformer", heads=4)


def test_settings_that_contradict_the_shapes_are_named_by_tensor(tmp_path: Path) -> None:
    path = save(tmp_path / "model.pt", weights("xlan"))
    with pytest.raises(DataError, match=r"of a wrong shape: .*attention_basic\.0\.weight is 6 x 8"):
        load_xmodaler(path, "xlan", attention_width=5)


@models
def test_another_model_is_recognised(name: str, tmp_path: Path) -> None:
    path = save(tmp_path / "model.pt", weights(name))
    asked = "attention" if name == "updown" else "updown"
    with pytest.raises(DataError, match=f"-> it has the tensors of '{name}': load it as that"):
        load_xmodaler(path, asked)


def test_size_that_cannot_be_read_is_a_missing_tensor(tmp_path: Path) -> None:
    state = weights("xlan")
    del state["token_embed.embeddings.weight"]
    with pytest.raises(DataError, match=r"missing: .*token_embed\.embeddings\.weight"):
        load_xmodaler(save(tmp_path / "model.pt", state), "xlan")
    state["token_embed.embeddings.weight"] = torch.zeros(3)
    with pytest.raises(DataError, match=r"wrong shape: token_embed\.embeddings\.weight is 3"):
        load_xmodaler(save(tmp_path / "model.pt", state), "xlan")


def test_unknown_names_and_settings(tmp_path: Path) -> None:
    path = save(tmp_path / "model.pt", weights("xlan"))
    with pytest.raises(ConfigError, match="unknown captioner 'xlam'"):
        load_xmodaler(path, "xlam")
    with pytest.raises(ConfigError, match="(?s)hedas.*fields: width"):
        load_xmodaler(path, "xlan", hedas=4)


@pytest.mark.parametrize("name", ["mine", "captioner:MeanGru"])
def test_a_captioner_that_xmodaler_does_not_have_breaks_nothing(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(ARCHITECTURES, "mine", architecture("captioner:MeanGru"))
    path = save(tmp_path / "model.pt", weights("xlan"))
    with pytest.raises(ConfigError, match=f"(?s)'{name}' cannot be read.*there are: lstm_a3, "):
        load_xmodaler(path, name)
    with pytest.raises(DataError, match="it has the tensors of 'xlan': load it as that"):
        load_xmodaler(path, "updown")


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("stored", ["pickle", "safetensors", "ours"])
def test_weights_that_are_not_finite_are_named(stored: str, value: float, tmp_path: Path) -> None:
    state, path = weights("xlan"), tmp_path / "model.pt"
    name = "encoder.proj.bias"
    if stored == "ours":
        state = load_xmodaler(save(path, state), "xlan").state_dict()
        name = "image.bias"
    state[name] = torch.full_like(state[name], value)
    if stored == "pickle":
        save(path, state)
    else:
        save_safetensors(path, state, {"model": "xlan"} if stored == "ours" else {})
    with pytest.raises(DataError, match=f"NaN or infinite values in {name}"):
        load_xmodaler(path, "xlan")


def test_two_sets_of_weights_are_not_chosen_from(tmp_path: Path) -> None:
    state = weights("xlan")
    average = {key: 0.9 * tensor for key, tensor in state.items()}
    path = save(tmp_path / "model.pt", {"model": state, "ema": average})
    with pytest.raises(DataError, match="2 sets of weights that fit: model, ema"):
        load_xmodaler(path, "xlan")


class _Payload:
    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> Any:
        return Path.touch, (self.target,)


def test_code_in_a_pickle_is_not_run(tmp_path: Path) -> None:
    path = save(tmp_path / "model.pt", {"model": _Payload(tmp_path / "ran")})
    with pytest.raises(DataError, match="without running code"):
        load_xmodaler(path, "xlan")
    assert not (tmp_path / "ran").exists()


def test_unreadable_files_are_errors(tmp_path: Path) -> None:
    whole = save(tmp_path / "whole.pt", weights("xlan")).read_bytes()
    contents = {
        "empty": b"",
        "text": b"not a checkpoint\n",
        "cut": whole[: len(whole) // 2],
        "damaged": whole[:200] + bytes(200) + whole[400:],
        "header": b"\x10\0\0\0\0\0\0\0{" + b"x" * 40,
    }
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(DataError, match=name):
            load_xmodaler(tmp_path / name, "xlan")
    with pytest.raises(DataError, match="does not exist"):
        load_xmodaler(tmp_path / "nowhere.pt", "xlan")
    with pytest.raises(DataError, match="does not exist"):
        load_xmodaler(tmp_path, "xlan")


@pytest.mark.parametrize("value", [{}, [1, 2], torch.zeros(3), {"model": {"epoch": 3}}])
def test_files_without_a_state_dict_are_errors(value: Any, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no state_dict"):
        load_xmodaler(save(tmp_path / "model.pt", value), "xlan")
