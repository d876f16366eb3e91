# One file to remember: make run, make test, make check, make ui, make bench-NAME.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
STAMP_DEV := $(VENV)/.installed-dev
STAMP_ALL := $(VENV)/.installed-all
PIP_FLAGS ?= --quiet --disable-pip-version-check
RECIPE ?= nano
PORT ?= 4200
DOCUMENTS ?= 10000000

.PHONY: run test check lint types contracts slow code-versions readme ui clean pictures scale-minhash train-books tune-optimizers

run: $(STAMP)
	$(BIN)/c2m run $(RECIPE)

test: $(STAMP_DEV)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --jaxtyping-packages=lmcore,beartype.beartype

slow: $(STAMP_ALL)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m slow -n 2 --dist loadfile -v --durations=40

lint: $(STAMP_DEV)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(STAMP_DEV)
	$(BIN)/mypy

contracts: $(STAMP_DEV)
	$(BIN)/lint-imports

check: lint types contracts test

code-versions: $(STAMP_DEV)
	C2M_ACCEPT_CODE_VERSIONS=1 $(BIN)/python -m pytest -q -k recorded_on_request tests/house/test_code_versions.py

readme: $(STAMP_DEV)
	C2M_ACCEPT_README=1 $(BIN)/python -m pytest -q -k written_on_request tests/house/test_readme.py

ui: $(STAMP)
	$(BIN)/python deployments/serve.py --port $(PORT)

pictures: $(STAMP_DEV)
	$(BIN)/python deployments/pictures.py

bench-%: $(STAMP_DEV)
	$(BIN)/python tests/benchmarks/bench_$(subst -,_,$*).py

tune-optimizers: $(STAMP_DEV)
	$(BIN)/python tests/benchmarks/tune_optimizers.py

train-books: $(STAMP_DEV)
	$(BIN)/python tests/benchmarks/train_books.py

scale-minhash: $(STAMP_DEV)
	$(BIN)/python tests/benchmarks/scale_minhash.py --documents $(DOCUMENTS)

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(STAMP): $(VENV)/bin/python pyproject.toml
	@echo "installing crawl2model into $(VENV): a few minutes the first time"
	$(BIN)/python -m pip install $(PIP_FLAGS) -e .
	$(BIN)/python -m flows.engine
	@touch $@

$(STAMP_DEV): $(VENV)/bin/python pyproject.toml
	@echo "installing crawl2model with its development tools into $(VENV): a few minutes the first time"
	$(BIN)/python -m pip install $(PIP_FLAGS) -e '.[dev]'
	$(BIN)/python -m flows.engine
	@touch $@ $(STAMP)

$(STAMP_ALL): $(VENV)/bin/python pyproject.toml
	@echo "installing crawl2model with development tools, Dask, Ray and an S3 server into $(VENV)"
	$(BIN)/python -m pip install $(PIP_FLAGS) -e '.[dev,dask,ray,s3]'
	$(BIN)/python -m flows.engine
	@touch $@ $(STAMP) $(STAMP_DEV)

clean:
	rm -rf $(VENV) build *.egg-info .mypy_cache .ruff_cache .pytest_cache
