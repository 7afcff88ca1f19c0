"""What only the Transformer promises: its positions, box embedding, encoder of X-modaler."""

from __future__ import annotations

import pytest
import torch
from xmodaler_vectors import Vectors, read

from gegcore.data.features import FeatureBatch, InputSizes
from gegcore.errors import ConfigError
from gegcore.models.embedding import sinusoid_table
from gegcore.models.transformer import Transformer, TransformerConfig

TINY = TransformerConfig(width=32, heads=4, encoder_layers=2, decoder_layers=3, ffn_width=64)


def test_positions_are_those_of_xmodaler() -> None:
    expected = read("transformer")["state_dict"]["token_embed.embeddings_pos.pe"][0]
    torch.testing.assert_close(sinusoid_table(*expected.shape), expected, rtol=0, atol=1e-6)


def test_encoder_output_equals_xmodaler() -> None:
    vectors = Vectors("transformer")
    batch, model = vectors.batch(torch.float32), vectors.model
    assert isinstance(model, Transformer)
    expected = vectors.stored["intermediate"]["encoder.att_feats"][batch.mask]
    found = model.encode(batch).regions[batch.mask]
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)


def test_boxes_matter_only_if_embedded() -> None:
    torch.manual_seed(0)
    regions, boxes = torch.randn(2, 3, 24), torch.rand(2, 3, 4)
    mask, tokens = torch.ones(2, 3, dtype=torch.bool), torch.randint(1, 60, (2, 4))
    here = FeatureBatch(regions[:, 0], None, regions, boxes, None, mask)
    there = FeatureBatch(regions[:, 0], None, regions, boxes.flip(1), None, mask)
    plain = Transformer(60, InputSizes(24), TINY).eval()
    placed = Transformer(60, InputSizes(24), TINY.model_copy(update={"box_embedding": True})).eval()
    assert torch.equal(plain(here, tokens), plain(there, tokens))
    assert not torch.allclose(placed(here, tokens), placed(there, tokens), atol=1e-4)
    placed(here, tokens).sum().backward()
    assert placed.regions.box is not None
    assert placed.regions.box.weight.grad is not None
    assert placed.regions.box.weight.grad.any()


def test_captions_beyond_the_position_table_are_an_error() -> None:
    model = Transformer(60, InputSizes(24), TINY.model_copy(update={"max_positions": 4}))
    with pytest.raises(ConfigError, match="max_positions=4"):
        model.words(torch.zeros(1, 5, dtype=torch.long))
