"""Anybody's captions file against anybody's references and pictures: read, check, score."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain, islice
from pathlib import Path
from typing import Literal

import torch

from gegcore.clip import load_clip
from gegcore.embeddings import EmbeddingTable
from gegcore.errors import ConfigError, DataError
from gegcore.evaluation.captions_file import read_captions, read_references
from gegcore.evaluation.embeddings import EmbeddingCache, embed_pictures, embed_texts
from gegcore.evaluation.groups_file import read_groups
from gegcore.evaluation.hints import not_needed, of_texts
from gegcore.evaluation.images import ImageId, find_pictures, matches
from gegcore.evaluation.json_file import read_file
from gegcore.evaluation.report import EvaluationReport
from gegcore.evaluation.skipped import Skips
from gegcore.groups import similar_groups
from gegcore.metrics import ptb, significance
from gegcore.metrics.caption_groups import CONSTRUCTION, groups_by_cider
from gegcore.metrics.evaluate import evaluate_captions
from gegcore.metrics.inputs import MetricInputs, Pictures, WordGroups
from gegcore.metrics.meteor import start_meteor
from gegcore.metrics.uncertainty import RESAMPLES, check_numbers
from gegcore.storage import digest


@dataclass(frozen=True)
class EvaluationSettings:
    """How captions are scored.

    Attributes:
        clip, pretrained, device: of `load_clip`.
        k: size of the similar-image groups (the paper: 5).
        seed, resamples: of the bootstrap.
        batch_size: pictures in CLIP at once; None: as many as suit the device.
        cache: where embeddings are kept; None: nowhere.
        spice: compute SPICE if its programs are here; minutes for thousands of new captions.
        skip_bad: leave bad input out and list it, instead of stopping at it.
        split: "train", "val" or "test" of references in Karpathy's format; None: all.
        groups: a file of similar-image groups, `read_groups`; for CIDErBtw and DisWordRate.
        groups_by: what finds these two's groups without a file: "clip", which needs pictures, or
            "cider", which needs none.
        timeout: seconds of silence after which METEOR or SPICE has failed; None: their own.
    """

    clip: str = "ViT-B-32-quickgelu"
    pretrained: str | None = None
    k: int = 5
    seed: int = 0
    resamples: int = RESAMPLES
    device: str = "cpu"
    batch_size: int | None = None
    cache: Path | None = None
    skip_bad: bool = False
    spice: bool = True
    split: str | None = None
    groups: Path | None = None
    groups_by: Literal["clip", "cider"] = "clip"
    timeout: float | None = None


def evaluate_files(
    captions: Path | str,
    references: Path | str,
    images: Path | str | None = None,
    compare: Path | str | None = None,
    settings: EvaluationSettings | None = None,
) -> EvaluationReport:
    """Score a captions file with every metric, and compare it with another one.

    The scored images are those that have captions. They compete in retrieval, similar groups are
    taken from them, and their references decide CIDEr's document frequencies.

    Args:
        captions, references: of the same images (`read_captions`, `read_references`).
        images: folder of their pictures; without it only the metrics of language are computed.
        compare: a second captions file, of the same images.

    Raises:
        DataError: files, ids or pictures that cannot be used; fewer images than K + 1.
        ConfigError: an unknown CLIP or device, or as `check_numbers`.
        MissingDependencyError, ToolError: CLIP weights or Java are absent; a program failed.
    """
    settings = settings or EvaluationSettings()
    _check_settings(settings)
    skips = Skips(settings.skip_bad)
    roles = {"captions": captions, "references": references, "compared with": compare}
    sources = {role: (Path(path), read_file(Path(path))) for role, path in roles.items() if path}
    scored = [source for role, source in sources.items() if role != "references"]
    read = [(path, read_captions(path, skips, content)) for path, content in scored]
    wanted = dict.fromkeys(chain(*(captions for _, captions in read)))
    truth = read_references(references, skips, sources["references"][1], settings.split, wanted)
    said = _matching(read, truth.captions, skips)
    ids, files, pictures = list(said[0]), dict[ImageId, Path](), None
    if images is not None:
        files = find_pictures(images, ids, truth.files, skips)
        pictures = _seen(files, truth.captions, settings, skips)
        kept = set(pictures.image_ids)
        ids = [image for image in ids if image in kept]
    known = {image: truth.captions[image] for image in ids}
    groups = _word_groups(settings, ids, known)
    found = [
        evaluate_captions(
            MetricInputs(
                {image: each[image] for image in ids},
                known,
                pictures,
                spice=settings.spice,
                word_groups=groups,
                timeout=settings.timeout,
                keep_going=True,
            ),
            seed=settings.seed,
            resamples=settings.resamples,
            no_pictures="pictures were not given, --images DIR",
        )
        for each in said
    ]
    named, references_digest = _named(sources), digest([*known.values()])
    texts = [[each[i] for i in ids] for each in said]
    by_file = dict(zip(named, [texts[0], list(chain(*known.values())), *texts[1:]], strict=True))
    hints = not_needed(named["references"]["name"], len(truth.captions) - len(said[0]))
    for role, each in by_file.items():
        hints += of_texts(
            named[role]["name"], each, getattr(pictures and pictures.clip, "tokenizer", None)
        )
    report = EvaluationReport(found[0], named, references_digest, skips.found, files, hints=hints)
    if compare is None:
        return report
    first, second = (each.statistics for each in found)
    differences = significance.compare(first, second, settings.seed, settings.resamples)
    return replace(report, other=found[1], differences=differences)


def _check_settings(settings: EvaluationSettings) -> None:
    numbers = {"seed": settings.seed, "resamples": settings.resamples, "groups": settings.k}
    check_numbers(numbers | {"batch-size": settings.batch_size}, "--")
    try:
        torch.empty(0, device=settings.device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        what = f"device {settings.device!r} cannot be used: {reason}"
        raise ConfigError(what, "use --device cpu") from error


def _matching(
    read: Sequence[tuple[Path, Mapping[ImageId, str]]],
    truth: Mapping[ImageId, object],
    skips: Skips,
) -> list[dict[ImageId, str]]:
    """Captions by the references' ids, of the images that all captions files have, in one order."""
    fix = "give captions and references of the same images, with the same ids"
    known: list[dict[ImageId, str]] = []
    for path, captions in read:
        pairs = matches(captions, truth)
        known.append({pairs[image]: text for image, text in captions.items() if image in pairs})
        for image in [image for image in captions if image not in pairs]:
            skips.add(f"{path}: captions of images without references", repr(image))
    for (path, _), captions in zip(read, known, strict=True):
        for image in [image for image in dict.fromkeys(chain(*known)) if image not in captions]:
            skips.add(f"{path}: images that only the other file has captions of", repr(image))
    skips.check(fix)
    order = [image for image in known[0] if image in known[-1]]
    if not order:
        names = " and ".join(str(path) for path, _ in read)
        raise DataError(f"{names}: no image has captions and references", fix)
    return [{image: captions[image] for image in order} for captions in known]


def _word_groups(
    settings: EvaluationSettings, ids: Sequence[ImageId], truth: Mapping[ImageId, Sequence[str]]
) -> WordGroups | None:
    """The groups that a file or the references give; None: those of the pictures."""
    if settings.groups is not None:
        return read_groups(settings.groups, read_file(settings.groups), ids)
    if settings.groups_by == "clip":
        return None
    tokens = iter(ptb.tokenize(list(chain(*truth.values()))))
    said = [[text for text in islice(tokens, len(texts)) if text] for texts in truth.values()]
    return WordGroups(groups_by_cider(said, settings.k), CONSTRUCTION)


def _named(sources: Mapping[str, tuple[Path, bytes]]) -> dict[str, dict[str, str]]:
    """Files by their names, or by their paths where names are alike (runs/a/captions.json)."""
    alike = len({path.name for path, _ in sources.values()}) < len(sources)
    return {
        role: {
            "name": path.as_posix() if alike else path.name,
            "sha256": hashlib.sha256(content).hexdigest(),
        }
        for role, (path, content) in sources.items()
    }


def _seen(
    files: Mapping[ImageId, Path],
    truth: Mapping[ImageId, Sequence[str]],
    settings: EvaluationSettings,
    skips: Skips,
) -> Pictures:
    """The pictures that can be used, with their references and groups."""
    _check_count(settings.k, len(files))
    clip = load_clip(settings.clip, settings.pretrained, settings.device)
    cache = EmbeddingCache(clip, settings.cache)
    start_meteor()  # It loads while CLIP works.
    images = embed_pictures(clip, files, cache, skips, settings.batch_size)
    _check_count(settings.k, len(images))  # Some may be damaged.
    rows = torch.stack(list(images.values()))
    references = [truth[image] for image in images]
    texts = embed_texts(clip, [text for captions in references for text in captions], cache)
    owners = torch.tensor([i for i, captions in enumerate(references) for _ in captions])
    key = {**cache.key, "captions_digest": digest(references)}
    groups = similar_groups(rows, texts, owners, settings.k, key)
    table = EmbeddingTable(rows, texts, owners, cache.key)
    return Pictures(clip, table, list(images), groups)


def _check_count(k: int, count: int) -> None:
    if count <= k:
        raise DataError(
            f"groups of K = {k} similar images need at least {k + 1} images, here are {count}",
            f"give more, or --groups {max(1, count - 1)}, or no --images: metrics of language only",
        )
