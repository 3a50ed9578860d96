# Everything happens in .venv, which the first call makes and later calls reuse.
#   make demo    a report on the shipped network and a sample of the shipped data
#   make test    the whole test suite
#   make test-gpu  the tests of what a CUDA or Apple GPU computes, on a machine that has one
#   make test-ways  the tests of what computes with networks: all on the networks themselves, then all on fast copies
#   make coverage  the suite once more, and which lines and branches of the code it runs
#   make mutation  faults put into the core one at a time, and whether its tests notice
#   make check   lint, format, types, those that users see too, who imports whom, and the types of scripts
#   make bench   how long whole commands take here, and heatmaps beside the peers
#                with JSON=docs/benchmarks/VERSION.json the figures of a release are kept
#   make docs    the documentation as a site, with all its code run and the gallery of the shipped networks
#   make audit   whether the pinned versions have known vulnerabilities, asked of PyPI
#   make sbom    the software bill of materials of a release, into dist, held to what cnnviz needs
# With CONSTRAINTS=constraints-lowest.txt it happens in .venv-lowest, with the oldest versions allowed.

CONSTRAINTS := constraints.txt
VENV := .venv$(CONSTRAINTS:constraints%.txt=%)
PYTHON := $(VENV)/bin/python
INSTALL := $(PYTHON) -m pip install --disable-pip-version-check -c $(CONSTRAINTS)
# pip says each step in a line of its own, a hundred of them: a terminal shows the latest one, and
# anything else none. What pip complains of goes to stderr, and stays; which versions conflict it
# says among the other lines.
ONE_LINE := | { [ -t 1 ] && awk '{ printf "\r\033[K%.76s", $$0; fflush() } END { printf "\r\033[K" }' || cat >/dev/null; }
# The comma would part what `call` hands over.
TESTED := test,docs
quietly = rm -f $(VENV)/.failed; { $(1) || touch $(VENV)/.failed; } | tee $(VENV)/.pip.log $(ONE_LINE); \
	  if [ -e $(VENV)/.failed ]; then sed -n '/^The conflict is caused by/,$$p' $(VENV)/.pip.log >&2; false; fi
# Both builds have the same versions, and the constraints may name one of the two alone.
OPENCV_VERSION := $(PYTHON) -c "from importlib.metadata import version; print(version('opencv-python'))"
KEPT := $(if $(JSON),--json $(JSON))
INPUTS := pyproject.toml $(CONSTRAINTS)
TOOLS := $(VENV)-tools
SBOM := dist/cnnviz.cdx.json
TSC := npm exec --yes --package typescript@5.9.3 -- tsc
DEMO := cnnviz-report
COMPUTING := $(addprefix tests/,passes heatmaps units gradients evaluation models views cases test_laws.py)

.NOTPARALLEL:
.PHONY: help demo test test-gpu test-ways coverage mutation check bench docs audit sbom clean

help:
	@sed -n 's/^# *\(make .*\)/\1/p' Makefile

demo: $(VENV)/.installed
	@$(VENV)/bin/cnnviz report --out $(DEMO) --force

test: $(VENV)/.installed-test
	@$(if $(ARGS),:,echo "The whole suite takes about 13 minutes of processor time, shared by all cores.")
	@$(PYTHON) -m pytest -n auto --dist worksteal $(ARGS)

test-gpu: $(VENV)/.installed-test
	@CNNVIZ_TEST_GPU=1 $(PYTHON) -m pytest tests/test_on_a_gpu.py $(ARGS)

# What holds on one of them and not on the other is a fault, of the test or of what it tests.
test-ways: $(VENV)/.installed-test
	@for way in 0 always; do \
	  echo "CNNVIZ_FAST=$$way"; \
	  CNNVIZ_FAST=$$way $(PYTHON) -m pytest -n auto --dist worksteal $(or $(ARGS),$(COMPUTING)) || exit 1; \
	done

# Apart from `make test`, since counting lines makes the suite half as long again; .ci/run counts.
# docs/coverage_table.py writes both files into docs/quality.md.
coverage: $(VENV)/.installed-test
	@COVERAGE_FILE=$(CURDIR)/.coverage $(PYTHON) -m pytest -n auto --dist worksteal --cov --cov-report=term \
	  --junit-xml=$(CURDIR)/.junit.xml $(ARGS)

mutation: $(VENV)/.installed-test
	@$(PYTHON) tests/mutation/run.py $(ARGS)

check: $(VENV)/.installed-check
	@$(PYTHON) -m ruff check .
	@$(PYTHON) -m ruff format --check .
	@$(PYTHON) -m mypy
	@$(PYTHON) -m basedpyright --pythonpath $(PYTHON)
	@$(VENV)/bin/lint-imports --no-logo
	@if $(TSC) --version >/dev/null 2>&1; then \
	  $(TSC) -p tests/explorer; \
	else \
	  echo "typescript cannot be had from npm, so the types of the pages' scripts are not checked."; \
	fi

bench: $(VENV)/.installed-test
	@$(PYTHON) tests/benchmarks/bench_report.py $(ARGS) $(KEPT)
	@$(PYTHON) tests/benchmarks/bench_cams.py $(KEPT)
	@$(PYTHON) tests/benchmarks/bench_occlusion.py $(KEPT)
	@$(PYTHON) tests/benchmarks/bench_top_activations.py
	@$(PYTHON) tests/benchmarks/bench_units.py
	@$(PYTHON) tests/benchmarks/bench_feature_visualization.py
	@$(PYTHON) tests/benchmarks/bench_monitor.py
	@$(PYTHON) tests/benchmarks/bench_monitor_verdicts.py
	@$(PYTHON) tests/benchmarks/bench_gradients.py
	@$(PYTHON) tests/benchmarks/bench_gallery.py --rounds 1 $(KEPT)

docs: $(VENV)/.installed-docs
	@$(PYTHON) docs/site/build.py --gallery $(ARGS)

# The pins are asked about as they stand: nothing is resolved or built for it.
audit: $(TOOLS)/.installed
	@$(TOOLS)/bin/python -m pip_audit --strict --no-deps --disable-pip --requirement $(CONSTRAINTS)

sbom: $(VENV)/.installed $(TOOLS)/.installed
	@$(TOOLS)/bin/python .ci/check_sbom.py $(PYTHON) $(SBOM)

# In an environment of their own: what they need is nothing that cnnviz is tested with.
$(TOOLS)/.installed: $(VENV)/.made
	@$(PYTHON) -m venv --clear $(TOOLS)
	@$(TOOLS)/bin/python -m pip install --quiet --disable-pip-version-check cyclonedx-bom==7.5.0 pip-audit==2.10.1
	@touch $@

# The first Python of 3.11 or later, made into .venv, with what builds the package.
$(VENV)/.made:
	@set -e; found=""; \
	for name in python3 python3.13 python3.12 python3.11 python3.14 python; do \
	  if "$$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
	    found="$$name"; break; \
	  fi; \
	done; \
	if [ -z "$$found" ]; then \
	  echo "cnnviz needs Python 3.11 or later, and no such python3 is on the PATH." >&2; \
	  echo "Install one; python3 is $$(python3 --version 2>&1 || true)." >&2; \
	  exit 2; \
	fi; \
	echo "Making $(VENV) with $$($$found --version): once, some minutes and about 5.5 GB."; \
	if ! "$$found" -m venv --clear $(VENV); then \
	  echo "$$found cannot make a virtual environment." >&2; \
	  echo "Install its venv module (on Debian and Ubuntu the package python3-venv)." >&2; \
	  exit 2; \
	fi
	@touch $@

$(VENV)/.installed: $(VENV)/.made $(INPUTS)
	@$(call quietly,$(INSTALL) "hatchling>=1.27.0" && $(INSTALL) --no-build-isolation -e .)
	@why=$$($(PYTHON) -c "import cv2" 2>&1) || case "$$why" in \
	  *"cannot open shared object file"*) \
	    echo "OpenCV's windows need libraries that are not here: taking its build without windows."; \
	    $(call quietly,$(INSTALL) --no-deps --force-reinstall opencv-python-headless==$$($(OPENCV_VERSION))); \
	    $(PYTHON) -c "import cv2";; \
	  *) \
	    echo "OpenCV was installed and cannot be imported: $$(echo "$$why" | tail -n 1)" >&2; false;; \
	esac
	@touch $@

$(VENV)/.installed-test: $(VENV)/.installed
	@$(call quietly,$(INSTALL) --no-build-isolation -e ".[$(TESTED)]")
	@touch $@

$(VENV)/.installed-docs: $(VENV)/.installed
	@$(call quietly,$(INSTALL) --no-build-isolation -e ".[docs]")
	@touch $@

# The helpers of the tests are checked too, so what they import has to be there.
$(VENV)/.installed-check: $(VENV)/.installed-test
	@$(call quietly,$(INSTALL) --no-build-isolation -e ".[check]")
	@touch $@

clean:
	rm -rf .venv .venv-* build dist site $(DEMO) .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis .coverage .junit.xml
