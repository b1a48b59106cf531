# Everything a new machine needs is set up by the targets themselves: see `make help`.
SHELL := /bin/sh
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
# More than cores: the tests wait for a third of their time.
WORKERS ?= 3

# A process that may not keep what it compiled does so again: seconds of each run of the tests.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help setup system demo test lint types layers bench bench-warmup chaos fuzz docs messages lock clean

help: ## Show the targets
	@echo "Merpati: make TARGET"
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | awk -F '\t' '{printf "  %-12s %s\n", $$1, $$2}'

setup: $(READY) ## Make the virtual environment with the locked dependencies, compile the texts
	@$(BIN)/python scripts/catalogues.py

$(READY): requirements/dev.lock pyproject.toml scripts/setup.sh
	@PYTHON=$(PYTHON) VENV=$(VENV) sh scripts/setup.sh

system: ## As root on Debian: install the programs that the full test run uses
	@sh scripts/system_packages.sh

demo: setup ## Send signed mail from two IPs to a receiver that verifies it, with live figures
	@$(BIN)/python -m demo

test: setup system ## Lint, types, architecture and all tests, on SQLite and PostgreSQL
	@$(MAKE) --no-print-directory lint
	$(BIN)/pytest -n $(WORKERS) --dist loadgroup
	$(BIN)/python -m tests.support.postgres $(BIN)/pytest -q -n $(WORKERS) --dist loadgroup

lint: setup ## ruff, mypy --strict, import-linter
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	@$(MAKE) --no-print-directory -j2 --output-sync types layers

types: setup ## mypy --strict alone
	$(BIN)/mypy

layers: setup ## import-linter alone
	$(BIN)/lint-imports

bench: setup system ## Measure against Postfix + OpenDKIM in the same run; prints the tables of docs/performance.md
	$(BIN)/python -m bench $(ARGS)

bench-warmup: setup ## Compare warm-up policies on simulated providers; prints the tables of docs/explanation/warm-up.md
	@$(BIN)/python -m bench.warmup $(ARGS)

chaos: setup ## 200 rounds of kill -9 under load; ARGS="--defer 30 --reject 2": a sink that refuses
	$(BIN)/python -m chaos $(ARGS)

fuzz: setup ## Ten minutes of random input to all that reads it; ARGS="--seconds 60 template"
	$(BIN)/python -m tests.fuzz $(ARGS)

messages: setup ## Compile the translated texts (every target does)

docs: setup ## Write the reference of commands and settings from the code
	$(BIN)/python -m merpati.cli.reference

lock: setup ## Lock the dependencies anew (needs uv)
	uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header --no-annotate pyproject.toml -o requirements/core.lock
	uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header --no-annotate pyproject.toml --group dev -o requirements/dev.lock

clean: ## Remove the virtual environment and caches
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build dist
