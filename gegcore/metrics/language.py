"""BLEU, METEOR, ROUGE-L and CIDEr: pycocoevalcap's own scorers behind guarded Java."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources

import numpy as np
from pycocoevalcap.bleu.bleu_scorer import BleuScorer
from pycocoevalcap.cider.cider import Cider
from pycocoevalcap.rouge.rouge import Rouge
from pycocoevalcap.tokenizer.ptbtokenizer import PUNCTUATIONS

from gegcore.errors import DataError, ToolError
from gegcore.metrics.java import JavaWorker, run_java


@dataclass(frozen=True)
class LanguageScores:
    """Scores of n captions in the order of their ids.

    Attributes:
        ids: image ids.
        cider, meteor, rouge: `(n,)` per caption, in 0..1 (CIDEr: 0..10).
        meteor_statistics: `(n, 23)`, sums of which give METEOR of any set of captions.
        bleu_statistics: `(n, 10)`: length, closest reference length, 4 matches, 4 totals.
        meteor_corpus: METEOR's score of the whole set, as pycocoevalcap reports it.
    """

    ids: tuple[int, ...]
    cider: np.ndarray
    meteor: np.ndarray
    rouge: np.ndarray
    meteor_statistics: np.ndarray
    bleu_statistics: np.ndarray
    meteor_corpus: float


def score_language(
    hypotheses: Mapping[int, str], references: Mapping[int, Sequence[str]]
) -> LanguageScores:
    """Score one caption per image against its references.

    Captions are tokenised by the PTB tokenizer, lower-cased, punctuation removed. CIDEr takes its
    document frequencies from the given references, as pycocoevalcap does.

    Raises:
        DataError: no captions, ids that differ, or a caption that is no string.
        ToolError: Java failed.
    """
    check_captions(hypotheses, references)
    ids = tuple(hypotheses)
    tokens = tokenize_ptb([hypotheses[i] for i in ids] + [r for i in ids for r in references[i]])
    said = dict(zip(ids, ([t] for t in tokens[: len(ids)]), strict=True))
    rest, there = iter(tokens[len(ids) :]), {}
    for i in ids:
        there[i] = [next(rest) for _ in references[i]]
    _, cider = Cider().compute_score(there, said)
    _, rouge = Rouge().compute_score(there, said)
    statistics, meteor, corpus = _meteor([said[i][0] for i in ids], [there[i] for i in ids])
    bleu = _bleu_statistics([said[i][0] for i in ids], [there[i] for i in ids])
    return LanguageScores(
        ids, np.asarray(cider), meteor, np.asarray(rouge), statistics, bleu, corpus
    )


def check_captions(
    hypotheses: Mapping[int, str], references: Mapping[int, Sequence[str]]
) -> None:
    """Refuse captions that cannot be scored, naming the first at fault."""
    if not hypotheses:
        raise DataError("there are no captions to score", "give at least one caption")
    for image in hypotheses.keys() ^ references.keys():
        lacks = "references" if image in hypotheses else "captions"
        raise DataError(f"image {image} is missing from the {lacks}",
                        "captions and references must cover the same images")
    for image, caption in hypotheses.items():
        if not isinstance(caption, str):
            raise DataError(f"the caption of image {image} is {type(caption).__name__}, no string",
                            "give captions as strings")
        if not references[image]:
            raise DataError(f"image {image} has no reference caption", "give at least one")


def tokenize_ptb(sentences: Sequence[str]) -> list[str]:
    """Tokens of the PTB tokenizer, lower case, without punctuation, joined by blanks.

    Raises:
        ToolError: Java failed, or lost a line.
    """
    lines = [" ".join(sentence.split()) for sentence in sentences]
    package = resources.files("pycocoevalcap") / "tokenizer" / "stanford-corenlp-3.4.1.jar"
    with resources.as_file(package) as jar:
        arguments = ("-cp", str(jar), "edu.stanford.nlp.process.PTBTokenizer", "-preserveLines",
                     "-lowerCase")
        out = run_java(arguments, "\n".join(lines) + "\n").split("\n")
    if len(out) < len(lines):
        raise ToolError(f"the tokenizer returned {len(out)} lines for {len(lines)} captions",
                        "look for control characters in the captions")
    return [
        " ".join(word for word in line.split() if word not in PUNCTUATIONS)
        for line in out[: len(lines)]
    ]


def _meteor_worker() -> JavaWorker:
    with resources.as_file(resources.files("pycocoevalcap") / "meteor" / "meteor-1.5.jar") as jar:
        return JavaWorker(("-jar", str(jar), "-", "-", "-stdio", "-l", "en", "-norm"))


def _meteor(
    said: Sequence[str], there: Sequence[Sequence[str]]
) -> tuple[np.ndarray, np.ndarray, float]:
    """Statistics `(n, 23)`, score per caption `(n,)`, and of all together."""
    asked = [
        " ||| ".join(("SCORE", *references, caption.replace("|||", "")))
        for caption, references in zip(said, there, strict=True)
    ]
    with _meteor_worker() as worker:
        statistics = worker.ask(asked)
        answers = worker.ask([" ||| ".join(("EVAL", *statistics))], answers=len(said) + 1)
    table = np.array([[float(x) for x in line.split()] for line in statistics])
    scores = np.array([float(answer) for answer in answers])
    return table, scores[:-1], float(scores[-1])


def meteor_of(statistics: np.ndarray) -> np.ndarray:
    """METEOR 1.5 (English, `rank` parameters) from summed statistics `(..., 23)`: `(...)`.

    The formula of the METEOR jar itself, which needs a line of Java for every set: a bootstrap
    has thousands. A test holds it against the jar.
    """
    alpha, beta, gamma, delta = 0.85, 0.20, 0.60, 0.75
    weights = np.array([1.0, 0.6, 0.8, 0.6])  # exact, stem, synonym, paraphrase
    lengths, functions = statistics[..., 0:2], statistics[..., 2:4]
    stages = statistics[..., 4:20].reshape(*statistics.shape[:-1], 4, 4)
    content, function = stages[..., 0:2], stages[..., 2:4]  # of the caption, of the reference
    matched = ((delta * content + (1 - delta) * function) * weights[:, None]).sum(-2)
    total = delta * (lengths - functions) + (1 - delta) * functions
    with np.errstate(divide="ignore", invalid="ignore"):
        precision, recall = np.moveaxis(matched / total, -1, 0)
        mean = 1 / ((1 - alpha) / precision + alpha / recall)
        chunks, words = statistics[..., 20], statistics[..., 21:23]
        whole = (words == lengths).all(-1) & (chunks == 1)
        fragmentation = np.where(whole, 0.0, chunks / words.mean(-1))
        score = mean * (1 - gamma * fragmentation**beta)
    return np.nan_to_num(score, nan=0.0, posinf=0.0)


def _bleu_statistics(said: Sequence[str], there: Sequence[Sequence[str]]) -> np.ndarray:
    scorer = BleuScorer(n=4)
    for caption, references in zip(said, there, strict=True):
        scorer += (caption, list(references))
    rows = []
    for counts in scorer.ctest:
        length = counts["testlen"]
        closest = min((abs(r - length), r) for r in counts["reflen"])[1]
        rows.append([length, closest, *counts["correct"], *counts["guess"]])
    return np.array(rows, dtype=np.float64)


def bleu_of(statistics: np.ndarray) -> np.ndarray:
    """BLEU-1..4 from summed statistics `(..., 10)`: `(..., 4)`, as pycocoevalcap computes it."""
    tiny, small = 1e-15, 1e-9
    length, closest = statistics[..., 0], statistics[..., 1]
    correct, guess = statistics[..., 2:6], statistics[..., 6:10]
    precision = np.cumprod((correct + tiny) / (guess + small), axis=-1)
    score = precision ** (1 / np.arange(1, 5))
    ratio = (length + tiny) / (closest + small)
    penalty = np.where(ratio < 1, np.exp(1 - 1 / ratio), 1.0)
    return score * penalty[..., None]
