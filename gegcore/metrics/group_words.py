"""CIDErBtw and DisWordRate: captions against what people say of similar images."""

from __future__ import annotations

from itertools import chain

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from gegcore.errors import DataError
from gegcore.metrics.inputs import MetricInputs
from gegcore.metrics.scores import Scores
from gegcore.metrics.tokenized import Tokenized
from gegcore.metrics.uncertainty import Statistic
from gegcore.rewards.cider import CiderD

_CAPTIONS_AT_ONCE = 256

SIGNATURES = {
    "CIDErBtw": "CIDEr-D against the references of the K images of the group, lower is better",
    "DisWordRate": "words of the references that no reference of the group has: share said",
}


def group_words_metric(given: MetricInputs) -> Scores:
    """CIDErBtw and DisWordRate, where there are groups, all of whose images are captioned."""
    if given.word_groups is not None:
        members, construction = given.word_groups
    elif given.pictures is None:
        why = "there are no groups: give --images, --groups FILE or --groups-by cider"
        return Scores({}, missing=dict.fromkeys(SIGNATURES, why))
    else:
        members = given.row[given.seen.groups.index[given.index]]
        construction = f"Eq. 2 by {given.seen.clip.name}@{given.seen.clip.digest}"
    if bool((members < 0).any()):
        why = "it needs references of all images of the groups: caption all of them"
        return Scores({}, missing=dict.fromkeys(SIGNATURES, why))
    said = {"word_groups": f"K = {members.shape[1]}, {construction}"}
    return group_word_scores(given.tokenized, members) | Scores({}, signature=said)


def group_word_scores(given: Tokenized, members: Tensor) -> Scores:
    """CIDErBtw and DisWordRate of M captions, one of each image of a split, times 100.

    Args:
        given: captions and references, tokenised.
        members: `(M, K)` int64, positions of the similar images among these captions.

    Raises:
        DataError: a position outside the captions.
    """
    if len(members) != len(given.captions) or int(members.max()) >= len(given.captions):
        raise DataError(
            f"groups of {len(members)} images do not fit {len(given.captions)} captions",
            "caption every image of the split, and pass their groups in the same order",
        )
    if reason := given.unweighted:
        between = Scores({}, signature=SIGNATURES, missing={"CIDErBtw": reason})
    else:
        between = Scores.means({"CIDErBtw": 100 * cider_between(given, members)}, SIGNATURES)
    rate = Statistic.ratio(*distinctive_words(given, members)).scaled(100)
    return between | Scores({"DisWordRate": rate})


def cider_between(given: Tokenized, members: Tensor) -> np.ndarray:
    """CIDEr-D of each caption against the references of similar images, mean over these: `(M,)`.

    A caption that would do for the similar images as well has a high one. Document frequencies
    are those of all references, as for CIDEr.

    Source: wang2020ciderbtw; here the group is the paper's (Sec. 3.2).
    """
    words: dict[str, int] = {}

    def ids(caption: str) -> list[int]:
        return [words.setdefault(word, len(words) + 1) for word in caption.split()]

    references = [[ids(caption) for caption in captions] for captions in given.references]
    captions = [torch.tensor(ids(caption), dtype=torch.long) for caption in given.captions]
    scorer = CiderD(references, len(words) + 1, count_end=False)
    rows = []
    for start in range(0, len(captions), _CAPTIONS_AT_ONCE):
        block = slice(start, start + _CAPTIONS_AT_ONCE)
        tokens = pad_sequence([*captions[block], torch.zeros(1, dtype=torch.long)], True)[:-1, None]
        rows.append(sum(scorer(tokens, column)[:, 0] for column in members[block].T))
    return torch.cat(rows).double().numpy() / members.shape[1]


def distinctive_words(given: Tokenized, members: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """Number of distinctive words of each image that its caption says, and of all, both `(M,)`.

    Distinctive are words of the image's references that occur in no reference of its group.

    Source: wang2021gdiscap (DisWordRate); the denominator is ours: all distinctive words.
    """
    known = [set(chain.from_iterable(c.split() for c in captions)) for captions in given.references]
    said, total = [], []
    for own, caption, group in zip(known, given.captions, members.tolist(), strict=True):
        distinctive = own.difference(*(known[member] for member in group))
        said.append(len(distinctive & set(caption.split())))
        total.append(len(distinctive))
    return np.array(said), np.array(total)
