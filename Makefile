# Two targets are all a user needs: `make demo` runs the main job, `make test` proves that it works.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DEBIAN := chromium qemu-user zsh fish mmdebstrap podman runc skopeo umoci openssl docker-registry golang-github-opencontainers-image-spec-dev exfatprogs exfat-fuse apache2-utils busybox-static openssh-server systemd catatonit postgresql

.PHONY: demo test check bench docs clean
.DEFAULT_GOAL := demo

demo: $(VENV)/demo ## train a meter reader, plan it for this machine, let a device run it and refuse what is wrong
	$(BIN)/edgewise demo

test: $(VENV)/dev $(VENV)/debian ## everything, the browser and the emulated CPU included
	$(BIN)/python -m pytest

check: $(VENV)/dev ## style, types, and who may import whom
	$(BIN)/ruff format --check src tests bench
	$(BIN)/ruff check src tests bench
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(VENV)/dev ## ratios against named peers, side by side
	$(BIN)/python bench/design.py

docs: $(VENV)/dev ## write the generated reference pages anew
	$(BIN)/python docs/_make_reference.py

$(VENV)/bin/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Edgewise needs Python 3.11 or newer: make PYTHON=python3.11" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); echo "python3 -m venv does not work here: apt-get install python3-venv" >&2; exit 1; }

# A file of the extra's name says that it is installed as pyproject.toml has it now.
$(VENV)/demo $(VENV)/dev: $(VENV)/%: pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[$*]'
	touch $@

# What tests use of Debian. Not root: the tests that need it say so and skip (under CI=true they fail).
$(VENV)/debian: Makefile | $(VENV)/bin/python
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	  missing=$$(for package in $(DEBIAN); do dpkg -s $$package >/dev/null 2>&1 || echo $$package; done); \
	  if [ -n "$$missing" ]; then \
	    apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $$missing >/dev/null; \
	  fi; \
	fi
	touch $@

clean: ## remove what make made
	rm -rf $(VENV)
