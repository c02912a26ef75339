VENV := .venv
PYTHON := $(VENV)/bin/python
WORKDIR ?= runs/digits
REPRODUCTION ?= runs/reproduction
BUILDIFIER := @bazel/buildifier@8.2.1

export PIP_DISABLE_PIP_VERSION_CHECK = 1

# If a stamp is newer than the requirements, there is nothing to install.
RUNTIME := $(VENV)/runtime.stamp
DEV := $(VENV)/dev.stamp

.PHONY: help setup quickstart reproduce test lint format clean

help:  ## List the targets.
	@sed -nE 's/^([a-z]+):.*## (.*)/\1|\2/p' $(MAKEFILE_LIST) | \
	  while IFS='|' read -r name text; do \
	    printf 'make %-12s %s\n' "$$name" "$$text"; done

setup: $(DEV)  ## Create .venv with all tools for development.

# Without oneDNN. For networks as narrow as those on digits, preparing its
# primitives takes longer than they save.
quickstart: export TF_ENABLE_ONEDNN_OPTS = 0
quickstart: $(RUNTIME)  ## Train, search and report on the digits data set.
	$(PYTHON) -m tf_autoformer.train \
	  --flagfile=flags/digits/supernet.flags --workdir=$(WORKDIR)
	$(PYTHON) -m tf_autoformer.search \
	  --flagfile=flags/digits/search.flags --workdir=$(WORKDIR)
	$(PYTHON) -m tf_autoformer.report --workdir=$(WORKDIR)

reproduce: $(DEV)  ## Make the tables and pictures of docs/reproduction.md.
	$(PYTHON) -m benchmarks.reproduction --output=$(REPRODUCTION) \
	  --docs=docs/reproduction

# One more than there are cores, as some tests wait for what they have started.
PROCESSES := $(shell echo $$(($$(getconf _NPROCESSORS_ONLN) + 1)))

test: $(DEV)  ## Run the tests.
	$(PYTHON) -m pytest -q -n $(PROCESSES) --maxprocesses=4 \
	  --dist loadfile --no-loadscope-reorder --durations=5 tests

lint: $(DEV)  ## Check style, types, imports between rooms and BUILD.
	$(PYTHON) -m ruff check
	$(PYTHON) -m ruff format --check
	$(PYTHON) -m mypy
	$(VENV)/bin/lint-imports
	@if command -v npx >/dev/null; then \
	  npx --yes $(BUILDIFIER) -mode=check -lint=warn BUILD MODULE.bazel; \
	else echo "BUILD was not checked: buildifier needs npx."; fi

format: $(DEV)  ## Format the code and fix what can be fixed.
	$(PYTHON) -m ruff check --fix --exit-zero
	$(PYTHON) -m ruff format
	@if command -v npx >/dev/null; then \
	  npx --yes $(BUILDIFIER) -mode=fix -lint=fix BUILD MODULE.bazel; fi

clean:  ## Remove the environment and caches, but keep runs/.
	rm -rf $(VENV) .pytest_cache .ruff_cache .mypy_cache \
	  .import_linter_cache build *.egg-info
	find tf_autoformer tests -name __pycache__ -prune -exec rm -rf {} +

$(RUNTIME): requirements.txt | $(PYTHON)
	$(PYTHON) -m pip install --quiet -r requirements.txt
	@touch $@

$(DEV): requirements.txt requirements-dev.txt | $(PYTHON)
	$(PYTHON) -m pip install --quiet -r requirements-dev.txt
	@touch $(RUNTIME) $@

# Each candidate is run, not only looked up. pyenv has shims for versions that it
# cannot start, and some Pythons come without ensurepip.
$(PYTHON):
	@for python in python3.11 python3.10 python3; do \
	  if $$python -c 'import ensurepip, sys; \
	    sys.exit(sys.version_info[:2] not in ((3, 10), (3, 11)))' \
	    >/dev/null 2>&1; then \
	    $$python -m venv $(VENV) || { rm -rf $(VENV); exit 1; }; exit 0; \
	  fi; \
	done; \
	if command -v uv >/dev/null; then \
	  uv venv --quiet --seed --python 3.11 $(VENV); \
	else \
	  echo "Python 3.10 or 3.11 (with venv) is needed, or uv, which gets" \
	    "one. TensorFlow 2.15 does not run on newer Python." >&2; exit 1; \
	fi
