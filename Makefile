# make book    set up, run the reproduction, render the book (PROFILE=smoke|quick|seven|objectives|standard)
# make test    set up, run all tests
# Everything lands in this folder: .venv, artifacts/, runs/, _build/. `make clean` removes it again.

PROFILE ?= quick
CORES   ?= $(shell nproc 2>/dev/null || sysctl -n hw.ncpu 2>/dev/null || echo 2)
PYTHON  ?= python3
VENV    ?= .venv

PY        := $(VENV)/bin/python
INSTALLED := $(VENV)/installed.txt
export GEGCORE_HOME := $(CURDIR)

.DEFAULT_GOAL := help
.PHONY: help setup book smoke plan lab test lint clean

help:  ## say what there is to make
	@awk -F ':.*## ' '/^[a-z]+:.*## /{printf "  make %-7s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo "  variables: PROFILE=$(PROFILE) CORES=$(CORES) PYTHON=$(PYTHON)"

setup: $(INSTALLED)  ## create .venv with the exact versions of constraints.txt

book: $(INSTALLED)  ## run the reproduction and render the book
	@$(PY) -m bookkit.build --profile $(PROFILE) --cores $(CORES)

smoke:  ## the same, as small as it can be: does everything run?
	@$(MAKE) --no-print-directory book PROFILE=smoke

plan: $(INSTALLED)  ## show what `make book` would do
	@$(PY) -m snakemake --dry-run --quiet host --config profile=$(PROFILE)

lab: $(INSTALLED)  ## open the notebooks in JupyterLab
	@$(PY) -m jupyterlab --notebook-dir=notebooks

test: $(INSTALLED)  ## run all tests
	OMP_NUM_THREADS=1 $(PY) -m pytest -n $(CORES) --dist loadfile $(TESTS)

lint: $(INSTALLED)  ## style, types and the direction of imports
	$(PY) -m ruff check .
	$(VENV)/bin/lint-imports
	$(PY) -m mypy

clean:  ## remove everything that make made
	rm -rf $(VENV) artifacts runs _build .snakemake mutants book/generated book/_static/mathjax

.PHONY: mutants
mutants: $(INSTALLED)  ## change the core line by line: does a test notice? (see CONTRIBUTING.md)
	CI=1 OMP_NUM_THREADS=1 nice $(PY) tests/surviving_mutants.py

# The stamp is newer than what it depends on only if the whole installation went well.
$(INSTALLED): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; ok = sys.version_info >= (3, 10); \
	print("" if ok else "gegcore needs Python 3.10 or newer (3.11 for make book); $(PYTHON) is " \
	+ sys.version.split()[0] + ". Name another: make PYTHON=python3.12 ..."); sys.exit(not ok)'
	@test -x $(PY) || $(PYTHON) -m venv $(VENV)
	$(PY) -m pip install --progress-bar off --constraint constraints.txt --editable '.[java,scenes,book,test]'
	@$(PY) -m pip check && touch $@
