# livewatch: `make help` lists what there is. Every target does its own set-up.
SHELL := /bin/bash
.DEFAULT_GOAL := help
BIN := .venv/bin

.PHONY: detection-report help setup demo demo-check producer-check serving-check test chaos lint format bench contract lock clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-15s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## install everything into the checkout (no root); instantaneous the second time
	@deploy/setup.sh

demo: setup ## a whole city on this machine until Ctrl-C; ARGS="--for 3m" ends by itself
	@$(BIN)/livewatch demo $(ARGS)

demo-check: setup ## prove, without a person, that nothing is lost, doubled or missed
	@$(BIN)/livewatch demo-check $(ARGS)

producer-check: setup ## prove that a platform's side cannot leak, lose or impersonate; ARGS=--short
	@$(BIN)/livewatch producer-check $(ARGS)

serving-check: ## prove that what people see is right and theirs alone; ARGS=--short
	@deploy/setup.sh --browser
	@$(BIN)/livewatch serving-check $(ARGS)

test: ## every test, on the real parts; ARGS="-k name" chooses, "-n 0": one by one
	@deploy/setup.sh --browser
	@$(BIN)/python -m pytest -n 2 --dist loadfile $(ARGS)

chaos: setup ## break a whole stack under load, again and again; ARGS=--short for 5 minutes
	@$(BIN)/python -m deploy.chaos $(ARGS)

lint: setup ## style, types and import arrows
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: setup ## rewrite the code in the project's style
	$(BIN)/ruff check --fix-only .
	$(BIN)/ruff format .

bench: setup ## measure speed and memory; prints JSON; ARGS=--quick for minutes
	@$(BIN)/python -m benchmarks $(ARGS)

detection-report: setup ## what the spike detector finds and misses; ARGS="--short --out DIR"
	@$(BIN)/python -m benchmarks.detection $(ARGS)

contract: setup ## write what is made from the contract (schemas/generated, docs/contract.md)
	@$(BIN)/python -m deploy.contract $(ARGS)

lock: setup ## compile pyproject.toml into requirements.lock, with hashes
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --group dev pyproject.toml -o requirements.lock

clean: ## remove the stack's state, the caches and the virtual environment
	@! [ -x $(BIN)/livewatch ] || $(BIN)/livewatch down 2>/dev/null || true
	rm -rf .livewatch .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
