# What people do with a checkout. `make` alone lists it.
# The targets that need Python make .venv themselves, and again only when a lock file or pyproject.toml changed.

PYTHON ?= python3
PYTEST_ARGS ?=
LOCK_ARGS ?=
N ?= 20
SEED ?= 1
LEDGER ?= sqlite
ENGINE ?= none
SECONDS ?= 60

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --no-input -qq
LOCK := $(BIN)/uv pip compile pyproject.toml --quiet --universal --python-version 3.11 --generate-hashes --no-strip-extras --no-header --no-annotate

# Each stamp is written last: an install that broke off leaves none, so it is tried again.
LOCKED := $(VENV)/.locked
READY := $(VENV)/.ready

MAKEFLAGS += --no-builtin-rules
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo test check torture fuzz bench bench-full screenshots lint format lock clean always

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-10s %s\n", $$1, $$2}' Makefile

demo: $(READY) ## issue a sample against a simulated server, and show where the files are
	@$(BIN)/batch-issuer demo; code=$$?; [ $$code -eq 4 ] || exit $$code  # 4: done, some rows deserve a look

test: $(READY) ## run all tests (PYTEST_ARGS="-k words" picks some)
	$(BIN)/pytest $(PYTEST_ARGS)

check: lint ## all that must hold before a commit: lint, then the tests (but end-to-end, browser and cluster) with their coverage
	$(BIN)/pytest --cov -m 'not end_to_end and not browser and not cluster' $(PYTEST_ARGS)

torture: $(READY) ## kill and resume the command under random faults, N times from seed SEED on (LEDGER=postgresql, ENGINE=dask)
	$(BIN)/python -m tests.end_to_end.torture --runs $(N) --seed $(SEED) --ledger $(LEDGER) --engine $(ENGINE)

fuzz: $(READY) ## feed the reader broken files for SECONDS seconds, from seed SEED on
	$(BIN)/python -m tests.fuzz.reader --seconds $(SECONDS) --seed $(SEED)

bench: $(READY) ## measure the program beside the limits of this machine and its peers, into docs/reference/performance.md
	$(BIN)/python -m benchmarks --write

bench-full: $(READY) ## the same, ten million rows, and a cluster (needs PostgreSQL)
	$(BIN)/python -m benchmarks --full --write

screenshots: $(READY) ## draw every page of the console into docs/screenshots (needs a Chromium)
	$(BIN)/python -m tests.browser.screenshots

lint: $(READY) ## check format, style, types and the container files
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/check-jsonschema --builtin-schema vendor.compose-spec docker-compose.yml
	$(BIN)/hadolint Dockerfile

format: $(READY) ## format the code, and mend what can be mended by itself
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# The development lock is solved first; the runtime lock takes its versions, so the two stay in step.
# What runs can keep its ledger in PostgreSQL and work on a cluster, so the runtime lock holds what that takes, too.
lock: $(LOCKED) ## write both lock files from pyproject.toml (LOCK_ARGS=--upgrade takes newer versions)
	$(LOCK) --extra dev --output-file requirements-dev.lock $(LOCK_ARGS)
	$(LOCK) --extra cluster --extra postgres --constraint requirements-dev.lock --output-file requirements.lock $(LOCK_ARGS)

clean: ## remove .venv, caches and builds (output/ stays: it holds your reports and the ledger)
	rm -rf $(VENV) build dist .coverage .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(LOCKED): requirements-dev.lock
	@$(PYTHON) -c '' 2>/dev/null \
		|| { echo 'error: no Python found as "$(PYTHON)"; install Python 3.11 or newer, or name it: make PYTHON=/path/to/python3' >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo 'error: "$(PYTHON)" is older than Python 3.11; name a newer one: make PYTHON=python3.11' >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null \
		|| { echo 'error: "$(PYTHON)" lacks its venv module; install it (on Debian and Ubuntu: apt install python3-venv)' >&2; exit 1; }
	@echo 'Setting up $(VENV) (about a minute, once) ...'
	@$(PYTHON) -m venv --clear $(VENV)
	@$(PIP) install --require-hashes -r requirements-dev.lock
	@printf '%s' "$(CURDIR)" > $@

$(READY): $(LOCKED) pyproject.toml
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@broken=$$($(BIN)/python -m pip check) \
		|| { echo "$$broken"; echo 'error: the lock files are behind pyproject.toml; run: make lock'; exit 1; } >&2
	@touch $@

# A .venv that was moved here, or whose Python is gone, is made anew.
ifneq ($(shell $(BIN)/python -c 'import pip; print(open("$(LOCKED)").read())' 2>/dev/null),$(CURDIR))
$(LOCKED): always
endif
