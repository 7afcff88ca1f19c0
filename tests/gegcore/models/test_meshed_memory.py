"""Meshed-Memory against reference vectors made by running X-modaler, and its initialisation."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor
from xmodaler_vectors import Vectors

from gegcore.data.features import InputSizes
from gegcore.models.meshed_memory import MeshedDecoderLayer, MeshedMemory, MeshedMemoryConfig


@pytest.fixture(scope="module")
def vectors() -> Vectors:
    return Vectors("meshed_memory")


def test_embedding_and_all_encoder_levels_equal_xmodaler(vectors: Vectors) -> None:
    model, batch = vectors.model.float(), vectors.batch(torch.float32)
    assert isinstance(model, MeshedMemory)
    real, expected = batch.mask, vectors.stored["intermediate"]
    with torch.no_grad():
        embedded = model.regions(batch.regions, batch.boxes, batch.mask)
        levels = model.encode(batch).regions
    torch.testing.assert_close(
        embedded[real], expected["visual_embed.att_feats"][real], rtol=0, atol=1e-5
    )
    assert levels.shape == (3, 3, 7, 32)
    for level in range(3):
        theirs = expected["encoder.att_feats"][:, level]
        torch.testing.assert_close(levels[:, level][real], theirs[real], rtol=0, atol=1e-5)


def xavier_bound(weight: Tensor) -> float:
    return math.sqrt(6 / sum(weight.shape))


def test_initialisation_is_that_of_xmodaler() -> None:
    """Each d x d projection Xavier-uniform by itself, though three of them are one matrix here."""
    torch.manual_seed(0)
    config = MeshedMemoryConfig(width=96, heads=2, encoder_layers=2, decoder_layers=1)
    model = MeshedMemory(50, InputSizes(24), config)
    layer = model.decoder[0]
    assert isinstance(layer, MeshedDecoderLayer)
    fused = (
        layer.self_attention.qkv,
        model.encoder[1].attention.qkv,
        layer.cross_attention.key_value,
    )
    single = (layer.cross_attention.query, layer.cross_attention.out, layer.gates[1])
    projections = [part for linear in fused for part in linear.weight.split(96)]
    for weight in (*projections, *(linear.weight for linear in single)):
        bound = xavier_bound(weight)
        assert 0.99 * bound < weight.abs().max() <= bound
    attention = model.encoder[0].attention
    assert not attention.qkv.bias.any() and not layer.gates[0].bias.any()
    assert attention.slot_keys.std().item() == pytest.approx(1 / 48, rel=0.05)
    assert attention.slot_values.std().item() == pytest.approx(1 / 40, rel=0.05)
    assert 0 < layer.ffn.expand.weight.abs().max() <= 1 / math.sqrt(96)  # torch's own default
    assert layer.ffn.expand.bias.any()


def test_attention_is_that_of_the_last_layer(vectors: Vectors) -> None:
    """Against the definition: mean over levels and heads of softmax(q k / sqrt(d_k))."""
    model, batch = vectors.model.double(), vectors.batch(torch.float64)
    assert isinstance(model, MeshedMemory)
    tokens = vectors.stored["inputs"]["tokens"][:, None]
    asked: list[Tensor] = []
    last = model.decoder[-1]
    assert isinstance(last, MeshedDecoderLayer)
    hook = last.cross_attention.query.register_forward_hook(lambda _, x, y: asked.append(y))
    with torch.no_grad():
        model(batch, tokens)
        hook.remove()
        weights = model.attention(model.encode(batch), tokens)
        levels = model.encode(batch).regions
        keys = last.cross_attention.key_value(levels)[..., :32]
    q, k = asked[0].unflatten(-1, (4, 8)), keys.unflatten(-1, (4, 8))
    scores = torch.einsum("bthd,blnhd->blhtn", q, k) / math.sqrt(8)
    hidden = ~batch.mask[:, None, None, None]
    expected = scores.masked_fill(hidden, -math.inf).softmax(-1).mean((1, 2))
    torch.testing.assert_close(weights[:, 0], expected, rtol=0, atol=1e-12)
