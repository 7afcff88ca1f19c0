"""Every captioner that X-modaler has equals it: keys, sizes, logits, captions, parameter counts."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from xmodaler_vectors import Vectors

from gegcore.interop.layouts import layouts
from gegcore.models import InputSizes, build_captioner

VOCABULARY = 60
EXPECTED: dict[str, tuple[InputSizes, dict[str, Any]]] = {
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
    "transformer": (
        InputSizes(24),
        dict(width=32, heads=4, encoder_layers=2, decoder_layers=3, ffn_width=64),
    ),
    "meshed_memory": (
        InputSizes(24),
        dict(width=32, heads=4, encoder_layers=3, decoder_layers=2, ffn_width=64, memory_slots=5),
    ),
    "xlan": (
        InputSizes(24),
        dict(width=32, word_width=32, heads=4, encoder_layers=2, attention_width=6),
    ),
}
"""Sizes of the fixtures."""
POSITIONS = "token_embed.embeddings_pos.pe"
"""A buffer of X-modaler's Transformers: computed, not learned."""
dtypes = pytest.mark.parametrize("dtype", [torch.float64, torch.float32])


@pytest.fixture(params=sorted(layouts()), scope="module")
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def vectors(name: str) -> Vectors:
    return Vectors(name)


def test_key_map_covers_every_tensor_of_both_sides(name: str, vectors: Vectors) -> None:
    unused = {POSITIONS} if name in ("transformer", "meshed_memory") else set()
    assert vectors.unused_keys() == unused
    assert set(vectors.keys) == {key for key, _ in vectors.model.named_parameters()}


def test_sizes_are_read_from_the_shapes(name: str, vectors: Vectors) -> None:
    inputs, widths = EXPECTED[name]
    assert vectors.model.vocab_size == VOCABULARY
    assert vectors.inputs == inputs
    assert vectors.config == type(vectors.config)(**widths)


@dtypes
def test_logits_equal_xmodaler(vectors: Vectors, dtype: torch.dtype) -> None:
    vectors.check_logits(dtype)


@dtypes
def test_greedy_captions_equal_xmodaler(vectors: Vectors, dtype: torch.dtype) -> None:
    vectors.check_greedy(dtype)


@dtypes
@pytest.mark.parametrize("size", [2, 3, 5])
def test_beams_equal_xmodaler(vectors: Vectors, size: int, dtype: torch.dtype) -> None:
    vectors.check_beam(size, dtype)


@pytest.mark.parametrize(
    ("model", "inputs", "parameters"),
    [
        ("lstm_a3", InputSizes(0, pooled=2048, attributes=1000), 32_419_800),
        ("attention", InputSizes(2048), 36_638_680),
        ("updown", InputSizes(2048), 53_424_088),
        ("gcn_lstm", InputSizes(2048, relations=21), 72_872_942),
        ("transformer", InputSizes(2048), 55_644_632),
        ("meshed_memory", InputSizes(2048), 38_421_464),
        ("xlan", InputSizes(2048), 76_648_669),
    ],
)
def test_published_size_is_the_default(model: str, inputs: InputSizes, parameters: int) -> None:
    """X-modaler's counts at a vocabulary of 10,200 words."""
    with torch.device("meta"):
        captioner = build_captioner(model, 10_200, inputs)
    assert sum(p.numel() for p in captioner.parameters()) == parameters
