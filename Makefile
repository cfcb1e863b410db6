# Verbs of the project. One environment, .venv: the base for serving, the development tools on top when needed.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
BASE := $(VENV)/.base
DEV := $(VENV)/.dev
TRAIN := $(VENV)/.train
TORCH := torch==2.13.0
PIP_INSTALL := $(BIN)/python -m pip --disable-pip-version-check install --quiet --quiet --no-compile
PIP_COMPILE := CUSTOM_COMPILE_COMMAND="make lock" $(BIN)/pip-compile --quiet --strip-extras --allow-unsafe \
	--generate-hashes --no-emit-index-url --no-emit-trusted-host --no-emit-find-links --no-emit-options

# protoc finds its plugins there.
export PATH := $(CURDIR)/$(BIN):$(PATH)
# Every server that is started would compile all its modules anew.
unexport PYTHONDONTWRITEBYTECODE

# Of the flows that run on the stack, too: those that each of its parts has a share in.
STACK_FLOWS := $(addprefix tests/flows/test_,search.py pages.py filters.py labels.py text.py images.py generations.py purge.py)

.DEFAULT_GOAL := help
.PHONY: help env dev train demo test test-all test-stack lint format stubs docs bench load stack stack-down lock clean

help: ## Lists these verbs
	@echo "Soutu finds pictures by pictures. Start with: make demo"
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

env: $(BASE) ## Makes .venv with what serving needs
dev: $(DEV) ## Adds the development tools to .venv

train: $(TRAIN) ## Adds PyTorch to .venv, which exporting models needs

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Soutu needs Python 3.11 or newer; name one with: make PYTHON=/path/to/python3.11 ..."; exit 1; }
	@$(PYTHON) -m venv $(VENV) || \
		{ rm -rf $(VENV); echo "Python lacks venv; on Debian: apt-get install python3-venv"; exit 1; }

$(BASE): requirements/base.txt | $(BIN)/python
	@echo "Installing what serving needs into $(VENV) ..."
	@$(PIP_INSTALL) --require-hashes -r requirements/base.txt
	@$(PIP_INSTALL) --no-deps --editable .
	@touch $@

$(DEV): requirements/dev.txt $(BASE)
	@echo "Installing the development tools into $(VENV) ..."
	@$(PIP_INSTALL) --require-hashes -r requirements/dev.txt
	@touch $@

# PyTorch's builds differ by platform, so it alone is installed without a hash.
$(TRAIN): requirements/train.txt $(DEV)
	@echo "Installing PyTorch into $(VENV) ..."
	@$(PIP_INSTALL) --require-hashes -r requirements/train.txt
	@$(PIP_INSTALL) $(TORCH)
	@touch $@

demo: $(BASE) ## Finds pictures among your own: make demo PICTURES=directory
	$(BIN)/python scripts/demo.py $(if $(PICTURES),--pictures "$(PICTURES)")

test: $(DEV) ## Runs the fast tests; ARGS are passed to pytest
	$(BIN)/python -m pytest $(ARGS)

test-all: $(TRAIN) ## Runs every test, in several processes
	$(BIN)/python -m pytest -m "" --numprocesses 3 $(ARGS)

test-stack: $(DEV) ## Runs flows on the stack: a choice of them, or ARGS=tests/flows
	$(BIN)/python -m pytest -m "" --on-stack= $(or $(ARGS),$(STACK_FLOWS))

lint: $(DEV) ## Checks style, types, the contract and the generated code
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/buf lint
	$(BIN)/python scripts/stubs.py --check

format: $(DEV) ## Formats the Python code and mends what can be mended
	$(BIN)/ruff check --fix-only --quiet .
	$(BIN)/ruff format .

stubs: $(DEV) ## Generates service/soutu/v1 from protos/
	$(BIN)/python scripts/stubs.py

docs: $(DEV) ## Writes the reference pages that come from the code
	$(BIN)/python scripts/reference.py

bench: $(DEV) ## Measures the service against raw inference
	$(BIN)/python -m bench $(ARGS)

load: $(DEV) ## Measures a server under load with ghz: its own, or ARGS="--address HOST:PORT"
	$(BIN)/python -m tests.load $(ARGS)

stack: $(DEV) ## Starts Triton, Milvus, MariaDB, Redis and S3 on this machine, without containers
	$(BIN)/python -m scripts.stack up $(ARGS)

stack-down: $(DEV) ## Ends them
	$(BIN)/python -m scripts.stack down $(ARGS)

lock: $(DEV) ## Pins the dependencies anew; ARGS=--upgrade takes the newest
	$(PIP_COMPILE) $(ARGS) -o requirements/base.txt pyproject.toml
	$(PIP_COMPILE) $(ARGS) --extra dev -c requirements/base.txt -o requirements/dev.txt pyproject.toml
	$(PIP_COMPILE) $(ARGS) -o requirements/stack-milvus.txt requirements/stack-milvus.in
	$(PIP_COMPILE) $(ARGS) -o requirements/stack-triton.txt requirements/stack-triton.in
	$(PIP_COMPILE) $(ARGS) -o requirements/stack-tensorrt.txt requirements/stack-tensorrt.in
	$(PIP_COMPILE) $(ARGS) -c requirements/dev.txt -o requirements/train.txt requirements/train.in
	$(PIP_COMPILE) $(ARGS) --extra cluster -c requirements/base.txt -o requirements/cluster.txt pyproject.toml

clean: ## Removes .venv, caches and what was built
	rm -rf $(VENV) build dist demo .pytest_cache .mypy_cache .ruff_cache .hypothesis service/*.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
