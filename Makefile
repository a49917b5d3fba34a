# make help lists the commands. Each makes the environment first where it is absent or older than what it is made from.
.DEFAULT_GOAL := help
.PHONY: help env browser rerun quickstart test test-layer layer-env docs-env check docs package doctor bench cpp fuzz clean

VENV ?= .venv
PYTHON := $(VENV)/bin/python
WORKERS ?= 2
SUDO := $(if $(filter-out 0,$(shell id -u)),sudo)
STAMP := $(VENV)/.complete
SOURCES := $(wildcard requirements/*.txt) $(wildcard epropnp_det/pnp/ops/cpu/*.?pp) setup.py pyproject.toml tools/make_env.sh

# The environment of the layer alone: any Python that it supports, any torch from 2.4 on.
LAYER_VENV ?= .venv-layer
LAYER_PYTHON := $(LAYER_VENV)/bin/python
BASE_PYTHON ?= python3.11
TORCH ?= torch
# Tests with OpenVINO and ONNX Runtime: a process of the other tests that had run them too crashed.
RUNTIMES := tests/detection/deploy
EXAMPLES := -q --doctest-modules epropnp_det/pnp --ignore epropnp_det/pnp/ops/triton
PYTEST := OMP_NUM_THREADS=1 $(PYTHON) -m pytest -n $(WORKERS) --dist loadfile

help:    ## this list
	@sed -n 's/^\([a-z-]*\): *[^#]*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 20

env: $(STAMP)    ## make .venv with the whole stack (12 minutes the first time, less than 4 after that)

$(STAMP): $(SOURCES)
	bash tools/make_env.sh $(VENV)

# Debian's Chromium, unless there is one: the test of the report clicks in it.
browser:    ## install Chromium for the test of the report (apt-get; needs root or sudo)
	@command -v chromium >/dev/null || command -v google-chrome >/dev/null || \
	  { $(SUDO) apt-get update -qq && $(SUDO) apt-get install -y -qq --no-install-recommends chromium fonts-dejavu-core; }

rerun: $(STAMP)    ## install the packages of epropnp detect --rerun (114 MB)
	$(VENV)/bin/uv pip install --quiet --python $(PYTHON) -r requirements/rerun.txt

quickstart: $(STAMP)    ## the whole path on synthetic data in a few minutes: training, score, submission, page of pictures
	VIRTUAL_ENV=$(abspath $(VENV)) PATH="$(abspath $(VENV))/bin:$$PATH" tools/quickstart.sh

# One thread a process: the tests run in parallel, and small tensors are slower with more. Those of the layer run on plain torch too.
test: $(STAMP)    ## all tests and the examples in docstrings (ARGS="tests/pnp -k camera" for some of them)
	$(if $(ARGS),,$(PYTEST) tests/pnp --backend torch)
	$(if $(ARGS),,OMP_NUM_THREADS=1 $(PYTHON) -m pytest $(EXAMPLES))
	$(if $(ARGS),,OMP_NUM_THREADS=1 $(PYTHON) -m pytest $(RUNTIMES))
	$(PYTEST) $(or $(ARGS),--ignore $(RUNTIMES))

layer-env:    ## make .venv-layer with torch and the layer alone (BASE_PYTHON=python3.13 TORCH=torch==2.4.1)
	$(BASE_PYTHON) -m venv $(LAYER_VENV)
	$(LAYER_PYTHON) -m pip install --quiet "$(TORCH)" -r requirements/layer.txt
	EPROPNP_KERNELS=require $(LAYER_PYTHON) -m pip install --quiet --no-build-isolation --no-deps -e .

test-layer:    ## the tests of the layer, in .venv-layer
	$(LAYER_PYTHON) -m epropnp_det doctor --layer
	OMP_NUM_THREADS=1 $(LAYER_PYTHON) -m pytest $(EXAMPLES)
	OMP_NUM_THREADS=1 $(LAYER_PYTHON) -m pytest tests/pnp $(ARGS)

check: $(STAMP)    ## ruff (rules and form), spelling, words, types
	$(PYTHON) -m ruff check .
	$(PYTHON) -m ruff format --check .
	$(PYTHON) -m codespell_lib
	$(PYTHON) tools/check_words.py
	$(PYTHON) -m mypy

docs: $(STAMP)    ## the documentation site in output/site; a warning is an error
	NO_MKDOCS_2_WARNING=1 $(PYTHON) -m mkdocs build --quiet

docs-env:    ## make .venv-docs with the tools of the site alone
	$(BASE_PYTHON) -m venv .venv-docs
	.venv-docs/bin/python -m pip install --quiet -r requirements/docs.txt
	touch .venv-docs/.complete

package: $(STAMP)    ## sdist, and the wheel that is built from it, in dist/
	EPROPNP_KERNELS=require $(PYTHON) -m build

doctor: $(STAMP)    ## what is installed, what works, and the remedy for what does not
	$(PYTHON) -m epropnp_det doctor

bench: $(STAMP)    ## time the PnP layer, plain torch against compiled kernels (with nothing else running)
	OMP_WAIT_POLICY=passive $(PYTHON) tools/benchmark_pnp.py output/benchmark $(ARGS)

cpp:    ## build and run the C++ example of the kernels' C interface, in output/cpp
	$(MAKE) -s -C demo/cpp run

SECONDS ?= 600
fuzz: $(STAMP)    ## change files at random, ten minutes for each reader (SECONDS=60 for less, SEED=1 for other files)
	EPROPNP_FUZZ_SECONDS=$(SECONDS) EPROPNP_FUZZ_SEED=$(or $(SEED),0) OMP_NUM_THREADS=1 $(PYTHON) -m pytest tests/fuzz -s -n $(WORKERS) $(ARGS)

clean:    ## remove caches; the environment stays
	rm -rf .pytest_cache .mypy_cache .ruff_cache build output/site
	find . -name __pycache__ -not -path './$(VENV)/*' -type d -prune -exec rm -rf {} +
