# make book    set up, run the reproduction, render the book (PROFILE=smoke|quick|standard)
# make test    set up, run all tests
# AGAIN=1 trains anew what older code made, and keeps the old runs beside the new.
# Everything lands in this folder: .venv, artifacts/, runs/, _build/. `make clean` removes all but the runs.

# What can be set: make book PROFILE=mine.yaml CORES=4 PYTHON=python3.12
PROFILE ?= quick
CORES   ?= $(shell nproc 2>/dev/null || sysctl -n hw.ncpu 2>/dev/null || echo 2)
PYTHON  ?= python3
VENV    ?= .venv
UV      ?= uv

# Recipes write "$$NAME" for $(NAME): to the shell it is then one word, whatever is in it.
export PROFILE CORES VENV UV
export SETUP_PYTHON := $(PYTHON)
export GEGCORE_HOME := $(CURDIR)
PY      := "$$VENV/bin/python"
# A Python that somebody names replaces that of an environment; python3 only makes a new one.
INSTALL := "$$SETUP_PYTHON" -I bookkit/install.py --venv "$$VENV" --uv "$$UV" \
	$(if $(filter file,$(origin PYTHON)),,--chosen)

.DEFAULT_GOAL := help
.PHONY: help setup installed python book smoke plan lab test lint clean mutants

help:  ## say what there is to make
	@awk -F ':.*## ' '/^[a-z]+:.*## /{printf "  make %-7s %s\n", $$1, $$2}' Makefile
	@echo "  variables: PROFILE=$$PROFILE CORES=$$CORES PYTHON=$$SETUP_PYTHON"

setup: python  ## create .venv with the exact versions of constraints.txt, or mend it
	@$(INSTALL) --again

installed: python
	@$(INSTALL)

python:
	@"$$SETUP_PYTHON" -c 'import sys; sys.exit(sys.version_info < (3, 7) and \
	"gegcore needs Python 3.10 or newer, make 3.11: name one, make PYTHON=python3.12 ...")'

book: installed  ## run the reproduction and render the book
	@$(PY) -m bookkit.build --profile "$$PROFILE" --cores "$$CORES" $(if $(AGAIN),--again)

smoke: override PROFILE := smoke
smoke: book  ## the same, as small as it can be: does everything run?

plan: installed  ## show what `make book` would do
	@$(PY) -m bookkit.build --profile "$$PROFILE" --dry-run --quiet host

lab: installed  ## open the notebooks in JupyterLab
	@$(PY) -m jupyterlab --notebook-dir=notebooks

test: installed  ## run all tests, or those of TESTS='tests/bookkit -k archive'
	OMP_NUM_THREADS=1 $(PY) -m pytest -n "$$CORES" --dist loadfile --durations=40 --durations-min=5 $(TESTS)

lint: installed  ## style, types and the direction of imports
	$(PY) -m ruff check .
	"$$VENV/bin/lint-imports"
	$(PY) -m mypy

clean:  ## remove what make made and can make again: all but the runs
	@! grep -qs '"made_by": "make"' "$$VENV/installed.txt" || rm -rf "$$VENV"
	rm -rf .venv artifacts _build .snakemake mutants book/generated book/_static/mathjax
	@test ! -d runs || echo "runs/ stays, with what was trained"

mutants: installed  ## change the core line by line: does a test notice? (see CONTRIBUTING.md)
	CI=1 OMP_NUM_THREADS=1 nice $(PY) tests/surviving_mutants.py
