# The first target builds .venv from pyproject.toml and constraints.txt; every other one sees to it first.
# PYTHON=python3.12 make set-up    takes another interpreter (3.11 or newer)
# make reproduce CIFAR10=DIR IMAGENETTE=DIR    published figures beside ours; REPRODUCE=--dry-run tells how long it takes, and more options

PYTHON ?= python3
PROCESSES ?= 2
CIFAR10 ?= data
IMAGENETTE ?= data
REPRODUCE ?=
BIN := .venv/bin
READY := .venv/ready
CODE := src tests examples $(wildcard benchmarks)

.PHONY: set-up demo reproduce test check format clean

set-up: $(READY)

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "selfsup needs Python 3.11 or newer; $(PYTHON) is older. Try: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 2; }
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --disable-pip-version-check --quiet -c constraints.txt -e '.[demo,test]'
	@touch $@

demo: $(READY)
	$(BIN)/python examples/demo.py

reproduce: $(READY)
	$(BIN)/python benchmarks/reproduce.py --cifar10 "$(CIFAR10)" --imagenette "$(IMAGENETTE)" $(REPRODUCE)

# One thread a process: two processes with two threads each ruin one another.
test: $(READY)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(PROCESSES) --durations 20 --durations-min 10

check: $(READY)
	$(BIN)/ruff format --check $(CODE)
	$(BIN)/ruff check $(CODE)
	$(BIN)/mypy

format: $(READY)
	$(BIN)/ruff format $(CODE)
	$(BIN)/ruff check --fix $(CODE)

clean:
	rm -rf .venv build dist demo runs .mypy_cache .ruff_cache .pytest_cache src/*.egg-info
	find src tests examples -name __pycache__ -prune -exec rm -rf {} +
