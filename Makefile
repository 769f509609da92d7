# The map: `make help`. Everything sets itself up; nothing but git, make and Rust has to be there.

SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help setup demo up test lint check bench fuzz soak clean-state

CARGO ?= cargo
# First, so that the Rust of rustup goes before one of the distribution.
export PATH := $(if $(HOME),$(HOME)/.cargo/bin:)$(PATH)
KVIT := $(or $(CARGO_TARGET_DIR),target)/debug/kvit
STATE := $(or $(KVIT_DIR),.kvit)

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## Install missing system packages and fetch nats-server
	@./deploy/setup.sh

demo: setup ## Send real receipts through the whole platform and show what happened
	@$(CARGO) build --locked -p kvit
	@$(KVIT) demo

up: setup ## Run the whole platform with simulated providers until Ctrl-C
	@$(CARGO) build --locked -p kvit
	@exec $(KVIT) up --sandbox

test: setup ## Run all tests
	@$(CARGO) test --locked --workspace

lint: setup ## Check formatting and run the linter, warnings being errors
	@$(CARGO) fmt --all --check
	@$(CARGO) clippy --locked --workspace --all-targets -- -D warnings

check: lint test ## Lint, then test

bench: setup ## Measure; the results go to docs/performance.md and target/bench.json
	@$(CARGO) run --locked --release -p kvit-tests --bin bench

fuzz: setup ## Fuzz the readers of outside bytes, SECONDS each (60); TARGETS="…" chooses
	@tests/fuzz/run.sh $(or $(SECONDS),60) $(TARGETS)

# A failure names its seed; `cargo run -p kvit-tests --bin soak -- --seed N` runs that world again and prints its steps.
soak: setup ## Simulate COUNT worlds (1000; 0 for no bound) from SEED (1), SECONDS at most (600)
	@$(CARGO) run --locked -p kvit-tests --bin soak -- \
	    --from $(or $(SEED),1) --count $(or $(COUNT),1000) --seconds $(or $(SECONDS),600)

# The lock tells whether a kvit still uses the folder; a database that had to live elsewhere is named in postgres.path.
clean-state: ## Remove the state folder with all its data
	@if [ -d "$(STATE)" ]; then \
	    flock --nonblock "$(STATE)/lock" true || { echo "a kvit runs in $(STATE); stop it first" >&2; exit 1; }; \
	    if [ -s "$(STATE)/postgres.path" ]; then \
	        case "$$(cat "$(STATE)/postgres.path")" in /var/tmp/kvit-*) rm -rf -- "$$(cat "$(STATE)/postgres.path")";; esac; \
	    fi; \
	    rm -rf -- "$(STATE)"; \
	fi
