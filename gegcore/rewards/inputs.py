"""What a reward may need to know of the training split."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from torch import Tensor

from gegcore.clip import ClipModel, WordToBpe
from gegcore.data.vocabulary import Vocabulary
from gegcore.groups import SimilarGroups
from gegcore.rewards.encoder import CaptionEncoder
from gegcore.rewards.ngrams import TokenLists


@dataclass(frozen=True)
class RewardInputs:
    """What a reward may need of the training split.

    Attributes:
        vocabulary: of the word ids that it scores.
        references: reference captions of every image, as word ids.
        clip: lives on the device of the rewards.
        images: `(N, E)` CLIP embeddings, L2-normalised.
        groups: the K similar images of each.
        count_end: whether the end token counts in CIDEr-D.
        captions: `(M, E)` CLIP embeddings of all references, image after image.
    """

    vocabulary: Vocabulary
    references: TokenLists
    clip: ClipModel
    images: Tensor
    groups: SimilarGroups
    count_end: bool = True
    captions: Tensor | None = None

    @cached_property
    def encoder(self) -> CaptionEncoder:
        """Word ids -> CLIP embeddings; one for all rewards, so that a batch is encoded once."""
        lookup = WordToBpe(self.vocabulary.words, self.clip.tokenizer)
        return CaptionEncoder(self.clip, lookup).to(self.clip.device)
