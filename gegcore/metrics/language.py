"""BLEU-1..4, METEOR, ROUGE-L and CIDEr of one caption per image, with pycocoevalcap's values."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from pycocoevalcap.cider.cider import Cider
from pycocoevalcap.rouge.rouge import Rouge

from gegcore.errors import DataError
from gegcore.metrics import meteor, ptb
from gegcore.metrics.bleu import ORDERS, bleu_score, bleu_statistics
from gegcore.metrics.meteor import Meteor, meteor_score, shared_meteor
from gegcore.metrics.uncertainty import Statistic


@dataclass(frozen=True)
class LanguageScores:
    """Language metrics of M captions, on pycocoevalcap's scale (CIDEr 1.0 is "100 points").

    Attributes:
        image_ids: the images, in the order of all arrays.
        cider, rouge_l: `(M,)` scores of the captions; the corpus score is their mean.
        bleu_parts: `(M, 10)` sufficient statistics of corpus BLEU.
        meteor_parts: `(M, 23)` sufficient statistics of corpus METEOR.
    """

    image_ids: tuple[int, ...]
    cider: np.ndarray
    rouge_l: np.ndarray
    bleu_parts: np.ndarray
    meteor_parts: np.ndarray

    @property
    def meteor(self) -> np.ndarray:
        """`(M,)` METEOR of each caption. The corpus score is not their mean: see `statistics`."""
        return meteor_score(self.meteor_parts)

    @property
    def statistics(self) -> dict[str, Statistic]:
        """Each corpus metric with what its bootstrap needs."""
        bleu = {
            f"BLEU-{n}": Statistic(self.bleu_parts, partial(bleu_score, order=n))
            for n in range(1, ORDERS + 1)
        }
        return {
            "CIDEr": Statistic.mean(self.cider),
            **bleu,
            "METEOR": Statistic(self.meteor_parts, meteor_score),
            "ROUGE-L": Statistic.mean(self.rouge_l),
        }

    @property
    def corpus(self) -> dict[str, float]:
        """Corpus values, as pycocoevalcap reports them."""
        return {name: statistic.value() for name, statistic in self.statistics.items()}


def score_language(
    hypotheses: Mapping[int, str],
    references: Mapping[int, Sequence[str]],
    meteor_worker: Meteor | None = None,
) -> LanguageScores:
    """Score one caption per image against its references, both as written (not tokenised).

    An empty caption is allowed and scores 0. References without a word (punctuation only) are
    ignored. CIDEr takes its document frequencies from these references, as the COCO evaluation
    does: with one image all of them are 0 and so is CIDEr.

    Args:
        hypotheses: image id -> caption.
        references: image id -> reference captions; the same ids.
        meteor_worker: the METEOR process to use; by default the session's.

    Raises:
        DataError: no captions, ids that differ, a caption that is not a string, an image without
            (usable) references.
        MissingDependencyError: no Java.
        ToolError: a Java program failed.
    """
    check_captions(hypotheses, references)
    worker = meteor_worker or shared_meteor()
    worker.start()  # It loads on another core while the rest is computed.
    image_ids = tuple(hypotheses)
    candidates = ptb.tokenize([hypotheses[image] for image in image_ids])
    tokenized = _tokenize_references([references[image] for image in image_ids], image_ids)
    truth = dict(enumerate(tokenized))
    said = {index: [caption] for index, caption in enumerate(candidates)}
    return LanguageScores(
        image_ids=image_ids,
        cider=np.asarray(Cider().compute_score(truth, said)[1], dtype=np.float64),
        rouge_l=np.asarray(Rouge().compute_score(truth, said)[1], dtype=np.float64),
        bleu_parts=bleu_statistics(candidates, tokenized),
        meteor_parts=worker.statistics(candidates, tokenized),
    )


def language_signature() -> dict[str, str]:
    """Which programs and options the scores come from."""
    version = importlib.metadata.version("pycocoevalcap")
    return {
        "tokenizer": ptb.SIGNATURE,
        "CIDEr": f"pycocoevalcap {version}, n 1-4, sigma 6, df of the scored references",
        "BLEU": f"pycocoevalcap {version}, corpus, closest reference length",
        "METEOR": f"pycocoevalcap {version}, {meteor.SIGNATURE}, corpus aggregate",
        "ROUGE-L": f"pycocoevalcap {version}, beta 1.2, mean of captions",
    }


def check_captions(hypotheses: Mapping[int, str], references: Mapping[int, Sequence[str]]) -> None:
    """Refuse captions that cannot be scored, and say which.

    Raises:
        DataError: as `score_language`.
    """
    if not hypotheses:
        raise DataError("there are no captions to score", "pass at least one caption")
    missing = [image for image in hypotheses if image not in references]
    if missing:
        raise DataError(
            f"{len(missing)} captioned images have no references: {_some(missing)}",
            "caption the images of this split only, with ids of the same type",
        )
    extra = [image for image in references if image not in hypotheses]
    if extra:
        raise DataError(
            f"{len(extra)} images with references have no caption: {_some(extra)}",
            "caption every image, or drop these references",
        )
    for image, caption in hypotheses.items():
        _check_text(image, caption, "caption")
        captions = references[image]
        if isinstance(captions, str) or len(captions) == 0:
            raise DataError(
                f"image {image} has no list of references: {captions!r}",
                "give at least one reference caption, in a list",
            )
        for reference in captions:
            _check_text(image, reference, "reference")


def _check_text(image: Hashable, text: object, kind: str) -> None:
    if not isinstance(text, str):
        raise DataError(
            f"the {kind} of image {image} is not a string but {type(text).__name__}: {text!r:.60}",
            "write captions as text",
        )


def _tokenize_references(
    references: Sequence[Sequence[str]], image_ids: Sequence[int]
) -> list[list[str]]:
    """Tokenised references of each image, those without a word left out."""
    flat = iter(ptb.tokenize([caption for captions in references for caption in captions]))
    tokenized = [
        [caption for caption in (next(flat) for _ in captions) if caption.strip()]
        for captions in references
    ]
    empty = [image for image, captions in zip(image_ids, tokenized, strict=True) if not captions]
    if empty:
        raise DataError(
            f"the references of {len(empty)} images hold no word: {_some(empty)}",
            "give each image a reference with at least one word",
        )
    return tokenized


def _some(image_ids: Sequence[Hashable]) -> str:
    """The first five ids, as a list in an error."""
    return ", ".join(map(repr, image_ids[:5])) + (", ..." if len(image_ids) > 5 else "")
