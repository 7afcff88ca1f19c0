"""CLIPScore and RefCLIPScore: how well a caption fits its picture, and the references too."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from gegcore.clip import similarity
from gegcore.errors import DataError
from gegcore.metrics.inputs import MetricInputs
from gegcore.metrics.scores import Scores

WEIGHT = 2.5  # stretches CLIPScore to about [0, 1]
SIGNATURE = f"{WEIGHT} x max(cos, 0), no prompt before the caption"


def clipscore_metric(given: MetricInputs) -> Scores:
    """CLIPScore and RefCLIPScore under the CLIP of the reward, and f_CLIP (Eq. 1)."""
    table = given.seen.table
    of_caption = given.row[table.caption_image]
    scored = of_caption >= 0
    own, references = given.images[given.index], table.captions.cpu()[scored]
    found = clip_scores(given.text, own, references, of_caption[scored])
    return found | Scores({}, {"similarity": similarity(own, given.text).numpy()})


def clip_scores(
    text_emb: Tensor, image_emb: Tensor, reference_emb: Tensor, reference_caption: Tensor
) -> Scores:
    """CLIPScore and RefCLIPScore of M captions, times 100.

    CLIPScore is 2.5 x max(cos(caption, picture), 0); RefCLIPScore the harmonic mean of it and of
    max(cos, 0) with the closest reference. The authors put "A photo depicts" before every
    caption; embed captions and references with it to get their values. The captioners of this
    book are rewarded with such cosines: of them, CLIPScore is no independent judge.

    Args:
        text_emb: captions `(M, E)`.
        image_emb: their own images `(M, E)`.
        reference_emb: references of all captions `(R, E)`.
        reference_caption: `(R,)` int64, the position of the caption that each belongs to.

    Raises:
        DataError: a caption without reference.

    Source: hessel2021clipscore, Sec. 3.
    """
    text, image, reference = (
        F.normalize(x.double(), dim=-1) for x in (text_emb, image_emb, reference_emb)
    )
    if len(torch.unique(reference_caption)) != len(text):
        raise DataError("a caption has no reference embedding", "embed the references of all")
    fit = WEIGHT * torch.linalg.vecdot(text, image).clamp(min=0)
    cosines = torch.linalg.vecdot(text[reference_caption], reference)
    closest = torch.zeros(len(text), dtype=cosines.dtype, device=cosines.device)
    closest.scatter_reduce_(0, reference_caption, cosines.clamp(min=0), "amax")
    both = 2 * fit * closest / (fit + closest).clamp(min=1e-12)
    values = {"CLIPScore": (100 * fit).numpy(), "RefCLIPScore": (100 * both).numpy()}
    return Scores.means(values, dict.fromkeys(values, SIGNATURE))
