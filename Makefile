# Everything a newcomer, a developer and CI run. `make demo` and `make test` need only
# Python >= 3.11, make and a package index that pip is configured for.
PYTHON ?= python3
BIN := .venv/bin
# vLLM fixes the versions of a hundred packages: it gets an environment of its own.
SERVE := .venv-serve/bin
# Pictures and answers of the demo.
DEMO := demo

.PHONY: demo checkpoint test lint test-serve test-browser bench figures audit clean

# Installed once; again whenever the dependencies change.
.venv/installed: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or newer is needed; set PYTHON=/path/to/python3.11"; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e ".[cpu,chat]"
	$(BIN)/rsvlm doctor --fix
	$(BIN)/rsvlm assets fetch openseadragon || \
	  echo "Without npm the image viewer zooms in steps; everything else works."
	touch $@

.venv/installed-dev: .venv/installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e ".[dev]"
	touch $@

demo: .venv/installed
	$(BIN)/python -m rsvlm.app.demo --out $(DEMO)

# The whole way to a checkpoint; PRESET=smoke shows in minutes that it can be gone.
PRESET := tiny-gpu
DATA := ../shared/data
checkpoint: .venv/installed
	PYTHON=$(BIN)/python scripts/checkpoint.sh $(PRESET) $(DATA) runs/$(PRESET)

test: .venv/installed-dev
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n 2 --dist loadfile -m "not serve and not browser and not gpu"

lint: .venv/installed-dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

# Not the extra dev: these tests need little of it. No test found is a failure.
.venv-serve/installed: pyproject.toml
	test -x $(SERVE)/python || $(PYTHON) -m venv .venv-serve
	$(SERVE)/python -m pip install --quiet --disable-pip-version-check \
	  -e ".[cpu,remote,serve-cpu]" "pytest>=8.3"
	$(SERVE)/rsvlm doctor --fix
	touch $@

test-serve: .venv-serve/installed
	$(SERVE)/python -m pytest -q -m serve $$(grep -rl --include='test_*.py' 'mark\.serve' tests)

# Screenshots stay in build/browser.
test-browser: .venv/installed-dev
	@command -v chromedriver >/dev/null || \
	  { echo "Chromium is needed: apt-get install chromium chromium-driver"; exit 1; }
	$(BIN)/rsvlm assets fetch openseadragon axe-core
	$(BIN)/python -m pytest -q -n 2 --dist loadfile -m browser tests/app tests/eval

bench: .venv/installed-dev
	$(BIN)/python benchmarks/raster_memory.py
	$(BIN)/python benchmarks/answer_time.py
	$(BIN)/python benchmarks/encoder_throughput.py
	$(BIN)/python benchmarks/caption_metrics.py
	$(BIN)/python benchmarks/detection_metrics.py
	$(BIN)/python benchmarks/text_metrics.py
	$(BIN)/python benchmarks/archive_search.py

# Every figure of the model card, measured on the test splits and written into it; what is
# finished is kept, so it can be stopped. runs/knowledge: rsvlm knowledge build world.
CARD := rsvlm/checkpoints/tiny/README.md
KNOWLEDGE := $(wildcard runs/knowledge)
figures: .venv/installed
	$(BIN)/python -m rsvlm.app.figures --out runs/figures $(addprefix --into ,$(CARD)) \
	  $(if $(KNOWLEDGE),--knowledge $(KNOWLEDGE)) $(FIGURES)

# Offline: the table of app/advisories.py. With a network also a vulnerability service.
audit: .venv/installed-dev
	$(BIN)/rsvlm doctor
	$(BIN)/python -m pip install --quiet --disable-pip-version-check "pip-audit>=2.10"
	$(BIN)/pip-audit --skip-editable

clean:
	rm -rf .venv .venv-serve $(DEMO) build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis
