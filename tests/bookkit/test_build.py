"""`make book`: what is stale, what a killed build leaves behind, what a failure says."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import nbformat
import psutil
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from bookkit import dag
from bookkit.build import _CHATTER, build, end_orphans
from gegcore.errors import ConfigError, GegError
from gegcore.profiles import Profile, load_profile

ROOT = Path(__file__).resolve().parents[2]
BUILD = [sys.executable, "-m", "bookkit.build", "--profile", "tiny.yaml", "--cores", "2"]
TINY = """
data: {train: 20, val: 10, test: 10}
experiments: {objectives: [mle, scst], seeds: [1]}
"""
snakemake = pytest.importorskip("snakemake", reason="Snakemake needs Python 3.11")


def write_notebook(path: Path, *cells: str) -> None:
    """A notebook with a title, a parameters cell of every name that the DAG passes, and cells."""
    parameters = "profile = 'smoke'\nmodel = 'transformer'\nobjective = 'mle'\nseed = 1"
    nodes = [
        new_markdown_cell(f"# {path.stem}"),
        new_code_cell(parameters, metadata={"tags": ["parameters"]}),
        *map(new_code_cell, cells),
    ]
    for number, node in enumerate(nodes):
        node["id"] = f"cell-{number}"
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(new_notebook(cells=nodes), str(path))


STAND_IN = """
import re
import sys
text = open("Snakefile").read()
# Stages and rendering are tested elsewhere; here they only leave their outputs.
text = re.sub(r'f"OMP_NUM_THREADS.*gegcore.cli prepare"\\n.*\\n', '"true"\\n', text)
text = re.sub(r'shell: f"{PYTHON} -m bookkit.book.*', 'shell: "touch {output}"', text)
open("Snakefile", "w").write(text)
"""

RUN = """
from pathlib import Path
import gegcore.gap
folder = Path(f"runs/{profile}/{model}-{objective}-seed{seed}")
folder.mkdir(parents=True, exist_ok=True)
with (folder / "starts.txt").open("a") as stream:
    stream.write("started\\n")
if Path("pause").exists():
    import time
    time.sleep(300)
(folder / "metrics.json").write_text("{}")
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: Any) -> Path:
    """A checkout with the real Snakefile, light notebooks, and stand-ins for the heavy rules."""
    shutil.copy(ROOT / "Snakefile", tmp_path)
    for name in ("_config.yml", "_toc.yml", "book/references.bib", "book/_static/book.css"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "tiny.yaml").write_text(TINY)
    for name in ("00_start", "04_results"):
        write_notebook(tmp_path / "notebooks" / f"{name}.ipynb", "import gegcore.storage")
    write_notebook(tmp_path / "notebooks" / "03_train.ipynb", RUN)
    subprocess.run([sys.executable, "-c", STAND_IN], cwd=tmp_path, check=True)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("GEGCORE_REVISION", "test")
    return tmp_path


def run_build(project: Path, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*BUILD, *options], cwd=project, capture_output=True, text=True, timeout=550
    )


def starts(project: Path) -> dict[str, int]:
    """Run -> how often its notebook was executed."""
    files = (project / "runs" / "tiny").glob("*/starts.txt")
    return {file.parent.name: len(file.read_text().splitlines()) for file in files}


@pytest.mark.slow
def test_build_is_complete_ordered_and_idle_when_up_to_date(project: Path) -> None:
    first = run_build(project)
    assert first.returncode == 0, first.stdout + first.stderr
    pages = project / "artifacts" / "tiny" / "pages"
    assert {page.stem for page in pages.glob("*.ipynb")} == {"00_start", "04_results"}
    finished = [
        (project / "runs/tiny" / f"transformer-{name}-seed1" / "finished.txt").stat().st_mtime
        for name in ("mle", "scst")
    ]
    assert finished == sorted(finished)
    again = run_build(project)
    assert again.returncode == 0
    assert "Nothing to be done" in again.stdout
    assert set(starts(project).values()) == {1}

    # A changed notebook: its page and the book, nothing else.
    write_notebook(project / "notebooks" / "00_start.ipynb", "import gegcore.errors")
    plan = run_build(project, "--dry-run").stdout
    assert "page 00_start" in plan
    assert "training" not in plan
    assert "page 04_results" not in plan

    # A run folder that is gone is made again, with all that builds on it.
    shutil.rmtree(project / "runs/tiny/transformer-scst-seed1")
    plan = run_build(project, "--dry-run").stdout
    assert "training transformer-mle-seed1" not in plan
    assert "training transformer-scst-seed1" in plan
    assert "page 04_results" in plan


@pytest.mark.slow
def test_failure_names_cell_keeps_partial_output_and_ends_the_build(project: Path) -> None:
    write_notebook(
        project / "notebooks" / "00_start.ipynb", "print('so far so good')", "wrong = 1 / 0"
    )
    done = run_build(project)
    assert done.returncode != 0
    ending = done.stderr[done.stderr.rindex("The build failed") :]
    assert "00_start.ipynb failed in code cell [" in ending
    assert "wrong = 1 / 0" in ending
    log = project / "artifacts" / "tiny" / "logs" / "00_start.ipynb"
    assert "so far so good" in log.read_text()
    assert not (project / "_build" / "html" / "index.html").exists()


def wait_for(condition: Any, seconds: float = 300) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.2)


def children_of(project: Path) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("GEGCORE_BUILD_ROOT") == str(project):
                found.append(process)
        except (psutil.Error, OSError):
            continue
    return [p for p in found if p.is_running() and p.status() != psutil.STATUS_ZOMBIE]


@pytest.mark.slow
def test_killed_build_is_cleaned_up_and_continued(project: Path) -> None:
    (project / "pause").touch()
    running = subprocess.Popen(BUILD, cwd=project, stdout=subprocess.DEVNULL)
    wait_for(lambda: starts(project))
    refused = run_build(project)
    assert refused.returncode == 1
    assert f"another build of this folder is running (process {running.pid})" in refused.stderr
    running.send_signal(signal.SIGKILL)
    running.wait()
    assert children_of(project)  # orphans: Snakemake and the notebook go on
    (project / "pause").unlink()
    after = run_build(project)
    assert after.returncode == 0, after.stdout + after.stderr
    assert "processes of a killed build" in after.stderr
    assert children_of(project) == []
    assert (project / "_build" / "html" / "index.html").is_file()
    assert starts(project)["transformer-mle-seed1"] == 2
    assert starts(project)["transformer-scst-seed1"] == 1


@pytest.mark.slow
def test_terminated_build_takes_its_children_with_it(project: Path) -> None:
    (project / "pause").touch()
    running = subprocess.Popen(BUILD, cwd=project, stdout=subprocess.DEVNULL)
    wait_for(lambda: starts(project))
    running.terminate()
    assert running.wait(60) == 143
    wait_for(lambda: not children_of(project), 30)


def test_orphans_of_other_folders_are_left_alone(tmp_path: Path) -> None:
    mine, other = tmp_path / "mine", tmp_path / "other"
    environment = {**os.environ, "GEGCORE_BUILD_PROCESS": "999999999"}
    sleeper = [sys.executable, "-c", "import time; time.sleep(60)"]
    processes = [
        subprocess.Popen(sleeper, env={**environment, "GEGCORE_BUILD_ROOT": str(root)})
        for root in (mine, other)
    ]
    try:
        wait_for(lambda: len(children_of(mine)) == 1 and len(children_of(other)) == 1, 30)
        end_orphans(mine)
        assert children_of(mine) == []
        assert processes[1].poll() is None
    finally:
        for process in processes:
            process.kill()
            process.wait()


def test_bad_arguments_are_errors_before_anything_runs(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no profile 'smok'"):
        build("smok", 1, tmp_path)
    with pytest.raises(ConfigError, match="cores"):
        build("smoke", 0, tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("Job 2: preparing data", True),
        ("gegcore: notebook failed", True),
        ("[run] training:  40%|####      | 4/10 [00:31<00:44,  7.4s/it]", True),
        ("[run] training:   0%|          | 0/10 [00:00<?, ?it/s]", False),
        ("[Mon Nov 23 01:31:51 2026]", False),
        ("Finished jobid: 2 (Rule: prepare)", False),
        ("3 of 12 steps (25%) done", True),
        ("RuleException:", True),
    ],
)
def test_what_is_shown(line: str, shown: bool) -> None:
    assert (_CHATTER.match(line + "\n") is None) is shown


def with_fields(profile: Profile, **fields: Any) -> Profile:
    return Profile.model_validate({**profile.model_dump(), **fields})


def test_keys_change_with_what_they_stand_for_and_nothing_else(tmp_path: Path) -> None:
    profile = load_profile("smoke")
    notebook = tmp_path / "03_train.ipynb"
    write_notebook(notebook, "import gegcore.gap")
    runs = dag.experiments(profile)
    scst, mle = runs["transformer-scst-seed1"], runs["transformer-mle-seed1"]
    other = {**profile.objectives, "scst": {**profile.objectives["scst"], "learning_rate": 0.5}}
    changed = with_fields(profile, objectives=other)
    key = dag.training_page_key
    assert key(notebook, profile, scst) != key(notebook, changed, scst)
    assert key(notebook, profile, mle) == key(notebook, changed, mle)
    assert dag.stage_key("clip", profile) == dag.stage_key("clip", changed)
    assert dag.page_key(notebook, profile) != dag.page_key(notebook, changed)
    larger = with_fields(profile, group_size=4)
    assert dag.stage_key("groups", profile) != dag.stage_key("groups", larger)
    assert key(notebook, profile, mle) != key(notebook, larger, mle)


def test_code_key_of_a_notebook_follows_its_imports(tmp_path: Path) -> None:
    first, second, none = (tmp_path / f"{name}.ipynb" for name in "abc")
    write_notebook(first, "%matplotlib inline\nfrom gegcore.gap import group_embedding_gap")
    write_notebook(second, "from gegcore import storage, gap")
    write_notebook(none, "import json")
    assert dag.notebook_code(first) == dag.code_digest("gegcore.gap")
    expected = dag.code_digest("gegcore", "gegcore.gap", "gegcore.storage")
    assert dag.notebook_code(second) == expected
    assert dag.notebook_code(none) == ""


def test_experiments_of_a_grid_chain_within_a_seed() -> None:
    profile = load_profile("quick")
    runs = dag.experiments(profile)
    grid = profile.experiments
    assert len(runs) == len(grid.models) * len(grid.objectives) * len(grid.seeds)
    for seed in grid.seeds:
        assert runs[f"transformer-mle-seed{seed}"].start_name is None
        assert runs[f"transformer-scst_geg-seed{seed}"].start_name == f"transformer-scst-seed{seed}"


def test_error_type_of_a_running_build(tmp_path: Path) -> None:
    environment = {
        **os.environ,
        "GEGCORE_BUILD_ROOT": str(tmp_path),
        "GEGCORE_BUILD_PROCESS": str(os.getpid()),
    }
    sleeper = subprocess.Popen(
        [sys.executable, "-c", "import time; time.sleep(60)"], env=environment
    )
    try:
        wait_for(lambda: children_of(tmp_path), 30)
        with pytest.raises(GegError, match="another build"):
            end_orphans(tmp_path)
        assert sleeper.poll() is None
    finally:
        sleeper.kill()
        sleeper.wait()
