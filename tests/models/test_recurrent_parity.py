"""The recurrent captioners against reference vectors made by running X-modaler."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from gegcore.data.features import FeatureBatch, InputSizes
from gegcore.decoding import beam_search, decode
from gegcore.models import Captioner, attention_lstm, build_captioner, gcn_lstm, lstm_a3, up_down
from gegcore.models.gcn_lstm import GCNLSTM
from gegcore.models.soft_attention import RegionMemory
from gegcore.models.up_down import UpDownMemory

FIXTURES = Path(__file__).parents[1] / "fixtures" / "parity"
MODULES: dict[str, Any] = {
    "lstm_a3": lstm_a3,
    "attention": attention_lstm,
    "updown": up_down,
    "gcn_lstm": gcn_lstm,
}
EXPECTED_SIZES = {
    "lstm_a3": (InputSizes(0, pooled=24, attributes=10), dict(hidden_width=32)),
    "attention": (
        InputSizes(24),
        dict(word_width=16, region_width=32, hidden_width=32, attention_width=20),
    ),
    "updown": (
        InputSizes(24),
        dict(word_width=16, region_width=28, hidden_width=32, attention_width=20),
    ),
    "gcn_lstm": (
        InputSizes(24, relations=21),
        dict(word_width=16, hidden_width=32, attention_width=20),
    ),
}
dtypes = pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
VECTORS = {
    name: torch.load(FIXTURES / f"{name}.pt", weights_only=True, map_location="cpu")
    for name in MODULES
}


@pytest.fixture(params=sorted(MODULES))
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def vectors(name: str) -> dict[str, Any]:
    read: dict[str, Any] = VECTORS[name]
    return read


def shapes_of(vectors: dict[str, Any]) -> dict[str, torch.Size]:
    return {key: tensor.shape for key, tensor in vectors["state_dict"].items()}


def loaded(name: str, dtype: torch.dtype) -> tuple[Captioner, FeatureBatch]:
    vectors, module = VECTORS[name], MODULES[name]
    theirs = vectors["state_dict"]
    vocab_size, sizes, config = module.xmodaler_sizes(shapes_of(vectors))
    model = build_captioner(name, vocab_size, sizes, **config.model_dump())
    keys = module.xmodaler_keys(config)
    model.load_state_dict({k: torch.cat([theirs[j].float() for j in v]) for k, v in keys.items()})
    return model.to(dtype).eval(), inputs_of(vectors, dtype)


def inputs_of(vectors: dict[str, Any], dtype: torch.dtype) -> FeatureBatch:
    inputs = vectors["inputs"]
    images = len(inputs["tokens"])
    regions = inputs.get("att_feats", torch.zeros(images, 1, 1)).to(dtype)
    mask = inputs.get("att_mask", torch.ones(images, 1)).bool()
    boxes = torch.zeros(*mask.shape, 4, dtype=dtype)
    pooled = inputs.get("global_feat", torch.zeros(images, 1)).to(dtype)
    attributes = inputs["attributes"].to(dtype) if "attributes" in inputs else None
    return FeatureBatch(pooled, attributes, regions, boxes, inputs.get("relations"), mask)


def test_sizes_are_read_from_the_shapes(name: str, vectors: dict[str, Any]) -> None:
    vocab_size, sizes, config = MODULES[name].xmodaler_sizes(shapes_of(vectors))
    inputs, widths = EXPECTED_SIZES[name]
    assert (vocab_size, sizes) == (60, inputs)
    assert config == type(config)(**widths)
    again = MODULES[name].xmodaler_sizes(shapes_of(vectors), output_dropout=0.2, hidden_width=7)[2]
    assert again == type(config)(**(widths | dict(output_dropout=0.2, hidden_width=7)))


def test_key_map_covers_every_tensor_of_both_sides(name: str, vectors: dict[str, Any]) -> None:
    model, _ = loaded(name, torch.float32)
    vocab_size, _, config = MODULES[name].xmodaler_sizes(shapes_of(vectors))
    keys = MODULES[name].xmodaler_keys(config)
    assert set(keys) == set(model.state_dict()) == {n for n, _ in model.named_parameters()}
    theirs = [key for group in keys.values() for key in group]
    assert sorted(theirs) == sorted(vectors["state_dict"])


@dtypes
def test_logits_equal_xmodaler(name: str, vectors: dict[str, Any], dtype: torch.dtype) -> None:
    model, batch = loaded(name, dtype)
    with torch.no_grad():
        logits = model(batch, vectors["inputs"]["tokens"]).double()
    # In float64 the reference is exact to 1e-14; in float32 its own noise is the yardstick.
    tolerance = 1e-9 if dtype == torch.float64 else 20 * vectors["meta"]["float32_noise"]
    difference = (logits - vectors["logits64"])[vectors["logits_valid"]].abs().max()
    assert difference < tolerance


@pytest.mark.parametrize("name", ["attention", "updown", "gcn_lstm"])
def test_encoded_regions_equal_xmodaler(name: str, vectors: dict[str, Any]) -> None:
    model, batch = loaded(name, torch.float32)
    memory = model.encode(batch)
    assert isinstance(memory, RegionMemory)
    key = "encoder.att_feats" if isinstance(model, GCNLSTM) else "visual_embed.att_feats"
    expected = vectors["intermediate"][key]
    torch.testing.assert_close(memory.values[batch.mask], expected[batch.mask], rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", ["updown", "gcn_lstm"])
def test_image_vectors_equal_xmodaler(name: str, vectors: dict[str, Any]) -> None:
    model, batch = loaded(name, torch.float32)
    memory = model.encode(batch)
    assert isinstance(memory, UpDownMemory)
    expected = vectors["intermediate"]["encoder.global_feats"]
    torch.testing.assert_close(memory.image, expected, rtol=0, atol=1e-5)


def padded(tokens: Tensor) -> Tensor:
    """To X-modaler's 20 columns; ours stop where no caption goes on."""
    return torch.nn.functional.pad(tokens, (0, 20 - tokens.shape[-1]))


@dtypes
def test_greedy_captions_equal_xmodaler(
    name: str, vectors: dict[str, Any], dtype: torch.dtype
) -> None:
    model, batch = loaded(name, dtype)
    decoded = decode(model, batch)
    assert torch.equal(padded(decoded.tokens)[:, 0], vectors["greedy"]["tokens"])
    said = decoded.log_probs[:, 0] != 0
    theirs = vectors["greedy"]["logp"][:, : decoded.tokens.shape[-1]].to(dtype)
    torch.testing.assert_close(decoded.log_probs[:, 0][said], theirs[said], rtol=0, atol=1e-4)


@dtypes
@pytest.mark.parametrize("size", [2, 3, 5])
def test_beams_equal_xmodaler(
    name: str, vectors: dict[str, Any], size: int, dtype: torch.dtype
) -> None:
    model, batch = loaded(name, dtype)
    beams = beam_search(model, batch, size)
    expected = vectors["beam"][size]
    assert torch.equal(padded(beams.tokens), expected["all_tokens"])
    assert torch.equal(padded(beams.tokens)[:, 0], expected["tokens"])
    torch.testing.assert_close(
        padded(beams.log_probs), expected["all_logp"].to(dtype), rtol=0, atol=1e-4
    )


@pytest.mark.parametrize(
    ("name", "inputs", "parameters"),
    [
        ("lstm_a3", InputSizes(0, pooled=2048, attributes=1000), 32_419_800),
        ("attention", InputSizes(2048), 36_638_680),
        ("updown", InputSizes(2048), 53_424_088),
        ("gcn_lstm", InputSizes(2048, relations=21), 72_872_942),
    ],
)
def test_published_size_is_the_default(name: str, inputs: InputSizes, parameters: int) -> None:
    """XMODALER.md section 2, vocabulary 10200."""
    with torch.device("meta"):
        model = build_captioner(name, 10200, inputs)
    assert sum(p.numel() for p in model.parameters()) == parameters
