"""Anybody's captions file against anybody's references and pictures: read, check, score."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import NamedTuple

import torch

from caption_evaluation.captions_file import read_captions, read_references
from caption_evaluation.embeddings import EmbeddingCache, embed_pictures, embed_texts
from caption_evaluation.external import check_names, export, read_external
from caption_evaluation.groups_file import read_groups
from caption_evaluation.hints import not_needed, of_texts
from caption_evaluation.images import ImageId, find_pictures, matches
from caption_evaluation.instances_file import read_instances
from caption_evaluation.json_file import read_file
from caption_evaluation.report import EvaluationReport
from caption_evaluation.settings import EvaluationSettings, check_one, check_settings
from caption_evaluation.skipped import Skips
from caption_evaluation.systems import SystemsReport, compare_all
from gegcore.clip import load_clip
from gegcore.embeddings import EmbeddingTable
from gegcore.errors import DataError
from gegcore.groups import similar_groups
from gegcore.metrics import ptb, significance
from gegcore.metrics.caption_groups import CONSTRUCTION, groups_by_cider
from gegcore.metrics.chair import chair_metric
from gegcore.metrics.evaluate import Compute, Evaluation, evaluate_captions
from gegcore.metrics.inputs import MetricInputs, Pictures, WordGroups
from gegcore.metrics.meteor import start_meteor
from gegcore.metrics.scores import Scores
from gegcore.storage import digest


class Scored(NamedTuple):
    """Captions files that were scored on the same images.

    Attributes:
        evaluations: role of each captions file -> its scores.
        files: role, "references" included -> {"name", "sha256"}.
        references_digest: of the references used, image after image.
        skipped: what was wrong with input that was left out -> where it stood.
        pictures: image id -> file of its picture, where pictures were given.
        hints: what a user should be told of the texts.
    """

    evaluations: dict[str, Evaluation]
    files: dict[str, dict[str, str]]
    references_digest: str
    skipped: dict[str, list[str]]
    pictures: dict[ImageId, Path]
    hints: list[str]


def evaluate_files(
    captions: Path | str,
    references: Path | str,
    images: Path | str | None = None,
    compare: Path | str | None = None,
    settings: EvaluationSettings | None = None,
) -> EvaluationReport:
    """Score a captions file with every metric, and compare it with another one.

    Args:
        captions, references: of the same images (`read_captions`, `read_references`).
        compare: a second captions file, of the same images.

    The other arguments, and errors, are those of `score_files`.
    """
    roles = {"captions": Path(captions)} | ({"compared with": Path(compare)} if compare else {})
    settings = settings or EvaluationSettings()
    check_one(settings, len(roles))
    found = score_files(roles, Path(references), images, settings)
    first, *others = found.evaluations.values()
    report = EvaluationReport(first, *found[1:5], hints=found.hints)
    if not others:
        return report
    sides = first.statistics, others[0].statistics
    differences = significance.compare(*sides, settings.seed, settings.resamples)
    return replace(report, other=others[0], differences=differences)


def evaluate_systems(
    captions: Sequence[Path],
    references: Path | str,
    images: Path | str | None = None,
    settings: EvaluationSettings | None = None,
) -> SystemsReport:
    """Score the captions of several systems, and test every pair of them.

    Args:
        captions: files of the same images, two at least; a system is called as its file is without
            the ending, or by its path where files are called alike.

    The other arguments, and errors, are those of `score_files`.
    """
    settings = settings or EvaluationSettings()
    if len(captions) < 2:
        raise DataError(f"{len(captions)} captions files are no systems to compare", "give several")
    check_one(settings, len(captions))
    roles = {f"system {number}": path for number, path in enumerate(captions, 1)}
    found = score_files(roles, Path(references), images, settings)
    files = {role: Path(found.files[role]["name"]) for role in roles}
    brief = len({path.stem for path in files.values()}) == len(files)
    names = {role: path.stem if brief else path.as_posix() for role, path in files.items()}
    named = {names[role]: each for role, each in found.evaluations.items()}
    pairs = compare_all(named, settings.seed, settings.resamples)
    return SystemsReport(named, *found[1:], pairs)


def score_files(
    captions: Mapping[str, Path],
    references: Path,
    images: Path | str | None,
    settings: EvaluationSettings,
) -> Scored:
    """Score captions files with every metric.

    The scored images are those that have captions. They compete in retrieval, similar groups are
    taken from them, and their references decide CIDEr's document frequencies.

    Args:
        captions: role -> file.
        images: folder of pictures; without it only the metrics of words are computed.

    Raises:
        DataError: files, ids or pictures that cannot be used; fewer images than K + 1.
        ConfigError: an unknown CLIP or device, or as `check_numbers`.
        MissingDependencyError, ToolError: CLIP weights or Java are absent; a program failed.
    """
    check_settings(settings)
    skips = Skips(settings.skip_bad)
    first, *others = captions
    files_of = {first: captions[first], "references": references}
    files_of |= {role: captions[role] for role in others}
    sources = {role: (path, read_file(path)) for role, path in files_of.items()}
    external = [(path, read_file(path)) for path in settings.external]
    check_names(external)
    read = [(path, read_captions(path, skips, sources[role][1])) for role, path in captions.items()]
    wanted = dict.fromkeys(chain(*(each for _, each in read)))
    truth = read_references(references, skips, sources["references"][1], settings.split, wanted)
    said = _matching(read, truth.captions, skips)
    ids, files, pictures = list(said[0]), dict[ImageId, Path](), None
    more: list[Compute] = []
    if settings.instances:
        objects = read_instances(settings.instances, ids, skips)
        ids, more = list(objects.categories), [partial(chair_metric, objects)]
    if images is not None:
        files = find_pictures(images, ids, truth.files, skips)
        pictures = _seen(files, truth.captions, settings, skips)
        kept = set(pictures.image_ids)
        ids = [image for image in ids if image in kept]
    more += [partial(_given, read_external(*file, ids)) for file in external]
    known = {image: truth.captions[image] for image in ids}
    groups = _word_groups(settings, ids, known)
    texts = {role: {i: each[i] for i in ids} for role, each in zip(captions, said, strict=True)}
    found = {
        role: _evaluated(MetricInputs(each, known, pictures, word_groups=groups), settings, more)
        for role, each in texts.items()
    }
    named = _named(sources)
    hints = not_needed(named["references"]["name"], len(truth.captions) - len(said[0]))
    spoken = {role: list(each.values()) for role, each in texts.items()}
    hints += _hints(named, spoken | {"references": list(chain(*known.values()))}, pictures)
    return Scored(found, named, digest([*known.values()]), skips.found, files, hints)


def _hints(
    files: Mapping[str, Mapping[str, str]],
    texts: Mapping[str, Sequence[str]],
    pictures: Pictures | None,
) -> list[str]:
    """What a user should be told of the texts of each role."""
    tokenizer = getattr(pictures and pictures.clip, "tokenizer", None)
    each = (of_texts(file["name"], texts[role], tokenizer) for role, file in files.items())
    return list(chain(*each))


def _evaluated(
    given: MetricInputs, settings: EvaluationSettings, more: Sequence[Compute]
) -> Evaluation:
    """All metrics of one captions file; `more` are those beside gegcore's own."""
    if settings.export:
        export(settings.export, given.captions, given.references)
    given = replace(given, spice=settings.spice, timeout=settings.timeout, keep_going=True)
    why = "pictures were not given, --images DIR"
    return evaluate_captions(
        given,
        more,
        seed=settings.seed,
        resamples=settings.resamples,
        no_pictures=why,
    )


def _given(scores: Scores, _: MetricInputs) -> Scores:
    """A metric that is computed already."""
    return scores


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
            skips.add(f"{path}: images that only another file has captions of", repr(image))
    skips.check(fix)
    order = [image for image in known[0] if all(image in captions for captions in known)]
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
