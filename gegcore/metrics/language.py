"""BLEU-1..4, METEOR, ROUGE-L and CIDEr of one caption per image, with pycocoevalcap's values."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from functools import partial
from typing import Any

import numpy as np
from pycocoevalcap.cider.cider_scorer import CiderScorer, cook_refs, cook_test
from pycocoevalcap.rouge.rouge import Rouge

from gegcore.errors import ToolError
from gegcore.metrics import meteor, ptb
from gegcore.metrics.bleu import ORDERS, bleu_score, bleu_statistics
from gegcore.metrics.inputs import MetricInputs
from gegcore.metrics.java import TIMEOUT, java_problem
from gegcore.metrics.scores import Scores
from gegcore.metrics.uncertainty import Statistic


def language_metric(given: MetricInputs) -> Scores:
    """BLEU, METEOR, ROUGE-L and CIDEr times 100; without Java METEOR is missing.

    An empty caption scores 0. CIDEr takes its document frequencies from these references, as the
    COCO evaluation does: it is missing where no n-gram has a weight (`Tokenized.unweighted`).

    Raises:
        DataError: see `tokenize_captions`.
        ToolError: a Java program failed.
    """
    worker = meteor.start_meteor()  # It loads, and then aligns, on another core.
    said, truth = given.tokenized.captions, given.tokenized.references
    scored = dict(enumerate(truth)), {index: [caption] for index, caption in enumerate(said)}
    missing = {} if worker else {"METEOR": java_problem() or ""}
    statistics, per_caption = dict[str, Statistic](), dict[str, np.ndarray]()
    with ThreadPoolExecutor(1) as pool:
        images = list(given.captions)
        given_up = given.timeout or TIMEOUT
        aligned = pool.submit(worker.statistics, said, truth, images, given_up) if worker else None
        if reason := given.tokenized.unweighted:
            missing["CIDEr"] = reason
        else:
            cider = cider_scores(said, truth)
            statistics["CIDEr"], per_caption["CIDEr"] = Statistic.mean(cider), 100 * cider
        rouge = np.asarray(Rouge().compute_score(*scored)[1], np.float64)
        bleu = bleu_statistics(said, truth)
        matches, failed = _finished(aligned, given.keep_going)
    for n in range(1, ORDERS + 1):
        statistics[f"BLEU-{n}"] = Statistic(bleu, partial(bleu_score, order=n))
    if matches is not None:  # The corpus value is not the mean of the captions' values.
        statistics["METEOR"] = Statistic(matches, meteor.meteor_score)
        per_caption["METEOR"] = 100 * meteor.meteor_score(matches)
    statistics["ROUGE-L"] = Statistic.mean(rouge)
    per_caption["ROUGE-L"] = 100 * rouge
    return Scores(
        {name: statistic.scaled(100) for name, statistic in statistics.items()},
        per_caption,
        _signature(java=worker is not None),
        missing,
        failed,
    )


def cider_scores(captions: Sequence[str], references: Sequence[Sequence[str]]) -> np.ndarray:
    """CIDEr of each tokenised caption by pycocoevalcap `(M,)` float64; 1.2 is what tables call 120.

    Its n-grams are counted when it asks for them, twice, and not kept: they take 30 kB an image.
    """
    scorer = CiderScorer()
    scorer.ctest, scorer.crefs = _Counted(captions, cook_test), _Counted(references, cook_refs)
    return np.asarray(scorer.compute_score()[1], np.float64)


class _Counted:
    """Texts of images with their n-grams, counted anew whenever they are gone through."""

    def __init__(self, texts: Sequence[Any], count: Callable[[Any], Any]) -> None:
        self.texts, self.count = texts, count

    def __len__(self) -> int:
        return len(self.texts)

    def __iter__(self) -> Iterator[Any]:
        return map(self.count, self.texts)


def _finished(
    aligned: Future[np.ndarray] | None, keep_going: bool
) -> tuple[np.ndarray | None, dict[str, str]]:
    """METEOR's statistics, if there are any, and what went wrong."""
    try:
        # Not `result()`: where a signal reaches another thread, a wait without end never hears it.
        while aligned and not wait([aligned], timeout=1.0).done:
            pass
        return (aligned.result() if aligned else None), {}
    except ToolError as error:
        if not keep_going:
            raise
        return None, {"METEOR": error.what}


def _signature(java: bool) -> dict[str, str]:
    """Which programs and options the scores come from."""
    version = importlib.metadata.version("pycocoevalcap")
    aligned = {"METEOR": f"pycocoevalcap {version}, {meteor.SIGNATURE}, corpus aggregate"}
    return {
        "tokenizer": ptb.SIGNATURE if java else ptb.SIGNATURE_WITHOUT_JAVA,
        "CIDEr": f"pycocoevalcap {version}, n 1-4, sigma 6, df of the scored references",
        "BLEU": f"pycocoevalcap {version}, corpus, closest reference length",
        **(aligned if java else {}),
        "ROUGE-L": f"pycocoevalcap {version}, beta 1.2, mean of captions",
    }
