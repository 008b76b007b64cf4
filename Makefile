# Everything a person does here, from a bare clone. `make help` lists it.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
TEST := .venv-test/bin
STAMP := $(VENV)/stamp

# Whatever the wheel is made of.
SOURCES := Cargo.toml Cargo.lock pyproject.toml README.md LICENSE THIRD-PARTY-LICENSES \
	$(shell find rust python -type f -not -name '*.pyc' -not -name '*.so' 2>/dev/null)

ifeq ($(FULL),1)
export TOKSEAM_FULL := 1
export PROPTEST_CASES := 20000
endif
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: help setup demo test lint docs bench wheel coverage
.DEFAULT_GOAL := help

help:  ## list the targets
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 14

setup:  ## make .venv with tokseam and its command in it
	@start=$$(date +%s) && $(MAKE) --no-print-directory $(STAMP)/setup && \
		echo "make setup took $$(($$(date +%s) - start)) s. Ready: . $(BIN)/activate, then tokseam --help"

demo: setup  ## run every kernel on real text
	@$(BIN)/python examples/demo.py

test: $(STAMP)/test  ## all tests, against the built wheel; FULL=1 is the full volume
	@if cargo nextest --version >/dev/null 2>&1; then cargo nextest run --workspace && cargo test --workspace --doc --quiet; \
		else cargo test --workspace; fi
	$(TEST)/python -m pytest

lint: $(STAMP)/lint  ## formatting, lints, types, and the generated stub
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings
	cargo fmt --manifest-path fuzz/Cargo.toml --check
	RUSTFLAGS='--cfg fuzzing' cargo clippy --manifest-path fuzz/Cargo.toml --target-dir target/fuzz \
		--locked --no-default-features -- -D warnings
	$(TEST)/ruff check
	$(TEST)/ruff format --check
	$(TEST)/mypy
	rm -rf $(STAMP)/stubs && $(BIN)/maturin generate-stubs --quiet --out $(STAMP)/stubs
	diff -u python/tokseam/_native.pyi $(STAMP)/stubs/tokseam/_native.pyi
	$(TEST)/python -m mypy.stubtest tokseam._native
	$(TEST)/python scripts/check_licences.py
	$(TEST)/python scripts/readme_table.py --check

docs: $(STAMP)/docs  ## run every example of the README, the docs and the docstrings, and build the site
	$(TEST)/python -m pytest tests/test_docs.py
	$(TEST)/python -m zensical build --strict --clean

bench: $(STAMP)/bench  ## measure against the installed peers, record it, fill the README's table: about 30 minutes
	$(TEST)/python benches/encode.py
	$(TEST)/python benches/train.py
	$(TEST)/python benches/admissible.py
	$(TEST)/python benches/triadic.py
	$(TEST)/python benches/bytelm.py
	$(TEST)/python benches/phantom.py
	$(TEST)/python benches/causal_lm.py
	$(TEST)/python scripts/readme_table.py

wheel: $(STAMP)/wheel  ## build the wheel and the sdist into dist, and check the wheel in an empty environment
	rm -f dist/*.tar.gz
	$(BIN)/maturin sdist --out dist
	$(BIN)/python scripts/check_wheel.py dist/*.whl
	@ls dist/*

coverage: $(STAMP)/coverage  ## which parts no test reaches, into docs/coverage.md; needs llvm-cov
	$(TEST)/python scripts/measure_coverage.py

$(STAMP)/venv:
	@command -v $(PYTHON) >/dev/null || { echo "missing: Python 3.11 or newer, from python.org or your system (or make PYTHON=...)"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "missing: Python 3.11 or newer, from python.org or your system (or make PYTHON=...); this is $$($(PYTHON) -V)"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo "missing: Python's venv, from your system's package python3-venv"; exit 1; }
	@command -v cargo >/dev/null || { echo "missing: Rust 1.88 or newer (cargo), from rustup.rs"; exit 1; }
	@cargo --version | awk '{ split($$2, v, "."); exit !(v[1] > 1 || v[2] >= 88) }' || \
		{ echo "missing: Rust 1.88 or newer, from rustup.rs (rustup update); this is $$(cargo --version)"; exit 1; }
	$(PYTHON) -m venv --clear $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade 'pip>=25.1' 'maturin>=1.14,<2'
	@mkdir -p $(STAMP) && touch $@

$(STAMP)/wheel: $(STAMP)/venv $(SOURCES)
	rm -f dist/*.whl
	$(BIN)/maturin build --release --locked --strip --quiet --out dist
	@touch $@

$(STAMP)/setup: $(STAMP)/wheel
	$(BIN)/python -m pip install --quiet --force-reinstall --no-deps dist/*.whl
	$(BIN)/python -m pip install --quiet "$$(ls dist/*.whl)[cli,train]"
	@touch $@

# A fresh environment that holds nothing but the wheel and what the tests need.
$(STAMP)/peers: $(STAMP)/venv pyproject.toml
	$(PYTHON) -m venv --clear .venv-test
	$(TEST)/python -m pip install --quiet --upgrade 'pip>=25.1'
	$(TEST)/python -m pip install --quiet --group test
	@touch $@

$(STAMP)/test: $(STAMP)/peers $(STAMP)/wheel
	$(TEST)/python -m pip install --quiet --force-reinstall --no-deps dist/*.whl
	@touch $@

$(STAMP)/lint: $(STAMP)/test
	$(TEST)/python -m pip install --quiet --group lint
	@touch $@

$(STAMP)/docs: $(STAMP)/test
	$(TEST)/python -m pip install --quiet --group docs
	@touch $@

$(STAMP)/bench: $(STAMP)/test
	-$(TEST)/python -m pip install --quiet --group bench
	@touch $@

$(STAMP)/coverage: $(STAMP)/test
	$(TEST)/python -m pip install --quiet --group coverage
	@touch $@
