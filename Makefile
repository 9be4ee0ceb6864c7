# One place for every command. `make help` lists them.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
PYTHON ?= $(shell command -v python3.11 || command -v python3.12 || command -v python3.13 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
UV_VERSION := 0.13.9
APT := clang llvm libbpf-dev libbpf1 iproute2

.PHONY: help setup system probes demo test soak check gen bench acceptance packages release clean

help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 14

$(VENV)/.ready: pyproject.toml uv.lock
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' || { echo "Vedette needs Python 3.11, 3.12 or 3.13 (found: $(PYTHON)); set PYTHON=/path/to/python"; exit 1; }
	@test -x .build/uv/bin/uv || { $(PYTHON) -m venv .build/uv && .build/uv/bin/pip install -q --require-hashes -r requirements-uv.txt; }
	@UV_PROJECT_ENVIRONMENT=$(VENV) .build/uv/bin/uv sync -q --frozen --all-extras --python $(PYTHON)
	@touch $@

system:
	@missing=""; for tool in clang llvm-strip ip; do command -v $$tool >/dev/null || missing="$$missing $$tool"; done; \
	test -e /usr/include/bpf/bpf_helpers.h || missing="$$missing libbpf-dev"; \
	if [ -n "$$missing" ]; then \
	  if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then echo "installing:$$missing"; (apt-get -qq update; DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends $(APT)) >/dev/null; \
	  else echo "missing:$$missing -- run once: sudo apt-get install -y $(APT)"; exit 1; fi; fi

setup: system $(VENV)/.ready probes ## everything that the other commands need

probes: $(VENV)/.ready
	@$(BIN)/python build_probes.py

gen: setup ## write what is generated from the contract (schema, DDL, TypeScript, reference)
	@$(BIN)/python generate.py

check: setup ## formatting, lint, types, layers, generated files
	@$(BIN)/ruff format --check -q . && $(BIN)/ruff check -q .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-timing --verbose=false 2>/dev/null || $(BIN)/lint-imports
	@$(BIN)/python generate.py --check

test: setup ## every test, with the minutes of each group
	@$(BIN)/python tests/run.py

soak: setup ## kills, full disks and clock jumps, ROUNDS=100 of them (root): nothing acknowledged may be lost
	@$(BIN)/python -m tests.system.soak --rounds $(or $(ROUNDS),100) --results .build/soak.jsonl

acceptance: setup ## the acceptance table: proven rows by group
	@$(BIN)/python tests/run.py --acceptance

bench: setup ## every published number, one JSON line each
	@$(BIN)/python bench/run.py

demo: setup ## Central Node, this host's agent and a benign attack-like activity; Ctrl-C ends and removes all
	@$(BIN)/python -m vedette demo

.build/openssh/.ready: ## (tests) an sshd to log in to on loopback: unpacked here, never installed
	@mkdir -p .build/openssh/deb && cd .build/openssh/deb && apt-get -qq download openssh-server openssh-client libwrap0 2>&1 | { grep -v unsandboxed || true; }
	@for package in .build/openssh/deb/*.deb; do dpkg -x $$package .build/openssh; done
	@test -x .build/openssh/usr/sbin/sshd && touch $@

.build/auditd/.ready: ## (benchmarks) auditd and laurel, the peers of the Linux agent: unpacked here, never installed
	@mkdir -p .build/auditd/deb && cd .build/auditd/deb && apt-get -qq download auditd libauparse0 libwrap0 laurel 2>&1 | { grep -v unsandboxed || true; }
	@for package in .build/auditd/deb/*.deb; do dpkg -x $$package .build/auditd; done
	@test -x .build/auditd/sbin/auditd && test -x .build/auditd/usr/sbin/laurel && touch $@

.build/postgresql/.ready: ## (tests) a PostgreSQL server and what it links: unpacked here, never installed
	@mkdir -p .build/postgresql/deb && cd .build/postgresql/deb && apt-get -qq download postgresql-15 postgresql-client-15 libpq5 libicu72 libldap-2.5-0 libsasl2-2 libxml2 libgssapi-krb5-2 libkrb5-3 libkrb5support0 libk5crypto3 libkeyutils1 2>&1 | { grep -v unsandboxed || true; }
	@for package in .build/postgresql/deb/*.deb; do dpkg -x $$package .build/postgresql; done
	@test -x .build/postgresql/usr/lib/postgresql/15/bin/initdb && touch $@

packages: setup ## the agent as .deb and .rpm in dist/, and the test that installs it in a scratch root
	@$(BIN)/python packaging/build.py
	@$(BIN)/python -m pytest -q tests/packaging

release: setup ## the agent as a release archive in dist/, for `vedette upgrades add`
	@$(BIN)/python packaging/build.py --release

clean: ## remove what was built
	rm -rf $(VENV) .build src/vedette/probes/objects
