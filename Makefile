# Everything starts from a Python >= 3.11; what else is needed is installed into .venv, by name, version and hash.
# ARGS goes to the command behind a target: make test ARGS="-k inbox", make demo ARGS=--live

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help
.PHONY: help demo test check fix docs coverage bench bench-quick profile sim soak lock clean FORCE

ARGS ?=
SOAK_MINUTES ?= 30
SEED ?= $(shell git rev-parse HEAD 2>/dev/null || echo 20260101)
RUNS ?= 200
BIN := .venv/bin
RUN := .venv/.run
DEV := .venv/.dev
BENCH := .venv/.bench
CODE := $(wildcard events projections hub replay tests benchmarks examples .ci)

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' Makefile

demo: $(RUN) ## a real network in seconds: it runs, is killed, goes on, and shows its record
	@$(BIN)/ledgerhub demo $(ARGS)

test: $(DEV) ## the whole suite, in random order, on all cores
	@$(BIN)/python -m pytest -n auto --dist worksteal $(ARGS)

check: $(DEV) ## lint, format, types, the contracts between the floors, and that the documents are not stale
	@$(BIN)/ruff check $(CODE)
	@$(BIN)/ruff format --check $(CODE)
	@$(BIN)/mypy $(CODE)
	@$(BIN)/lint-imports
	@$(BIN)/python -m pytest -q tests/house/test_docs.py

fix: $(DEV) ## what ruff can mend by itself
	@$(BIN)/ruff check --fix $(CODE)
	@$(BIN)/ruff format $(CODE)

docs: $(DEV) ## docs/replay.md anew, from the commands' own help
	@$(BIN)/python .ci/reference.py

coverage: $(DEV) ## the suite again, with the lines and branches that it does not reach
	@$(BIN)/python -m pytest -n auto --cov --cov-report=term-missing:skip-covered $(ARGS)

bench: $(BENCH) ## every benchmark beside its peer; writes benchmarks/RESULTS.md
	@$(BIN)/python -m benchmarks $(ARGS)

bench-quick: $(BENCH) ## the same, smaller, in under two minutes
	@$(BIN)/python -m benchmarks --quick $(ARGS)

profile: $(BENCH) ## where the time of P1 goes on this side, by function
	@$(BIN)/python -m benchmarks.profiling $(ARGS)

sim: $(DEV) ## the whole hub under a seed, with every fault: SEED= a number or a commit hash (this commit), RUNS= (200)
	@$(BIN)/python -m tests.simulation --seed $(SEED) --runs $(RUNS) $(ARGS)

soak: $(DEV) ## the suite in ever new orders until a failure or SOAK_MINUTES (30) are over
	@end=$$((SECONDS + 60 * $(SOAK_MINUTES))); rounds=0; \
	while (( SECONDS < end )); do \
		$(BIN)/python -m pytest -n auto -q -x --hypothesis-seed=random $(ARGS) || exit 1; rounds=$$((rounds + 1)); \
	done; echo "soak: $$rounds rounds, no failure"

lock: $(DEV) ## resolve constraints.txt anew from pyproject.toml
	@$(BIN)/pip install -qq --disable-pip-version-check uv
	@PATH="$(BIN):$$PATH" $(BIN)/python .ci/lock.py

clean: ## remove what the other targets made
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache .coverage .coverage.* build *.egg-info
	rm -rf demo.hub
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The virtual environment.
# A stamp per section of constraints.txt is written last, so that an install that was cut off is not taken for one.
# What a cut-off install left (.unfinished), and an environment whose Python has gone, is begun anew.

ifneq ($(wildcard .venv/.unfinished),)
MADE_AGAIN := FORCE
endif
ifeq ($(wildcard $(BIN)/python),)
MADE_AGAIN := FORCE
endif

.venv/.made: $(MADE_AGAIN)
	@for python in $(PYTHON) python3.13 python3.12 python3.11 python3 python; do \
		"$$python" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 || continue; \
		echo "making .venv with $$("$$python" --version)"; \
		rm -rf .venv; "$$python" -m venv .venv; touch $@; exit 0; \
	done; \
	echo "ledgerhub needs Python 3.11 or newer with its venv module, and found none on PATH; name one: make PYTHON=/path/to/python3.12" >&2; \
	exit 1

# Every section is given as requirements, for its hashes, and as constraints: a pin does not hold for a package that is
# asked for with an extra (coverage[toml]) in pip of Python 3.11, a constraint does.
define install
@echo "installing $(1)"
@touch .venv/.unfinished
@awk '/^## / {on = ($$2 == "$(1):")} on' constraints.txt > .venv/$(1).txt
@$(BIN)/python -m pip install -qq --disable-pip-version-check --no-input --require-hashes \
	$(foreach section,$(2) $(1),-r .venv/$(section).txt -c .venv/$(section).txt)
endef
define installed
@rm .venv/.unfinished
@touch $@
endef

$(RUN): .venv/.made constraints.txt pyproject.toml
	$(call install,run)
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --no-index --no-deps --no-build-isolation -e .
	$(installed)

$(DEV): $(RUN)
	$(call install,dev,run)
	$(installed)

$(BENCH): $(DEV)
	$(call install,bench,run dev)
	$(installed)

FORCE:
