"""R@K and GEG under a judge that was not rewarded."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from gegcore.embeddings import DualEncoder
from gegcore.groups import SimilarGroups
from gegcore.metrics.distinctiveness import caption_gaps
from gegcore.metrics.retrieval import retrieval_ranks
from gegcore.metrics.scores import Scores
from gegcore.metrics.uncertainty import Statistic


def judge_scores(
    label: str,
    judge: DualEncoder,
    captions: Sequence[str],
    image_emb: Tensor,
    image_index: Tensor,
    groups: SimilarGroups,
    recall_at: Sequence[int] = (1, 5, 10),
) -> Scores:
    """Recall and Group Embedding Gaps of M captions in a judge's own space.

    The groups stay those of the rewarded CLIP: it is the same question, which pictures a caption
    must be told apart from, to another judge.

    Args:
        label: of the judge; metrics are called "R@1 LABEL", "GEG-Avg LABEL" and so on.
        judge: embeds the captions.
        captions: as written.
        image_emb: the judge's embeddings of all images of the split `(N, E)`, L2-normalised.
        image_index: `(M,)` int64, position of each caption's image.
        groups: the K similar images of each of the N images.
        recall_at: the K of R@K.

    Raises:
        DataError: what is passed does not fit together.
    """
    text = judge.encode_texts(list(captions)).cpu()
    images = image_emb.cpu()
    ranks = retrieval_ranks(text, images, image_index).numpy()
    gaps = caption_gaps(text, images, image_index, groups)
    statistics = {f"R@{k} {label}": Statistic.mean(100.0 * (ranks < k)) for k in recall_at}
    average, minimum = gaps.average.numpy(), gaps.minimum.numpy()
    return Scores(
        {
            **statistics,
            f"GEG-Avg {label}": Statistic.mean(average),
            f"GEG-Min {label}": Statistic.mean(minimum),
        },
        {f"rank {label}": ranks, f"GEG-Avg {label}": average, f"GEG-Min {label}": minimum},
        {label: f"{judge.name}, weights {judge.digest}"},
    )
