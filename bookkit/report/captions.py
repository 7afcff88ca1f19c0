"""Pictures with captions, as in Figure 1 and Table 6 of the paper."""

from __future__ import annotations

import difflib
import html
from collections.abc import Sequence

import numpy as np

from bookkit.report.page import Html, picture
from emoji_scenes.dataset import ScenesDataset
from emoji_scenes.scenes.painter import paint
from gegcore.data.dataset import CaptionDataset
from gegcore.groups import SimilarGroups

LITTLE_WORDS = frozenset(
    {"a", "an", "the", "of", "on", "in", "at", "to", "by", "with", "and", "or", "is", "are"}
    | {"there", "it", "its", "some", "while", "for", "from", "under"}
)
"""Stop words: a change of these alone is none in what a caption mentions."""


SIDE = 224
"""Pixels of a scene painted for a page: twice those of a tile; captioners and CLIP get 128."""


def sharp(dataset: CaptionDataset, positions: Sequence[int]) -> list[np.ndarray]:
    """Pictures for a page, uint8 RGB `(H, W, 3)` each: scenes are painted larger, others as is."""
    if isinstance(dataset, ScenesDataset):
        return [paint(dataset.scene(position), SIDE) for position in positions]
    return list(dataset.images(list(positions)))


def contact_sheet(
    dataset: CaptionDataset, positions: Sequence[int], said: Sequence[str] = ()
) -> Html:
    """Pictures in a grid, each with a text below it (by default its first reference caption)."""
    alts = [dataset.records[i].captions[0] for i in positions]
    tiles = map(_tile, sharp(dataset, positions), list(said) or alts, alts)
    return Html(f'<div class="geg-row geg-sheet">{"".join(tiles)}</div>')


def group_strip(dataset: CaptionDataset, groups: SimilarGroups, position: int) -> Html:
    """A target image, framed, and those of its group with the scores of Eq. 2 (Figure 1)."""
    members = groups.index[position].tolist()
    below = ["target", *(f"s = {score:.3f}" for score in groups.score[position].tolist())]
    tiles = []
    for i, array, text in zip(
        [position, *members], sharp(dataset, [position, *members]), below, strict=True
    ):
        what = "Target image: " if i == position else "Similar image: "
        tiles.append(_tile(array, text, what + dataset.records[i].captions[0], i == position))
    return Html(f'<div class="geg-row">{"".join(tiles)}</div>')


def group_gallery(dataset: CaptionDataset, groups: SimilarGroups, positions: Sequence[int]) -> Html:
    """Groups of several targets below each other."""
    cards = "".join(
        f'<div class="geg-card"><p>{html.escape(dataset.records[i].captions[0])}</p>'
        f"{group_strip(dataset, groups, i).body}</div>"
        for i in positions
    )
    return Html(f'<div class="geg-cards">{cards}</div>')


def drawn(total: int, count: int, seed: int = 0) -> list[int]:
    """Positions drawn without replacement: the same for the same seed."""
    generator = np.random.default_rng(seed)
    return generator.permutation(total)[: min(count, total)].tolist()


def marked(caption: str, before: str) -> str:
    """A caption as HTML with the words in bold that replace or add to those of another one."""
    words, others = caption.split(), before.split()
    matcher = difflib.SequenceMatcher(None, others, words, autojunk=False)
    parts = []
    for change, _, _, start, end in matcher.get_opcodes():
        for word in words[start:end]:
            new = change in ("insert", "replace") and word not in others
            text = html.escape(word)
            parts.append(f"<b>{text}</b>" if new and word not in LITTLE_WORDS else text)
    return " ".join(parts)


def _tile(array: np.ndarray, text: str, alt: str, own: bool = False) -> str:
    kind = ' class="geg-own"' if own else ""
    return (
        f"<figure{kind}>{picture(array, alt)}<figcaption>{html.escape(text)}</figcaption></figure>"
    )
