# Every target does its own set-up: a virtual environment in .venv with the pinned versions.
PYTHON ?= python3
VENV ?= .venv
RUN := $(VENV)/bin

.PHONY: help demo dev test chaos test-fast check format bench openapi lock clean

help:                  ## What there is to make
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 12

demo: $(VENV)/run.done   ## All lines end to end, on embedded everything; LINE=running for one
	@$(RUN)/keepsake demo $(addprefix --line ,$(LINE))

dev: $(VENV)/run.done    ## Start everything and stay up: http://127.0.0.1:8000
	@$(RUN)/keepsake up

test: $(VENV)/dev.done   ## All tests, on two processes
	@$(TEST) -m "not chaos"

chaos: $(VENV)/dev.done  ## Kill and freeze parts of Keepsake while jobs run and alerts are judged: minutes
	@$(RUN)/python -m pytest -m chaos --log-cli-level=WARNING

test-fast: $(VENV)/dev.done ## Without the whole system and the embedded language models
	@$(TEST) -m "not acceptance and not chaos"

# Files go to the processes in the order that tests/kinds.py puts them in: the longest first.
TEST := $(RUN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

check: $(VENV)/dev.done  ## Format, lint, types, import contracts
	$(RUN)/ruff format --check .
	$(RUN)/ruff check .
	$(RUN)/mypy
	$(RUN)/lint-imports

format: $(VENV)/dev.done ## Format, and fix what the linter can
	$(RUN)/ruff format .
	$(RUN)/ruff check --fix .

bench: $(VENV)/dev.done  ## Benchmarks: tables with ratios
	@$(RUN)/python -m benchmarks

openapi: $(VENV)/dev.done ## Write docs/openapi.json and schema.graphql again, after a change of routes
	@$(RUN)/python -m keepsake.api.document > docs/openapi.json.new && mv docs/openapi.json.new docs/openapi.json
	@$(RUN)/python -m keepsake.api.graphql.document > docs/schema.new && mv docs/schema.new docs/schema.graphql

# A lock lists every package with its hashes, so nothing is resolved here (--no-deps).
$(VENV)/%.done: requirements/%.lock pyproject.toml
	@test -x $(RUN)/python || $(PYTHON) -c 'import sys; v=sys.version_info; sys.exit(f"Keepsake needs Python 3.11 to 3.13, this is {v.major}.{v.minor}: make PYTHON=python3.11 ...") if not (3,11)<=v[:2]<(3,14) else 0'
	@test -x $(RUN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing pinned packages into $(VENV) (about a minute)..."
	@$(RUN)/python -m pip install -qq --disable-pip-version-check --no-deps -r $<
	@$(RUN)/python -m pip install -qq --disable-pip-version-check --no-deps --editable .
	@touch $@

lock: $(VENV)/dev.done   ## Write both locks again from pyproject.toml
	$(RUN)/uv pip compile pyproject.toml $(LOCK) --extra local -o requirements/run.lock
	$(RUN)/uv pip compile pyproject.toml $(LOCK) --extra local --extra local-e5 --extra traces --group dev -o requirements/dev.lock
LOCK := --upgrade --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	--no-annotate --quiet --custom-compile-command "make lock"

clean:                 ## Delete the virtual environment and the data folder .keepsake
	@test ! -x $(RUN)/keepsake || KEEPSAKE_HOME=$(CURDIR)/.keepsake $(RUN)/keepsake db stop
	rm -rf $(VENV) .keepsake
