"""SPICE 1.0 with pycocoevalcap's jar: resumable, cached, never a 0 for want of Java."""

from __future__ import annotations

import importlib.metadata
import json
import os
import random
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from gegcore.errors import DataError, ToolError
from gegcore.metrics import ptb
from gegcore.metrics.inputs import MetricInputs
from gegcore.metrics.java import LineProcess, java_command, java_problem
from gegcore.metrics.scores import Scores
from gegcore.metrics.spice_cache import SpiceCache, cache_key
from gegcore.metrics.spice_jars import CORENLP_VERSION, class_path, corenlp_jars, user_cache
from gegcore.metrics.tokenized import check_captions
from gegcore.progress import bar

Tuples = list[list[str]]  # [object], [object, attribute] or [object, object, relation]

_BLOCK = 32
"""Captions whose parses are stored together: what a killed run loses, about a second's work."""

_TIMEOUT = 900.0
"""Seconds without an answer: 40 words parse at once, 160 in half a minute, 300 in three."""

_MEMORY = {"parse": "4G", "score": "1G"}
_MOST_THREADS = 8  # Each needs memory for its sentence.


def score_spice(
    captions: Mapping[Any, str],
    references: Mapping[Any, Sequence[str]],
    cache: Path | None = None,
    timeout: float | None = None,
) -> Scores:
    """SPICE of one caption per image against its references, both as written (not tokenised).

    Equal to pycocoevalcap's: F-score over scene graph tuples, WordNet synonyms counting as equal;
    the corpus value is the mean of the images. Parsing takes nearly all the time, so every caption
    is parsed once and remembered in the folder `cache` (default: the user's): other captions of the
    same images wait only for their own parses, the same captions need no Java. `timeout`: seconds
    of silence after which it has failed.

    Raises:
        DataError: captions that cannot be scored (`check_captions`), or one of hundreds of words
            without a full stop, which CoreNLP cannot parse.
        MissingDependencyError: no Java, or CoreNLP's jars are not there: `gegcore setup-spice`.
        ChecksumError: a jar of CoreNLP is damaged.
        ToolError: a Java program failed or was silent for too long; what it had parsed is kept.

    Source: anderson2016spice.
    """
    check_captions(captions, references)
    with closing(SpiceCache(cache or user_cache() / "spice")) as memory:
        values = 100 * np.array(_f_scores(captions, references, memory, timeout), dtype=np.float64)
    return Scores.means({"SPICE": values}, {"SPICE": spice_signature()})


def spice_metric(given: MetricInputs) -> Scores:
    """SPICE, if it is asked for and its programs are here."""
    if problem := spice_problem() if given.spice else "it was not asked for":
        return Scores({}, missing={"SPICE": problem})
    try:
        return score_spice(given.captions, given.references, timeout=given.timeout)
    except ToolError as error:
        if not given.keep_going:
            raise
        return Scores({}, failed={"SPICE": error.what})
    except DataError as error:  # One caption that it cannot parse costs no other metric.
        return Scores({}, missing={"SPICE": f"{error.what}: {error.fix}"})


def spice_signature() -> str:
    """Which programs the scores come from."""
    version = importlib.metadata.version("pycocoevalcap")
    parser = f"CoreNLP {CORENLP_VERSION} PCFG"
    return f"pycocoevalcap {version}, SPICE 1.0, {parser}, {ptb.SIGNATURE}, mean of captions"


def spice_problem() -> str | None:
    """Why SPICE cannot run here, in a line that says what to do; None if it can."""
    return java_problem(corenlp_jars)


def _f_scores(
    captions: Mapping[Any, str],
    references: Mapping[Any, Sequence[str]],
    memory: SpiceCache,
    timeout: float | None,
) -> list[float]:
    """F-score of each image. The order of its references counts: SPICE merges them in turn."""
    signature = spice_signature()
    keys = {
        image: cache_key("score", signature, caption, list(references[image]))
        for image, caption in captions.items()
    }
    scores = memory.get(keys.values())
    new = {key: image for image, key in keys.items() if key not in scores}
    if new:
        jars = class_path()  # Before anything long starts.
        images = list(new.values())
        said = [(text, i) for i in images for text in (captions[i], *references[i])]
        tokens = ptb.tokenize([text for text, _ in said])
        owners = (image for _, image in said)
        parses = _parses(dict(zip(tokens, owners, strict=True)), jars, memory, timeout)
        in_order = map(parses.__getitem__, tokens)
        questions = []
        for image in images:
            test, *refs = islice(in_order, 1 + len(references[image]))
            questions.append(json.dumps({"test": test, "refs": refs}))
        with closing(_worker("score", jars, timeout)) as worker:
            found = dict(zip(new, _ask(worker, questions, images), strict=True))
        memory.put(found)
        scores |= found
    return [scores[key] for key in keys.values()]


def _parses(
    texts: Mapping[str, Any], jars: str, memory: SpiceCache, timeout: float | None
) -> dict[str, Tuples]:
    """Scene graph tuples of each tokenised caption; new ones are remembered as they come.

    Args:
        texts: tokenised caption -> an image that it is of.
    """
    signature = spice_signature()
    keys = {text: cache_key("parse", signature, text) for text in texts}
    known = memory.get(keys.values())
    new = [text for text, key in keys.items() if key not in known]
    blocks = [new[start : start + _BLOCK] for start in range(0, len(new), _BLOCK)]
    # Runs that are scored at the same time share the work on their common references: each goes
    # its own way through the blocks and parses what no other has stored meanwhile.
    random.Random(os.getpid()).shuffle(blocks)
    if not blocks:
        return {text: known[key] for text, key in keys.items()}
    with (
        closing(_worker("parse", jars, timeout)) as worker,
        bar(len(new), "SPICE parses", "caption") as progress,
    ):
        for block in blocks:
            known |= _parse_block({text: texts[text] for text in block}, keys, memory, worker)
            progress.update(len(block))
    return {text: known[key] for text, key in keys.items()}


def _parse_block(
    images: Mapping[str, Any], keys: Mapping[str, str], memory: SpiceCache, worker: LineProcess
) -> dict[str, Tuples]:
    """Key -> parse of each caption of `images`; what was parsed is stored, whatever happens."""
    stored = memory.get(keys[text] for text in images)
    new = [text for text in images if keys[text] not in stored]
    answers = _ask(worker, list(map(json.dumps, new)), [images[text] for text in new])
    fresh: dict[str, Tuples] = {}
    try:
        for text, tuples in zip(new, answers, strict=True):
            if tuples is None:
                raise DataError(
                    f"SPICE cannot parse a caption of {len(text.split())} words in"
                    f" {_MEMORY['parse']}B of memory: {text[:60]!r}... (image {images[text]!r})",
                    "shorten it, or score without SPICE",
                )
            fresh[keys[text]] = tuples
    finally:
        memory.put(fresh)
    return stored | fresh


def _worker(task: str, jars: str, timeout: float | None) -> LineProcess:
    """`SpiceWorker`, which answers each line of JSON with one."""
    usable = getattr(os, "sched_getaffinity", None)
    cores = len(usable(0)) if usable else os.cpu_count() or 1
    threads = min(_MOST_THREADS, cores) if task == "parse" else 1
    program = ["-cp", jars, "edu.anu.spice.SpiceWorker", task, str(threads)]
    return LineProcess(
        "SPICE", java_command([f"-Xmx{_MEMORY[task]}", *program]), timeout or _TIMEOUT
    )


def _ask(worker: LineProcess, questions: Sequence[str], images: Sequence[object]) -> Iterator[Any]:
    for answer in worker.ask(questions, images):
        try:
            yield json.loads(answer)
        except ValueError as error:
            raise ToolError(f"SPICE answered {answer[:100]!r}", "run it again") from error
