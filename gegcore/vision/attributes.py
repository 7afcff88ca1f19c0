"""Which words people would say of a picture: the attributes that LSTM-A starts a caption from."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gegcore.errors import ChecksumError
from gegcore.vision.trunk import POOLED, STRIDE8, STRIDE16, TrunkMaps
from gegcore.vision.weights import FOLDER, load_shipped

SHIPPED = "scenes_attributes"
"""The word classifier of the embedded world."""

LOCAL, GLOBAL = 128, 256
"""Hidden channels of the evidence at a place and of the evidence in the whole picture."""


class WordClassifier(nn.Module):
    """Probability that each of A words is in the captions of a picture.

    Multiple-instance learning: a picture is a bag of places, of which it is only known that some
    place deserves the word, or none; the whole picture is one more instance of its bag, for words
    such as "kitchen" or "night" that no single place shows. Each instance k says the word with
    probability p_k; the picture says it unless all are silent (noisy-OR): p = 1 - prod_k (1 - p_k).

    Args:
        words: A words, in the order of the outputs.
        digest: identifies the weights.

    Source: Fang et al. 2015, "From Captions to Visual Concepts and Back", Sec. 3, whose detector
    Yao et al. 2017 (LSTM-A) take; here over the maps of a small frozen trunk.
    """

    def __init__(self, words: Sequence[str], digest: str = "") -> None:
        super().__init__()
        self.words, self.digest = tuple(words), digest
        self.fine = nn.Conv2d(STRIDE8, LOCAL, 1)
        self.coarse = nn.Conv2d(STRIDE16, LOCAL, 1)
        self.merge = nn.Conv2d(LOCAL, LOCAL, 3, stride=2, padding=1)
        self.place = nn.Conv2d(LOCAL, len(self.words), 1)
        self.hidden = nn.Linear(POOLED, GLOBAL)
        self.whole = nn.Linear(GLOBAL, len(self.words))
        self.dropout = nn.Dropout(0.2)

    def log_absence(self, maps: TrunkMaps) -> Tensor:
        """log(1 - p) of every word: `(B, A)`, at most 0."""
        coarse = F.interpolate(self.coarse(maps.stride16), size=maps.stride8.shape[-2:])
        local = F.relu(self.merge(F.relu(self.fine(maps.stride8) + coarse)))
        places = F.logsigmoid(-self.place(self.dropout(local))).sum((2, 3))
        whole = self.whole(self.dropout(F.relu(self.hidden(maps.pooled))))
        return places + F.logsigmoid(-whole)

    def forward(self, maps: TrunkMaps) -> Tensor:
        """Probability of every word: `(B, A)`."""
        return -torch.expm1(self.log_absence(maps))

    @torch.no_grad()
    def expect(self, frequency: Tensor, places: int) -> None:
        """Set the biases so that without evidence each word has its frequency `(A,)`.

        Otherwise a picture of many places would begin by saying everything. Half of the log-odds of
        silence goes to the `places`, half to the whole picture.
        """
        silence = torch.log1p(-frequency.clamp(1e-4, 1 - 1e-4)) / 2
        self.place.bias.copy_(_logit_of_silence(silence / places))  # type: ignore[union-attr]
        self.whole.bias.copy_(_logit_of_silence(silence))


def _logit_of_silence(log_absence: Tensor) -> Tensor:
    """The z with logsigmoid(-z) = log_absence."""
    return torch.log(torch.expm1(-log_absence))


def word_loss(log_absence: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy of words that are in the captions or not, summed over words, mean over images.

    Shapes: log(1 - p) `(B, A)`, labels `(B, A)` of 0 and 1 -> scalar.
    """
    log_presence = torch.log(-torch.expm1(log_absence.clamp(max=-1e-6)))
    return -(labels * log_presence + (1 - labels) * log_absence).sum(1).mean()


def load_classifier(name: str = SHIPPED, folder: Path = FOLDER) -> WordClassifier:
    """The classifier with shipped weights, in evaluation mode.

    Raises:
        MissingDependencyError: the weights are absent.
        ChecksumError: they are not what their provenance says.
    """
    tensors, metadata = load_shipped(name, folder)
    with torch.random.fork_rng(devices=[]):  # initial weights are drawn only to be replaced
        classifier = WordClassifier(metadata["words"], metadata["sha256"][:16])
    try:
        classifier.load_state_dict(tensors)
    except RuntimeError as error:
        raise ChecksumError(
            f"weights {name} do not fit the word classifier: {str(error).splitlines()[0]}",
            "train it again: python -m gegcore.vision.train_attributes",
        ) from error
    return classifier.requires_grad_(False).eval()
