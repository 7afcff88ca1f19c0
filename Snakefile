# From profile to book. `make plan` (snakemake -n) shows what is to do; `make book` does it.
#
#   prepare -> one page a training run (mle -> scst -> scst_geg, seeds side by side)
#           -> pages of results -> html
#
# A notebook's number says what it reads: below 03 prepared data, 03 is one training run, from 04
# on finished runs. A new page is a file in notebooks/ and a line in _toc.yml.
# A rule's `key` is a digest of the notebook, the code it runs, the settings and the files it reads:
# change any, whatever its time stamp says, and it runs again, and so does all that comes after it.
# Names are quoted (`:q`) wherever a shell reads them. Run folders know themselves whether
# what they hold is fresh: a page that is executed again does not train again. `ready.txt` and
# `finished.txt` have content, because Snakemake holds a small file that is the same for not new.
import os
import re
import shlex
import sys
from pathlib import Path

from bookkit import dag
from bookkit.experiments import experiments
from gegcore.profiles import load_profile
from gegcore.provenance import git_revision

os.environ["GEGCORE_HOME"] = os.getcwd()
os.environ.setdefault("GEGCORE_REVISION", git_revision())  # goes into each executed page

# A path may hold what `--config` reads as YAML: bookkit.build passes it by the environment.
NAME = os.environ.get("GEGCORE_PROFILE") or str(config.get("profile", "quick"))
PROFILE = load_profile(NAME)
EXPERIMENTS = experiments(PROFILE)
A, R = f"artifacts/{PROFILE.name}", f"runs/{PROFILE.name}"
PAGES, LOGS, READY = f"{A}/pages", f"{A}/logs", f"{A}/ready.txt"
FINISHED = expand(f"{R}/{{run}}/finished.txt", run=EXPERIMENTS)
PYTHON = shlex.quote(sys.executable).replace("{", "{{").replace("}", "}}")
# What ran of a notebook that fails stays beside its log; what it said is in the log.
BATCH = (
    f"OMP_NUM_THREADS={{threads}} {PYTHON} -m bookkit.batch {{input.notebook:q}} {{params.partial:q}}"
    " -r profile {params.profile:q}{params.more} 2>&1 | tee {log:q} && cp {params.partial:q} "
)


def files(*patterns):
    """Files that are written by hand, not by the build."""
    found = {path for pattern in patterns for path in Path().glob(pattern) if path.is_file()}
    return sorted(p.as_posix() for p in found if not {"generated", "mathjax", "play"} & {*p.parts})


NOTEBOOKS = {Path(name).stem: name for name in files("notebooks/[0-9]*.ipynb")}
(TRAIN,) = (path for name, path in NOTEBOOKS.items() if name.startswith("03"))
PREPARED = [name for name in NOTEBOOKS if name < "03"]
RESULTS = [name for name in NOTEBOOKS if name >= "04"]
# What pages of results read beside the runs, and what the book is rendered from beside the pages.
# Pages quote the code with its line numbers: a comment moves them, and no digest of code tells.
STORED = files("results/**/*.*", "book/*.yml")
WRITTEN = STORED + files(
    "_*.yml", "book/**/*.md", "book/*.bib", "book/_static/**/*",
    "gegcore/**/*.py", "examples/*.py", "pyproject.toml", "bookkit/report/front.jinja",
    "bookkit/site.py", "CITATION.cff",
)


def profile(_):
    """A function's answer is taken as it is: braces in a path are no wildcards."""
    return NAME


wildcard_constraints:
    run="|".join(map(re.escape, EXPERIMENTS)),
    page="|".join(map(re.escape, [*PREPARED, *RESULTS])),


onsuccess:
    print("The book is ready:", Path("_build/html/index.html").resolve())


localrules: html


rule html:
    message: "rendering the book"
    input:
        expand(f"{PAGES}/{{page}}.ipynb", page=[*PREPARED, *RESULTS]),
        expand(f"{PAGES}/runs/{{run}}.ipynb", run=EXPERIMENTS),
        FINISHED,
        WRITTEN,
    output: "_build/html/index.html"
    params:
        key=[dag.code_digest("bookkit.book"), dag.contents_digest(*WRITTEN)],
        profile=profile,
    log: f"{LOGS}/html.txt"
    # No `run`: Snakemake starts its Python by a name that it does not quote.
    shell: f"{PYTHON} -m bookkit.book {{params.profile:q}} {{log:q}}"


rule prepare:
    message: "preparing data, features, CLIP embeddings and groups"
    output: READY
    params:
        key=dag.prepare_key(PROFILE),
        profile=profile,
    threads: workflow.cores or 1
    shell:
        f"OMP_NUM_THREADS={{threads}} {PYTHON} -m gegcore.cli prepare --profile {{params.profile:q}}"
        " && echo {params.key} > {output:q}"


rule page:
    message: "page {wildcards.page}"
    input:
        lambda wildcards: [*FINISHED, *STORED] if wildcards.page in RESULTS else [],
        ready=READY,
        notebook="notebooks/{page}.ipynb",
    output: f"{PAGES}/{{page}}.ipynb"
    params:
        key=lambda wildcards: [
            dag.page_key(NOTEBOOKS[wildcards.page], PROFILE),
            *([dag.contents_digest(*STORED)] if wildcards.page in RESULTS else []),
        ],
        profile=profile,
        more="",
        partial=f"{LOGS}/{{page}}.ipynb",
    log: f"{LOGS}/{{page}}.txt"
    shell: BATCH + "{output:q}"


rule train:
    message: "training {wildcards.run}"
    input:
        lambda wildcards: f"{R}/{start}/finished.txt"
        if (start := EXPERIMENTS[wildcards.run].start) else [],
        ready=READY,
        notebook=TRAIN,
    output:
        page=f"{PAGES}/runs/{{run}}.ipynb",
        finished=f"{R}/{{run}}/finished.txt",
    params:
        key=lambda wildcards: dag.page_key(TRAIN, PROFILE, EXPERIMENTS[wildcards.run]),
        profile=profile,
        more=lambda wildcards: " -r model {1} -r objective {2} -p seed {3}".format(
            *map(shlex.quote, map(str, EXPERIMENTS[wildcards.run]))
        ),
        partial=f"{LOGS}/{{run}}.ipynb",
        metrics=f"{R}/{{run}}/metrics.json",
    log: f"{LOGS}/{{run}}.txt"
    resources: gpu=1
    shell: BATCH + "{output.page:q} && cp {params.metrics:q} {output.finished:q}"
