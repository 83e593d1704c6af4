# Every command, the same for people and for CI. `make help` lists them.
ENGINE ?= cpu
# Empty: 3.11 where it starts, else the newest to 3.14 that does (deploy/setup/find_python.sh).
PYTHON ?=
VENV := .venv
BIN := $(VENV)/bin
PINS := $(wildcard deploy/requirements/*.txt) deploy/requirements/hashes.lock
READY := $(VENV)/.ready-$(ENGINE)
READY_DEV := $(VENV)/.ready-$(ENGINE)-dev
TYPES := build/types/postil
FAST := $(BIN)/pytest -n 2 --dist worksteal -m "not engine and not tune"
# One thread each: two processes that train share the cores better than the threads of one.
TUNE := OMP_NUM_THREADS=1 $(BIN)/pytest -n 2 --dist worksteal -m tune
# Only files with such tests are read: reading all takes each process 20 s.
TUNED := $(sort $(shell grep -rl --include=*.py "mark\.tune" tests))
# Its tests wait for processes and connections for a third of the time.
OTHERS := $(BIN)/pytest -n 3 --dist worksteal -m "not engine and not tune"
COVERED := tests/plugins tests/registry

.DEFAULT_GOAL := help
.PHONY: help setup serve train test test-fast coverage check resolve audit docs bench simulate chaos fields clients release tools clean

help:  ## List the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(READY)  ## Install into .venv (ENGINE=cpu, or ENGINE=gpu)

serve: $(READY)  ## Serve the demo on http://127.0.0.1:8080
	@exec $(BIN)/postil serve --demo

train: $(READY_DEV)  ## Train the demo's adapters again, from the data in deploy/demo
	@PATH="$(CURDIR)/$(BIN):$$PATH" bash deploy/demo/train.sh

test: $(READY_DEV)  ## Run every test once, and hold the coverage of plugins/ and registry/
	$(FAST) $(COVERED) --cov --cov-report= --cov-fail-under=0
	$(TUNE) $(TUNED) --cov --cov-append
	$(OTHERS) $(COVERED:%=--ignore=%)
	$(BIN)/pytest -m engine tests/engine

test-fast: $(READY_DEV)  ## Run the tests that need neither torch nor vLLM
	$(FAST)

coverage: $(READY_DEV)  ## Run the tests of plugins/ and registry/, and fail where a line or a branch of them is not run
	$(FAST) $(COVERED) --cov --cov-report= --cov-fail-under=0
	$(TUNE) $(TUNED) --cov --cov-append

check: $(READY_DEV) $(TYPES)  ## Lint, types, the direction of imports, and known vulnerabilities of what is installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check --quiet .
	$(BIN)/mypy -p postil.plugins -p postil.registry -p postil.gateway
	$(BIN)/mypy tests
	$(BIN)/lint-imports
	@$(BIN)/python deploy/requirements/audit.py

resolve:  ## Ask pip whether pins and extras resolve on Python 3.11 to 3.14, x86_64 and aarch64 (needs a network)
	@$(or $(PYTHON),python3.11) deploy/requirements/resolve.py

audit: $(READY_DEV)  ## Hold the pinned packages against known vulnerabilities (needs a network; says so without one)
	@$(BIN)/python deploy/requirements/audit.py

docs: $(READY)  ## Generate deploy/docs/reference from the code (a test holds it against the code)
	@$(BIN)/python -m deploy.docs.generate

bench: $(READY_DEV)  ## Measure, and print what was measured
	$(BIN)/python -m tests.benchmarks

simulate: $(READY_DEV)  ## Simulate automatic rollback: false alarms beside a hostile tenant, and how soon a bad release is found
	$(BIN)/python -m tests.benchmarks.tenant_simulation
	$(BIN)/python -m tests.benchmarks.step_simulation

chaos: $(READY_DEV)  ## Break every part under load, and print what was lost (nothing) and what was wrong (nothing)
	$(BIN)/python -m tests.chaos

fields: $(READY_DEV)  ## Try every request field on the real engine, alone and beside others
	$(BIN)/python -m tests.fields

clients: $(READY_DEV)  ## Try 24 clients that nobody here wrote, each in its newest version (needs PyPI, npm and node)
	$(BIN)/python -m tests.clients

release: $(READY_DEV)  ## Try a release: version, changelog, wheel, source, bill of materials (REALLY=1 writes dist/)
	@$(BIN)/python -m deploy.release.make_release $(if $(REALLY),--really)

tools:  ## Install what tests use and pip does not bring: a Chromium for the console's pages (as root, with apt)
	@bash deploy/setup/tools.sh

clean:  ## Remove what was built; .postil, your data, stays
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

$(READY): $(PINS) pyproject.toml deploy/setup.sh $(wildcard deploy/setup/*.sh)
	@PYTHON="$(PYTHON)" VENV="$(VENV)" bash deploy/setup.sh $(ENGINE)
	@touch $@

$(READY_DEV): $(READY)
	@PYTHON="$(PYTHON)" VENV="$(VENV)" bash deploy/setup.sh $(ENGINE) tune dev
	@touch $@

# mypy reads folders, not the import hook of an editable install: show it the packages by their names.
$(TYPES):
	@mkdir -p $(TYPES)
	@for floor in gateway registry plugins; do ln -sfn ../../../$$floor $(TYPES)/$$floor; done
