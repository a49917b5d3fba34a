# make help lists the commands. Each makes the environment first where it is absent or older than what it is made from.
.DEFAULT_GOAL := help
.PHONY: help env quickstart test check doctor bench clean

VENV ?= .venv
PYTHON := $(VENV)/bin/python
WORKERS ?= 2
STAMP := $(VENV)/.complete
SOURCES := $(wildcard requirements/*.txt) $(wildcard epropnp_det/pnp/ops/cpu/*.?pp) setup.py tools/make_env.sh

help:    ## this list
	@sed -n 's/^\([a-z]*\): *[^#]*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 16

env: $(STAMP)    ## make .venv with the whole stack (12 minutes the first time, less than 4 after that)

$(STAMP): $(SOURCES)
	bash tools/make_env.sh $(VENV)

quickstart: $(STAMP)    ## the whole path on a made-up world in a few minutes: training, score, submission, page of pictures
	VIRTUAL_ENV=$(abspath $(VENV)) PATH="$(abspath $(VENV))/bin:$$PATH" tools/quickstart.sh

# One thread a process: the tests run in parallel, and small tensors are slower with more. Those of the layer run on plain torch too.
test: $(STAMP)    ## all tests (ARGS="tests/pnp -k camera" for some of them)
	$(if $(ARGS),,OMP_NUM_THREADS=1 $(PYTHON) -m pytest -n $(WORKERS) --dist loadfile tests/pnp --kernels eager)
	OMP_NUM_THREADS=1 $(PYTHON) -m pytest -n $(WORKERS) --dist loadfile $(ARGS)

check: $(STAMP)    ## ruff (rules and form) on everything, mypy on epropnp_det/pnp
	$(PYTHON) -m ruff check .
	$(PYTHON) -m ruff format --check .
	$(PYTHON) -m mypy epropnp_det/pnp

doctor: $(STAMP)    ## what is installed, what works, how to mend what does not
	$(PYTHON) tools/doctor.py

bench: $(STAMP)    ## time the PnP layer, plain torch against compiled kernels (with nothing else running)
	OMP_WAIT_POLICY=passive $(PYTHON) tools/benchmark_pnp.py output/benchmark $(ARGS)

clean:    ## remove caches; the environment stays
	rm -rf .pytest_cache .mypy_cache .ruff_cache build
	find . -name __pycache__ -not -path './$(VENV)/*' -type d -prune -exec rm -rf {} +
