PYTHON ?= python3
BIND ?=
TESTS ?=
# Tests wait for what they serve for a third of their time: one more than there are cores.
WORKERS ?= $(shell $(PYTHON) -c 'import os; print((os.cpu_count() or 1) + 1)')
BIN = .venv/bin
STAMP = .venv/.installed

.DEFAULT_GOAL = help
.PHONY: help setup serve test check bench lock clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(STAMP) ## make .venv and install what constraints.txt pins

# Made on first use; again only when what it was made from has changed. With every app's extra.
EXTRAS = $(shell $(PYTHON) -c 'import configparser as c; s = c.ConfigParser(); s.read("setup.cfg"); print(",".join(k for k, v in s["options.extras_require"].items() if v.strip()))')

$(STAMP): setup.cfg pyproject.toml constraints.txt
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[$(EXTRAS)]'
	@touch $@

serve: $(STAMP) ## migrate, prepare, then gunicorn and a task worker; BIND=127.0.0.1:9000 for another address
	@$(BIN)/rowhouse db upgrade || echo "serving all the same: the apps named above may fail" >&2
	@$(BIN)/rowhouse prepare || echo "serving all the same: the apps named above may not be ready" >&2
	@exec $(BIN)/rowhouse serve --with-worker $(if $(BIND),--bind $(BIND))

test: $(STAMP) ## run the fast tests; TESTS=tests/apps/trades for some of them
	$(BIN)/python -m pytest -q -n $(WORKERS) --dist worksteal -m 'not slow' $(TESTS)

check: $(STAMP) ## ruff, mypy and import-linter
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(STAMP) ## measure what the README claims, each beside its alternative
	$(BIN)/python -m benchmarks

lock: ## write constraints.txt anew from setup.cfg (needs uv)
	uv pip compile --quiet --universal --python-version 3.11 --no-emit-index-url --no-header --no-annotate \
		--all-extras --output-file constraints.txt setup.cfg

clean: ## remove .venv and caches; instance/ stays
	rm -rf .venv .mypy_cache .ruff_cache .import_linter_cache .hypothesis build *.egg-info
