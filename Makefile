# The two commands of the README, and what stands behind them.
.DEFAULT_GOAL := help
.PHONY: help install demo test previous soak bench screenshots catalogues docs check format clean

CITY ?= sanming
PORT ?= 8000
LEDGER ?=
TESTS ?= tests/core
PYTHON ?= python3

VENV := .venv
BIN := $(VENV)/bin

# Where Python is told to keep no bytecode, each of the suite's processes compiles everything anew: two seconds a process.
unexport PYTHONDONTWRITEBYTECODE

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
	@$(BIN)/python -m pytest -n auto --dist loadfile --no-loadscope-reorder

previous: install ## The last version's core tests on the schema of this one (TESTS=tests/core).
	@tag=$$(git describe --tags --abbrev=0 HEAD^ 2>/dev/null) \
		|| { echo "No earlier version is tagged yet: there is no suite to run."; exit 0; }; \
	folder=$$(mktemp -d) && trap 'git worktree remove --force "$$folder"' EXIT && \
	git worktree add --quiet --detach "$$folder" "$$tag" && \
	$(MAKE) --no-print-directory -C "$$folder" install && \
	echo "The tests of $$tag on the schema of this version:" && \
	(cd "$$folder" && YETAN_TEST_UPGRADE_WITH="$(CURDIR)/$(BIN)/python" \
		$(BIN)/python -m pytest -n auto $(TESTS) --ignore-glob='*/test_database_*')

SEED ?= 1
soak: install ## Kill a city a thousand times, race in it, look at every page in every way; figures in docs/soak.json.
	@$(BIN)/python -m tests.soak all --seed "$(SEED)"

SIZES ?= 10000 100000
DATABASES ?= sqlite postgresql
PARTS ?=
FIGURES ?= var/bench.json
bench: install ## Pages, writes, search beside the bare page and the raw driver (SIZES=, DATABASES=, PARTS=); fails for a missed target.
	@$(BIN)/python -m tests.benchmarks --sizes "$(SIZES)" --databases "$(DATABASES)" $(if $(PARTS),--parts "$(PARTS)") \
		--figures "$(FIGURES)"

screenshots: install ## The main pages as PNG in var/screenshots, those of the README in docs/screenshots.
	@$(BIN)/python -m tests.browser.screenshots

catalogues: install ## New messages into the catalogues; fails where one has no words yet.
	@$(BIN)/python -m yetan.messages activities meetings supervision whoosh lantern seal

docs: install ## The documentation, in var/docs; a warning is an error.
	@$(BIN)/python docs/reference.py
	@$(BIN)/python -m sphinx -W --keep-going -q -b html docs var/docs

check: install ## Format, lint, types, import rules, then the tests.
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	@$(MAKE) --no-print-directory docs
	@$(MAKE) --no-print-directory test

format: install ## Bring the code into its format.
	$(BIN)/ruff check --fix --quiet .
	$(BIN)/ruff format .

clean: ## Remove the environment and the demo's data.
	rm -rf $(VENV) var
