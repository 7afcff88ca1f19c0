"""Which words people would say of a picture: attributes, learnt from pooled features (LSTM-A3)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gegcore.array_folder import ArrayFolder, save_arrays, stored_arrays
from gegcore.code_digest import code_digest
from gegcore.data.vocabulary import tokenize
from gegcore.storage import digest

MOST, WIDEST = 300, 0.5
"""Words at most, and the share of pictures above which a word says nothing ("a", "in")."""

_PENALTY, _ITERATIONS = 0.1, 40
"""On half the squared weights, chosen on Flickr8k's validation split by mean average precision
(.01: .227, .03: .246, .1: .256, .3: .253); and steps of L-BFGS."""

_ARRAYS, _WHAT = ("weight", "bias"), "word classifier"


class WordClassifier(nn.Module):
    """Probability of each of A words, its logit linear in a picture's pooled features `(B, D)`.

    Attributes:
        digest: of stored ones: equal digests, equal weights.
    """

    weight: Tensor
    bias: Tensor

    def __init__(
        self, weight: Tensor, bias: Tensor, words: Sequence[str], digest: str = ""
    ) -> None:
        super().__init__()
        self.words, self.digest = tuple(words), digest
        self.register_buffer("weight", weight)
        self.register_buffer("bias", bias)

    def forward(self, pooled: Tensor) -> Tensor:
        return F.linear(pooled, self.weight, self.bias).sigmoid()


def frequent_words(captions: Sequence[Sequence[str]]) -> list[str]:
    """The words said of most pictures, but for those said of half of all; most frequent first."""
    counts = Counter(word for texts in captions for word in {w for t in texts for w in tokenize(t)})
    telling = [word for word, n in counts.items() if n < WIDEST * len(captions)]
    return sorted(telling, key=lambda word: (-counts[word], word))[:MOST]


def fit_classifier(pooled: Tensor, captions: Sequence[Sequence[str]]) -> WordClassifier:
    """Logistic regression of every word on standardised features `(N, D)`; seconds.

    Source: Yao et al. (2017), "Boosting Image Captioning with Attributes", Sec. 3.2: the attribute
    is in one of the picture's captions, or in none.
    """
    words = frequent_words(captions)
    said = [{word for text in texts for word in tokenize(text)} for texts in captions]
    truth = torch.tensor([[float(word in found) for word in words] for found in said])
    mean, std = pooled.mean(0), pooled.std(0).clamp_min(1e-3)
    x = (pooled - mean) / std
    weight = torch.zeros(len(words), x.shape[1], requires_grad=True)
    bias = truth.mean(0).clamp(1e-4, 1 - 1e-4).logit().requires_grad_()
    solver = torch.optim.LBFGS([weight, bias], max_iter=_ITERATIONS, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        solver.zero_grad()
        logits = F.linear(x, weight, bias)
        wrong = F.binary_cross_entropy_with_logits(logits, truth, reduction="sum") / len(x)
        total = wrong + _PENALTY / 2 * weight.square().sum()
        total.backward()
        return total

    solver.step(loss)
    with torch.no_grad():
        plain = weight / std
        return WordClassifier(plain, bias - plain @ mean, words)


def classifier_of(
    pooled: Tensor, captions: Sequence[Sequence[str]], features: str, folder: Path
) -> WordClassifier:
    """The classifier in `folder`, if it learnt from just this; else it is trained, and kept.

    Args:
        features: digest of what `pooled` is a part of.
    """
    words = frequent_words(captions)
    key: dict[str, Any] = {"features": features, "captions": digest([list(c) for c in captions])}
    key |= {"words": words, "code": code_digest(__name__)}
    stored = stored_arrays(folder, _ARRAYS, _WHAT, key)
    if stored is None:
        made = fit_classifier(pooled, captions)
        save_arrays(folder, {name: getattr(made, name) for name in _ARRAYS}, key)
        stored = ArrayFolder.open(folder, _ARRAYS, _WHAT)
    weight, bias = (stored.tensors[name] for name in _ARRAYS)
    return WordClassifier(weight, bias, words, stored.digest)
