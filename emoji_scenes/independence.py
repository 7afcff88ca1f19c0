"""Do two retrievers make the same mistakes? A judge that does is no second opinion."""

from __future__ import annotations

import numpy as np


def shared_errors(first: np.ndarray, second: np.ndarray, listener: np.ndarray) -> dict[str, float]:
    """How alike two models err when captions retrieve pictures; 0 is independent, 1 the same.

    A caption that is true of many pictures is hard for every judge, so that even judges that share
    nothing err together. What is left when the listener's chance is held fixed is not in the
    captions: it is in the judges.

    Args:
        first: `(N, N)` similarities of caption i and picture j, by one model; i is of picture i.
        second: the same by another model.
        listener: `(N,)` chance that an oracle finds picture i by caption i (`truth.count_truth`).

    Returns:
        "ranks": correlation of the logarithms of the own pictures' ranks. "ranks, listener fixed":
        their partial correlation. "misses": correlation (phi) of whether the own picture is not
        the first. "same wrong image": of the captions that both get wrong, the share in which
        both retrieve the same picture first. NaN where nothing varies, or nobody errs.
    """
    ranks = [(scores >= np.diag(scores)[:, None]).sum(axis=1) for scores in (first, second)]
    miss, other = (rank > 1 for rank in ranks)
    both = miss & other
    same = first.argmax(axis=1) == second.argmax(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        table = np.corrcoef([*np.log(ranks), listener])
        together, a, b = table[0, 1], table[0, 2], table[1, 2]
        return {
            "ranks": float(together),
            "ranks, listener fixed": float((together - a * b) / np.sqrt((1 - a**2) * (1 - b**2))),
            "misses": float(np.corrcoef(miss, other)[0, 1]),
            "same wrong image": float(same[both].mean()) if both.any() else float("nan"),
        }
