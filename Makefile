# The two commands of the README, and what stands behind them.
.DEFAULT_GOAL := help
.PHONY: help install demo test check format clean

CITY ?= sanming
PORT ?= 8000
LEDGER ?=
PYTHON ?= python3

VENV := .venv
BIN := $(VENV)/bin

help: ## List the commands.
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/'

install: $(VENV)/installed ## Make .venv with the yetan command.

$(VENV)/installed: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Yetan needs Python 3.11 or newer; name one with PYTHON=python3.11" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

demo: install ## A city with data at http://127.0.0.1:8000 (PORT=, CITY=, LEDGER=file).
	@$(BIN)/yetan demo --config "deployments/$(CITY)/yetan.toml" --port "$(PORT)" $(if $(LEDGER),--ledger "$(LEDGER)")

test: install ## The whole test suite.
	@$(BIN)/python -m pytest -n auto

check: install ## Format, lint, types, import rules, then the tests.
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	@$(MAKE) --no-print-directory test

format: install ## Bring the code into its format.
	$(BIN)/ruff check --fix --quiet .
	$(BIN)/ruff format .

clean: ## Remove the environment and the demo's data.
	rm -rf $(VENV) var
