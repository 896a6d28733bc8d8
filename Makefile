# Everything a newcomer, a developer and CI run. `make demo` and `make test` need only
# Python >= 3.11, make and a package index that pip is configured for.
PYTHON ?= python3
BIN := .venv/bin
# Pictures and answers of the demo.
DEMO := demo

.PHONY: demo test lint test-serve test-browser bench clean

# Installed once; again whenever the dependencies change.
.venv/installed: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or newer is needed; set PYTHON=/path/to/python3.11"; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e ".[cpu]"
	$(BIN)/rsvlm doctor --fix
	touch $@

.venv/installed-dev: .venv/installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e ".[dev]"
	touch $@

demo: .venv/installed
	$(BIN)/python -m rsvlm.app.demo --out $(DEMO)

test: .venv/installed-dev
	$(BIN)/python -m pytest -q -m "not serve and not browser and not gpu"

lint: .venv/installed-dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

test-serve: .venv/installed-dev
	$(BIN)/python -m pytest -q -m serve || test $$? -eq 5

test-browser: .venv/installed-dev
	$(BIN)/python -m pytest -q -m browser || test $$? -eq 5

bench: .venv/installed-dev
	$(BIN)/python benchmarks/raster_memory.py
	$(BIN)/python benchmarks/answer_time.py
	$(BIN)/python benchmarks/encoder_throughput.py
	$(BIN)/python benchmarks/caption_metrics.py
	$(BIN)/python benchmarks/detection_metrics.py
	$(BIN)/python benchmarks/text_metrics.py
	$(BIN)/python benchmarks/archive_search.py

clean:
	rm -rf .venv $(DEMO) build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis
