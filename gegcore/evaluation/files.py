"""Anybody's captions file against anybody's references and pictures: read, check, score."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from gegcore.clip import load_clip
from gegcore.embeddings import EmbeddingTable
from gegcore.errors import ConfigError, DataError
from gegcore.evaluation.captions_file import References, read_captions, read_references
from gegcore.evaluation.embed_files import embed_pictures, embed_texts
from gegcore.evaluation.embedding_cache import EmbeddingCache
from gegcore.evaluation.image_folder import find_pictures
from gegcore.evaluation.image_ids import ImageId, matches
from gegcore.evaluation.report import EvaluationReport, Source
from gegcore.evaluation.skipped import Skips
from gegcore.groups import GroupSource, similar_groups
from gegcore.metrics import significance
from gegcore.metrics.evaluate import Evaluation, evaluate_captions
from gegcore.metrics.inputs import MetricInputs, Pictures
from gegcore.metrics.meteor import shared_meteor
from gegcore.metrics.uncertainty import RESAMPLES
from gegcore.storage import digest, sha256_file

Captions = dict[ImageId, str]

_NO_PICTURES = "pictures were not given, --images DIR"


@dataclass(frozen=True)
class EvaluationSettings:
    """How captions are scored.

    Attributes:
        clip: an open_clip architecture, or a CLIP of the embedded world.
        pretrained: an open_clip tag or a weights file; None: "openai", or the shipped weights.
        k: size of the similar-image groups (the paper: 5).
        seed, resamples: of the bootstrap.
        device: of CLIP.
        batch_size: pictures in CLIP at once; None: as many as suit the device.
        cache: where embeddings are kept; None: nowhere.
        spice: compute SPICE if its programs are here; minutes for thousands of new captions.
        skip_bad: leave bad input out and list it, instead of stopping at it.
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


def evaluate_files(
    captions: Path | str,
    references: Path | str,
    images: Path | str | None = None,
    compare: Path | str | None = None,
    settings: EvaluationSettings | None = None,
) -> EvaluationReport:
    """Score a captions file with every metric, and compare it with another one.

    The scored images are those that compete in retrieval, and from which the similar groups are
    taken; their references decide CIDEr's document frequencies.

    Args:
        captions: see `read_captions`.
        references: see `read_references`; of the same images.
        images: folder of their pictures; without it only the metrics of language are computed.
        compare: a second captions file, of the same images.

    Raises:
        DataError: files that cannot be read, ids that do not match, pictures that are missing or
            do not open, fewer images than K + 1.
        ConfigError: an unknown CLIP or device, K < 1, fewer than one resample.
        MissingDependencyError: no Java, or CLIP weights that cannot be had.
        ToolError: a Java program failed.
    """
    settings = settings or EvaluationSettings()
    _check_settings(settings)
    skips = Skips(settings.skip_bad)
    truth = read_references(references, skips)
    paths = [Path(path) for path in (captions, compare) if path is not None]
    said = _matched(paths, [read_captions(path, skips) for path in paths], truth, skips)
    pictures: dict[ImageId, Path] = {}
    if images is None:
        known = {image: truth.captions[image] for image in said[0]}
        found = [_evaluate(each, known, settings) for each in said]
    else:
        pictures = find_pictures(images, said[0], truth.files, skips)
        found = _with_pictures(said, truth, pictures, settings, skips)
    scored = [truth.captions[image] for image in found[0].per_caption["image_id"]]
    sources = _sources(Path(references), *paths)
    report = EvaluationReport(
        found[0], sources[1], sources[0], digest(scored), skipped=skips.found, pictures=pictures
    )
    if compare is None:
        return report
    first, second = (each.statistics for each in found)
    differences = significance.compare(first, second, settings.seed, settings.resamples)
    return replace(report, other=found[1], compared=sources[2], differences=differences)


def _check_settings(settings: EvaluationSettings) -> None:
    for name, value, usual in (
        ("--groups", settings.k, 5),
        ("--resamples", settings.resamples, 2000),
        ("--batch-size", settings.batch_size, 64),
    ):
        if value is not None and value < 1:
            raise ConfigError(f"{name} {value} is not positive", f"use {name} {usual}")
    try:
        torch.empty(0, device=settings.device)
    except (RuntimeError, AssertionError) as error:
        raise ConfigError(
            f"device {settings.device!r} cannot be used: {str(error).splitlines()[0]}",
            "use --device cpu",
        ) from error


def _sources(*paths: Path) -> list[Source]:
    """Files by their names, or by their paths if names are alike: runs/a/captions.json and so on."""
    alike = len({path.name for path in paths}) < len(paths)
    return [Source(path.as_posix() if alike else path.name, sha256_file(path)) for path in paths]


def _matched(
    paths: Sequence[Path], given: Sequence[Captions], truth: References, skips: Skips
) -> list[Captions]:
    """Captions by the references' ids, of the images that all files have, in the same order."""
    fix = "give captions and references of the same images, with the same ids"
    known: list[Captions] = []
    for path, captions in zip(paths, given, strict=True):
        pairs = matches(captions, truth.captions)
        for image in captions:
            if image not in pairs:
                skips.add(f"{path}: captions of images without references", repr(image))
        known.append({pairs[image]: text for image, text in captions.items() if image in pairs})
        for image in truth.captions:
            if image not in known[-1]:
                skips.add(f"{path}: images with references but no caption", repr(image))
        skips.check(fix)
    order = [image for image in known[0] if all(image in other for other in known)]
    if not order:
        names = " and ".join(map(str, paths))
        raise DataError(f"{names}: no image has captions and references", fix)
    return [{image: captions[image] for image in order} for captions in known]


def _with_pictures(
    said: Sequence[Captions],
    truth: References,
    pictures: Mapping[ImageId, Path],
    settings: EvaluationSettings,
    skips: Skips,
) -> list[Evaluation]:
    """Every metric; images without a usable picture are left out."""
    _check_group_size(len(pictures), settings.k)
    clip = load_clip(settings.clip, settings.pretrained, settings.device)
    cache = EmbeddingCache(clip, settings.cache)
    shared_meteor().start()  # It loads while CLIP works.
    embedded = embed_pictures(clip, pictures, cache, skips, settings.batch_size)
    images = list(embedded)
    _check_group_size(len(images), settings.k)
    references = {image: truth.captions[image] for image in images}
    texts = [text for captions in references.values() for text in captions]
    counts = torch.tensor([len(captions) for captions in references.values()])
    owners = torch.repeat_interleave(torch.arange(len(images)), counts)
    rows = torch.stack(list(embedded.values()))
    table = EmbeddingTable(rows, embed_texts(clip, texts, cache), owners, cache.source)
    source = GroupSource(clip.name, clip.digest, digest(list(references.values())))
    groups = similar_groups(rows, table.captions, owners, settings.k, source)
    pictured = Pictures(clip, table, images, groups)
    return [
        _evaluate({image: captions[image] for image in images}, references, settings, pictured)
        for captions in said
    ]


def _check_group_size(images: int, k: int) -> None:
    if images > k:
        return
    raise DataError(
        f"groups of K = {k} similar images need at least {k + 1} images, here are {images}",
        f"use --groups {images - 1} or less, give more images, or leave --images out"
        if images > 1
        else "give more images, or leave --images out for the metrics of language",
    )


def _evaluate(
    captions: Captions,
    references: Mapping[ImageId, Sequence[str]],
    settings: EvaluationSettings,
    pictures: Pictures | None = None,
) -> Evaluation:
    """Every metric that these inputs allow; the others are listed as missing."""
    given = MetricInputs(captions, references, pictures, spice=settings.spice)
    return evaluate_captions(
        given, seed=settings.seed, resamples=settings.resamples, no_pictures=_NO_PICTURES
    )
