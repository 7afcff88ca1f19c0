"""What the corpus looks like: statistics of captions, CLIP as an instrument, cosine scale."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from bookkit.report.page import Cell, Html, Row, interval, number, table
from bookkit.report.paper import paper_table
from bookkit.report.style import BLUE, GREEN, GREY, INK, ORANGE, Panel, legend_below, panel, panels
from emoji_scenes.dataset import ScenesDataset
from emoji_scenes.scenes.alttext import alt_texts
from gegcore.clip import ClipModel, EmbeddingTable, similarity
from gegcore.data.vocabulary import Vocabulary, tokenize
from gegcore.gap import group_embedding_gap
from gegcore.groups import SimilarGroups
from gegcore.metrics.retrieval import retrieval_ranks
from gegcore.metrics.uncertainty import Statistic, bootstrap

_RECALLS = (1, 5, 10)
_ALT_SEED = 0


def scene_alt_texts(dataset: ScenesDataset) -> list[str]:
    """One detailed alt-text for each picture, in their order."""
    return [
        alt_texts(dataset.scene(i), seed=_ALT_SEED, n=1)[0] for i in range(len(dataset.records))
    ]


def texts_of(dataset: ScenesDataset, position: int) -> Html:
    """What annotators and a web page say of one picture, side by side."""
    record = dataset.records[position]
    said = [*record.captions]
    rows = [Row(f"annotator {i}", [Cell(text, kind="geg-text")]) for i, text in enumerate(said, 1)]
    detailed = alt_texts(dataset.scene(position), seed=_ALT_SEED, n=1)[0]
    rows.append(Row("alt-text", [Cell(detailed, kind="geg-text")]))
    return table(("text",), rows, "Five reference captions and one alt-text of the same picture.")


def corpus_table(data: Mapping[str, ScenesDataset], vocabulary: Vocabulary) -> Html:
    """Images, captions, their lengths and their words, a row a split."""
    columns = ("images", "captions", "words per caption", "different words", "unknown (%)")
    rows = []
    known = set(vocabulary.words)
    for split, dataset in data.items():
        texts = [tokenize(caption) for record in dataset.records for caption in record.captions]
        words = Counter(word for text in texts for word in text)
        lengths = np.array([len(text) for text in texts])
        unknown = sum(count for word, count in words.items() if word not in known)
        cells = [
            Cell(f"{len(dataset.records):,}"),
            Cell(f"{len(texts):,}"),
            Cell(f"{lengths.mean():.1f}", f"{lengths.min()} to {lengths.max()}"),
            Cell(f"{len(words):,}"),
            Cell(f"{100 * unknown / max(1, lengths.sum()):.2f}"),
        ]
        rows.append(Row(split, cells))
    caption = (
        f"The vocabulary has {len(vocabulary.words):,} words of the training captions. COCO: about "
        "10.5 words per caption, five captions per image."
    )
    return table(columns, rows, caption, corner="Split")


def length_histogram(dataset: ScenesDataset) -> Html:
    """How long reference captions and alt-texts are."""
    kinds = {
        "reference captions": [c for record in dataset.records for c in record.captions],
        "alt-texts": scene_alt_texts(dataset),
    }
    tints = {"reference captions": BLUE, "alt-texts": ORANGE}
    lengths = {name: [len(tokenize(text)) for text in texts] for name, texts in kinds.items()}
    with panel("Length of texts", "words", "share of texts (%)") as (figure, axes):
        longest = max(max(values) for values in lengths.values())
        bins = [word - 0.5 for word in range(longest + 2)]
        for name, values in lengths.items():
            weights = np.full(len(values), 100 / len(values))
            axes.hist(values, bins, weights=weights, color=tints[name], alpha=0.65, label=name)
        legend_below(axes)
    means = ", ".join(f"{name} {np.mean(values):.1f}" for name, values in lengths.items())
    return panels([Panel(figure, f"Histogram of words per text; means: {means}.")])


def retrieval_table(clip: ClipModel, embeddings: EmbeddingTable, dataset: ScenesDataset) -> Html:
    """Text-to-image retrieval within a split (Table 1), by reference captions and by alt-texts.

    Args:
        clip: made the embeddings.
        embeddings: of the split.
        dataset: the split.
    """
    kinds = {
        "reference captions": (embeddings.captions, embeddings.caption_image),
        "alt-texts": (
            clip.encode_texts(scene_alt_texts(dataset)).cpu(),
            torch.arange(len(dataset.records)),
        ),
    }
    rows = [Row(f"Here: {clip.name}, {len(dataset.records):,} test images")]
    for name, (text, owner) in kinds.items():
        rows.append(Row(name, recall_cells(retrieval_ranks(text, embeddings.images, owner), owner)))
    rows.append(Row("Paper, Table 1: COCO, 5,000 test images, reference captions"))
    for retriever, found in paper_table(1).to_dict("index").items():
        rows.append(Row(str(retriever), [Cell(number(str(m), x)) for m, x in found.items()]))
    caption = "Per cent of texts that find their image; 95 % bootstrap intervals over images."
    return table([f"R@{k}" for k in _RECALLS], rows, caption, corner="Query")


def recall_cells(ranks: Tensor, owner: Tensor) -> list[Cell]:
    """Recalls with intervals; captions of one image are drawn together."""
    count = torch.bincount(owner).clamp(min=1).numpy()
    parts = {}
    for k in _RECALLS:
        found = np.bincount(owner.numpy(), weights=(ranks < k).double().numpy())
        parts[f"R@{k}"] = Statistic.mean(100 * found / count)
    return [
        Cell(number(name, at.value), interval(name, at.low, at.high))
        for name, at in bootstrap(parts, resamples=1000).items()
    ]


def cosine_scale(embeddings: EmbeddingTable, groups: SimilarGroups, seed: int = 0) -> Html:
    """f_CLIP (Eq. 1) of reference captions with their image, with its group, with any image."""
    images, captions, owner = embeddings.images, embeddings.captions, embeddings.caption_image
    generator = torch.Generator().manual_seed(seed)
    shift = torch.randint(1, len(images), owner.shape, generator=generator)
    values = {
        "own image": similarity(images[owner], captions),
        "similar group": similarity(images[groups.index[owner]], captions[:, None]).flatten(),
        "any other image": similarity(images[(owner + shift) % len(images)], captions),
    }
    tints = (GREEN, ORANGE, GREY)
    with panel("Scale of CLIP's cosine", "cosine (Eq. 1)", "density", (3.9, 3.4)) as (figure, axes):
        bins = _shared_bins(list(values.values()))
        for (name, found), tint in zip(values.items(), tints, strict=True):
            axes.hist(
                found.numpy(), bins, density=True, histtype="stepfilled", alpha=0.45, color=tint,
                label=f"{name} ({found.mean():.2f})",
            )  # fmt: skip
        legend_below(axes, columns=1)
    said = "; ".join(f"{name}: mean {found.mean():.3f}" for name, found in values.items())
    alt = f"Histograms of f_CLIP of reference captions with their own and other images. {said}."
    return panels([Panel(figure, alt)], "Means in brackets.")


def score_histogram(groups: SimilarGroups) -> Html:
    """Scores s(I_0, I_i) of Eq. 2 of the nearest, the middle and the last group member."""
    places = sorted({0, groups.k // 2, groups.k - 1})
    tints = (GREEN, BLUE, ORANGE)
    bins = _shared_bins([groups.score[:, place] for place in places])
    with panel("How similar groups are", "s (Eq. 2)", "images") as (figure, axes):
        said = []
        for place, tint in zip(places, tints, strict=False):
            found = groups.score[:, place].numpy()
            label = f"member {place + 1}"
            axes.hist(found, bins, histtype="stepfilled", alpha=0.45, color=tint, label=label)
            said.append(f"{label} mean {found.mean():.3f}")
        legend_below(axes)
    return panels([Panel(figure, f"Histograms of Eq. 2 within groups: {'; '.join(said)}.")])


def family_table(dataset: ScenesDataset, groups: SimilarGroups) -> Html:
    """What target and group members have in common, by the scene graphs, against chance."""
    scenes = [dataset.scene(i) for i in range(len(dataset.records))]
    facts = {
        "same family": [scene.family for scene in scenes],
        "same main thing": [scene.main.entity for scene in scenes],
        "same setting": [scene.setting for scene in scenes],
        "same time of day": [scene.time for scene in scenes],
    }
    rows = []
    for name, of in facts.items():
        values = np.unique(np.array(of), return_inverse=True)[1]
        same = (values[groups.index.numpy()] == values[:, None]).mean()
        counts = np.bincount(values)
        chance = (counts * (counts - 1)).sum() / (len(values) * (len(values) - 1))
        rows.append(Row(name, [Cell(f"{100 * same:.1f}"), Cell(f"{100 * chance:.1f}")]))
    caption = "Per cent of pairs of pictures. Any pair: two pictures of the split at random."
    return table(("target and member", "any pair"), rows, caption, corner="By the scene graph")


def _shared_bins(values: Sequence[Tensor]) -> list[float]:
    """Bins of equal width over all of several distributions."""
    joined = torch.cat([found.flatten() for found in values])
    count = int(min(60, max(10, len(values[0]) ** 0.5)))
    return np.linspace(float(joined.min()), float(joined.max()), count + 1).tolist()


def reference_gaps(embeddings: EmbeddingTable, groups: SimilarGroups) -> Html:
    """GEG-Avg and GEG-Min (Eq. 3, 4) of reference captions: what people achieve without trying."""
    owner = embeddings.caption_image
    gaps = group_embedding_gap(
        embeddings.captions, embeddings.images[owner], embeddings.images[groups.index[owner]]
    )
    kinds = {"GEG-Avg": (gaps.average, BLUE), "GEG-Min": (gaps.minimum, ORANGE)}
    bins = _shared_bins([gaps.average, gaps.minimum])
    with panel("Gaps of reference captions", "gap (cosine)", "captions") as (figure, axes):
        for name, (found, tint) in kinds.items():
            label = f"{name} ({found.mean():.3f})"
            axes.hist(found.numpy(), bins, alpha=0.55, color=tint, label=label)
        axes.axvline(0, color=INK, linewidth=1)
        legend_below(axes)
    below = 100 * (gaps.minimum < 0).float().mean()
    alt = (
        f"Histograms of GEG-Avg (mean {gaps.average.mean():.4f}) and GEG-Min (mean "
        f"{gaps.minimum.mean():.4f}) of reference captions."
    )
    caption = (
        f"Means in brackets. {below:.0f} % of reference captions fit some picture of the group "
        "better than their own (GEG-Min below 0)."
    )
    return panels([Panel(figure, alt)], caption)


def families(dataset: ScenesDataset, count: int) -> list[int]:
    """First position of each of the largest families of near-duplicates."""
    firsts: dict[int, list[int]] = {}
    for position in range(len(dataset.records)):
        firsts.setdefault(dataset.scene(position).family, []).append(position)
    ordered: Sequence[list[int]] = sorted(firsts.values(), key=lambda members: -len(members))
    return [members[0] for members in ordered[:count]]
