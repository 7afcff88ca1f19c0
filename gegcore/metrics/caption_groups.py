"""Similar-image groups without pictures: images whose references say most alike."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Sequence
from itertools import chain

import torch
from pycocoevalcap.cider.cider_scorer import precook
from torch import Tensor

from gegcore.errors import DataError
from gegcore.progress import track

CONSTRUCTION = "K images whose references have the highest CIDEr with those of the image"

_COLUMNS_AT_ONCE = 64
_LONGEST = 4  # n-grams of CIDEr


def groups_by_cider(references: Sequence[Sequence[str]], k: int) -> Tensor:
    """The K other images whose references are most like those of each: `(N, K)` int64.

    Similarity of two images is the mean CIDEr (Vedantam et al. 2015, Sec. 3: cosines of tf-idf
    vectors of n-grams, mean over n = 1 to 4) of each reference of one with each of the other. Equal
    similarities go to the lower index.

    Args:
        references: of N images, as lower-case tokens joined by blanks.

    Raises:
        DataError: K is not smaller than the number of images.

    Source: wang2020ciderbtw, the construction by captions.
    """
    count = len(references)
    if not 0 < k < count:
        raise DataError(f"groups of K = {k} need more than {count} images", "lower --groups")
    vectors = _mean_vectors(references)
    groups = []
    for rows in track(torch.arange(count).split(_COLUMNS_AT_ONCE), "groups by CIDEr"):
        similarity = (vectors @ vectors.index_select(0, rows).to_dense().T).T
        similarity[torch.arange(len(rows)), rows] = -torch.inf
        order = similarity.sort(dim=1, descending=True, stable=True).indices
        groups.append(order[:, :k])
    return torch.cat(groups)


def _mean_vectors(references: Sequence[Sequence[str]]) -> Tensor:
    """Mean of the normalised tf-idf vectors of the references of every image, sparse `(N, V)`.

    An n-gram of one image alone has no part in any product: V are the others.
    """
    cooked = [[precook(caption, n=_LONGEST) for caption in each] for each in references]
    frequency = Counter(chain.from_iterable({*chain.from_iterable(each)} for each in cooked))
    idf = {gram: math.log(len(cooked) / n) for gram, n in frequency.items()}
    shared = {gram: i for i, gram in enumerate(g for g, n in frequency.items() if n > 1)}
    rows, columns, values = list[int](), list[int](), list[float]()
    for row, captions in enumerate(cooked):
        mean: defaultdict[int, float] = defaultdict(float)
        for counts in captions:
            squares = [0.0] * (_LONGEST + 1)
            for gram, n in counts.items():
                squares[len(gram)] += (n * idf[gram]) ** 2
            for gram, n in counts.items():
                if gram in shared and squares[len(gram)]:
                    weight = n * idf[gram] / math.sqrt(squares[len(gram)])
                    mean[shared[gram]] += weight / len(captions) / math.sqrt(_LONGEST)
        rows += [row] * len(mean)
        columns += mean.keys()
        values += mean.values()
    size = len(cooked), max(1, len(shared))
    place = torch.tensor([rows, columns], dtype=torch.long)
    with torch.sparse.check_sparse_tensor_invariants(False):  # said, or torch warns that it is not
        return torch.sparse_coo_tensor(place, torch.tensor(values), size).coalesce()
