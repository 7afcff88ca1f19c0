"""The jobs that `cluster/slurm` sends, by stand-ins for SLURM's commands that run them at once."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from test_build import ROOT, project  # noqa: F401  (a fixture)

pytest.importorskip("snakemake_executor_plugin_slurm", reason="it needs Python 3.11")

SBATCH = r"""#!{python}
import os, subprocess, sys
log = os.environ["STAND_IN_LOG"]
number = sum(1 for _ in open(log)) + 1 if os.path.exists(log) else 1
with open(log, "a") as stream:
    stream.write(repr(sys.argv[1:]) + "\n")
text = next(a.partition("=")[2] for a in sys.argv if a.startswith("--wrap="))
place = dict(os.environ, SLURM_JOB_ID=str(number), SLURM_JOBID=str(number))
done = subprocess.run(["bash", "-c", text], env=place, capture_output=True, text=True)
with open(log + ".out", "a") as stream:
    stream.write(done.stdout + done.stderr)
with open(log + ".states", "a") as stream:
    stream.write("%d|%s\n" % (number, "FAILED" if done.returncode else "COMPLETED"))
print(number)
"""
SRUN = r"""#!{python}
import os, sys
rest = sys.argv[1:]
while rest and rest[0].startswith("-"):
    rest = rest[1:]
os.execvp(rest[0], rest) if len(rest) > 1 else os.execvp("bash", ["bash", "-c", rest[0]])
"""
SACCT = r"""#!/bin/bash
cat "$STAND_IN_LOG.states" 2> /dev/null || true
"""

COMMANDS = {
    "sbatch": SBATCH,
    "srun": SRUN,
    "sacct": SACCT,
    "sacctmgr": "#!/bin/bash\necho me\n",
    "sinfo": "#!/bin/bash\nprintf 'PARTITION\\ngpus*\\n'\n",
}


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Commands of SLURM on the PATH; what `sbatch` was given, one call a line."""
    folder = tmp_path / "commands"
    folder.mkdir()
    for name, text in COMMANDS.items():
        (folder / name).write_text(text.replace("{python}", sys.executable))
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{Path(sys.executable).parent}:{os.environ['PATH']}")
    monkeypatch.setenv("STAND_IN_LOG", str(tmp_path / "sbatch.log"))
    monkeypatch.setenv("USER", os.environ.get("USER", "nobody"))
    return tmp_path / "sbatch.log"


def test_each_run_is_a_job_with_a_gpu(
    project: Path,  # noqa: F811
    cluster: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("GEGCORE_PROFILE", "tiny.yaml")
    target = "runs/tiny/transformer-mle-seed1/finished.txt"
    profile = ["--workflow-profile", str(ROOT / "cluster" / "slurm"), "--retries", "0"]
    waits = ["--latency-wait", "5", "--slurm-init-seconds-before-status-checks", "1"]
    waits += ["--seconds-between-status-checks", "1"]
    site = ["--default-resources", "slurm_account=me", "slurm_partition=gpus"]
    command = [sys.executable, "-m", "snakemake", target, *profile, *waits, *site]
    done = subprocess.run(command, cwd=project, capture_output=True, text=True, timeout=300)
    said = Path(f"{cluster}.out").read_text() if Path(f"{cluster}.out").exists() else ""
    assert done.returncode == 0, done.stderr + said
    assert (project / target).is_file()
    calls = [shlex.join(eval(line)) for line in cluster.read_text().splitlines()]
    rules = [re.findall(r"rule_(prepare|train|page)", call)[0] for call in calls]
    assert rules == ["prepare", "train"]
    wanted = yaml.safe_load((ROOT / "cluster" / "slurm" / "config.yaml").read_text())
    for rule, call in zip(rules, calls, strict=True):
        given, threads = wanted["set-resources"][rule], wanted["set-threads"][rule]
        assert f"-t {given['runtime']}" in call and f"--mem {given['mem_mb']}" in call
        assert "--gpus=1" in call and f"--cpus-per-task={threads}" in call
        assert "-A me" in call.replace("'", "") and "-p gpus" in call.replace("'", "")


def test_every_kind_of_job_has_its_time_and_memory() -> None:
    """Resources of the command line, as the documented one, replace all defaults of the profile."""
    config = yaml.safe_load((ROOT / "cluster" / "slurm" / "config.yaml").read_text())
    rules = {*re.findall(r"^rule (\w+):", (ROOT / "Snakefile").read_text(), re.MULTILINE)}
    local = {*re.findall(r"^localrules: (\w+)", (ROOT / "Snakefile").read_text(), re.MULTILINE)}
    assert "default-resources" not in config and rules - local == {"prepare", "page", "train"}
    assert rules - local == {*config["set-resources"]}
    assert all({"runtime", "mem_mb"} <= {*each} for each in config["set-resources"].values())
