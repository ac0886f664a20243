# Everything here sets itself up: the first call makes the environment that it needs, later calls find it ready.

PYTHON ?= python3
DEMO := .venv-demo
FULL := .venv
INSTALL := -m pip install -qq --disable-pip-version-check --constraint constraints.txt --editable

.DEFAULT_GOAL := help
.PHONY: help demo test check clean

help:  ## what there is to make
	@grep -E '^[a-z]+:.*## ' Makefile | sed 's/:[^#]*## /\t/' | expand -t 10

demo: $(DEMO)/.ready  ## encode a photo, look at its first bytes, decode prefixes of it (no PyTorch)
	$(DEMO)/bin/semapix demo --force

test: $(FULL)/.ready  ## run the whole test suite
	$(FULL)/bin/python -m pytest

check: $(FULL)/.ready  ## style, types, and which room may import which
	$(FULL)/bin/ruff check .
	$(FULL)/bin/ruff format --check .
	$(FULL)/bin/mypy
	$(FULL)/bin/python -m pytest -q tests/test_architecture.py

clean:  ## remove the environments and all caches
	rm -rf $(DEMO) $(FULL) .hypothesis .mypy_cache .pytest_cache .ruff_cache

$(DEMO)/.ready: pyproject.toml constraints.txt
	@echo "Setting up $(DEMO) (once, about a minute) ..."
	@$(PYTHON) -m venv --clear $(DEMO)
	@$(DEMO)/bin/python $(INSTALL) .
	@touch $@

$(FULL)/.ready: pyproject.toml constraints.txt
	@echo "Setting up $(FULL) (once, some minutes: it holds PyTorch) ..."
	@$(PYTHON) -m venv --clear $(FULL)
	@$(FULL)/bin/python $(INSTALL) '.[train,eval,dev]'
	@touch $@
