# Everything one does here has a name; `make` alone lists them. CI calls the same ones.

PYTHON ?= python3
export PYTHON

VENV := .venv
BIN := $(VENV)/bin
CODE := src tests benchmarks scripts
# Two test processes keep two cores busy; the databases of each process are its own.
JOBS ?= 2
PYTEST := $(BIN)/pytest -n $(JOBS) --dist worksteal
# The browser tests need Chromium, so they stand apart from what every machine can run.
NOT_BROWSER := --ignore=tests/e2e

.DEFAULT_GOAL := help
.PHONY: help setup check format test test-other demo bench soak faults screenshots reference lock clean

help: ## list what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## build .venv and the tests' JavaScript packages from the hashed locks (under 2 s when nothing changed)
	@python=$$(scripts/find-python) && "$$python" scripts/environment.py --folder $(VENV)
	@$(BIN)/python scripts/javascript_clients.py

check: setup ## format, lint, types, layers, unit and SQLite tests
	$(BIN)/ruff format --check $(CODE)
	$(BIN)/ruff check $(CODE)
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(PYTEST) $(NOT_BROWSER) --databases=sqlite

format: setup ## let ruff rewrite what it can
	$(BIN)/ruff format $(CODE)
	$(BIN)/ruff check --fix $(CODE)

test: setup ## everything: both databases and the browser; brings what is missing through apt
	@scripts/system-packages
	$(BIN)/ruff format --check $(CODE)
	$(BIN)/ruff check $(CODE)
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(PYTEST)

test-other: ## all but the browser tests on another Python, e.g. VERSION=3.13
	@python=$$(scripts/find-python $(VERSION)) && "$$python" scripts/environment.py --folder .venv-$(VERSION)
	@.venv-$(VERSION)/bin/python scripts/javascript_clients.py
	.venv-$(VERSION)/bin/pytest -n $(JOBS) --dist worksteal $(NOT_BROWSER)

demo: setup ## service, sandbox and a tenant's inbox on free ports; AUTO=1 plays the customer too
	@$(BIN)/setuplinks demo $(if $(AUTO),--auto)

bench: setup ## measure against the budgets; QUICK=1 leaves out the large tables
	@scripts/system-packages --benchmarks || echo "Without nginx its figures are left out."
	@$(BIN)/python -m benchmarks $(if $(QUICK),--quick)

soak: setup ## 1,000 signups against a bad Meta, N=40 for a few minutes; exit 1 where anything is lost or doubled
	@$(BIN)/python -m benchmarks.soak --signups $(or $(N),1000) $(if $(SEED),--seed $(SEED)) $(if $(ONLY),--only $(ONLY))

faults: setup ## kill programs and databases and cut networks under load; exit 1 where anything is lost or doubled
	@$(BIN)/python -m benchmarks.faults $(if $(N),--rounds $(N)) $(if $(RATE),--rate $(RATE)) $(if $(SEED),--seed $(SEED)) \
		$(if $(ONLY),--only $(ONLY))

screenshots: setup ## take the pictures of docs/screenshots anew
	@scripts/system-packages
	$(BIN)/python -m tests.support.page_gallery

reference: setup ## write docs/reference from the code
	$(BIN)/python -m scripts.reference

LOCK := $(BIN)/uv pip compile --quiet --system-certs --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	--no-annotate --no-header $(if $(UPGRADE),--upgrade)

lock: setup ## resolve the requirements again; UPGRADE=1 moves every pin forward
	$(LOCK) -o requirements/runtime.txt requirements/runtime.in
	$(LOCK) -o requirements/dev.txt -c requirements/runtime.txt requirements/dev.in
	$(LOCK) -o requirements/installer.txt requirements/installer.in
	$(BIN)/python scripts/javascript_clients.py --lock $(if $(UPGRADE),--upgrade)

clean: ## remove what was built; the next target builds it again
	rm -rf .venv .venv-* .make build dist test-results src/*.egg-info
	rm -rf tests/clients/javascript/node_modules
	rm -rf .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find src tests benchmarks scripts -name __pycache__ -type d -prune -exec rm -rf {} +
