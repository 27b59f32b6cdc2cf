# Every target does its own set-up. PYTHON may name another interpreter of version 3.11.
PYTHON ?= python3.11
BIN := .venv/bin
LOCKED := .venv/.locked
PEERS := .venv-peers/bin
LOCKS := jax torch
EXTRAS := --extra cpu --extra book --extra test --extra dev

.PHONY: setup train test check chapters notebook book bench published torture scaling lock lock-peers clean
.DEFAULT_GOAL := help

help:  ## this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1|/' | column -t -s '|'

setup: $(LOCKED)  ## .venv with everything, at the locked versions

$(LOCKED): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; v == (3, 11) or sys.exit(f"Python 3.11 is needed, {sys.executable} is {v[0]}.{v[1]}: make PYTHON=/path/to/python3.11")'
	$(PYTHON) -m venv --clear .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	touch $@

train: setup  ## train on our lyrics, half a minute (ARGS="--cell lstm" for more)
	$(BIN)/python -m d2lrnn.train $(ARGS)

test: setup  ## every test, with the coverage of the package
	$(BIN)/python -m pytest --cov --cov-report=term -n 2 --dist loadfile

check: setup  ## format, lint, types and the quick tests: before every commit
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/python -m pytest -q -m "not slow" -n 2 --dist loadfile

chapters: setup  ## run every chapter in a fresh kernel (ARGS="04 -j 2": some of them, two at once)
	$(BIN)/python -m book.run $(ARGS)

notebook: setup  ## JupyterLab, in which a double click opens a chapter as a notebook
	JUPYTER_CONFIG_PATH="$(CURDIR)/book/jupyter$${JUPYTER_CONFIG_PATH:+:$$JUPYTER_CONFIG_PATH}" \
		$(BIN)/jupyter lab --LabApp.default_url=/lab/tree/chapters $(ARGS)

book: setup  ## the site, in build/book
	$(BIN)/python -m book.build

bench: setup .venv-peers/.locked  ## how fast it is beside PyTorch, JAX, … (an hour; ARGS=--quick for a look)
	$(BIN)/python -m benchmarks.speed $(ARGS)

.venv-peers/.locked: $(wildcard benchmarks/locks/*.lock)
	@test -x $(PEERS)/python || $(PYTHON) -m venv .venv-peers
	@! $(PEERS)/python benchmarks/speed/install.py || touch $@

published: setup  ## the published figures, trained again (about an hour; needs the lyrics, see the script)
	$(BIN)/python benchmarks/published.py

scaling: setup  ## what several workers cost and bring, measured and modelled (minutes; Linux on x86-64 only)
	$(BIN)/python -m benchmarks.scaling

torture: setup  ## accidents of every kind, by the thousand (about an hour; into benchmarks/torture.md)
	$(BIN)/python -m benchmarks.torture $(ARGS)

lock: setup  ## resolve pyproject.toml again into requirements.lock
	$(BIN)/uv pip compile pyproject.toml $(EXTRAS) --universal --python-version 3.11 --generate-hashes \
		--no-emit-index-url --no-annotate --custom-compile-command "make lock" --quiet --output-file requirements.lock

lock-peers: setup  ## the locks of the peers (UV_FIND_LINKS=… LOCKS=torch-cpu: from where PyTorch has its CPU builds)
	cd benchmarks/locks && for lock in $(LOCKS); do \
		$(CURDIR)/$(BIN)/uv pip compile $$lock.in --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
			--no-emit-find-links --no-annotate --custom-compile-command "make lock-peers" --quiet --output-file $$lock.lock || exit; done

clean:  ## remove what make has made
	rm -rf .venv .venv-peers build dist *.egg-info .*_cache .coverage .hypothesis
