"""BLEU-1..4, METEOR, ROUGE-L and CIDEr of one caption per image, with pycocoevalcap's values."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Hashable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from pycocoevalcap.cider.cider import Cider
from pycocoevalcap.rouge.rouge import Rouge

from gegcore.metrics import meteor, ptb
from gegcore.metrics.bleu import ORDERS, bleu_score, bleu_statistics
from gegcore.metrics.inputs import MetricInputs
from gegcore.metrics.meteor import Meteor, meteor_score, shared_meteor
from gegcore.metrics.scores import Scores
from gegcore.metrics.tokenized import Tokenized, check_captions, tokenize_captions
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

    image_ids: tuple[Hashable, ...]
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

    def scores(self) -> Scores:
        """All of them on the scale of the paper's tables: times 100."""
        return Scores(
            {name: statistic.scaled(100) for name, statistic in self.statistics.items()},
            {
                "CIDEr": 100 * self.cider,
                "METEOR": 100 * self.meteor,
                "ROUGE-L": 100 * self.rouge_l,
            },
            language_signature(),
        )

    @property
    def corpus(self) -> dict[str, float]:
        """Corpus values, as pycocoevalcap reports them."""
        return {name: statistic.value() for name, statistic in self.statistics.items()}


def score_language(
    hypotheses: Mapping[Any, str],
    references: Mapping[Any, Sequence[str]],
    meteor_worker: Meteor | None = None,
) -> LanguageScores:
    """Score one caption per image against its references, both as written (not tokenised).

    An empty caption is allowed and scores 0. CIDEr takes its document frequencies from these
    references, as the COCO evaluation does: with one image all of them are 0 and so is CIDEr.

    Args:
        hypotheses: image id -> caption.
        references: image id -> reference captions; the same ids.
        meteor_worker: the METEOR process to use; by default the session's.

    Raises:
        DataError: see `tokenize_captions`.
        MissingDependencyError: no Java.
        ToolError: a Java program failed.
    """
    check_captions(hypotheses, references)
    worker = meteor_worker or shared_meteor()
    worker.start()  # It loads on another core while the captions are tokenised.
    return score_tokenized(tokenize_captions(hypotheses, references), worker)


def language_metric(given: MetricInputs) -> Scores:
    """BLEU, METEOR, ROUGE-L and CIDEr."""
    return score_tokenized(given.tokenized).scores()


def score_tokenized(given: Tokenized, meteor_worker: Meteor | None = None) -> LanguageScores:
    """As `score_language`, of captions that are tokenised already."""
    worker = meteor_worker or shared_meteor()
    worker.start()  # It loads, and then aligns, on another core while the rest is computed.
    truth = dict(enumerate(given.references))
    said = {index: [caption] for index, caption in enumerate(given.captions)}
    with ThreadPoolExecutor(1) as pool:
        aligned = pool.submit(worker.statistics, given.captions, given.references)
        return LanguageScores(
            image_ids=given.image_ids,
            cider=np.asarray(Cider().compute_score(truth, said)[1], dtype=np.float64),
            rouge_l=np.asarray(Rouge().compute_score(truth, said)[1], dtype=np.float64),
            bleu_parts=bleu_statistics(given.captions, given.references),
            meteor_parts=aligned.result(),
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
