"""Codespaces and Colab: what their files promise; the notebook's cells against a local clone."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import nbformat
import papermill
import pytest
import yaml
from jupyter_server.serverapp import DEFAULT_JUPYTER_SERVER_PORT
from papermill.exceptions import PapermillExecutionError
from tensorboard.plugins.core.core_plugin import DEFAULT_PORT

ROOT = Path(__file__).resolve().parents[1]
CONTAINER = ROOT / ".devcontainer"
COLAB = ROOT / "notebooks" / "lab" / "colab.ipynb"
# Only pretend to install and to build: the real thing takes gigabytes, and other tests do it.
UV = """#!/bin/sh
if [ "$1" = cache ]; then pwd; fi
if [ "$1" = venv ]; then
  for folder; do :; done
  mkdir -p "$folder/bin"
  printf '%s\\n' '#!/bin/sh' 'echo "$@"' 'mkdir -p _build/html' \\
    'echo page > _build/html/index.html' 'exit $PRETENDED' > "$folder/bin/python"
  chmod +x "$folder/bin/python"
fi
"""


def container() -> dict[str, Any]:
    """devcontainer.json is JSON with comments; here on lines of their own."""
    text = (CONTAINER / "devcontainer.json").read_text(encoding="utf-8")
    return json.loads(re.sub(r"^\s*//.*$", "", text, flags=re.M))


def test_the_container_is_the_machine_that_ci_wants() -> None:
    dockerfile = (CONTAINER / container()["build"]["dockerfile"]).read_text(encoding="utf-8")
    ci = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    wanted = {name for line in re.findall(r"packages\+=\(([^)]+)\)", ci) for name in line.split()}
    (installed,) = re.findall(r"--no-install-recommends (.+?) \\", dockerfile)
    assert set(installed.split()) == wanted
    (python,) = re.findall(r"^FROM python:([\d.]+)-", dockerfile, re.M)
    conda = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    assert f"python={python}.*" in conda
    assert f"--create-home --uid 1000 --shell /bin/bash {container()['remoteUser']}" in dockerfile


def test_the_container_runs_targets_and_ports_that_there_are() -> None:
    given = container()
    targets = re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M)
    program, target = given["postCreateCommand"].split()
    assert program == "make" and target in targets and "lab" in targets
    ports = {DEFAULT_JUPYTER_SERVER_PORT: "JupyterLab", DEFAULT_PORT: "TensorBoard"}
    assert set(given["forwardPorts"]) == set(ports)
    assert {int(p): a["label"] for p, a in given["portsAttributes"].items()} == ports
    python = given["customizations"]["vscode"]["settings"]["python.defaultInterpreterPath"]
    assert python == "${containerWorkspaceFolder}/.venv/bin/python"


def test_the_notebook_clones_what_the_citation_file_names() -> None:
    """Nothing is made up: without an address in CITATION.cff there is none here."""
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    known = papermill.inspect_notebook(str(COLAB))
    assert known["repository"]["default"] == json.dumps(cited.get("repository-code", ""))
    book = nbformat.read(COLAB, as_version=nbformat.NO_CONVERT)
    nbformat.validate(book)
    for cell in book.cells:
        assert cell.get("outputs", []) == [] and len(cell.source.splitlines()) <= 15


def execute(folder: Path, monkeypatch: pytest.MonkeyPatch, status: int = 0, **given: str) -> str:
    """Run the notebook in a folder; what its cells printed."""
    programs = folder / "programs"
    programs.mkdir()
    (programs / "uv").write_text(UV)
    (programs / "uv").chmod(0o755)
    for name in [*os.environ]:
        if name.startswith("MAKE") or name in {"PROFILE", "CORES", "PYTHON", "VENV", "UV", "TESTS"}:
            monkeypatch.delenv(name)
    path = f"{programs}:{Path(sys.executable).parent}:{os.environ['PATH']}"
    monkeypatch.setenv("PATH", path)
    monkeypatch.setenv("PRETENDED", str(status))
    monkeypatch.chdir(folder)
    done = papermill.execute_notebook(str(COLAB), None, given, cwd=folder, progress_bar=False)
    outputs = [output for cell in done.cells for output in cell.get("outputs", [])]
    return "".join(output.get("text", "") for output in outputs)


needs_a_clone = pytest.mark.skipif(
    not (ROOT / ".git").exists() or not shutil.which("git") or not shutil.which("make"),
    reason="needs git, make and a repository to clone",
)


@needs_a_clone
def test_the_notebook_runs_against_a_local_clone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = execute(tmp_path, monkeypatch, repository=ROOT.as_uri())
    assert "-m bookkit.build --profile smoke" in said
    assert f"1 pages in {tmp_path / 'book.zip'}" in said
    revision = ["git", "-C", "captions", "rev-parse", "HEAD"]
    cloned = subprocess.run(revision, capture_output=True, text=True, check=True).stdout
    revision[2] = str(ROOT)
    assert subprocess.run(revision, capture_output=True, text=True, check=True).stdout == cloned


@needs_a_clone
def test_a_command_that_fails_stops_the_notebook(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(PapermillExecutionError, match="make smoke ended with status 2"):
        execute(tmp_path, monkeypatch, status=1, repository=ROOT.as_uri())
    assert not (tmp_path / "book.zip").exists()


def test_without_an_address_the_notebook_asks_for_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(PapermillExecutionError, match="set `repository` in the first cell"):
        execute(tmp_path, monkeypatch, repository="")
