"""R@K and GEG under judges that were never rewarded: more distinctive, or to one CLIP's taste?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor

from gegcore import registry
from gegcore.clip import load_clip
from gegcore.data.dataset import CaptionDataset
from gegcore.embeddings import DualEncoder, embed_dataset
from gegcore.errors import ConfigError
from gegcore.groups import SimilarGroups
from gegcore.metrics.distinctiveness import caption_gaps
from gegcore.metrics.inputs import Judged, MetricInputs
from gegcore.metrics.retrieval import retrieval_ranks
from gegcore.metrics.scores import Scores
from gegcore.metrics.uncertainty import Statistic

_ROUNDING = 0.01
"""How far from 1 a length may be: embeddings that were normalised in bfloat16 are closer."""


def open_judges(
    judges: Mapping[str, DualEncoder],
    names: Mapping[str, str],
    dataset: CaptionDataset,
    folder: Path,
) -> dict[str, Judged]:
    """Judges by their labels in tables, with what they see of a split.

    Args:
        names: of the same labels; embeddings are kept in `folder`, in `judges/NAME/SPLIT`.

    Raises:
        ConfigError: as `check_judge`.
    """
    judged = {}
    for label, judge in judges.items():
        place = folder / "judges" / registry.file_name(names[label]) / dataset.split
        table = embed_dataset(judge, dataset, place)
        check_judge(label, "encode_images", table.images)  # before captions are scored for hours
        check_judge(label, "encode_texts", table.captions)
        judged[label] = Judged(judge, table)
    return judged


def load_judge(name: str, device: torch.device | str = "cpu") -> DualEncoder:
    """A judge by name: a function (device) -> `DualEncoder` that is found so, or any CLIP.

    Raises:
        ConfigError: there is none.
        MissingDependencyError, ChecksumError, DataError: its weights are absent or damaged.
    """
    import open_clip

    if name in registry.names("clip") or name in open_clip.list_models():
        return load_clip(name, None, device)
    if registry.learner("judge", name):
        raise ConfigError(f"judge '{name}' learns from captions", "name it in a profile")
    found: DualEncoder = registry.find("judge", name)(device)
    return found


def check_judge(label: str, method: str, found: Tensor) -> None:
    """Embeddings `(M, E)` that a method of a judge returned; one of length 0 says nothing.

    Without unit length an inner product is no cosine: R@K hardly shows it, gaps are that much
    larger.

    Raises:
        ConfigError: they are no table, NaN or infinite, or not L2-normalised.
    """
    lengths = torch.linalg.vector_norm(found.float(), dim=-1)
    off = (lengths != 0) & ((lengths - 1).abs() > _ROUNDING)
    fix = f"let {method} return torch.nn.functional.normalize(embeddings, dim=-1)"
    if found.ndim != 2:
        what = f"of shape {tuple(found.shape)}"
        fix = f"let {method} return one embedding for each, (M, E)"
    elif not bool(lengths.isfinite().all()):
        what, fix = "that are NaN or infinite", "check its weights and what it is given"
    elif bool(off.any()):
        what = f"that are not L2-normalised: one has length {float(lengths[off][0]):.3g}"
    else:
        return
    raise ConfigError(f"{method} of judge '{label}' gives embeddings {what}", fix)


def judges_metric(given: MetricInputs) -> Scores:
    """R@K and GEG under every judge."""
    scores, said = Scores({}), list(given.captions.values())
    for label, (judge, table) in given.judges.items():
        scores |= judge_scores(label, judge, said, table.images, given.index, given.seen.groups)
    return scores


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
        label: metrics are called "R@1 LABEL", "GEG-Avg LABEL" and so on.
        captions: as written.
        image_emb, image_index, groups: as in `caption_gaps`; embeddings are the judge's.
        recall_at: the K of R@K.

    Raises:
        ConfigError: as `check_judge`.
        DataError: what is passed does not fit together.
    """
    text = judge.encode_texts(list(captions)).cpu()
    images = image_emb.cpu()
    check_judge(label, "encode_images", images)
    check_judge(label, "encode_texts", text)
    ranks = retrieval_ranks(text, images, image_index).numpy()
    gaps = caption_gaps(text, images, image_index, groups)
    recalls = {f"R@{k} {label}": Statistic.mean(100.0 * (ranks < k)) for k in recall_at}
    signature = {label: f"{judge.name}, weights {judge.digest}"}
    return Scores(recalls, {f"rank {label}": ranks}, signature) | Scores.means(
        {f"GEG-Avg {label}": gaps.average.numpy(), f"GEG-Min {label}": gaps.minimum.numpy()}
    )
