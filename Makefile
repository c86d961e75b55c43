SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
PYTHON ?= python3
INSTALL = .venv/bin/python -m pip install --disable-pip-version-check --progress-bar off -c constraints.txt
PROGRESS = awk '/^(Collecting|  Downloading)/ { printf "." } /^(ERROR|error)/ { print } /^Installing collected/ { printf " unpacking" } END { print "" } { fflush() }'

.PHONY: quickstart check test campaign docs install clean

quickstart: install
	@.venv/bin/zoo run quickstart

check: .venv/installed-dev
	@.venv/bin/ruff check
	@.venv/bin/ruff format --check
	@.venv/bin/pyrefly check

test: .venv/installed-test
	@.venv/bin/python -m pytest --numprocesses auto --maxprocesses 4 --dist loadfile

campaign: .venv/installed-test
	@.venv/bin/python -m tests.campaign.interruptions
	@.venv/bin/python -m tests.campaign.bad_inputs

docs: .venv/installed-docs
	@NO_MKDOCS_2_WARNING=1 PYTHONPATH=. .venv/bin/mkdocs build --quiet --site-dir build/docs
	@echo "build/docs/index.html"

install: .venv/installed

.venv/installed: pyproject.toml constraints.txt
	@command -v $(PYTHON) >/dev/null || { echo "error: no $(PYTHON) here: install Python 3.11 or newer, or name one: make PYTHON=/path/to/python3.11" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "error: $$($(PYTHON) --version) is too old: spiritlm-zoo needs 3.11 or newer; name one: make PYTHON=/path/to/python3.11" >&2; exit 1; }
	@test -x .venv/bin/python || $(PYTHON) -m venv .venv || { echo "error: $(PYTHON) cannot make a virtual environment: install its venv package" >&2; rm -rf .venv; exit 1; }
	@printf "installing into .venv, once (one to three minutes) "
	@$(INSTALL) -e . | $(PROGRESS)
	@touch $@

.venv/installed-test: .venv/installed
	@printf "installing what the tests need "
	@$(INSTALL) -e ".[test]" | $(PROGRESS)
	@$(INSTALL) --no-deps Resemblyzer==0.1.4 | $(PROGRESS)
	@touch $@

.venv/installed-dev: .venv/installed
	@printf "installing the linter and the type checker "
	@$(INSTALL) -e ".[dev]" | $(PROGRESS)
	@touch $@

.venv/installed-docs: .venv/installed
	@printf "installing what builds the documentation "
	@$(INSTALL) -e ".[docs]" | $(PROGRESS)
	@touch $@

clean:
	rm -rf .venv build dist *.egg-info .pytest_cache .ruff_cache
