# Two commands do all set-up: `make demo` and `make test`.
PYTHON ?= python3
BIN := .venv/bin
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable

.PHONY: demo test check format bench clean

demo: .venv/.run           ## install, then run the main job
	$(BIN)/pimsim run isaac-lenet5

test: .venv/.dev           ## install the tools, then run the tests
	$(BIN)/python -m pytest --numprocesses=auto --dist=loadfile

check: .venv/.dev          ## lint, types, layering
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright
	$(BIN)/lint-imports

format: .venv/.dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: .venv/.dev          ## print the benchmarks' ratios
	for benchmark in benchmarks/*.py; do $(BIN)/python $$benchmark || exit 1; done

clean:
	rm -rf .venv build dist .pytest_cache .ruff_cache

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "pimsim needs Python 3.11 or newer: make PYTHON=/path/to/python3.11 ..."; exit 1; }
	$(PYTHON) -m venv .venv

.venv/.run: $(BIN)/python pyproject.toml constraints.txt
	$(INSTALL) .
	touch $@

.venv/.dev: $(BIN)/python pyproject.toml constraints.txt
	$(INSTALL) ".[dev]"
	touch $@ .venv/.run
