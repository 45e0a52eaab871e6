# People and CI call the same targets. `make help` lists them.
UV := .tools/bin/uv
BIN := .venv/bin
# What tests, demo and bench share lives in tests/support and tests/e2e/lab.
export PYTHONPATH := $(CURDIR)/tests
export PATH := $(CURDIR)/.venv/bin:$(CURDIR)/.tools/bin:$(PATH)

.PHONY: help setup node os-vif vm lock demo test checks test-vm lint types proto generate lab bench chaos clean

help: ## Show this text
	@awk -F':.*## ' '/^[a-z-]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## Install what the other targets need, and say what
	@tools/setup

node: setup ## Install Node.js and the packages of the driver in Node.js
	@tools/node

os-vif: setup ## Install os-vif, for the test that plugs with it
	@tools/os-vif

vm: setup ## Install qemu, and unpack a kernel for it
	@tools/vm

lock: setup ## Take the newest releases of all packages into requirements.lock
	@tools/lock

demo: setup ## Run the main job: two hosts in two racks, two machines, one ping
	@$(BIN)/python -m demo

test: setup ## Run every check and every test
	@$(MAKE) --no-print-directory --jobs=2 --output-sync=target checks
	@tools/test

# Checks compute while downloads of what only tests need are waited for.
checks: node os-vif vm lint types proto

test-vm: vm ## Run in a virtual machine the tests that this machine's kernel cannot run
	@$(BIN)/python -m vm

lint: setup ## ruff, and the arrows between packages
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --config .importlinter

types: setup ## mypy --strict
	$(BIN)/mypy

proto: setup ## Lint the contract, and check that the generated code is what it generates
	@tools/proto --check

generate: setup ## Generate the Python code of the contract
	@tools/proto

lab: setup ## Leave two hosts with Open vSwitch running, to play with
	@$(BIN)/python -m e2e.lab

bench: setup ## Measure latency, throughput and CPU, beside the floor
	@$(BIN)/python -m bench

SECONDS ?= 60
DATABASE ?= postgresql
chaos: setup ## Pull every plug under load: make chaos SECONDS=600 SEED=7 DATABASE=sqlite
	@$(BIN)/python -m chaos --seconds $(SECONDS) --database $(DATABASE) $(if $(SEED),--seed $(SEED))

clean: ## Remove what setup and the tests made inside this folder
	rm -rf .venv .tools build driver_sdk/examples/nodejs/node_modules .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
