"""Which words people would say of a picture: the attributes that LSTM-A starts a caption from."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from emoji_scenes.vision.trunk import STRIDE8, STRIDE16, TrunkMaps
from emoji_scenes.vision.weights import FOLDER, load_shipped
from gegcore.errors import ChecksumError

SHIPPED = "scenes_attributes"
"""The word classifier of the embedded world."""

MAP, HIDDEN = 128, 512
"""Channels of the merged map and of the hidden layer."""


class WordClassifier(nn.Module):
    """Probability that each of A words is in the captions of a picture.

    The trunk's two maps are merged, and the maximum and the mean of every channel over all places
    feed a perceptron: the maximum finds a thing wherever it is, the mean knows the setting and how
    many there are. The detectors of LSTM-A (Yao et al. 2017) judge every place on its own and join
    the verdicts by a noisy-OR (Fang et al. 2015, Sec. 3). On 12,000 pictures and 300 words that
    reached a mean average precision of 0.66, or 0.68 with the whole picture as one more instance,
    and this 0.71: words such as "two" or "parked" need more than one place.

    Args:
        words: A words, in the order of the outputs.
        digest: identifies the weights.
    """

    def __init__(self, words: Sequence[str], digest: str = "") -> None:
        super().__init__()
        self.words, self.digest = tuple(words), digest
        self.fine = nn.Conv2d(STRIDE8, MAP, 1)
        self.coarse = nn.Conv2d(STRIDE16, MAP, 1)
        self.merge = nn.Conv2d(MAP, MAP, 3, stride=2, padding=1)
        self.hidden = nn.Linear(2 * MAP, HIDDEN)
        self.dropout = nn.Dropout(0.3)
        self.output = nn.Linear(HIDDEN, len(self.words))

    def logits(self, maps: TrunkMaps) -> Tensor:
        """Log-odds of every word: `(B, A)`; of the maps, `pooled` is not used."""
        coarse = F.interpolate(self.coarse(maps.stride16), size=maps.stride8.shape[-2:])
        merged = F.relu(self.merge(F.relu(self.fine(maps.stride8) + coarse)))
        seen = torch.cat([merged.amax((2, 3)), merged.mean((2, 3))], dim=1)
        logits: Tensor = self.output(self.dropout(F.relu(self.hidden(seen))))
        return logits

    def forward(self, maps: TrunkMaps) -> Tensor:
        """Probability of every word: `(B, A)`."""
        return self.logits(maps).sigmoid()


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
            "train it again: python -m emoji_scenes.training_scripts.train_attributes",
        ) from error
    return classifier.requires_grad_(False).eval()
