"""What only the recurrent captioners promise: their inputs, relations, encodings of X-modaler."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from small_captioners import INPUTS, VOCAB, captions, features, sizes, small
from xmodaler_vectors import Vectors

from gegcore.errors import ConfigError, DataError
from gegcore.models import build_captioner
from gegcore.models.gcn_lstm import GCNLSTM
from gegcore.models.recurrent import LSTMCell
from gegcore.models.soft_attention import RegionMemory
from gegcore.models.up_down import UpDownMemory


def test_an_input_in_parts_is_the_concatenated_input() -> None:
    torch.manual_seed(0)
    cell = LSTMCell((3, 5, 2), 4).double()
    parts = [torch.randn(6, 2, width, dtype=torch.float64) for width in (3, 5, 2)]
    h, c = torch.randn(2, 6, 2, 4, dtype=torch.float64)
    rows = tuple(x.flatten(0, 1) for x in (h, c))
    expected = cell(torch.cat(parts, -1).flatten(0, 1), rows)
    early = cell.early(1, parts[1])
    inputs = torch.cat([parts[0], parts[2], h], -1)
    found = cell.advance(inputs, c, cell.late(0, 2), early)
    for ours, torchs in zip(found, expected, strict=True):
        torch.testing.assert_close(ours.flatten(0, 1), torchs, rtol=0, atol=1e-12)


@pytest.mark.parametrize("field", ["pooled", "attributes"])
def test_lstm_a3_remembers_both_of_its_inputs(field: str) -> None:
    model, batch, tokens = small("lstm_a3"), features(2, 3), captions(2, 4)
    moved = replace(batch, **{field: getattr(batch, field) + 1})
    difference = (model(moved, tokens) - model(batch, tokens)).abs().amax(-1)
    assert (difference > 1e-6).all()


def test_every_relation_and_its_label_matter_to_gcn_lstm() -> None:
    model, batch, tokens = small("gcn_lstm"), features(1, 3), captions(1, 4)
    assert isinstance(model, GCNLSTM)
    torch.nn.init.normal_(model.graph.label_bias)  # zero before training
    with torch.no_grad():
        outputs = []
        for label in (0, 1, 2):
            relations = torch.zeros(1, 3, 3, dtype=torch.long)
            for i, j in ((0, 1), (1, 0), (2, 2)):
                changed = relations.clone()
                changed[0, i, j] = label
                outputs.append(model(replace(batch, relations=changed), tokens))
    none = outputs[0]
    assert torch.equal(outputs[1], none) and torch.equal(outputs[2], none)
    different = [none, *outputs[3:]]
    for i, left in enumerate(different):
        assert not any(torch.allclose(left, right) for right in different[:i])


@pytest.mark.parametrize(
    ("name", "field", "lacking"),
    [
        ("lstm_a3", "attributes", "attributes"),
        ("lstm_a3", "pooled", "whole-picture features"),
        ("attention", "regions", "region features"),
        ("updown", "regions", "region features"),
        ("gcn_lstm", "regions", "region features"),
        ("gcn_lstm", "relations", "relations"),
    ],
)
def test_data_without_a_needed_input_is_refused(name: str, field: str, lacking: str) -> None:
    with pytest.raises(ConfigError, match=f"(?s)'{name}' reads {lacking}.*-> compute"):
        build_captioner(name, VOCAB, replace(INPUTS, **{field: 0}), **sizes(name))


@pytest.mark.parametrize(("name", "field"), [("lstm_a3", "attributes"), ("gcn_lstm", "relations")])
def test_a_batch_without_a_needed_input_is_refused(name: str, field: str) -> None:
    with pytest.raises(DataError, match=f"(?s)'{name}' reads {field}.*FeatureBatch.{field}"):
        small(name).encode(replace(features(2, 3), **{field: None}))


@pytest.mark.parametrize("name", ["attention", "updown"])
def test_boxes_matter_only_if_embedded(name: str) -> None:
    batch, tokens = features(2, 3), captions(2, 4)
    moved = replace(batch, boxes=batch.boxes.flip(1))
    plain, placed = small(name), small(name, box_embedding=True)
    assert torch.equal(plain(batch, tokens), plain(moved, tokens))
    assert not torch.allclose(placed(batch, tokens), placed(moved, tokens))


@pytest.mark.parametrize("name", ["attention", "updown", "gcn_lstm"])
def test_encoded_regions_equal_xmodaler(name: str) -> None:
    vectors = Vectors(name)
    batch = vectors.batch(torch.float32)
    memory = vectors.model.encode(batch)
    assert isinstance(memory, RegionMemory)
    key = "encoder.att_feats" if name == "gcn_lstm" else "visual_embed.att_feats"
    ours, theirs = memory.values[batch.mask], vectors.stored["intermediate"][key][batch.mask]
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", ["updown", "gcn_lstm"])
def test_image_vectors_equal_xmodaler(name: str) -> None:
    vectors = Vectors(name)
    memory = vectors.model.encode(vectors.batch(torch.float32))
    assert isinstance(memory, UpDownMemory)
    expected = vectors.stored["intermediate"]["encoder.global_feats"]
    torch.testing.assert_close(memory.image, expected, rtol=0, atol=1e-5)
