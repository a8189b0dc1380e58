# Everything a person types. `make help` lists it.
SHELL := /bin/sh
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
export NORMAL ANOMALOUS DATASET NAME ARGS HOURS
# only what is typed counts: a NAME that happens to be in the environment is not meant
$(foreach word,NORMAL ANOMALOUS DATASET NAME ARGS HOURS,$(if $(filter command,$(origin $(word))),,$(eval $(word) :=)))

.PHONY: help run test check lab bench bench-events clean

help:
	@echo "make run                               the main job on the built-in demo recordings"
	@echo "make run NORMAL=a.wav ANOMALOUS=b.wav  the same on your own two recordings or folders (also NAME=..., ARGS='--only gmm,svm')"
	@echo "make run DATASET=clips                 the same on a manifest (CSV) or a folder of clips in a known layout"
	@echo "make test                              everything that CI runs: ruff, pytest with doctests, nbval over the notebooks"
	@echo "make check                             ruff and pytest alone"
	@echo "make lab                               JupyterLab in notebooks/"
	@echo "make bench                             the table of benchmarks/README.md; HOURS=1 in place of 24 makes it shorter"
	@echo "make bench-events                      events found beside audio-anomaly; ARGS='--seeds 5' on more sound"
	@echo "make clean                             remove .venv and caches; runs/ stays"

run: $(STAMP)
	@$(BIN)/acoustic-nb run $${NORMAL:+--normal "$$NORMAL"} $${ANOMALOUS:+--anomalous "$$ANOMALOUS"} $${DATASET:+--dataset "$$DATASET"} $${NAME:+--name "$$NAME"} $$ARGS

test: check
	rm -rf runs/scratch
	$(BIN)/python -m pytest --nbval-lax --nbval-current-env --nbval-cell-timeout=300 -q notebooks

check: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/python -m pytest -q

lab: $(STAMP)
	cd notebooks && ../$(BIN)/jupyter lab

bench: $(VENV)/bench/.installed
	@$(BIN)/python -m benchmarks.speed $${HOURS:+--hours "$$HOURS"}

bench-events: $(VENV)/bench/.installed
	@$(BIN)/python -m benchmarks.events $$ARGS

# beside the environment, not in it: openSMILE brings pyarrow, with which pandas takes longer to load and more memory
$(VENV)/bench/.installed: $(STAMP)
	$(BIN)/python -m pip install --disable-pip-version-check --prefix $(VENV)/bench -c constraints.txt opensmile audio-anomaly
	@touch $@

clean:
	rm -rf $(VENV) .pytest_cache .ruff_cache build dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# the first interpreter that fits; PYTHON=/path/to/python3.12 chooses one
$(STAMP): pyproject.toml constraints.txt
	@fits='import ensurepip, sys, venv; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))'; \
	for python in $${PYTHON:-python3 python3.13 python3.12 python3.11 python}; do \
	  if "$$python" -c "$$fits" >/dev/null 2>&1; then found=$$python; break; fi; \
	done; \
	if [ -z "$$found" ]; then \
	  echo "acoustic_nb needs Python 3.11, 3.12 or 3.13 with venv and pip$${PYTHON:+, and PYTHON=$$PYTHON is none}; install one (Debian: apt-get install python3 python3-venv) or name it with PYTHON=/path/to/python" >&2; \
	  exit 1; \
	fi; \
	echo "setting up $(VENV) with $$("$$found" --version); the first time takes a minute or two"; \
	"$$found" -m venv --clear $(VENV)
	$(BIN)/python -m pip install --disable-pip-version-check -c constraints.txt -e '.[test]'
	@echo "compiling the feature kernel, once"
	@$(BIN)/python -c "from acoustic_nb.features import load_kernel; load_kernel(8000, 13)"
	@touch $(STAMP)
