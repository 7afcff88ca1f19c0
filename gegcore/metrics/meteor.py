"""METEOR 1.5: alignments by pycocoevalcap's jar, the score from its sufficient statistics."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np
from pycocoevalcap.meteor import meteor as upstream

from gegcore.errors import ToolError
from gegcore.metrics.java import TIMEOUT, LineProcess, java_command, java_problem
from gegcore.metrics.uncertainty import quotient
from gegcore.progress import track

_JAR = Path(upstream.__file__).with_name(upstream.METEOR_JAR)

SIGNATURE = "METEOR 1.5, -l en -norm"

STATISTICS = 23
"""Numbers per caption: 4 lengths, 4 kinds of match x 4 modules, chunks, 2 numbers of matches."""

# Parameters of English, task "rank" (the jar's default): Denkowski and Lavie 2014, Table 1.
_ALPHA, _BETA, _GAMMA, _DELTA = 0.85, 0.2, 0.6, 0.75
_MODULE_WEIGHTS = np.array([1.0, 0.6, 0.8, 0.6])  # exact, stem, synonym, paraphrase


def meteor_score(statistics: np.ndarray) -> np.ndarray:
    """METEOR of summed statistics `(..., 23)` -> `(...)` in [0, 1].

    Of one row it is the score of a caption; of the sum over a corpus it is the corpus score that
    pycocoevalcap reports, which is not the mean of the captions' scores.

    Source: denkowski2014meteor, equations of Sec. 2.
    """
    lengths, chunks = statistics[..., :4], statistics[..., 20]
    matches = statistics[..., 4:20].reshape(*statistics.shape[:-1], 4, 4)
    # (..., 4): content words of hypothesis and reference, then function words of the same.
    weighted = np.einsum("...mk,m->...k", matches, _MODULE_WEIGHTS)
    precision = _weighted_share(weighted[..., 0::2], lengths[..., 0::2])
    recall = _weighted_share(weighted[..., 1::2], lengths[..., 1::2])
    f_mean = quotient(precision * recall, _ALPHA * precision + (1 - _ALPHA) * recall)
    fragmentation = quotient(chunks, (statistics[..., 21] + statistics[..., 22]) / 2)
    return f_mean * (1 - _GAMMA * fragmentation**_BETA)


def _weighted_share(matched: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Matched part of a text, content words counting delta and function words 1 - delta.

    `matched (..., 2)` are of content and of function words, `lengths (..., 2)` of all words and of
    function words.
    """
    content = lengths[..., 0] - lengths[..., 1]
    total = _DELTA * content + (1 - _DELTA) * lengths[..., 1]
    return quotient(_DELTA * matched[..., 0] + (1 - _DELTA) * matched[..., 1], total)


class Meteor:
    """METEOR's jar as a process that stays alive between calls: loading it takes seconds."""

    def __init__(self) -> None:
        self._worker: LineProcess | None = None

    def start(self) -> LineProcess:
        """Start loading, if that is not done, and return at once; raises as `statistics` does."""
        if self._worker is None or not self._worker.alive():
            arguments = ["-Xmx2G", "-jar", str(_JAR), "-", "-", "-stdio", "-l", "en", "-norm"]
            # Where they are by default, which METEOR cannot find below a name with a space.
            arguments += ["-a", str(_JAR.with_name("data") / "paraphrase-en.gz")]
            self._worker = LineProcess("METEOR", java_command(arguments))
        return self._worker

    def statistics(
        self,
        hypotheses: Sequence[str],
        references: Sequence[Sequence[str]],
        images: Sequence[object] = (),
        timeout: float = TIMEOUT,
    ) -> np.ndarray:
        """Statistics of each tokenised caption against its best reference, `(M, 23)` float64.

        An empty caption scores 0; each has one reference at least. Errors name the image of the
        caption, where `images` has one for each. `timeout`: seconds of silence.

        Raises:
            MissingDependencyError: no Java.
            ToolError: METEOR ended, hung or did not understand; the next call starts it anew.
        """
        lines = [
            " ||| ".join(["SCORE", *map(_plain, captions), _plain(hypothesis)])
            for hypothesis, captions in zip(hypotheses, references, strict=True)
        ]
        worker = self.start()
        worker.timeout = timeout
        parts, answers = np.zeros((len(lines), STATISTICS)), worker.ask(lines, images)
        for number, answer in enumerate(track(answers, "METEOR", total=len(lines))):
            try:
                parts[number] = np.array(answer.split(), dtype=np.float64).reshape(STATISTICS)
            except ValueError as error:
                worker.close()
                image = f" (image {images[number]!r})" if images else ""
                raise ToolError(
                    f"METEOR did not understand caption {number + 1}{image}: {answer[:100]!r}",
                    f"look at this caption: {hypotheses[number][:100]!r}",
                ) from error
        # A caption that equals its reference is not fragmented: METEOR counts no chunk for it.
        whole = (parts[:, 21:23] == parts[:, :2]).all(axis=1) & (parts[:, 20] == 1)
        parts[whole, 20] = 0.0
        return parts

    def close(self) -> None:
        """End the process, if there is one."""
        if self._worker is not None:
            self._worker.close()


@cache
def shared_meteor() -> Meteor:
    """The one METEOR of this session; its process starts when first needed and ends at exit."""
    return Meteor()


def start_meteor() -> Meteor | None:
    """The METEOR of this session, loading from now on; None without Java."""
    if java_problem():
        return None
    shared_meteor().start()
    return shared_meteor()


def _plain(tokens: str) -> str:
    """One line without METEOR's separator; the non-breaking space in "1 1/2" must stay."""
    words = " ".join(tokens.replace("|||", " ").splitlines()).split(" ")
    return " ".join(filter(None, words))
