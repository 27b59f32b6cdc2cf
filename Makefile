# Every target does its own set-up, and installs what it needs. PYTHON may name an interpreter (3.10 to 3.14).
PYTHON ?=
BIN := .venv/bin
PEERS := .venv-peers/bin
LOCKS := jax torch
# A PYTHON that .venv was not made with asks for a new one.
OTHER_PYTHON := $(if $(PYTHON),$(if $(filter $(PYTHON),$(shell cat .venv/.venv 2>/dev/null)),,other-python))

.PHONY: setup train test check chapters solutions notebook book serve bench published heldout torture scaling wheel door lock lock-peers clean
.DEFAULT_GOAL := help

help:  ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: .venv/.dev .venv/.d2lrnn  ## .venv with everything, at the locked versions

.venv/.venv: $(OTHER_PYTHON)
	@sh setup/venv.sh "$(PYTHON)"
	@echo "$(PYTHON)" > $@

.PHONY: other-python

# Each lock adds to the one before it: train, notebook, book, test, dev.
.venv/.train: .venv/.venv
.venv/.notebook: .venv/.train
.venv/.book: .venv/.notebook
.venv/.test: .venv/.book
.venv/.dev: .venv/.test
.venv/.%: setup/%.lock setup/install.py
	@$(BIN)/python setup/install.py $<
	@touch $@

.venv/.d2lrnn: .venv/.train pyproject.toml
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

train: .venv/.train .venv/.d2lrnn  ## train on our lyrics, half a minute (ARGS="--cell lstm" for more)
	$(BIN)/python -m d2lrnn.train $(ARGS)

test: .venv/.test .venv/.d2lrnn  ## every test, with the coverage of the package
	$(BIN)/python -m pytest --cov --cov-report=term -n 2 --dist loadfile --no-loadscope-reorder

check: .venv/.dev .venv/.d2lrnn  ## format, lint, types and the quick tests: before every commit
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/python -m pytest -q -m "not slow" -n 2 --dist loadfile

chapters: .venv/.book .venv/.d2lrnn  ## run every chapter in a fresh kernel (ARGS="04 -j 2": some of them, two at once)
	$(BIN)/python -m book.run $(ARGS)

solutions: .venv/.book .venv/.d2lrnn  ## run the worked solutions of the exercises (ARGS="04": of one chapter)
	$(BIN)/python -m book.run --solutions $(ARGS)

notebook: .venv/.notebook .venv/.d2lrnn  ## JupyterLab, in which a double click opens a chapter as a notebook
	JUPYTER_CONFIG_PATH="$(CURDIR)/book/jupyter$${JUPYTER_CONFIG_PATH:+:$$JUPYTER_CONFIG_PATH}" \
		$(BIN)/jupyter lab --LabApp.default_url=/lab/tree/chapters $(ARGS)

book: .venv/.book .venv/.d2lrnn  ## the site, in build/book
	$(BIN)/python -m book.build

serve: book  ## the site, read at http://127.0.0.1:8000 (ARGS=9000: at another port)
	$(BIN)/python -m http.server --bind 127.0.0.1 --directory build/book $(ARGS)

bench: .venv/.train .venv/.d2lrnn .venv-peers/.locked  ## how fast it is beside PyTorch, JAX, … (70 minutes; ARGS=--quick for a look)
	$(BIN)/python -m benchmarks.speed $(ARGS)

.venv-peers/.locked: .venv/.venv $(wildcard benchmarks/locks/*.lock)
	@test -x $(PEERS)/python || $(BIN)/python -m venv .venv-peers
	@! $(PEERS)/python benchmarks/speed/install.py || touch $@

published: .venv/.train .venv/.d2lrnn  ## the published figures, trained again (about an hour; needs the lyrics, see the script)
	$(BIN)/python benchmarks/published.py

heldout: .venv/.train .venv/.d2lrnn  ## the figures of chapters 18 to 20 that are not stored yet, measured (hours; ARGS="songci": one study)
	$(BIN)/python -m benchmarks.heldout $(ARGS)

scaling: .venv/.train .venv/.d2lrnn  ## what several workers cost and bring, measured and modelled (minutes; Linux on x86-64 only)
	$(BIN)/python -m benchmarks.scaling

torture: .venv/.dev .venv/.d2lrnn  ## accidents of every kind, by the thousand (about an hour; into audits/torture.md)
	$(BIN)/python -m audits.torture $(ARGS)

lock: setup  ## resolve pyproject.toml again into setup/*.lock
	$(BIN)/python setup/lock.py

lock-peers: setup  ## the locks of the peers, from benchmarks/locks/*.in
	cd benchmarks/locks && for lock in $(LOCKS); do \
		$(CURDIR)/$(BIN)/uv pip compile $$lock.in --no-config --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
			--no-annotate --custom-compile-command "make lock-peers" --quiet --output-file $$lock.lock || exit; done

wheel: .venv/.train  ## what pip installs elsewhere, in dist/
	$(BIN)/python -m pip wheel --quiet --disable-pip-version-check --no-deps --no-build-isolation --wheel-dir dist .
	@ls dist/*.whl

door: .venv/.test .venv/.d2lrnn  ## from a fresh clone, on every Python here, as notebooks, as a wheel (an hour or two)
	$(BIN)/python -m pytest -v -m door -p no:xdist $(ARGS)

clean:  ## remove what make has made
	rm -rf .venv .venv-peers build dist *.egg-info .*_cache .coverage .hypothesis
