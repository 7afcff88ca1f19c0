"""Captions side by side over pictures, as in Table 6 and Figure 1 of the paper."""

from __future__ import annotations

import difflib
import html
import itertools
import json
from collections.abc import Callable, Sequence

import numpy as np

from bookkit.report.page import Html, picture
from emoji_scenes.dataset import ScenesDataset
from gegcore.data.dataset import CaptionDataset
from gegcore.groups import SimilarGroups
from gegcore.profiles import Profile
from gegcore.runs import RunFolder, project_root
from gegcore.storage import read_json

# Changes of these words alone tell nothing about the picture.
_LITTLE_WORDS = frozenset(
    {"a", "an", "the", "of", "on", "in", "at", "to", "by", "with", "and", "or", "is", "are"}
    | {"there", "it", "its", "some", "while", "for", "from", "under"}
)


def contact_sheet(
    dataset: CaptionDataset, positions: Sequence[int], said: Sequence[str] = ()
) -> Html:
    """Pictures in a grid, each with a caption below it (by default its first reference)."""
    texts = list(said) or [dataset.records[i].captions[0] for i in positions]
    arrays = dataset.images(list(positions))
    tiles = [_tile(array, text, text) for array, text in zip(arrays, texts, strict=True)]
    return Html(f'<div class="geg-row geg-sheet">{"".join(tiles)}</div>')


def group_strip(
    dataset: CaptionDataset,
    groups: SimilarGroups,
    position: int,
    caption: Callable[[int], str] | None = None,
) -> Html:
    """A target image, framed, and the images of its group, most similar first (Figure 1).

    Args:
        dataset: the split that the groups belong to.
        groups: of every image.
        position: of the target.
        caption: position of a picture -> what to write below it; default: nothing for the target,
            the score of Eq. 2 for the others.
    """
    members = groups.index[position].tolist()
    scores = dict(zip(members, groups.score[position].tolist(), strict=True))

    def score(member: int) -> str:
        return "target" if member == position else f"s = {scores[member]:.3f}"

    below = caption or score
    order = [position, *members]
    tiles = []
    for member, array in zip(order, dataset.images(order), strict=True):
        own = member == position
        what = "Target image: " if own else "Similar image: "
        alt = what + dataset.records[member].captions[0]
        tiles.append(_tile(array, below(member), alt, own))
    return Html(f'<div class="geg-row">{"".join(tiles)}</div>')


def group_gallery(dataset: CaptionDataset, groups: SimilarGroups, positions: Sequence[int]) -> Html:
    """Groups of several targets below each other."""
    cards = "".join(
        f'<div class="geg-card"><p>{html.escape(dataset.records[i].captions[0])}</p>'
        f"{group_strip(dataset, groups, i).body}</div>"
        for i in positions
    )
    return Html(f'<div class="geg-cards">{cards}</div>')


def _test_split(profile: Profile) -> tuple[ScenesDataset, SimilarGroups]:
    folder = project_root() / "artifacts" / profile.name
    dataset = ScenesDataset.load(folder / "data" / "test.json")
    return dataset, SimilarGroups.load(folder / "groups" / f"test-k{profile.group_size}")


def sampled_captions(profile: Profile, run: RunFolder, count: int = 12, seed: int = 0) -> Html:
    """A run's captions of test images drawn at random: neither the best nor the worst.

    Raises:
        DataError: the test split is not prepared, or the run is not finished.
    """
    dataset, _ = _test_split(profile)
    said = run.captions()
    positions = drawn(len(dataset.records), count, seed)
    texts = [said[dataset.records[i].image_id] for i in positions]
    return contact_sheet(dataset, positions, texts)


def said_over_time(profile: Profile, run: RunFolder, count: int = 4) -> Html:
    """What a run said of some validation pictures after each epoch, new words in bold.

    Epochs with the same caption share a line; the epoch whose weights were kept is marked.

    Raises:
        DataError: training is not finished.
    """
    path = run.file("samples.jsonl")
    kept = int(read_json(run.file("training.json"))["best_epoch"])
    if not path.is_file():
        return Html("<p>This run kept no captions of its epochs.</p>")
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    dataset = ScenesDataset.load(project_root() / "artifacts" / profile.name / "data" / "val.json")
    place = {str(record.image_id): i for i, record in enumerate(dataset.records)}
    shown = [image for image in rows[0]["captions"] if image in place][:count]
    arrays = dataset.images([place[image] for image in shown])
    cards = ""
    for image, array in zip(shown, arrays, strict=True):
        reference = dataset.records[place[image]].captions[0]
        said = [(int(row["epoch"]), str(row["captions"][image])) for row in rows]
        lines = _epoch_lines(said, kept)
        lines += f"<dt>a person</dt><dd>{html.escape(reference)}</dd>"
        cards += (
            f'<div class="geg-card geg-beside">{picture(array, reference)}'
            f'<dl class="geg-said-by">{lines}</dl></div>'
        )
    return Html(f'<div class="geg-cards">{cards}</div>')


def _epoch_lines(said: Sequence[tuple[int, str]], kept: int) -> str:
    """Definition list of (epoch, caption), neighbours with the same caption as one."""
    lines, before = "", ""
    for caption, group in itertools.groupby(said, key=lambda pair: pair[1]):
        epochs = [epoch for epoch, _ in group]
        span = f"epoch {epochs[0]}" + (f" to {epochs[-1]}" if len(epochs) > 1 else "")
        words = marked(caption, before) if before else html.escape(caption)
        pill = ' <span class="geg-pill geg-holds">kept</span>' if kept in epochs else ""
        lines += f"<dt>{span}</dt><dd>{words or '(no words)'}{pill}</dd>"
        before = caption
    return lines


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
            parts.append(f"<b>{text}</b>" if new and word not in _LITTLE_WORDS else text)
    return " ".join(parts)


def _tile(array: np.ndarray, text: str, alt: str, own: bool = False) -> str:
    kind = ' class="geg-own"' if own else ""
    return (
        f"<figure{kind}>{picture(array, alt)}<figcaption>{html.escape(text)}</figcaption></figure>"
    )
