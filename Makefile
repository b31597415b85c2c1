# One entry point. `make demo` and `make test` work on a fresh machine with Python 3.11+ and a package index.
SHELL := /bin/bash
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PHOTOS ?=
WORKERS ?= 2

.PHONY: help install demo test check format bench docs study train-embedded clean
help: ## say what there is
	@grep -E '^[a-z-]+:.*## ' Makefile | sed -E 's/:.*## /\t/' | expand -t 18

# A stamp for each set of extras: made anew when pyproject.toml changes.
$(VENV)/.%.stamp: pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[$*]'
	@touch $@

$(VENV)/.base.stamp: pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	@touch $@

install: $(VENV)/.base.stamp ## install the base package into .venv

demo: $(VENV)/.demo.stamp ## classify real images, or PHOTOS=folder, and write demo/report.html
	$(BIN)/imagist demo --out demo $(if $(PHOTOS),--photos '$(PHOTOS)')

test: $(VENV)/.dev,torch,minilm.stamp ## run every test that this machine can run
	$(BIN)/python -m pytest -n $(WORKERS)

check: $(VENV)/.dev,torch,minilm.stamp ## lint, format and types, as CI and pre-commit see them
	$(BIN)/ruff check src tests benchmarks
	$(BIN)/ruff format --check src tests benchmarks
	$(BIN)/mypy

format: $(VENV)/.dev,torch,minilm.stamp ## put the source in order
	$(BIN)/ruff check --fix src tests benchmarks
	$(BIN)/ruff format src tests benchmarks

bench: $(VENV)/.dev,torch,minilm.stamp ## measure quality and speed (needs IMAGIST_DATA), into benchmarks/results
	$(BIN)/python benchmarks/embedded_quality.py
	$(BIN)/python benchmarks/throughput.py
	$(BIN)/python benchmarks/caption_metrics.py

docs: $(VENV)/.dev,torch,minilm.stamp ## write docs/cli.md from the commands' own help
	$(BIN)/python -m imagist.cli.reference > docs/cli.md

STUDY ?= best
study: $(VENV)/.dev,torch,minilm.stamp ## run configs/studies/STUDY.toml (needs IMAGIST_DATA), into runs/studies/STUDY; resumes
	$(BIN)/imagist study configs/studies/$(STUDY).toml

train-embedded: $(VENV)/.dev,torch,minilm.stamp ## train the embedded bundle from nothing (needs IMAGIST_DATA); resumes
	$(BIN)/python -m imagist.training.embedded.train

clean: ## remove what was made here, but for trained runs
	rm -rf $(VENV) demo dist .pytest_cache .mypy_cache .ruff_cache
