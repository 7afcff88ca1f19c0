"""Anybody's captions file against anybody's references and pictures: read, check, score."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from gegcore.clip import ClipModel, load_clip
from gegcore.embeddings import EmbeddingTable
from gegcore.errors import ConfigError, DataError, MissingDependencyError
from gegcore.evaluation.captions_file import References, read_captions, read_references
from gegcore.evaluation.embed_files import embed_pictures, embed_texts
from gegcore.evaluation.embedding_cache import EmbeddingCache
from gegcore.evaluation.image_folder import ImageFolder
from gegcore.evaluation.image_ids import ImageId, matches
from gegcore.evaluation.report import EvaluationReport, Source
from gegcore.evaluation.skipped import Skips
from gegcore.groups import SimilarGroups, similar_groups
from gegcore.metrics import significance
from gegcore.metrics.evaluate import Evaluation, evaluate_captions
from gegcore.metrics.inputs import MetricInputs, Pictures
from gegcore.metrics.meteor import start_meteor
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
    said = _matched([(path, read_captions(path, skips)) for path in paths], truth, skips)
    paired = [Path(references), *paths]
    alike = len({path.name for path in paired}) < len(paired)  # runs/a/captions.json and runs/b/...
    sources = tuple(
        Source(path.as_posix() if alike else path.name, sha256_file(path)) for path in paired
    )
    pictures: dict[ImageId, Path] = {}
    if images is None:
        known = {image: truth.captions[image] for image in said[0]}
        found = [_evaluate(each, known, settings) for each in said]
    else:
        pictures = ImageFolder(images).find(said[0], truth.files, skips)
        found = _with_pictures(said, truth, pictures, settings, skips)
    differences = {}
    if compare is not None:
        first, second = (each.statistics for each in found)
        differences = significance.compare(first, second, settings.seed, settings.resamples)
    scored = [truth.captions[image] for image in found[0].per_caption["image_id"]]
    return EvaluationReport(
        evaluation=found[0],
        other=found[1] if compare is not None else None,
        differences=differences,
        references=sources[0],
        captions=sources[1],
        compared=sources[2] if compare is not None else None,
        references_digest=digest(scored),
        skipped=tuple(skips.found),
        pictures=pictures,
    )


def _check_settings(settings: EvaluationSettings) -> None:
    if settings.k < 1:
        raise ConfigError(f"group size K = {settings.k} is not positive", "use --groups 5")
    if settings.resamples < 1:
        raise ConfigError(f"{settings.resamples} resamples are not enough", "use --resamples 2000")
    if settings.batch_size is not None and settings.batch_size < 1:
        raise ConfigError(
            f"batch size {settings.batch_size} is not positive", "use --batch-size 64"
        )
    try:
        torch.empty(0, device=settings.device)
    except (RuntimeError, AssertionError) as error:
        raise ConfigError(
            f"device {settings.device!r} cannot be used: {str(error).splitlines()[0]}",
            "use --device cpu",
        ) from error


def _matched(
    given: Sequence[tuple[Path, Captions]], truth: References, skips: Skips
) -> list[Captions]:
    """Captions by the references' ids, of the images that all files have, in the same order."""
    known = []
    for path, captions in given:
        pairs = matches(captions, truth.captions)
        unknown = [repr(image) for image in captions if image not in pairs]
        skips.check(f"{path}: captions of images without references", unknown, _same_split(path))
        known.append({pairs[image]: text for image, text in captions.items() if image in pairs})
        silent = [repr(image) for image in truth.captions if image not in known[-1]]
        skips.check(f"{path}: images with references but no caption", silent, _same_split(path))
    order = [image for image in known[0] if all(image in other for other in known)]
    if not order:
        names = " and ".join(str(path) for path, _ in given)
        raise DataError(f"{names}: no image has captions and references", _same_split(given[0][0]))
    return [{image: captions[image] for image in order} for captions in known]


def _same_split(path: Path) -> str:
    return f"give captions and references of the same images, with the same ids ({path.name})"


def _with_pictures(
    said: Sequence[Captions],
    truth: References,
    pictures: Mapping[ImageId, Path],
    settings: EvaluationSettings,
    skips: Skips,
) -> list[Evaluation]:
    """Every metric; images without a usable picture are left out."""
    _check_group_size(len(pictures), settings.k)
    clip = _load_clip(settings)
    cache = EmbeddingCache(clip, settings.cache)
    start_meteor()  # It loads while CLIP works.
    embedded = embed_pictures(clip, pictures, cache, skips, settings.batch_size)
    images = list(embedded)
    _check_group_size(len(images), settings.k)
    references = {image: truth.captions[image] for image in images}
    texts = [text for captions in references.values() for text in captions]
    counts = torch.tensor([len(captions) for captions in references.values()])
    owners = torch.repeat_interleave(torch.arange(len(images)), counts)
    rows = torch.stack(list(embedded.values()))
    table = EmbeddingTable(rows, embed_texts(clip, texts, cache), owners, cache.key)
    key = {**cache.key, "captions_digest": digest(list(references.values()))}
    groups: SimilarGroups = similar_groups(rows, table.captions, owners, settings.k, key)
    pictured = Pictures(clip, table, images, groups)
    return [
        _evaluate({image: captions[image] for image in images}, references, settings, pictured)
        for captions in said
    ]


def _check_group_size(images: int, k: int) -> None:
    if images > k:
        return
    if images < 2:
        raise DataError(
            f"{images} images with a caption, references and a picture are too few to tell apart",
            "give more images, or leave --images out for the metrics of language",
        )
    raise DataError(
        f"groups of K = {k} similar images need at least {k + 1} images, here are {images}",
        f"use --groups {images - 1} or less, or give more images",
    )


def _load_clip(settings: EvaluationSettings) -> ClipModel:
    try:
        return load_clip(settings.clip, settings.pretrained, settings.device)
    except MissingDependencyError as error:
        raise MissingDependencyError(
            error.what,
            "get the weights file elsewhere and give --pretrained FILE; for pictures of the "
            "embedded world use --clip scenes-clip, which needs no download",
        ) from error


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
