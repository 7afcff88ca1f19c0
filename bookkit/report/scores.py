"""Captions against a group, number by number: Eq. 1, 3 and 4 on one picture."""

from __future__ import annotations

import html

import torch

from bookkit.report.page import Html, number, picture, scrolling
from gegcore.clip import EmbeddingTable
from gegcore.data.dataset import CaptionDataset
from gegcore.gap import group_embedding_gap
from gegcore.groups import SimilarGroups


def score_table(
    dataset: CaptionDataset,
    embeddings: EmbeddingTable,
    groups: SimilarGroups,
    position: int,
) -> Html:
    """f_CLIP of an image's reference captions with the image and its group, and both gaps.

    A row a caption, a column a picture, the target first; the darker, the more similar.
    """
    members = [position, *groups.index[position].tolist()]
    texts = embeddings.captions[embeddings.caption_image == position]
    images = embeddings.images[torch.tensor(members)]
    scores = texts @ images.T  # (N, 1 + K)
    gaps = group_embedding_gap(texts, images[0], images[1:])
    low, span = float(scores.min()), max(float(scores.max() - scores.min()), 1e-6)
    head = "".join(
        f'<th scope="col" style="min-width:66px;max-width:92px">{image}'
        f"<small>{'target' if place == 0 else f'similar {place}'}</small></th>"
        for place, image in enumerate(_pictures(dataset, members))
    )
    rows = ""
    for line, caption in enumerate(dataset.records[position].captions):
        cells = "".join(_shaded(value, (value - low) / span) for value in scores[line].tolist())
        average, minimum = float(gaps.average[line]), float(gaps.minimum[line])
        cells += f"<td>{number('GEG', average)}</td><td>{number('GEG', minimum)}</td>"
        rows += '<tr><th scope="row" style="white-space:normal;min-width:11rem">'
        rows += f"{html.escape(caption)}</th>{cells}</tr>"
    caption = (
        f"f_CLIP (Eq. 1) of the five reference captions with the target and its {groups.k} similar "
        "pictures, and the gaps (Eq. 3, 4). Darker: more similar."
    )
    head += '<th scope="col">GEG-Avg</th><th scope="col">GEG-Min</th>'
    return scrolling(f"<thead><tr><td></td>{head}</tr></thead><tbody>{rows}</tbody>", caption)


def _pictures(dataset: CaptionDataset, members: list[int]) -> list[str]:
    arrays = dataset.images(members)
    alts = [dataset.records[member].captions[0] for member in members]
    return [
        picture(array, alt).replace("<img ", '<img style="width:100%;height:auto" ')
        for array, alt in zip(arrays, alts, strict=True)
    ]


def _shaded(value: float, share: float) -> str:
    shade = f"rgba(0,120,90,{0.04 + 0.42 * share:.2f})"
    return f'<td style="background:{shade}">{value:.3f}</td>'.replace("-", "\N{MINUS SIGN}")
