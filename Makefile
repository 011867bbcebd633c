# Stallmark: `make run` shows a market stall at work, `make test` proves it. Both need only Python ≥ 3.11, venv and make.

VENV := .venv
PY := $(VENV)/bin/python
STALLMARK := $(VENV)/bin/stallmark
# The first Python that is new enough; PYTHON=… overrides.
PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$p; break; }; done)
JOBS ?= 3
STATE ?= state
ARGS ?=

.PHONY: help setup run test bench lint flash hardware lock

help:
	@echo "make run     a market stall, alive in this terminal (Ctrl-C ends it, the next run resumes)"
	@echo "make test    the whole suite, on CPython and MicroPython"
	@echo "make bench   the figures, as ratios measured in one run (ARGS=--json for machines)"
	@echo "make lint    ruff and pyright"
	@echo "make flash   make a brick of a real ESP32 (PORT=/dev/ttyUSB0 IMAGE=micropython.bin JOB=bench.json)"
	@echo "make hardware  wiring drawings and parts lists from the pin maps (needs Graphviz)"
	@echo "make setup   only make the virtual environment .venv"

$(PY):
	@if [ -z "$(PYTHON)" ]; then echo "Stallmark needs Python 3.11 or newer: install it (Debian: apt install python3 python3-venv) and run make again."; exit 1; fi
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { echo "$(PYTHON) has no venv module: install it (Debian: apt install python3-venv) and run make again."; exit 1; }
	@echo "Making the virtual environment $(VENV) with $(PYTHON) …"
	@$(PYTHON) -m venv $(VENV)

# What running needs; the lock pins every version by hash.
$(VENV)/.run: requirements/run.txt pyproject.toml | $(PY)
	@echo "Installing what a market stall needs (about a minute on the first run) …"
	@$(PY) -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/run.txt || { echo "The package registry could not be reached or a package is missing: check the network and run make again."; exit 1; }
	@$(PY) -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

# What testing needs on top.
$(VENV)/.dev: requirements/dev.txt pyproject.toml | $(PY)
	@echo "Installing what the tests need (a minute or two on the first run) …"
	@$(PY) -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt || { echo "The package registry could not be reached or a package is missing: check the network and run make again."; exit 1; }
	@$(PY) -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@ $(VENV)/.run

setup: $(VENV)/.dev

run: $(VENV)/.run
	@$(STALLMARK) demo --state $(STATE) $(ARGS)

test: $(VENV)/.dev
	@$(PY) -m pytest -n $(JOBS) --dist loadfile $(ARGS)

bench: $(VENV)/.dev
	@$(PY) -m tests.bench $(ARGS)

lint: $(VENV)/.dev
	@$(VENV)/bin/ruff check .
	@$(VENV)/bin/pyright --pythonpath $(PY) -p pyproject.toml
	@$(VENV)/bin/pyright --pythonpath $(PY) -p firmware/pyrightconfig.json \
		--typeshedpath "$$($(PY) -c "import sysconfig; print(sysconfig.get_path('purelib'))")"

flash: $(VENV)/.dev
	@$(STALLMARK) brick flash $(if $(PORT),--port $(PORT)) $(if $(IMAGE),--image $(IMAGE)) $(if $(JOB),--job $(JOB)) $(ARGS)

hardware: $(VENV)/.dev
	@$(PY) hardware/wiring/draw.py $(ARGS)

lock:
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-annotate --custom-compile-command "make lock" \
		--extra host --extra fleet --extra kit pyproject.toml requirements/build.in -o requirements/run.txt
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-annotate --custom-compile-command "make lock" \
		--extra dev pyproject.toml requirements/build.in -o requirements/dev.txt
