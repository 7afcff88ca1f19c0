"""X-LAN against reference vectors made by running X-modaler, and its attention map."""

from __future__ import annotations

import pytest
import torch
from xmodaler_vectors import Vectors

from gegcore.models.xlan import Xlan
from gegcore.models.xlinear_attention import XLinearAttention


@pytest.fixture(scope="module")
def vectors() -> Vectors:
    return Vectors("xlan")


def test_embedding_and_encoder_outputs_equal_xmodaler(vectors: Vectors) -> None:
    model, batch = vectors.model.float(), vectors.batch(torch.float32)
    assert isinstance(model, Xlan)
    real, expected = batch.mask, vectors.stored["intermediate"]
    with torch.no_grad():
        embedded = model.embed(batch.regions, batch.mask)
        memory = model.encode(batch)
    for ours, theirs in (
        (embedded[real], expected["visual_embed.att_feats"][real]),
        (memory.regions[real], expected["encoder.att_feats"][real]),
        (memory.image, expected["encoder.global_feats"]),
    ):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=2e-5)


def test_attention_is_what_weights_the_values(vectors: Vectors) -> None:
    """With V_1 = 1 and open channel gates the block's output is the weighted mean of values."""
    torch.manual_seed(0)
    block = XLinearAttention(Xlan.Config(width=8, heads=2, attention_width=5)).double().eval()
    with torch.no_grad():
        block.query_value[2].weight.zero_()
        block.query_value[2].bias.fill_(1)
        block.channel.weight.zero_()
        block.channel.bias.fill_(1000)
        mask = torch.tensor([[True, True, False], [True, False, False]])
        keys_values = block.project(torch.randn(2, 3, 8).double())
        output, weights = block(torch.randn(2, 4, 8).double(), keys_values, mask)
        expected = torch.einsum("bhqn,bhnd->bqhd", weights, keys_values[1]).flatten(2)
    torch.testing.assert_close(output, expected, rtol=0, atol=1e-12)
    torch.testing.assert_close(weights.sum(-1), torch.ones(2, 2, 4).double())
    assert not weights[0, :, :, 2].any() and (weights[1, :, :, 0] == 1).all()


def test_attention_is_the_mean_over_heads_at_every_word(vectors: Vectors) -> None:
    model, batch = vectors.model.double(), vectors.batch(torch.float64)
    assert isinstance(model, Xlan)
    tokens = vectors.stored["inputs"]["tokens"][:, None].expand(-1, 2, -1)
    by_word: list[torch.Tensor] = []
    hook = model.look.register_forward_hook(lambda _, x, y: by_word.append(y[1]))
    with torch.no_grad():
        model(batch, tokens)
        hook.remove()
        weights = model.attention(model.encode(batch), tokens)
    assert weights.shape == (3, 2, 12, 7)
    torch.testing.assert_close(weights, torch.stack(by_word).mean(2).permute(1, 2, 0, 3))
