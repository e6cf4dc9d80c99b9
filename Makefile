# `make run` and `make test` set up a fresh machine by themselves; a second call starts at once.
PYTHON ?= python3
BIN := .venv/bin
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt

.PHONY: run test test-all bench lint clean

run: .venv/base.stamp
	$(BIN)/tripos run examples/sms-spam/sms-spam.tsv.gz --target label --out runs

test: .venv/test.stamp
	$(BIN)/ruff check src tests benchmarks
	$(BIN)/mypy
	$(BIN)/python -m pytest -n 2 --dist loadgroup -m "not slow"

test-all: .venv/test.stamp
	$(BIN)/python -m pytest -n 2 --dist loadgroup

bench: .venv/bench.stamp
	$(BIN)/python -m benchmarks

lint: .venv/test.stamp
	$(BIN)/ruff check src tests benchmarks
	$(BIN)/ruff format --check src tests benchmarks
	$(BIN)/mypy

clean:
	rm -rf .venv build dist

.venv/bin/python:
	$(PYTHON) -m venv .venv

.venv/base.stamp: pyproject.toml constraints.txt | .venv/bin/python
	$(INSTALL) -e .
	@touch $@

.venv/test.stamp: .venv/base.stamp
	$(INSTALL) -e ".[test]"
	@touch $@

.venv/bench.stamp: .venv/base.stamp
	$(INSTALL) -e ".[bench]"
	@touch $@
