"""Sampling by given noise: captions of an image depend on its own numbers alone."""

from __future__ import annotations

import itertools

import pytest
import torch
from test_decoding import Bigrams, generator, pictures, transformer
from torch import Tensor

from gegcore.decoding import decode
from gegcore.errors import ConfigError


def random_noise(*shape: int) -> Tensor:
    return torch.rand(shape, dtype=torch.float64, generator=generator(5))


def test_an_image_says_what_its_own_noise_says_whoever_else_is_there() -> None:
    model, batch, noise = transformer(), pictures(7), random_noise(7, 3, 20)
    together = decode(model, batch, 3, noise=noise)
    assert len(together.tokens.flatten(0, 1).unique(dim=0)) > 10
    for part in ([0, 1, 2], [3, 4, 5, 6], [6, 0, 3]):
        alone = decode(model, batch.select(part), 3, noise=noise[part])
        steps = alone.tokens.shape[-1]
        assert torch.equal(alone.tokens, together.tokens[part, :, :steps])
        torch.testing.assert_close(alone.log_probs, together.log_probs[part, :, :steps])
        assert not together.tokens[part, :, steps:].any()
    fewer = decode(model, batch, 1, greedy=False, noise=noise[:, 2:])
    assert torch.equal(fewer.tokens[:, 0], together.tokens[:, 3, : fewer.tokens.shape[-1]])


def test_noise_inverts_the_distribution_function() -> None:
    model, noise = Bigrams(images=3, vocab=6, seed=4), random_noise(3, 40, 5)
    tokens = decode(model, pictures(3), 40, greedy=False, max_len=5, noise=noise).tokens
    function = model.table.detach().softmax(-1).cumsum(-1)
    for b, s in itertools.product(range(3), range(40)):
        last = 0
        for t, word in enumerate(tokens[b, s].tolist()):
            assert word == int((function[b, last] <= noise[b, s, t]).sum())
            if (last := word) == 0:
                break


def test_impossible_words_are_not_said_at_either_end_of_the_noise() -> None:
    model = Bigrams(images=1, vocab=6, seed=0)
    model.table.data[..., [0, 5]] = -1e4
    ends = torch.tensor([0.0, 1 - 2.0**-53], dtype=torch.float64)
    noise = ends.view(1, 2, 1).expand(1, 2, 8)
    tokens = decode(model, pictures(1), 2, greedy=False, max_len=8, noise=noise).tokens
    assert tokens.tolist() == [[[1] * 8, [4] * 8]]


def test_noise_of_another_shape_is_named() -> None:
    with pytest.raises(ConfigError, match=r"\(2, 3, 19\).*\(2, 3, 20\)"):
        decode(Bigrams(2, 5, 0), pictures(2), 3, noise=torch.zeros(2, 3, 19))
