# One entry point. `make demo` and `make test` work on a fresh machine with Python 3.11+ and a package index.
# Every target installs the versions in constraints.txt; only test-latest, and so lock, installs the newest.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
PYTHON ?= python3
VENV ?= .venv
LATEST ?= .venv-latest
BIN := $(VENV)/bin
IMAGES ?=
STUDY ?= best
PORT ?= 8000
# The tests keep every core busy with a process of its own; more threads in each would only wait for each other.
# A process takes tests in their order, and from another only when it has none left: what tests of a file share is made once.
test test-latest: export OMP_NUM_THREADS ?= 1
WORKERS ?= 2
PYTEST := -m pytest -n $(WORKERS) --dist worksteal
SOURCES := src tests benchmarks
PIP := -m pip install --quiet --disable-pip-version-check
LOCKED := PIP_CONSTRAINT=constraints.txt PIP_BUILD_CONSTRAINT=constraints.txt
DEV := $(VENV)/.dev,torch,minilm,openclip.stamp

.PHONY: help install demo profile serve test test-latest lock check format bench docs study train-embedded dist clean
help: ## list the targets
	@grep -E '^[a-z-]+:.*## ' Makefile | sed -E 's/:.*## /\t/' | expand -t 18

# One stamp per set of extras; installed again when pyproject.toml or constraints.txt changes.
# The environment variables, unlike the option, reach the environment that pip builds the package in.
$(VENV)/.%.stamp: pyproject.toml constraints.txt
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(LOCKED) $(BIN)/python $(PIP) --editable '.$(if $(filter-out base,$*),[$*])'
	@touch $@

install: $(VENV)/.base.stamp ## install the base package into .venv

demo: $(VENV)/.demo.stamp ## classify sample images, or IMAGES=folder, and write demo/report.html
	$(BIN)/imagist demo --out demo $(if $(IMAGES),--images '$(IMAGES)')

profile: $(VENV)/.demo.stamp ## profile simulated accounts of sample images, and write demo/accounts.html
	$(BIN)/imagist demo --accounts --out demo

serve: $(VENV)/.serve,demo.stamp ## serve the API and the page at http://127.0.0.1:PORT (8000)
	$(BIN)/imagist serve --port $(PORT)

test: $(DEV) ## run every test that this machine can run
	$(BIN)/python $(PYTEST)

# Deprecations in a new release of a dependency are reported, not raised: they break no user yet.
test-latest: ## run the same tests on the newest versions of all dependencies, in .venv-latest
	$(PYTHON) -m venv --clear $(LATEST)
	$(LATEST)/bin/python $(PIP) --upgrade --upgrade-strategy eager --editable '.[all,dev,minilm]'
	$(LATEST)/bin/python $(PYTEST) \
		-W default::DeprecationWarning -W default::PendingDeprecationWarning -W default::FutureWarning

# The lock holds exactly the versions that test-latest passed on; uv adds what only other systems or Pythons need, and
# checks that every supported Python can install it. Run it with the lowest supported Python.
RESOLVE = $(LATEST)/bin/uv pip compile pyproject.toml --all-extras --no-annotate --no-header --quiet
lock: test-latest ## renew constraints.txt with the versions that test-latest passes on
	$(LATEST)/bin/python -m pip list --format freeze --exclude-editable --exclude pip | sed 's/+.*//' > $(LATEST)/tested.txt
	$(RESOLVE) --universal --constraints $(LATEST)/tested.txt > $(LATEST)/constraints.txt
	for python in 3.11 3.12 3.13; do \
		$(RESOLVE) --python-version $$python --only-binary :all: --constraints $(LATEST)/constraints.txt > /dev/null || exit 1; \
	done
	mv $(LATEST)/constraints.txt constraints.txt

check: $(DEV) ## check style, format and types
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/ruff format --check $(SOURCES)
	$(BIN)/mypy

format: $(DEV) ## fix style and format
	$(BIN)/ruff check --fix $(SOURCES)
	$(BIN)/ruff format $(SOURCES)

bench: $(DEV) ## measure quality and speed into benchmarks/results (needs IMAGIST_DATA)
	$(BIN)/python benchmarks/embedded_quality.py
	$(BIN)/python benchmarks/throughput.py
	$(BIN)/python benchmarks/caption_metrics.py

docs: $(DEV) ## write what is generated of docs, and build the site into site; a broken link fails
	$(BIN)/python -m imagist.cli.reference > docs/cli.md
	$(BIN)/python -m imagist.cli.settings_reference > docs/settings.md
	$(BIN)/mkdocs build --strict --quiet

study: $(DEV) ## run configs/studies/STUDY.toml into runs/studies/STUDY (needs IMAGIST_DATA); resumes
	$(BIN)/imagist study configs/studies/$(STUDY).toml

train-embedded: $(DEV) ## train the embedded model from scratch (needs IMAGIST_DATA); resumes
	$(BIN)/python -m imagist.training.embedded.train

dist: $(DEV) ## build the wheel and the source archive into dist
	rm -rf dist
	$(BIN)/python -m build --no-isolation

clean: ## remove what these targets made, except trained runs
	rm -rf $(VENV) $(LATEST) demo dist site .pytest_cache .mypy_cache .ruff_cache
