"""Greedy captions and independent draws from the policy."""

from __future__ import annotations

import math
from collections.abc import Collection

import torch
from torch import Tensor

from gegcore.data.features import FeatureBatch
from gegcore.decoding.growth import Captions, Decoded, Step, grow
from gegcore.decoding.policy import policy, truncate
from gegcore.errors import ConfigError
from gegcore.models.captioner import MAX_LENGTH, Captioner, Memory


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
    in_place: bool | None = None,
    step: Step | None = None,
) -> Decoded:
    """Caption every image greedily (first) and by independent draws, in one batch.

    What an image's captions say depends on that image and its own random numbers only, not on
    which other images are decoded with it.

    The log-probabilities are those of the policy that drew the word: without the words that
    ``forbid`` and ``no_repeat_ngram`` rule out; for the sampled captions also divided by the
    temperature, truncated to ``top_k`` and ``top_p``, in this order, and renormalised.

    Dropout is as the model's mode says: call ``model.eval()`` first unless noise is wanted.

    Args:
        features: the images, or their ``Memory`` if the caller has encoded them already.
        samples: multinomial captions per image.
        greedy: put the greedy caption first.
        max_len: most steps of a caption, its end token included.
        temperature: divides the logits of the sampled captions (not of the greedy one).
        generator: makes the draws reproducible; of the noise's device.
        forbid: ids that are never said (UNK).
        top_k: draw from the k likeliest words only; 0: from all.
        top_p: draw from the nucleus only, the fewest words that hold this probability; 1: from all.
        no_repeat_ngram: say no n-gram of this length twice in a caption; 0: no such rule.
        noise: the numbers that the draws are made from, uniform in [0, 1); drawn from
            ``generator`` if not given. Shapes: (B, samples, max_len) float64.
        in_place: constant shapes and no waiting for the device (see ``grow``); by default on
            a GPU. Tokens then always have ``max_len`` steps.
        step: used instead of ``model.step`` in this case; see ``compiled_step``.

    Raises:
        ConfigError: nothing to decode, or an argument out of range.

    Source: the samples and the baseline of Eq. 5-6 (self-critical training).
    """
    if samples < 0 or samples + greedy == 0:
        raise ConfigError(f"nothing to decode: samples={samples}", "set greedy=True or samples>0")
    _check(temperature, top_k, top_p)
    memory = features if isinstance(features, Memory) else model.encode(features)
    numbers = _numbers(model, (memory.batch_size, samples, max(max_len, 0)), generator, noise)

    def say(captions: Captions, logits: Tensor, t: int) -> None:
        words, said = [], []
        p = policy(logits)
        if greedy:
            row = captions.row[:, :1]
            words.append(logits.argmax(-1)[row])
            said.append(p[row, words[0]].log())
        if samples:
            row = captions.row[:, int(greedy) :]
            p = truncate(p if temperature == 1 else policy(logits / temperature), top_k, top_p)
            words.append(_draw(p, row, numbers[captions.image(), :, t]))
            said.append(p[row, words[-1]].log())
        captions.append(torch.cat(words, 1), torch.cat(said, 1), t)

    copies = samples + greedy
    if in_place is None:
        in_place = step is not None or numbers.is_cuda
    return grow(model, memory, copies, max_len, forbid, no_repeat_ngram, say, in_place, step)


def _check(temperature: float, top_k: int, top_p: float) -> None:
    if not 0 < temperature < math.inf:
        what = f"temperature={temperature} is not positive and finite"
        raise ConfigError(what, "use greedy=True instead of 0")
    if top_k < 0:
        raise ConfigError(f"top_k={top_k} is negative", "use a number of words, or 0 for all")
    if not 0 < top_p <= 1:
        fix = "use a share of the probability such as 0.9, or 1 for all words"
        raise ConfigError(f"top_p={top_p} is not in (0, 1]", fix)


def _numbers(
    model: Captioner,
    shape: tuple[int, int, int],
    generator: torch.Generator | None,
    noise: Tensor | None,
) -> Tensor:
    """What the draws are made from, `(B, samples, max_len)` float64 in [0, 1), on the device."""
    if noise is None:
        device = next(model.parameters()).device
        source = device if generator is None else generator.device
        return torch.rand(shape, dtype=torch.float64, generator=generator, device=source).to(device)
    if noise.shape != shape:
        raise ConfigError(
            f"noise of shape {tuple(noise.shape)} for (images, samples, max_len) = {shape}",
            "draw it with torch.rand(images, samples, max_len, dtype=torch.float64)",
        )
    return noise


def _draw(p: Tensor, row: Tensor, numbers: Tensor) -> Tensor:
    """One multinomial draw per caption, by inverting the distribution function of its row.

    In float64 the point stays strictly below the total: a word of probability 0 is never drawn.

    Shapes: p (R, V), row (B, S), numbers (R, S), of the image of each row -> (B, S) long.
    """
    total = p.cumsum(-1, dtype=torch.float64)
    drawn = torch.searchsorted(total, numbers * total[:, -1:], right=True)
    # Of a broken model, all NaN, that is no word; training must live to say so at the next window.
    drawn = drawn.clamp(max=p.shape[-1] - 1)
    return drawn[row, torch.arange(row.shape[1], device=row.device)]
