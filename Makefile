# Two environments, since their pinned dependencies cannot be resolved as one: .venv/operator and .venv/service.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

PYTHON ?= python3
# A folder of wheels that are preferred to the index's, such as the CPU build of torch.
WHEELS ?= $(wildcard ../shared/wheels)
OPERATOR := .venv/operator
SERVICE := .venv/service
STORE ?= manifests/minimal.yaml
# Versions of Kubernetes beside the one that `make test` runs against; tests/harness/catalogue.py knows them.
MATRIX ?= v1.34.4 v1.37.2
TESTS ?= tests/cluster
export PYTHONDONTWRITEBYTECODE = 1

.PHONY: help init generate lint typecheck test test-unit test-cluster test-matrix test-argocd test-llm golden demo cluster cluster-down e2e package bench lock clean

help: ## This list
	@grep -E '^[a-z0-9-]+:.*## ' Makefile | awk -F ':.*## ' '{printf "  %-14s %s\n", $$1, $$2}'

init: $(OPERATOR)/.ready $(SERVICE)/.ready ## Make both Python environments

$(OPERATOR)/.ready: requirements/operator.txt requirements/operator-dev.txt requirements/install.py pyproject.toml
	@echo "Making the operator's environment in $(OPERATOR)"
	@$(PYTHON) requirements/install.py operator
	@touch $@

$(SERVICE)/.ready: requirements/service.txt requirements/service-dev.txt requirements/install.py pyproject.toml
	@echo "Making the service's environment in $(SERVICE) (torch and friends: a few minutes the first time)"
	@$(PYTHON) requirements/install.py service $(if $(WHEELS),--wheels $(abspath $(WHEELS)))
	@touch $@

generate: $(OPERATOR)/.ready ## Write the CRD, the chart's copy, the field reference, the chart's README and its annotations
	@$(OPERATOR)/bin/python crds/generate.py
	@$(OPERATOR)/bin/python charts/generate.py

lint: init ## ruff, import-linter, and that nothing generated is stale
	@$(OPERATOR)/bin/ruff check .
	@$(OPERATOR)/bin/ruff format --check .
	@$(OPERATOR)/bin/lint-imports --no-cache
	@$(OPERATOR)/bin/python crds/generate.py --check
	@$(OPERATOR)/bin/python charts/generate.py --check

typecheck: init ## strict mypy, each part in its own environment
	@$(OPERATOR)/bin/mypy crds operator tests/api tests/operator tests/cluster tests/harness tests/e2e tests/chart tests/support/stores.py
	@MYPYPATH=charts $(OPERATOR)/bin/mypy charts/generate.py charts/artifact_hub.py
	@$(SERVICE)/bin/mypy crds service tests/service tests/console tests/contract tests/llm tests/support tests/benchmarks benchmarks

test: lint typecheck test-unit test-cluster ## Everything but e2e

test-unit: init ## Unit, contract and chart tests
	@$(OPERATOR)/bin/python -m tests.harness.build control-plane
	@$(OPERATOR)/bin/python -m pytest tests/api tests/operator tests/harness tests/chart
	@$(SERVICE)/bin/python -m pytest tests/service tests/console tests/contract tests/benchmarks

test-cluster: $(OPERATOR)/.ready ## The operator against a real control plane
	@$(OPERATOR)/bin/python -m tests.harness.build control-plane
	@$(OPERATOR)/bin/python -m pytest tests/cluster

test-matrix: $(OPERATOR)/.ready ## The same against the oldest and newest supported Kubernetes (built once: ten minutes each); TESTS=... for some
	@for version in $(MATRIX); do \
	  echo "Kubernetes $$version"; \
	  TEST_KUBERNETES_VERSION=$$version $(OPERATOR)/bin/python -m tests.harness.build control-plane; \
	  TEST_KUBERNETES_VERSION=$$version $(OPERATOR)/bin/python -m pytest $(TESTS); \
	done

test-argocd: $(OPERATOR)/.ready ## A real Argo CD keeps stores in step with Git (built once: ten minutes on two cores)
	@$(OPERATOR)/bin/python -m tests.harness.build control-plane argocd
	@$(OPERATOR)/bin/python -m pytest tests/cluster/test_argo_cd.py

test-llm: init ## A store on a real language model (llama.cpp, compiled once: ten minutes on two cores)
	@$(SERVICE)/bin/python -m pytest tests/llm --capture=no

golden: init ## Rewrite the expected outputs; review the diff like code
	@$(OPERATOR)/bin/python -m pytest tests/operator tests/chart/test_golden.py --update-golden

demo: $(SERVICE)/.ready ## Remember a sample conversation and ask it three questions, without a cluster
	@$(SERVICE)/bin/python -m simplemem_service demo -f $(STORE)

cluster: $(OPERATOR)/.ready ## One real Kubernetes node on this machine (Debian, root)
	@$(OPERATOR)/bin/python -m tests.harness.cluster up

cluster-down: ## Stop the node and leave nothing
	@$(PYTHON) -m tests.harness.cluster down

e2e: init ## Images, node, helm install, real pods, real memory in and out
	@$(OPERATOR)/bin/python -m tests.harness.images
	@$(OPERATOR)/bin/python -m tests.harness.cluster up
	@$(OPERATOR)/bin/python -m tests.harness.cluster run -- $(OPERATOR)/bin/python -m pytest tests/e2e --capture=no; status=$$?; \
	  $(if $(KEEP),true,$(PYTHON) -m tests.harness.cluster down); exit $$status

package: $(OPERATOR)/.ready ## Chart, images, SBOMs and checksums of a release into dist/; KEY=FILE signs with an SSH key
	@$(OPERATOR)/bin/python -m tests.harness.package $(if $(KEY),--key $(KEY))

bench: $(SERVICE)/.ready ## Benchmarks, one after the other, and their table; FULL=1 with the long ones, PUBLISH=1 into docs/
	@$(SERVICE)/bin/python benchmarks/run.py $(if $(FULL),--full) $(if $(PUBLISH),--publish)

lock: init ## Pin what is installed now
	@$(OPERATOR)/bin/python requirements/lock.py

clean: ## Remove environments and caches of this checkout
	@rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .simplemem build dist
