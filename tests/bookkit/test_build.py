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
from full_disk import free_bytes
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from bookkit import dag
from bookkit.build import build, end_processes, main, room
from bookkit.experiments import experiments
from gegcore.errors import ConfigError, StorageError
from gegcore.profiles import Profile, load_profile

ROOT = Path(__file__).resolve().parents[2]
BUILD = [sys.executable, "-m", "bookkit.build", "--profile", "tiny.yaml", "--cores", "2"]
TINY = """
data: {train: 20, val: 10, test: 10}
experiments: {objectives: [mle, scst], seeds: [1]}
"""
pytest.importorskip("snakemake", reason="Snakemake needs Python 3.11")


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
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(new_notebook(cells=nodes, metadata={"kernelspec": kernel}), str(path))


STAND_IN = """
import re
import sys
text = open("Snakefile").read()
# Preparing and rendering are tested elsewhere; here they only leave their outputs.
text = re.sub(r"f.OMP_NUM_THREADS.*gegcore.cli prepare.*", '"true"', text)
text = re.sub(r'shell: f".PYTHON. -m bookkit.book.*', 'shell: "touch {output:q}"', text)
open("Snakefile", "w").write(text)
"""

RUN = """
from pathlib import Path
import gegcore.gap
from gegcore.profiles import load_profile
from gegcore.runs import EVALUATED, STARTED, TRAINED, RunFolder
folder = Path("runs", Path(profile).stem, f"{model}-{objective}-seed{seed}")
run, key = RunFolder(folder), {"settings": load_profile(profile).settings(model, objective)}
run.write_record(STARTED, {"key": key}, ())
with (folder / "starts.txt").open("a") as stream:
    stream.write("started\\n")
if Path("pause").exists():
    import time
    time.sleep(300)
(folder / "metrics.json").write_text("{}")
run.write_record(TRAINED, {"key": key}, ())
run.write_record(EVALUATED, {"key": key}, ["metrics.json"])
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: Any) -> Path:
    """A checkout with the real Snakefile, light notebooks, and stand-ins for the heavy rules."""
    _environment(monkeypatch)
    return _checkout(tmp_path)


@pytest.fixture(scope="module")
def _built_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = _checkout(tmp_path_factory.mktemp("built"))
    with pytest.MonkeyPatch.context() as patch:
        _environment(patch)
        done = run_build(folder)
    assert done.returncode == 0, done.stdout
    return folder


@pytest.fixture
def built(_built_once: Path, tmp_path: Path, monkeypatch: Any) -> Path:
    """The same, built: a copy with its time stamps."""
    _environment(monkeypatch)
    return shutil.copytree(_built_once, tmp_path / "project")


def _environment(patch: pytest.MonkeyPatch) -> None:
    patch.setenv("PYTHONPATH", str(ROOT))
    patch.setenv("GEGCORE_REVISION", "test")


def _checkout(folder: Path) -> Path:
    shutil.copy(ROOT / "Snakefile", folder)
    for name in (
        "_config.yml", "_toc.yml", "book/intro.md", "book/claims.yml", "book/_static/logo.svg",
        "results/quick/metrics.json", "gegcore/gap.py",
    ):  # fmt: skip
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    (folder / "tiny.yaml").write_text(TINY)
    for name in ("00_start", "04_results"):
        write_notebook(folder / "notebooks" / f"{name}.ipynb", "import gegcore.storage")
    write_notebook(folder / "notebooks" / "03_train.ipynb", RUN)
    subprocess.run([sys.executable, "-c", STAND_IN], cwd=folder, check=True)
    return folder


def rewrite(path: Path, text: str) -> None:
    """Another content under the old time stamp."""
    stamp = path.stat()
    path.write_text(text)
    os.utime(path, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))


def run_build(project: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Both streams in `stdout`, as on a terminal."""
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    return subprocess.run([*BUILD, *options], cwd=project, text=True, timeout=550, **streams)


def starts(project: Path) -> dict[str, int]:
    """Run -> how often its notebook was executed."""
    files = (project / "runs" / "tiny").glob("*/starts.txt")
    return {file.parent.name: len(file.read_text().splitlines()) for file in files}


@pytest.mark.slow
def test_build_is_complete_ordered_and_idle_when_up_to_date(built: Path) -> None:
    pages = built / "artifacts" / "tiny" / "pages"
    assert {page.stem for page in pages.glob("*.ipynb")} == {"00_start", "04_results"}
    finished = [
        (built / "runs/tiny" / f"transformer-{name}-seed1" / "finished.txt").stat().st_mtime
        for name in ("mle", "scst")
    ]
    assert finished == sorted(finished)
    again = run_build(built)
    assert again.returncode == 0
    assert "Nothing to be done" in again.stdout
    assert set(starts(built).values()) == {1}

    # A changed notebook: its page and the book, nothing else.
    write_notebook(built / "notebooks" / "00_start.ipynb", "import gegcore.errors")
    plan = run_build(built, "--dry-run").stdout
    assert "page 00_start" in plan
    assert "training" not in plan
    assert "page 04_results" not in plan

    # A run folder that is gone is made again, with all that builds on it.
    shutil.rmtree(built / "runs/tiny/transformer-scst-seed1")
    plan = run_build(built, "--dry-run").stdout
    assert "training transformer-mle-seed1" not in plan
    assert "training transformer-scst-seed1" in plan
    assert "page 04_results" in plan


@pytest.mark.slow
def test_a_damaged_run_is_gone_through_again(built: Path) -> None:
    """Also where all that was made from it is there."""
    folder = built / "runs" / "tiny" / "transformer-mle-seed1"
    (folder / "metrics.json").unlink()
    again = run_build(built)
    assert again.returncode == 0 and "transformer-mle-seed1: damaged: metrics.json" in again.stdout
    assert (folder / "metrics.json").is_file() and set(starts(built).values()) == {2}
    shutil.rmtree(folder)
    assert run_build(built).returncode == 0 and (folder / "finished.txt").is_file()
    assert "Nothing to be done" in run_build(built).stdout


@pytest.mark.slow
def test_pages_are_stale_when_what_they_read_has_changed(built: Path) -> None:
    # The text of a notebook counts, not only when it was written.
    start = built / "notebooks" / "00_start.ipynb"
    times = start.stat().st_atime, start.stat().st_mtime
    write_notebook(start, "import gegcore.errors")
    os.utime(start, times)
    # Copied with their time stamps, as by `rsync -a` or `tar`.
    rewrite(built / "results/quick/metrics.json", "other numbers")
    plan = run_build(built, "--dry-run").stdout
    assert "page 00_start" in plan and "page 04_results" in plan and "rendering" in plan
    assert "training" not in plan and "preparing" not in plan
    rewrite(built / "results/quick/metrics.json", "")
    write_notebook(start, "import gegcore.storage")
    os.utime(start, times)
    for name in ("_toc.yml", "book/intro.md", "book/_static/logo.svg", "gegcore/gap.py"):
        rewrite(built / name, "# other words")
        plan = run_build(built, "--dry-run").stdout
        assert "rendering" in plan and "page " not in plan, name
        rewrite(built / name, "")
    assert "Nothing to be done" in run_build(built, "--dry-run").stdout
    rewrite(built / "book/claims.yml", "# other claims")
    plan = run_build(built, "--dry-run").stdout
    assert "page 04_results" in plan and "page 00_start" not in plan


@pytest.mark.slow
def test_the_file_of_a_path_is_built_and_no_profile_of_its_name(project: Path) -> None:
    """From a folder and under names that a shell, YAML and Snakemake would take apart."""
    mine = project / "my {x} o'files #1: $HOME" / "quick.yaml"
    mine.parent.mkdir()
    mine.write_text(TINY)
    say = "from gegcore.profiles import load_profile\nprint(load_profile(profile).data.train)"
    for name in ("00_start", "04_results"):
        write_notebook(project / "notebooks" / f"{name}.ipynb", say)
    build = [*BUILD[:4], str(mine.relative_to(project)), *BUILD[5:]]
    done = subprocess.run(build, cwd=project, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert done.returncode == 0, done.stdout.decode()
    for name in ("00_start", "04_results"):
        page = nbformat.read(project / f"artifacts/quick/pages/{name}.ipynb", as_version=4)
        assert page.cells[-1].outputs[0].text == "20\n"


def test_a_new_page_is_one_file_and_one_line(tmp_path: Path) -> None:
    """The file, in a copy of the checkout; the line, of the table of contents, for all pages."""
    shutil.copy(ROOT / "Snakefile", tmp_path)
    for name in ("notebooks", "book"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("generated"))
    for name in ("_config.yml", "_toc.yml"):
        shutil.copy(ROOT / name, tmp_path)
    for name in ("01_more", "91_more"):
        write_notebook(tmp_path / "notebooks" / f"{name}.ipynb", "import gegcore.gap")
    plan = [sys.executable, "-m", "snakemake", "--dry-run", "--config", "profile=smoke"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    said = subprocess.run(
        plan, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True,
    ).stdout  # fmt: skip
    before, after = (
        next(job for job in said.split("\nJob ") if f": page {name}" in job)
        for name in ("01_more", "91_more")
    )
    assert "finished.txt" not in before, "below 03 a page reads no runs"
    assert "finished.txt" in after, "from 04 on it reads the finished runs"
    contents = (ROOT / "_toc.yml").read_text()
    for path in (ROOT / "notebooks").glob("[0-9]*.ipynb"):
        if not path.name.startswith("03"):
            assert f": page {path.stem}\n" in said
            assert f"- file: book/generated/{path.stem}\n" in contents


@pytest.mark.slow
def test_failure_names_cell_keeps_partial_output_and_ends_the_build(project: Path) -> None:
    write_notebook(
        project / "notebooks" / "00_start.ipynb", "print('so far so good')", "wrong = 1 / 0"
    )
    done = run_build(project)
    assert done.returncode != 0
    # Snakemake repeats the log of what failed at the end, where a person looks.
    ending = done.stdout[-5000:]
    assert "notebook 00_start.ipynb failed" in ending
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
    assert f"another build of this folder is running (process {running.pid})" in refused.stdout
    (snakemake,) = psutil.Process(running.pid).children()
    running.send_signal(signal.SIGKILL)
    running.wait()
    assert children_of(project)  # orphans: Snakemake and the notebook go on
    snakemake.kill()
    assert any((project / ".snakemake" / "locks").iterdir())
    (project / "pause").unlink()
    after = run_build(project)
    assert after.returncode == 0, after.stdout
    assert "an earlier build was killed" in after.stdout
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


def test_processes_of_other_folders_are_left_alone(tmp_path: Path) -> None:
    mine, other = tmp_path / "mine", tmp_path / "other"
    sleeper = [sys.executable, "-c", "import time; time.sleep(60)"]
    processes = [
        subprocess.Popen(sleeper, env={**os.environ, "GEGCORE_BUILD_ROOT": str(root)})
        for root in (mine, other)
    ]
    try:
        wait_for(lambda: len(children_of(mine)) == 1 and len(children_of(other)) == 1, 30)
        end_processes(mine)
        assert children_of(mine) == []
        assert processes[1].poll() is None
    finally:
        for process in processes:
            process.kill()
            process.wait()


def test_unknown_profile_is_an_error_before_anything_runs(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no profile 'smok'"):
        build("smok", 1, tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["x; touch ran", "../../outside", "$(touch ran)"])
def test_a_name_that_a_shell_would_run_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "mine.yaml").write_text(f"{TINY}name: '{name}'\n")
    with pytest.raises(ConfigError, match="field 'name'"):
        build(str(tmp_path / "mine.yaml"), 1, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.yaml"]


def test_a_path_is_seen_from_the_users_folder(tmp_path: Path, monkeypatch: Any) -> None:
    """The build and its notebooks run in the root, wherever the path was written down."""
    asked = []
    monkeypatch.setattr(subprocess, "call", lambda *_, env, **__: asked.append(env) or 0)
    root, other = tmp_path / "root", tmp_path / "other"
    for folder in (root / "below", other):
        folder.mkdir(parents=True)
        (folder / "quick.yaml").write_text(TINY)
    (root / "linked.yaml").symlink_to(other / "quick.yaml")
    for here, profile, seen in (
        (root, "below/quick.yaml", "below/quick.yaml"),
        (root / "below", "quick.yaml", "below/quick.yaml"),
        (other, "quick.yaml", str(other / "quick.yaml")),
        (other, "../root/linked.yaml", "linked.yaml"),
        (other, "quick", "quick"),
    ):
        monkeypatch.chdir(here)
        assert build(profile, 1, root, ["--dry-run"]) == 0
        assert asked.pop()["GEGCORE_PROFILE"] == seen
    assert not (root / ".snakemake").exists(), "a plan leaves nothing"


def with_fields(profile: Profile, **fields: Any) -> Profile:
    return Profile.model_validate({**profile.model_dump(), **fields})


def test_a_disk_without_room(
    tmp_path: Path, monkeypatch: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """Next to nothing is an error before anything runs; an estimate is said, and stops nobody."""
    estimate = room(load_profile("quick"), cores=2)
    assert room(load_profile("smoke"), 1) < estimate < room(load_profile("standard"), 2) < 5e9
    monkeypatch.setattr("bookkit.build._build", lambda *_: 0)
    free_bytes(monkeypatch, 10_000_000)
    with pytest.raises(StorageError, match="the files of a build need 50 MB in .*, 10 MB are free"):
        build("quick", 2, tmp_path)
    assert list(tmp_path.iterdir()) == []
    free_bytes(monkeypatch, int(estimate) - 10_000_000)
    assert build("quick", 2, tmp_path) == 0
    assert "by an estimate, builds of quick need" in capsys.readouterr().err
    (tmp_path / "artifacts" / "quick").mkdir(parents=True)
    with open(tmp_path / "artifacts" / "quick" / "made.npy", "wb") as stream:
        stream.truncate(10_000_001)
    assert build("quick", 2, tmp_path) == 0 and not capsys.readouterr().err


def test_a_full_disk_is_no_traceback(
    monkeypatch: Any, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    def failing(*_: Any) -> int:
        raise OSError(28, "No space left on device", "build.lock")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("bookkit.build.build", failing)
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    assert main(["--profile", "smoke"]) == 1
    assert capsys.readouterr().err.startswith("gegcore: build.lock: No space left on device")


def test_keys_change_with_what_they_stand_for_and_nothing_else(tmp_path: Path) -> None:
    profile = load_profile("smoke")
    notebook = tmp_path / "03_train.ipynb"
    write_notebook(notebook, "import gegcore.gap")
    runs = experiments(profile)
    scst, mle = runs["transformer-scst-seed1"], runs["transformer-mle-seed1"]
    other = {**profile.objectives, "scst": {**profile.objectives["scst"], "learning_rate": 0.5}}
    changed = with_fields(profile, objectives=other)
    key = dag.page_key
    assert key(notebook, profile, scst) != key(notebook, changed, scst)
    assert key(notebook, profile, mle) == key(notebook, changed, mle)
    assert key(notebook, profile) != key(notebook, changed)
    assert dag.prepare_key(profile) == dag.prepare_key(changed)
    larger = with_fields(profile, group_size=4)
    assert dag.prepare_key(profile) != dag.prepare_key(larger)
    assert key(notebook, profile, mle) != key(notebook, larger, mle)


def test_files_are_known_by_their_contents(tmp_path: Path, monkeypatch: Any) -> None:
    one, other = tmp_path / "one.md", tmp_path / "other.md"
    one.write_text("a")
    other.write_text("b")
    first = dag.contents_digest(one, other)
    assert dag.contents_digest(other, one) == first
    one.touch()
    assert dag.contents_digest(one, other) == first
    rewrite(one, "c")
    assert dag.contents_digest(one, other) != first
    weights = tmp_path / "clip.pt"
    weights.write_text("a")
    profile = with_fields(load_profile("smoke"), clip_pretrained=str(weights))
    before = dag.prepare_key(profile)
    rewrite(weights, "b")
    assert dag.prepare_key(profile) != before, "weights that a profile names by their path"
    read = tmp_path / "page.css"
    read.write_text("a")
    monkeypatch.setattr(dag, "_READ", (str(read),))
    notebook = tmp_path / "a.ipynb"
    write_notebook(notebook)
    before = dag.page_key(notebook, profile)
    rewrite(read, "b")
    assert dag.page_key(notebook, profile) != before, "what code reads on a page"


def test_keys_follow_code_that_a_profile_names(tmp_path: Path, monkeypatch: Any) -> None:
    (tmp_path / "named_code").mkdir()
    module = tmp_path / "named_code" / "metric.py"
    module.write_text("value = 1\n")
    monkeypatch.syspath_prepend(tmp_path)
    notebook = tmp_path / "04_results.ipynb"
    write_notebook(notebook)
    profile = with_fields(load_profile("smoke"), metrics=("named_code.metric:value",))
    before = dag.page_key(notebook, profile)
    assert before == dag.page_key(notebook, profile)
    module.write_text("value = 20\n")
    assert before != dag.page_key(notebook, profile)


def test_code_of_a_notebook_is_its_cells_and_what_they_import(tmp_path: Path) -> None:
    notebook = tmp_path / "a.ipynb"
    write_notebook(notebook, "%matplotlib inline\nfrom gegcore.gap import group_embedding_gap")
    first = dag.notebook_code(notebook)
    book = nbformat.read(notebook, as_version=4)
    book.cells[1].execution_count, book.cells[1].metadata["collapsed"] = 3, True
    nbformat.write(book, str(notebook))
    assert dag.notebook_code(notebook) == first, "outputs and layout do not count"
    write_notebook(notebook, "%matplotlib inline\nfrom gegcore.gap import  group_embedding_gap")
    assert dag.notebook_code(notebook) != first


PACKAGES = ("gegcore", "caption_evaluation", "photographs", "emoji_scenes", "rivals", "bookkit")


@pytest.mark.parametrize("package", PACKAGES)
def test_code_is_followed_into_every_package(
    package: str, tmp_path: Path, monkeypatch: Any
) -> None:
    """Each package as a stand-in that imports a module of each."""
    notebook = tmp_path / "a.ipynb"
    write_notebook(notebook, f"from {package}.first import thing")
    files = {}
    for name in PACKAGES:
        files[name] = tmp_path / f"{name}.last.py"
        files[name].write_text("thing = 1\n")
        files[f"{name}.last"] = files[name]
    first = tmp_path / "first.py"
    first.write_text(f"import {', '.join(f'{name}.last' for name in PACKAGES)}\n")
    files[f"{package}.first"] = first
    monkeypatch.setattr(dag, "module_file", files.get)
    monkeypatch.setattr("gegcore.code_digest.module_file", files.get)
    keys = {dag.notebook_code(notebook)}
    for number, name in enumerate(PACKAGES, start=2):
        files[name].write_text(f"thing = {10**number}\n")
        keys.add(dag.notebook_code(notebook))
    assert len(keys) == 1 + len(PACKAGES)


def test_experiments_of_a_grid_chain_within_a_seed() -> None:
    profile = load_profile("quick")
    runs = experiments(profile)
    grid = profile.experiments
    assert len(runs) == len(grid.models) * len(grid.objectives) * len(grid.seeds)
    for seed in grid.seeds:
        assert runs[f"transformer-mle-seed{seed}"].start is None
        assert runs[f"transformer-scst_geg-seed{seed}"].start == f"transformer-scst-seed{seed}"
