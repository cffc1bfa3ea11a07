# Every target does its own set-up: a virtual environment in .venv with the pinned versions.
PYTHON ?= python3
RUN := .venv/bin

.PHONY: help demo dev test check format bench lock clean

help:                  ## What there is to make
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /\1\t/' | expand -t 10

demo: .venv/run.done   ## All lines end to end, on embedded everything; LINE=running for one
	@$(RUN)/keepsake demo $(addprefix --line ,$(LINE))

dev: .venv/run.done    ## Start everything and stay up: http://127.0.0.1:3000
	@$(RUN)/keepsake up

test: .venv/dev.done   ## All tests, on two processes
	@$(RUN)/python -m pytest -n 2 --dist loadfile

check: .venv/dev.done  ## Format, lint, types, import contracts
	$(RUN)/ruff format --check .
	$(RUN)/ruff check .
	$(RUN)/mypy
	$(RUN)/lint-imports

format: .venv/dev.done ## Format, and fix what the linter can
	$(RUN)/ruff format .
	$(RUN)/ruff check --fix .

bench: .venv/dev.done  ## Benchmarks: tables with ratios
	@$(RUN)/python -m benchmarks

# A lock lists every package with its hashes, so nothing is resolved here (--no-deps).
.venv/%.done: requirements/%.lock pyproject.toml
	@test -x $(RUN)/python || $(PYTHON) -c 'import sys; v=sys.version_info; sys.exit(f"Keepsake needs Python 3.11 to 3.13, this is {v.major}.{v.minor}: make PYTHON=python3.11 ...") if not (3,11)<=v[:2]<(3,14) else 0'
	@test -x $(RUN)/python || $(PYTHON) -m venv .venv
	@echo "Installing pinned packages into .venv (about a minute)..."
	@$(RUN)/python -m pip install -qq --disable-pip-version-check --no-deps -r $<
	@$(RUN)/python -m pip install -qq --disable-pip-version-check --no-deps --editable .
	@touch $@

lock: .venv/dev.done   ## Write both locks anew from pyproject.toml
	$(RUN)/uv pip compile pyproject.toml $(LOCK) --extra local -o requirements/run.lock
	$(RUN)/uv pip compile pyproject.toml $(LOCK) --extra local --extra local-e5 --group dev -o requirements/dev.lock
LOCK := --upgrade --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	--no-annotate --quiet --custom-compile-command "make lock"

clean:                 ## Delete the virtual environment and the data folder .keepsake
	@test ! -x $(RUN)/keepsake || KEEPSAKE_HOME=$(CURDIR)/.keepsake $(RUN)/keepsake db stop
	rm -rf .venv .keepsake
