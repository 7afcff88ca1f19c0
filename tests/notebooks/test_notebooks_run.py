"""Every notebook runs with plain papermill, from any folder, at the size of `smoke`."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import nbformat
import pytest

from bookkit.study.draw import Size
from bookkit.study.kit import study_of
from bookkit.study.listener import simulated_answers
from emoji_scenes.scenes.graph import SceneGraph
from gegcore.materials import Materials
from gegcore.profiles import load_profile
from gegcore.storage import write_json

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "notebooks"


@pytest.fixture(scope="module")
def home(smoke_artifacts: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with prepared smoke materials, in which the notebooks are run one after another."""
    home = tmp_path_factory.mktemp("home")
    shutil.copytree(smoke_artifacts, home / "artifacts")
    return home


def run(name: str, home: Path, *parameters: str) -> str:
    """`papermill NOTEBOOK OUT -p ...` from a folder that is not the project's; what it shows."""
    elsewhere = home / "elsewhere"
    elsewhere.mkdir(exist_ok=True)
    # The kernel imports the code under test, installed or not.
    environment = {**os.environ, "GEGCORE_HOME": str(home), "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "papermill", str(FOLDER / f"{name}.ipynb"), "out.ipynb"]
    done = subprocess.run(
        [*command, "-p", "profile", "smoke", *parameters],
        cwd=elsewhere, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    return "\n".join(map(shown, nbformat.read(elsewhere / "out.ipynb", as_version=4).cells))


def shown(cell: Any) -> str:
    parts = [part.get("text") or part.get("data", {}) for part in cell.get("outputs", [])]
    return "\n".join(part if isinstance(part, str) else str(dict(part)) for part in parts)


@pytest.mark.parametrize("name", [path.stem for path in sorted(FOLDER.glob("*.ipynb"))])
def test_runs_top_to_bottom(home: Path, name: str) -> None:
    page = run(name, home)
    assert page.strip()
    for picture in page.split("<img ")[1:]:
        assert 'alt="' in picture.split(">")[0]


def files(folder: Path) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}


def test_training_makes_what_it_starts_from_and_changed_values_a_run_of_their_own(
    home: Path,
) -> None:
    """`-p beta 2 -p model xlan`, where nothing of X-LAN has been trained yet."""
    runs, changed = home / "runs" / "smoke", ("-p", "model", "xlan", "-p", "beta", "2")
    assert "CIDEr" in run("03_train", home, *changed)
    names = {path.name for path in runs.glob("xlan-*")}
    assert {"xlan-mle-seed1", "xlan-scst-seed1"} < names and len(names) == 3
    (ours,) = names - {"xlan-mle-seed1", "xlan-scst-seed1"}
    assert ours.startswith("xlan-scst_geg-seed1-")
    assert "geg_avg: 2.0" in (runs / ours / "config.yaml").read_text()

    before = files(runs)
    run("03_train", home, *changed, "-p", "gap", "min")
    after = files(runs)
    assert {path: after[path] for path in before} == before
    (other,) = {path.name for path in runs.glob("xlan-*")} - names
    assert "geg_min: 2.0" in (runs / other / "config.yaml").read_text()


def test_groups_and_rewards_follow_their_parameters(home: Path) -> None:
    page = run("02_groups", home, "-p", "K", "3", "-p", "picture", "4")
    assert "K = 3" in page and page.count("Similar image: ") == 3 * (1 + 5 + 5)
    page = run("04_reward", home, "-p", "gap", "min", "-p", "alpha", "0", "-p", "samples", "3")
    assert "sample 3" in page and "sample 4" not in page


def test_answers_of_participants_fill_the_tables(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One good file and one broken; a listener answers in a participant's place."""
    monkeypatch.setenv("GEGCORE_HOME", str(home))
    profile = load_profile("smoke")
    test = Materials.of(profile).data["test"]
    for place, name in enumerate(("plain", "rich")):
        said = {str(record.image_id): record.captions[place] for record in test.records}
        write_json(tmp_path / f"{name}.json", said)
    systems = [f"plain={tmp_path}/plain.json", f"<i>rich={tmp_path}/rich.json"]
    study, _ = study_of(profile, systems, Size(), 1)
    graphs = {r.image_id: SceneGraph.from_dict(r.scene) for r in test.records if r.scene}
    (answers,) = simulated_answers(study, graphs, 1)
    write_json(tmp_path / "key.json", study.model_dump(mode="json"))
    write_json(tmp_path / "answers" / "good.json", answers.model_dump(mode="json"))
    write_json(tmp_path / "answers" / "broken.json", {"participant": "<script>"})
    page = run("14_study", home, "-p", "stored", str(tmp_path))
    assert "Files: 2; 1 participants" in page and "Not counted: broken.json" in page
    assert "here, people" in page and "No answers of people yet" not in page
    assert "&lt;i&gt;rich minus plain" in page and "<script>" not in page
    page = run("14_study", home, "-p", "stored", str(tmp_path / "nowhere"))
    assert "here, people" not in page and "No answers of people yet" in page
