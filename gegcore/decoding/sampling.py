"""Greedy captions and independent draws from the policy."""

from __future__ import annotations

import math
from collections.abc import Collection
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from gegcore.decoding.growth import Captions, Decoded, grow
from gegcore.decoding.policy import log_policy, truncate
from gegcore.errors import ConfigError
from gegcore.models.captioner import MAX_LENGTH, Captioner, Memory

if TYPE_CHECKING:
    from gegcore.data.features import FeatureBatch


@torch.no_grad()
def decode(
    model: Captioner,
    features: FeatureBatch | Memory,
    samples: int = 0,
    greedy: bool = True,
    max_len: int = MAX_LENGTH,
    temperature: float = 1.0,
    generator: torch.Generator | None = None,
    forbid: Collection[int] = (),
    top_k: int = 0,
    top_p: float = 1.0,
    no_repeat_ngram: int = 0,
    noise: Tensor | None = None,
) -> Decoded:
    """Caption every image greedily (first) and by independent draws, in one batch.

    The reported log-probabilities are those of the policy that drew the word: without the words
    that ``forbid`` and ``no_repeat_ngram`` rule out; for the sampled captions also divided by the
    temperature, truncated to ``top_k`` and ``top_p``, in this order, and renormalised.

    Dropout is as the model's mode says: call ``model.eval()`` first unless noise is wanted.

    Args:
        features: the images, or their ``Memory`` if the caller has encoded them already.
        samples: multinomial captions per image.
        greedy: put the greedy caption first.
        max_len: most steps of a caption, its end token included.
        temperature: divides the logits of the sampled captions (not of the greedy one).
        generator: makes the draws reproducible; on the device of the model.
        forbid: ids that are never said (UNK).
        top_k: draw from the k likeliest words only; 0: from all.
        top_p: draw from the nucleus only, the fewest words that hold this probability; 1: from all.
        no_repeat_ngram: say no n-gram of this length twice in a caption; 0: no such rule.
        noise: (B, S, max_len) float64 in [0, 1), the numbers that the draws are made from, instead
            of a generator: image b's samples then depend on row b only, not on the batch.

    Raises:
        ConfigError: nothing to decode, or an argument out of range.

    Source: the samples and the baseline of Eq. 5-6 (self-critical training).
    """
    _check(samples, greedy, temperature, top_k, top_p)

    def say(captions: Captions, logits: Tensor, t: int) -> None:
        words, said = [], []
        plain = log_policy(logits)
        if greedy:
            best, word = plain.max(-1)
            words.append(word[captions.row[:, :1]])
            said.append(best[captions.row[:, :1]])
        if samples:
            tempered = plain if temperature == 1 else log_policy(logits / temperature)
            log_p = truncate(tempered, top_k, top_p)
            row = captions.row[:, int(greedy) :]
            numbers = None if noise is None else noise[..., t]
            drawn = _draw(log_p.exp(), row, captions.image(), generator, numbers)
            words.append(drawn)
            said.append(log_p[row, drawn])
        captions.append(torch.cat(words, 1), torch.cat(said, 1), t)

    return grow(model, features, samples + greedy, max_len, forbid, no_repeat_ngram, say)


def _check(samples: int, greedy: bool, temperature: float, top_k: int, top_p: float) -> None:
    if samples < 0 or samples + greedy == 0:
        raise ConfigError(f"nothing to decode: samples={samples}", "set greedy=True or samples>0")
    if not 0 < temperature < math.inf:
        raise ConfigError(
            f"temperature={temperature} is not positive and finite", "use greedy=True instead of 0"
        )
    if top_k < 0:
        raise ConfigError(f"top_k={top_k} is negative", "use a number of words, or 0 for all")
    if not 0 < top_p <= 1:
        fix = "use a share of the probability such as 0.9, or 1 for all words"
        raise ConfigError(f"top_p={top_p} is not in (0, 1]", fix)


def _draw(
    p: Tensor,
    row: Tensor,
    image: Tensor,
    generator: torch.Generator | None,
    numbers: Tensor | None = None,
) -> Tensor:
    """One multinomial draw per caption. Shapes: p (R, V), row (B, S), image (R,) -> (B, S) long.

    On a CPU by inverting the distribution function, ten times as fast as torch.multinomial. In
    float64 the point stays strictly below the total: a word of probability 0 is never drawn. All
    captions get a number, finished or not: draws do not depend on who else has finished.
    """
    images, samples = row.shape
    if numbers is None and p.device.type == "cpu":
        numbers = torch.rand(images, samples, dtype=torch.float64, generator=generator)
    if numbers is not None:
        total = p.cumsum(-1, dtype=torch.float64)
        drawn = torch.searchsorted(total, numbers[image] * total[:, -1:], right=True)
    else:  # cumsum is not deterministic on CUDA
        drawn = torch.multinomial(p, samples, replacement=True, generator=generator)
    return drawn[row, torch.arange(samples, device=row.device)]
