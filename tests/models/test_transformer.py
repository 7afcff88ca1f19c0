"""The Transformer against reference vectors made by running X-modaler, and its own options."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from gegcore.data.features import FeatureBatch, InputSizes
from gegcore.decoding import beam_search, decode
from gegcore.errors import ConfigError
from gegcore.models import Transformer, TransformerConfig, build_captioner
from gegcore.models.embedding import sinusoid_table
from gegcore.models.transformer import xmodaler_keys

FIXTURE = Path(__file__).parents[1] / "fixtures" / "parity" / "transformer.pt"
TINY = TransformerConfig(width=32, heads=4, encoder_layers=2, decoder_layers=3, ffn_width=64)


@pytest.fixture(scope="module")
def parity() -> dict[str, Any]:
    vectors: dict[str, Any] = torch.load(FIXTURE, weights_only=True)
    return vectors


def loaded(parity: dict[str, Any], dtype: torch.dtype) -> tuple[Transformer, FeatureBatch]:
    theirs = parity["state_dict"]
    model = Transformer(parity["meta"]["vocab_size"], InputSizes(24), TINY)
    keys = xmodaler_keys(TINY)
    model.load_state_dict({k: torch.cat([theirs[j].float() for j in v]) for k, v in keys.items()})
    regions = parity["inputs"]["att_feats"].to(dtype)
    boxes = torch.zeros(*regions.shape[:2], 4, dtype=dtype)
    mask = parity["inputs"]["att_mask"].bool()
    batch = FeatureBatch(regions.mean(1), None, regions, boxes, None, mask)
    return model.to(dtype).eval(), batch


def test_key_map_covers_every_tensor_of_both_sides(parity: dict[str, Any]) -> None:
    keys = xmodaler_keys(TINY)
    assert set(keys) == set(Transformer(60, InputSizes(24), TINY).state_dict())
    theirs = [key for group in keys.values() for key in group]
    assert len(theirs) == len(set(theirs))
    assert set(parity["state_dict"]) - set(theirs) == {"token_embed.embeddings_pos.pe"}


def test_positions_are_those_of_xmodaler(parity: dict[str, Any]) -> None:
    expected = parity["state_dict"]["token_embed.embeddings_pos.pe"][0]
    torch.testing.assert_close(sinusoid_table(*expected.shape), expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_logits_equal_xmodaler(parity: dict[str, Any], dtype: torch.dtype) -> None:
    model, batch = loaded(parity, dtype)
    with torch.no_grad():
        logits = model(batch, parity["inputs"]["tokens"]).double()
    # In float64 the reference is exact to 1e-14; in float32 its own noise is the yardstick.
    tolerance = 1e-9 if dtype == torch.float64 else 20 * parity["meta"]["float32_noise"]
    valid = parity["logits_valid"]
    difference = (logits - parity["logits64"])[valid].abs().max()
    assert difference < tolerance


def test_encoder_output_equals_xmodaler(parity: dict[str, Any]) -> None:
    model, batch = loaded(parity, torch.float32)
    expected = parity["intermediate"]["encoder.att_feats"]
    real = batch.mask
    torch.testing.assert_close(model.encode(batch).regions[real], expected[real], rtol=0, atol=1e-5)


def padded(tokens: Tensor) -> Tensor:
    """To X-modaler's 20 columns; ours stop where no caption goes on."""
    return torch.nn.functional.pad(tokens, (0, 20 - tokens.shape[-1]))


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_greedy_captions_equal_xmodaler(parity: dict[str, Any], dtype: torch.dtype) -> None:
    model, batch = loaded(parity, dtype)
    decoded = decode(model, batch)
    assert torch.equal(padded(decoded.tokens)[:, 0], parity["greedy"]["tokens"])
    said = decoded.log_probs != 0
    theirs = parity["greedy"]["logp"][:, : decoded.tokens.shape[-1]].to(dtype)
    torch.testing.assert_close(
        decoded.log_probs[:, 0][said[:, 0]], theirs[said[:, 0]], rtol=0, atol=1e-4
    )


@pytest.mark.parametrize("size", [2, 3, 5])
def test_beams_equal_xmodaler(parity: dict[str, Any], size: int) -> None:
    model, batch = loaded(parity, torch.float32)
    beams = beam_search(model, batch, size)
    expected = parity["beam"][size]
    assert torch.equal(padded(beams.tokens), expected["all_tokens"])
    assert torch.equal(padded(beams.tokens)[:, 0], expected["tokens"])
    torch.testing.assert_close(
        beams.log_probs.sum(-1), expected["all_logp"].sum(-1), rtol=0, atol=1e-4
    )


def test_published_size_is_the_default() -> None:
    """XMODALER.md section 2: 55,644,632 parameters at vocabulary 10200, regions of 2048."""
    with torch.device("meta"):
        model = build_captioner("transformer", 10200, InputSizes(2048))
    assert sum(p.numel() for p in model.parameters()) == 55_644_632


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


def test_saved_tensors_are_parameters_only() -> None:
    model = Transformer(60, InputSizes(24), TINY)
    assert set(model.state_dict()) == {name for name, _ in model.named_parameters()}
