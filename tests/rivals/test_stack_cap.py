"""Stages of Stack-Cap: what each says, learns and is paid for."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import small_captioners
import torch

from gegcore.decoding import decode, score
from gegcore.errors import ConfigError
from gegcore.experiment import train
from gegcore.materials import Materials
from gegcore.models.captioner import shift_right
from gegcore.profiles import Profile
from rivals.stack_cap import STAGES, StackCap, staged_advantage


def small() -> StackCap:
    model = small_captioners.small("rivals.stack_cap:StackCap")
    assert isinstance(model, StackCap)
    return model


def test_every_stage_decodes_what_its_logits_say() -> None:
    """Step by step and given whole captions; no two stages say the same."""
    model, said = small(), []
    memory = model.encode(small_captioners.features(3, 4))
    for stage in range(STAGES):
        with model.at_stage(stage):
            found = decode(model, memory, 2, noise=torch.rand(3, 2, 9).double(), max_len=9)
            scored = score(model, memory, found.tokens)
        torch.testing.assert_close(scored, found.log_probs)
        logits = model.stage_logits(memory, shift_right(found.tokens))[stage].log_softmax(-1)
        picked = logits.gather(-1, found.tokens[..., None])[..., 0]
        torch.testing.assert_close(picked * (scored != 0), scored)
        said.append(scored)
    assert model.stage == STAGES - 1
    with model.at_stage(0):
        assert not torch.allclose(score(model, memory, found.tokens), said[-1])


def test_a_fine_stage_reads_the_coarse_one_and_the_coarse_one_its_last_word() -> None:
    model = small()
    memory = model.encode(small_captioners.features(2, 3))
    tokens = small_captioners.captions(2, 2, 5)
    before = model.stage_logits(memory, tokens)
    with torch.no_grad():
        model.fine2.weight_hh.add_(0.3)
    after = model.stage_logits(memory, tokens)
    for stage, first in ((2, 1), (0, 2), (1, 2)):  # h2 reaches the coarse LSTM a word later
        assert not torch.allclose(before[stage][:, :, first:], after[stage][:, :, first:])
    torch.testing.assert_close(before[0][:, :, :1], after[0][:, :, :1])
    torch.testing.assert_close(before[1][:, :, :1], after[1][:, :, :1])


def test_what_its_losses_cannot_do_is_said(profile_of: Callable[[str], Profile]) -> None:
    for lines, message in (
        ('scst: {loss: "rivals.stack_cap:StagedSelfCritical", sampling: beam}', "'sampling'"),
        ('mle: {loss: "rivals.stack_cap:StagedCrossEntropy"}', "Transformer has no stages"),
        ('mle: {loss: "rivals.gdis_cap:GroupCrossEntropy"}', "Transformer does not look at"),
    ):
        materials = Materials.of(profile_of(f"objectives: {{{lines}}}"))
        if "scst" in lines:
            train(materials, "transformer", "mle", 1)
        with pytest.raises(ConfigError, match=message):
            train(materials, "transformer", lines.split(":")[0], 1)


def test_the_baseline_is_in_half_the_caption_of_the_stage_before() -> None:
    samples = torch.tensor([[1.0, 3.0], [0.0, 2.0]])
    greedy, below = torch.tensor([2.0, 1.0]), torch.tensor([1.0, 3.0])
    assert staged_advantage(samples, greedy, None).tolist() == [[-1, 1], [-1, 1]]
    assert staged_advantage(samples, greedy, below).tolist() == [[-0.5, 1.5], [-2, 0]]
