# Needs Python >= 3.11 with pip, and make; everything else is installed into .venv by the targets themselves.
# Another interpreter: `make test PYTHON=python3.12` keeps to a folder of its own (.venv-3.12).

PYTHON ?= python3
VERSION := $(shell $(PYTHON) -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null)
VENV ?= $(if $(filter python3,$(PYTHON)),.venv,.venv-$(VERSION))
BIN := $(VENV)/bin
BENCH := $(VENV)-bench
TORCH ?= torch==2.13.0
TESTS ?= tests
PYTEST := $(BIN)/python -m pytest -n auto --maxprocesses=8 --dist=worksteal -q
# A stamp says what a folder holds. It names the Python version, so that a folder left by another one is made anew.
HAS := .has-$(VERSION)

# Stamps are made by pattern rules and must stay.
.SECONDARY:
.PHONY: help demo test quick bench notebooks lint clean

help:
	@echo 'make demo       install into .venv and run the main job: real digits, about half a minute'
	@echo 'make test       install into .venv and run every test; TESTS=tests/test_x.py for a part'
	@echo 'make quick      the part of the tests that takes less than five minutes'
	@echo 'make bench      measure against JAX, torch and autograd; writes benchmarks/RESULTS.md; ONLY="eager jit" for a part'
	@echo 'make notebooks  open the notebooks in JupyterLab'
	@echo 'make lint       ruff and pyright'
	@echo 'make clean      remove what these targets made'
	@echo 'PYTHON=python3.12 chooses another interpreter (and another folder than .venv)'

demo: $(VENV)/$(HAS)-demo
	$(BIN)/python notebooks/demo.py

test: $(VENV)/$(HAS)-test
	$(PYTEST) --hypothesis-profile=ci $(TESTS)

quick: $(VENV)/$(HAS)-test
	$(PYTEST) --hypothesis-profile=quick -m 'not slow' $(TESTS)

bench: $(BENCH)/$(HAS)-bench
	$(BENCH)/bin/python -m benchmarks.run $(ONLY)

notebooks: $(VENV)/$(HAS)-notebooks
	$(BIN)/python -m jupyter lab notebooks

lint: $(VENV)/$(HAS)-dev
	$(BIN)/python -m ruff check .
	$(BIN)/python -m pyright

clean:
	rm -rf .venv .venv-* .pytest_cache .ruff_cache .hypothesis build dist

# A system Python may come without ensurepip; its own pip then fills the folder from outside.
%/$(HAS):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo 'functorch_lite needs Python 3.11 or newer: "$(PYTHON)" is "$(VERSION)"; choose one with make PYTHON=python3.12'; exit 1; }
	rm -rf $*
	$(PYTHON) -m venv $* 2>/dev/null || { rm -rf $*; $(PYTHON) -m venv --without-pip $*; \
	  $(PYTHON) -m pip --python $*/bin/python install -q pip; }
	touch $@

$(VENV)/$(HAS)-%: pyproject.toml | $(VENV)/$(HAS)
	$(BIN)/python -m pip install -q -e '.[$*]'
	touch $@

# Without torch the benchmarks run against the other two and say so.
$(BENCH)/$(HAS)-bench: pyproject.toml | $(BENCH)/$(HAS)
	$(BENCH)/bin/python -m pip install -q -e '.[bench]'
	$(BENCH)/bin/python -m pip install -q '$(TORCH)' || echo 'torch could not be installed: its column stays empty'
	touch $@
