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
DOCS := .venv/docs
STORE ?= manifests/minimal.yaml
# Versions of Kubernetes beside the one that `make test` runs against; tests/harness/catalogue.py knows them.
MATRIX ?= v1.34.4 v1.37.2
TESTS ?= tests/cluster
export PYTHONDONTWRITEBYTECODE = 1

.PHONY: help init generate lint typecheck docs test test-unit test-service test-operator test-cluster test-matrix test-argocd test-flux test-keda test-prometheus-adapter test-llm golden demo programs images cluster cluster-down e2e package bench lock clean

help: ## This list
	@grep -E '^[a-z0-9-]+:.*## ' Makefile | awk -F ':.*## ' '{printf "  %-24s %s\n", $$1, $$2}'

init: $(OPERATOR)/.ready $(SERVICE)/.ready ## Make both Python environments

$(OPERATOR)/.ready: requirements/operator.txt requirements/operator-dev.txt requirements/install.py pyproject.toml
	@echo "Making the operator's environment in $(OPERATOR)"
	@$(PYTHON) requirements/install.py operator
	@touch $@

$(SERVICE)/.ready: requirements/service.txt requirements/service-dev.txt requirements/install.py pyproject.toml
	@echo "Making the service's environment in $(SERVICE) (torch and friends: a few minutes the first time)"
	@$(PYTHON) requirements/install.py service $(if $(WHEELS),--wheels $(abspath $(WHEELS)))
	@touch $@

generate: init ## Write the CRD, the chart's copy, the references, the chart's README and its annotations
	@$(OPERATOR)/bin/python -m crds.generate
	@$(OPERATOR)/bin/python -m charts.generate
	@$(OPERATOR)/bin/python -m docs.generators operator
	@$(SERVICE)/bin/python -m docs.generators service

lint: init ## ruff, import-linter, and that nothing generated is stale
	@$(OPERATOR)/bin/ruff check .
	@$(OPERATOR)/bin/ruff format --check .
	@$(OPERATOR)/bin/lint-imports --no-cache
	@$(OPERATOR)/bin/python -m crds.generate --check
	@$(OPERATOR)/bin/python -m charts.generate --check
	@$(OPERATOR)/bin/python -m docs.generators operator --check
	@$(SERVICE)/bin/python -m docs.generators service --check

typecheck: init ## strict mypy, each part in its own environment
	@$(OPERATOR)/bin/mypy crds operator tests/api tests/operator tests/cluster tests/harness tests/e2e tests/chart tests/support/stores.py charts/generate.py charts/artifact_hub.py docs/generators/__main__.py docs/generators/operator_pages.py
	@$(SERVICE)/bin/mypy crds service tests/service tests/console tests/contract tests/llm tests/support tests/benchmarks benchmarks docs/generators/service_pages.py docs/generators/dashboards.py

test: lint typecheck docs ## Everything but e2e; the service's tests beside the others, since both wait a lot
	@mkdir -p build; status=0; \
	  $(MAKE) test-service > build/test-service.log 2>&1 & service=$$!; \
	  echo "The service's tests run too: build/test-service.log"; \
	  $(MAKE) test-operator test-cluster || status=$$?; \
	  wait $$service || status=$$?; \
	  cat build/test-service.log; exit $$status

$(DOCS)/.ready: requirements/docs.txt requirements/install.py
	@echo "Making the environment of the documentation in $(DOCS)"
	@$(PYTHON) requirements/install.py docs
	@touch $@

docs: $(DOCS)/.ready ## The documentation site, strictly, into build/site
	@NO_MKDOCS_2_WARNING=1 $(DOCS)/bin/python -m docs.generators.site
	@echo "The site is in build/site"

test-unit: test-service test-operator ## Unit, contract and chart tests

test-service: $(SERVICE)/.ready $(DOCS)/.ready ## The service's, and those of its page
	@$(SERVICE)/bin/python -m pytest tests/service tests/console tests/benchmarks

test-operator: init ## The operator's, the chart's, and those of what both parts share
	@nice $(OPERATOR)/bin/python -m tests.harness.build control-plane
	@$(SERVICE)/bin/python -m pytest tests/contract
	@$(OPERATOR)/bin/python -m pytest tests/api tests/operator tests/harness tests/chart

test-cluster: $(OPERATOR)/.ready ## The operator against a real control plane
	@nice $(OPERATOR)/bin/python -m tests.harness.build control-plane
	@$(OPERATOR)/bin/python -m pytest tests/cluster --numprocesses=2 --dist=loadfile

test-matrix: $(OPERATOR)/.ready ## The same against the oldest and newest supported Kubernetes (built once: ten minutes each); TESTS=... for some
	@for version in $(MATRIX); do \
	  echo "Kubernetes $$version"; \
	  TEST_KUBERNETES_VERSION=$$version $(OPERATOR)/bin/python -m tests.harness.build control-plane; \
	  TEST_KUBERNETES_VERSION=$$version $(OPERATOR)/bin/python -m pytest $(TESTS) --numprocesses=2 --dist=loadfile; \
	done

test-argocd: $(OPERATOR)/.ready ## A real Argo CD keeps stores in step with Git (built once: ten minutes on two cores)
	@$(OPERATOR)/bin/python -m tests.harness.build control-plane argocd
	@$(OPERATOR)/bin/python -m pytest tests/cluster/test_argo_cd.py

test-flux: $(OPERATOR)/.ready ## A real kustomize-controller of Flux with the samples (built once: eight minutes on two cores)
	@$(OPERATOR)/bin/python -m tests.harness.build control-plane controller-gen flux-health kustomize-controller
	@$(OPERATOR)/bin/python -m pytest tests/operator/test_flux.py tests/cluster/test_flux.py

test-keda: $(OPERATOR)/.ready ## A real KEDA scales a store by the sample (built once: ten minutes on two cores)
	@$(OPERATOR)/bin/python -m tests.harness.build control-plane keda-operator keda-adapter
	@$(OPERATOR)/bin/python -m pytest tests/cluster/test_keda.py

test-prometheus-adapter: $(OPERATOR)/.ready ## Autoscalers by what Prometheus measured, as a real prometheus-adapter serves it (built once: three minutes)
	@$(OPERATOR)/bin/python -m tests.harness.build control-plane prometheus-adapter
	@$(OPERATOR)/bin/python -m pytest tests/cluster/test_prometheus_adapter.py

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

programs: ## What the real control plane and the real node are made of, built once from Go modules
	@$(PYTHON) -m tests.harness.build control-plane node

images: init ## The images of operator and service, built once per content
	@$(OPERATOR)/bin/python -m tests.harness.images

e2e: init ## Images, node, helm install, real pods, real memory in and out
	@$(OPERATOR)/bin/python -m tests.harness.images
	@$(OPERATOR)/bin/python -m tests.harness.cluster up
	@$(OPERATOR)/bin/python -m tests.harness.cluster run -- $(OPERATOR)/bin/python -m pytest tests/e2e --capture=no; status=$$?; \
	  $(if $(KEEP),true,$(PYTHON) -m tests.harness.cluster down); exit $$status

package: $(OPERATOR)/.ready ## Chart, images, SBOMs and checksums of a release into dist/; KEY=FILE signs with an SSH key
	@$(OPERATOR)/bin/python -m tests.harness.package $(if $(KEY),--key $(KEY))

bench: init ## Benchmarks, one after the other, and their table; FULL=1 with the long ones, PUBLISH=1 into docs/, SUITE=operator: many stores
	@$(SERVICE)/bin/python benchmarks/run.py $(SUITE) $(if $(FULL),--full) $(if $(PUBLISH),--publish)

lock: init ## Pin what is installed now
	@$(OPERATOR)/bin/python requirements/lock.py

clean: ## Remove environments and caches of this checkout
	@rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .simplemem build dist
