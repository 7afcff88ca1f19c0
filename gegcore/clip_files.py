"""What a CLIP of open_clip is made of on disk: its weights and the files of its text tower."""

from __future__ import annotations

import difflib
import logging
import warnings
from pathlib import Path
from textwrap import shorten
from typing import Any

import open_clip
from huggingface_hub import constants, snapshot_download
from open_clip.convert import convert_state_dict
from open_clip.model import convert_to_custom_text_state_dict
from open_clip.pretrained import get_pretrained_cfg
from torch import Tensor, nn

from gegcore import registry
from gegcore.errors import SHOWN, ConfigError, DataError, GegError, MissingDependencyError
from gegcore.weights import as_float32, misfit, read_tensors, unwrap

_NO_WEIGHTS = ("input_resolution", "context_length", "vocab_size", "position_ids", "attn_mask")
"""What OpenAI's archives and older libraries store beside weights; the first are OpenAI's alone."""

_IN_HUB = [
    f"open_clip_{stem}"
    for stem in ("model.safetensors", "pytorch_model.safetensors", "pytorch_model.bin")
]
_FIX = "give a state dict (safetensors or .pt) of this very architecture"
_TEXT_FILES = ["*.json", "*.txt", "*.model"]  # configuration, vocabulary and pieces; no weights


def find(name: str, source: str) -> Path | None:
    """The weights file that `source` is or that lies in this folder; None of a tag.

    Raises:
        ConfigError: unknown architecture or tag, or a tag of the other activation.
        DataError: a folder without open_clip's weights, or with several of them.
    """
    known = open_clip.list_models()
    if name not in known:
        near = difflib.get_close_matches(name, [*known, *registry.names("clip")], n=3)
        raise ConfigError(f"unknown CLIP architecture {name!r}", f"near matches: {near}")
    path, tag = Path(source), get_pretrained_cfg(name, source)
    if path.is_file():
        return path
    if path.is_dir() and not tag:
        return _in_folder(path)
    _check_tag(name, source, tag)
    return None


def _in_folder(path: Path) -> Path:
    for file in _IN_HUB:
        found = [*path.glob(file), *path.glob(f"snapshots/*/{file}")]
        if len(found) == 1:
            return found[0]
        if found:
            raise DataError(f"{path} holds several files {file}", "give one of them")
    raise DataError(f"{path} is a folder without {' or '.join(_IN_HUB)}", "give a weights file")


def _check_tag(name: str, source: str, tag: dict[str, Any]) -> None:
    """Refuse what open_clip would only warn of, before anything is downloaded."""
    if not tag:
        raise ConfigError(
            f"{source!r} is neither a weights file nor a tag of {name}",
            f"give a file's path, or one of {open_clip.list_pretrained_tags_by_model(name)}",
        )
    quick = bool((open_clip.get_model_config(name) or {}).get("quick_gelu", False))
    if quick != bool(tag.get("quick_gelu", False)):
        other = name.removesuffix("-quickgelu") if quick else f"{name}-quickgelu"
        raise activation_error(source, name, other)


def build(name: str, source: str, path: Path | None) -> tuple[nn.Module, Any, Any]:
    """Model, transform of pictures and tokenizer, of weights in a file or else of a tag.

    Raises:
        ConfigError: weights of another activation.
        DataError: the file is damaged, holds NaN or Inf, or does not fit.
        MissingDependencyError: the tag's weights could not be obtained; see also `text_tower`.
    """
    stored = read_weights(path, name) if path else None
    tokenizer, text = text_tower(name, offline=path is not None)
    before = logging.root.manager.disable
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("error", message=".*QuickGELU mismatch.*")
            if path:  # open_clip warns of random weights, which are replaced below
                logging.disable(logging.WARNING)
            # Only the weights asked for: no base weights of a tower from a hub.
            model, _, transform = open_clip.create_model_and_transforms(
                name, None if path else source, pretrained_text=False, text_cfg=text
            )
        if path:
            fill(model, name, path, stored)
    except GegError:
        raise
    except Exception as error:
        reason = shorten(str(error), 200, placeholder=" ...")
        if path:
            what = f"{path} does not hold weights of {name}: {reason}"
            raise DataError(what, _FIX) from error
        raise MissingDependencyError(
            f"CLIP weights {source!r} of {name} could not be obtained: {reason}",
            "download the weights file elsewhere, and give its path: `clip_pretrained` of the "
            "profile, `--pretrained` of `gegcore evaluate`",
        ) from error
    finally:
        logging.disable(before)
    return model, transform, tokenizer


def read_weights(path: Path, name: str) -> dict[str, Tensor] | None:
    """The tensors of a file; None of big_vision's arrays, which open_clip reads by itself."""
    try:
        return None if path.suffix in (".npz", ".npy") else read_tensors(path)[0]
    except DataError as error:
        what = f"{path} does not hold weights of {name}: {error.what}"
        raise DataError(what, error.fix) from error


def fill(model: nn.Module, name: str, path: Path, stored: dict[str, Tensor] | None) -> None:
    """Give a model of open_clip the weights that `read_weights` read; raises as `build`."""
    if stored is None:
        open_clip.load_checkpoint(model, str(path))
        as_float32(path, model.state_dict())
        return
    expected = model.state_dict()
    ends = [end for end in _NO_WEIGHTS if not any(key.endswith(end) for key in expected)]
    wanted = expected.keys() | {key.removeprefix("text.") for key in expected}
    state = convert_state_dict(model, unwrap(path, stored, wanted, ends))
    if "visual_projection.weight" in state:
        raise DataError(
            f"{path} holds a CLIP of Hugging Face transformers, not of open_clip",
            f"give open_clip's weights of it: {' or '.join(_IN_HUB)}",
        )
    twin = f"{name}-quickgelu"
    if twin in open_clip.list_models() and any(key.endswith(_NO_WEIGHTS[0]) for key in stored):
        raise activation_error(str(path), name, twin)
    if "positional_embedding" in state and not hasattr(model, "positional_embedding"):
        state = convert_to_custom_text_state_dict(state)
    for key in {"logit_scale", "logit_bias"} & expected.keys() & state.keys():
        state[key] = state[key].reshape(expected[key].shape)
    shapes = [{key: tensor.shape for key, tensor in found.items()} for found in (state, expected)]
    if wrong := misfit(shapes[0], shapes[1], shown=SHOWN):
        raise DataError(f"{path} does not hold weights of {name}:{wrong}", _FIX)
    model.load_state_dict(state)


def activation_error(source: str, name: str, other: str) -> ConfigError:
    """The architecture of these weights has the other activation."""
    return ConfigError(
        f"weights {source!r} and architecture {name} differ in QuickGELU: "
        "the network would run with the wrong activation",
        f"use {other!r} with these weights",
    )


def text_tower(name: str, offline: bool) -> tuple[Any, dict[str, Any]]:
    """The tokenizer of an architecture, and the text_cfg to build it with.

    Files of the Hugging Face hub come from its cache; they are downloaded unless `offline`.

    Raises:
        MissingDependencyError: they are not there, cannot be downloaded, or not be used.
    """
    config = dict((open_clip.get_model_config(name) or {}).get("text_cfg", {}))
    named = {str(config.get(key) or "") for key in ("hf_tokenizer_name", "hf_model_name")}
    folders: dict[str, str] = {}
    for repository in sorted(named - {""}):
        if Path(repository).is_dir():
            continue
        try:
            folders[repository] = snapshot_download(
                repository, local_files_only=offline, allow_patterns=_TEXT_FILES
            )
        except Exception as error:
            raise MissingDependencyError(
                f"{name} needs the tokenizer and configuration of {repository} from the Hugging "
                "Face hub, and they are not in its cache",
                f"run `hf download {repository}` where there is a network, and put the folder "
                f"models--{repository.replace('/', '--')} into {constants.HF_HUB_CACHE}",
            ) from error
    local = {"local_files_only": True} if config.get("hf_tokenizer_name") else {}
    try:
        tokenizer = open_clip.get_tokenizer(name, **local)
    except Exception as error:
        reason = shorten(str(error), 300, placeholder=" ...")
        raise MissingDependencyError(
            f"the tokenizer of {name} cannot be loaded: {reason}",
            "install transformers and sentencepiece, or download its files anew",
        ) from error
    if tower := config.get("hf_model_name"):
        config |= {"hf_model_name": folders.get(tower, tower), "hf_model_pretrained": False}
    return tokenizer, config
