# `make` alone explains itself. Every target that needs the environment sets it up first; with nothing to do that takes a moment.
.DEFAULT_GOAL := help
.PHONY: help setup gate prove test lint format bench examples images lock clean
BIN := .venv/bin
ARGS ?=
PYTHON ?=

help: ## this list
	@echo "usage: make TARGET [ARGS='…']    for example: make gate ARGS='--policy release'"
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## build .venv with everything in it; needs Python 3.11 or newer, no root (PYTHON=… names another one)
	@python=$$(PYTHON="$(PYTHON)" tools/setup/find-python) && SETUP_PYTHON="$(PYTHON)" "$$python" -B -m tools.setup

gate: setup ## start DealRadar with its servers, test it, and rule GO, NO-GO or INCONCLUSIVE
	@$(BIN)/harness gate $(ARGS)

prove: setup ## plant every defect of the catalogue, and see whether the gate says no to each
	@$(BIN)/harness prove --healthy 5 $(ARGS)

test: setup ## the project's own tests, in parallel and in random order
	@$(BIN)/pytest tests -n auto -p randomly $(ARGS)

lint: setup ## formatter, linter, types, import rules, lock files
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy --strict harness tools
	$(BIN)/lint-imports
	$(BIN)/python -m tools.check_locks
	$(BIN)/python -m tools.check_citations

format: setup ## let ruff format the code and mend what it can
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: setup ## run the benchmarks, one after another
	@for each in benchmarks/*.py; do echo "== $$each"; $(BIN)/python "$$each" $(ARGS) || exit 1; done

examples: setup ## install what examples/ need, and build the one in Go (a minute the first time)
	@$(BIN)/python -m tools.examples

images: setup ## build local Docker images for `harness gate --stack docker` where no image registry can be reached
	@$(BIN)/python -m tools.build_images

lock: setup ## write the lock files anew from pyproject.toml and package.json
	@$(BIN)/python -m tools.write_locks $(ARGS)

clean: ## remove what setup, tests and runs left here (shared caches stay)
	rm -rf .venv .cache .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build dist
	rm -rf examples/*/node_modules examples/*/.venv examples/*/build
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
	find reports -mindepth 1 -maxdepth 1 ! -name README.md -exec rm -rf {} +
