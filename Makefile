# The first command after a clone may be any of these. Each makes the environment it needs.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.made-for-pyproject
# What checks a deployment lives apart: some of it wants other releases of libraries than the clients that the tests run.
TOOLS := $(VENV)-deployment
TOOLS_STAMP := $(TOOLS)/.made-for-pyproject
DATA ?= ./chroma
PORT ?= 8000
# How many tests run at once: as many as there are processors, unless told.
WORKERS ?= logical
PYTEST := $(BIN)/python -m pytest
# A file is run by one process, for what its tests share; in the order of the folders, in which the files that take long come first and the
# many small ones last, rather than by the number of tests, in which a few long ones would come last.
PARALLEL := $(PYTEST) --numprocesses $(WORKERS) --dist loadfile --no-loadscope-reorder
# The files with tests that run while no other does: reading all files to find them takes longer than most of them do.
ALONE = $(shell grep --recursive --files-with-matches --include='test_*.py' 'pytest.mark.alone' tests)
# The schemas of Terraform's providers, of the releases that the files under deploy/ ask for; read, never installed.
PROVIDERS := cdktn-provider-google==21.1.0 cdktn-provider-azurerm==18.9.0
# For the Python of the image, on every platform.
COMPILE = $(TOOLS)/bin/uv pip compile --quiet --universal --python-version 3.13 --generate-hashes --no-annotate --no-header $(LOCK)
# The tests start hundreds of processes, and each would compile the package anew.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := all
.PHONY: all setup run test check format slow recall soak crash reference bench deployment container lock licences audit image clean

all: check test  ## Style, types and tests

setup: $(STAMP)  ## Make $(VENV) with the package and all that its development needs

$(STAMP): pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev,server]'
	touch $@

$(TOOLS_STAMP): pyproject.toml
	$(PYTHON) -m venv $(TOOLS)
	$(TOOLS)/bin/python -m pip install --quiet --disable-pip-version-check --editable '.[deployment,server,otel,bm25]'
	$(TOOLS)/bin/python -m pip download --quiet --disable-pip-version-check --no-deps --dest $(TOOLS)/providers $(PROVIDERS)
	touch $@

run: setup  ## Serve on 127.0.0.1:8000, data in ./chroma
	exec $(BIN)/chroma-async run --host 127.0.0.1 --port $(PORT) --path $(DATA)

test: setup  ## Every test that takes seconds: those that measure time by themselves, after all others
	$(PARALLEL) -m 'not slow and not reference and not deployment and not alone'
	$(PYTEST) -m 'not slow and not reference and not deployment and alone' $(ALONE)

check: setup  ## Style, types, and what a linter of security knows
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/bandit --quiet --configfile pyproject.toml --recursive chroma_async

format: setup  ## Rewrite the source in the project's style
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

slow: setup  ## The tests that take minutes
	$(PARALLEL) -m slow --timeout 1800

recall: setup  ## Recall against exact search, at sizes where a graph matters
	$(PARALLEL) -m 'slow or not slow' --timeout 1800 tests/recall

crash: setup  ## Crashes at every step of writing, and kill -9 of a real server
	$(PARALLEL) --dist worksteal -m 'slow or not slow' --timeout 1800 tests/crash

soak: setup  ## Random operations against a model, for minutes
	$(PYTEST) -m 'slow or not slow' --timeout 7200 tests/model

reference: setup  ## The same scenarios against the real Chroma server and this one
	$(PARALLEL) -m reference --timeout 600 tests/compat

bench: setup  ## This server and the real Chroma server side by side; BENCH passes options
	$(BIN)/python -m tests.bench $(BENCH)

deployment: $(TOOLS_STAMP)  ## Image file, deployment files and templates, each by the programs it is for
	$(TOOLS)/bin/python -m pytest -m 'deployment and not container' --timeout 300 tests/deploy

container: $(TOOLS_STAMP)  ## Build the image without Docker and start it; as root, with Debian's buildah and debootstrap
	$(TOOLS)/bin/python -m pytest -m container --timeout 1800 tests/deploy

lock: $(TOOLS_STAMP)  ## What the image installs, by hash; as it is where it still fits, anew with LOCK=--upgrade
	$(COMPILE) --extra server --extra otel --extra bm25 --output-file deploy/image/requirements.lock pyproject.toml
	$(TOOLS)/bin/python -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["build-system"]["requires"], sep="\n")' \
	  | $(COMPILE) --output-file deploy/image/build.lock -

licences: $(TOOLS_STAMP)  ## Write down the licences of what the image holds
	$(TOOLS)/bin/python deploy/image/licences.py > docs/licences.md

audit: $(TOOLS_STAMP)  ## Known vulnerabilities of what the image holds; needs the network, and fails when it could not ask
	$(TOOLS)/bin/python deploy/image/audit.py $(TOOLS)/bin/pip-audit

image:  ## The container image
	docker build --tag chroma-async .

clean:  ## Forget everything that was made
	rm -rf $(VENV) $(TOOLS) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .bench-cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
