# From profile to book. `make plan` (snakemake -n) shows what is to do; `make book` does it.
#
#   data -> features, clip -> groups -> one page a training run (mle -> scst -> scst_geg, seeds
#   side by side) -> pages of results -> html
#
# A rule's `key` is a digest of the package code it runs and the settings it reads: change either
# and it runs again, and so does all that comes after it. Stages and run folders know themselves
# whether what they hold is fresh: a page that is executed again does not train again.
import os
import sys
from pathlib import Path

from bookkit import dag
from gegcore.profiles import load_profile
from gegcore.provenance import git_revision

os.environ.setdefault("GEGCORE_REVISION", git_revision())  # goes into each executed page

PROFILE = load_profile(config.get("profile", "quick"))
EXPERIMENTS = dag.experiments(PROFILE)
A, R = f"artifacts/{PROFILE.name}", f"runs/{PROFILE.name}"
PAGES, LOGS = f"{A}/pages", f"{A}/logs"

NOTEBOOKS = {path.stem: path.as_posix() for path in sorted(Path("notebooks").glob("[0-9]*.ipynb"))}
TRAIN = next(path for name, path in NOTEBOOKS.items() if name.startswith("03"))
RESULTS = [name for name in NOTEBOOKS if name >= "04"]  # read finished runs
BACKGROUND = [name for name in NOTEBOOKS if name < "03"]  # read prepared data only

READY = expand(f"{A}/{{stage}}/ready.txt", stage=dag.STAGES)
FINISHED = expand(f"{R}/{{run}}/finished.txt", run=EXPERIMENTS)
PYTHON = sys.executable
BATCH = f"OMP_NUM_THREADS={{threads}} {PYTHON} -m bookkit.batch"


wildcard_constraints:
    run="|".join(EXPERIMENTS),
    stage="|".join(dag.STAGES),


localrules: html


rule html:
    message: "rendering the book"
    input:
        expand(f"{PAGES}/{{page}}.ipynb", page=[*BACKGROUND, *RESULTS]),
        expand(f"{PAGES}/runs/{{run}}.ipynb", run=EXPERIMENTS),
        FINISHED,
        "_config.yml", "_toc.yml", "book/references.bib",
        [path.as_posix() for path in sorted(Path("book").glob("*.md"))],
        [path.as_posix() for path in sorted(Path("book/models").glob("*.md"))],
        [path.as_posix() for path in sorted(Path("results/attention").glob("*.json"))],
        [path.as_posix() for path in sorted(Path("results/benchmarks").glob("*.json"))],
        [path.as_posix() for path in sorted(Path("results/seven").rglob("*.json"))],
        [path.as_posix() for path in sorted(Path("results/objectives").rglob("*.json"))],
        # Pages quote the code with its line numbers: a comment moves them, and no digest tells.
        [path.as_posix() for path in sorted(Path("gegcore").rglob("*.py"))],
        [path.as_posix() for path in sorted(Path("examples").glob("*.py"))],
        [path.as_posix() for path in sorted(Path("book/_static").glob("*.*"))],
    output: "_build/html/index.html"
    params:
        key=dag.code_digest("bookkit.book"),
        profile=PROFILE.name,
    log: f"{LOGS}/html.txt"
    shell: f"{PYTHON} -m bookkit.book --profile {{params.profile}} --log {{log}}"


def stage_inputs(wildcards):
    before = {"data": [], "features": ["data"], "clip": ["data"], "groups": ["clip"]}
    return expand(f"{A}/{{stage}}/ready.txt", stage=before[wildcards.stage])


rule prepare:
    message: "preparing {wildcards.stage}"
    input: stage_inputs
    output: touch(f"{A}/{{stage}}/ready.txt")
    params:
        key=lambda wildcards: dag.stage_key(wildcards.stage, PROFILE),
        profile=PROFILE.name,
    threads: workflow.cores or 1
    shell:
        f"OMP_NUM_THREADS={{threads}} {PYTHON} -m gegcore.cli prepare"
        " --profile {params.profile} --stage {wildcards.stage}"


rule background_page:
    message: "page {wildcards.page}"
    input:
        notebook="notebooks/{page}.ipynb",
        ready=READY,
    output: f"{PAGES}/{{page}}.ipynb"
    wildcard_constraints: page="|".join(BACKGROUND)
    params:
        key=lambda wildcards: dag.page_key(NOTEBOOKS[wildcards.page], PROFILE),
        profile=PROFILE.name,
    log: f"{LOGS}/{{page}}.ipynb"
    shell: BATCH + " {input.notebook} {output} --log {log} -p profile {params.profile}"


def start_of_run(wildcards):
    start = EXPERIMENTS[wildcards.run].start_name
    return [f"{R}/{start}/finished.txt"] if start else []


rule train:
    message: "training {wildcards.run}"
    input:
        notebook=TRAIN,
        ready=READY,
        start=start_of_run,
    output:
        page=f"{PAGES}/runs/{{run}}.ipynb",
        finished=touch(f"{R}/{{run}}/finished.txt"),
    params:
        key=lambda wildcards: dag.training_page_key(TRAIN, PROFILE, EXPERIMENTS[wildcards.run]),
        model=lambda wildcards: EXPERIMENTS[wildcards.run].model,
        objective=lambda wildcards: EXPERIMENTS[wildcards.run].objective,
        seed=lambda wildcards: EXPERIMENTS[wildcards.run].seed,
        profile=PROFILE.name,
        folder=f"{R}/{{run}}",
    log: f"{LOGS}/{{run}}.ipynb"
    threads: 1
    resources: gpu=1
    shell:
        BATCH + " {input.notebook} {output.page} --log {log} -p profile {params.profile}"
        " -p model {params.model} -p objective {params.objective} -p seed {params.seed}"
        " && test -f {params.folder}/metrics.json"


rule results_page:
    message: "page {wildcards.page}"
    input:
        notebook="notebooks/{page}.ipynb",
        finished=FINISHED,
        ready=READY,
        sweeps=[path.as_posix() for path in sorted(Path("results/sweeps").glob("*.json"))],
    output: f"{PAGES}/{{page}}.ipynb"
    wildcard_constraints: page="|".join(RESULTS)
    params:
        key=lambda wildcards: dag.page_key(NOTEBOOKS[wildcards.page], PROFILE),
        profile=PROFILE.name,
    log: f"{LOGS}/{{page}}.ipynb"
    shell: BATCH + " {input.notebook} {output} --log {log} -p profile {params.profile}"
