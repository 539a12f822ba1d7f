# The usual calls. Needs Python 3.11 or newer, make and a C compiler; cargo for the Rust engines.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
CONFIG ?= config/config.yaml
# Targets go first: --configfile and --quiet take every word that follows.
# The cores that a control group leaves this process, which nproc does not know; asked when there is an environment to ask with.
CORES = $(shell PYTHONPATH=workflow/scripts $(BIN)/python -m benchmark_runner.processes.cgroup || echo 1)
SETTINGS = --quiet rules progress host reason --cores $(CORES) --resources gpu=1 --configfile $(CONFIG)
PYTEST_FLAGS ?=

# In make's place of a shell, so that whoever ends make ends Snakemake.
snakemake = exec $(BIN)/snakemake $(1) $(SETTINGS)

.DEFAULT_GOAL := help
.PHONY: help run check plan doctor report analyze join test test-quick test-cluster test-container test-statistics format lint check-cuda lock docs clean

help:  ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 24

run: $(VENV)/workflow.stamp  ## set up and run the quick comparison (CONFIG=config/comprehensive.yaml for another)
	@$(call snakemake)

check: $(VENV)/workflow.stamp  ## is CONFIG in order? every problem with file, line and remedy
	@$(BIN)/snakemake -n $(SETTINGS) > /dev/null && echo "$(CONFIG) is in order"

plan: $(VENV)/workflow.stamp  ## what CONFIG will do: launches, order, minutes, the smallest difference it can find
	@$(call snakemake,plan)

doctor: $(VENV)/workflow.stamp  ## what this machine lets us measure, what is missing and how to get it
	@$(call snakemake,doctor)

report: $(VENV)/workflow.stamp  ## finish CONFIG's report
	@$(call snakemake,report)

analyze: $(VENV)/workflow.stamp  ## analyse a results folder as it stands, on any machine: make analyze RESULTS=results/quick
	@test -n "$(RESULTS)" || { echo "error: name the folder: make analyze RESULTS=results/quick" >&2; exit 1; }
	@$(BIN)/snakemake --quiet rules progress host reason --cores 1 report --config analyze_only=true output_dir="$(RESULTS)"

join: $(VENV)/workflow.stamp  ## make one campaign of several results folders: make join FOLDERS=results/a,results/b RESULTS=results/both
	@test -n "$(FOLDERS)" -a -n "$(RESULTS)" || { echo "error: name the folders: make join FOLDERS=results/a,results/b RESULTS=results/both" >&2; exit 1; }
	@$(BIN)/snakemake --quiet rules progress host reason --cores 1 join --config folders="$(FOLDERS)" output_dir="$(RESULTS)"

# What only computes runs beside the tests that start Snakemake or an engine, which mostly wait for one process at a time, and
# is counted with them (tests/beside.py). Both runs should end at about the same time: the closing words tell how long each took.
COMPUTING := business comparison configuration environment imported model performance planning plots protocol records \
	report statistics summary
# Calls of Snakemake that start no engine, or one that only sleeps; under a machine's lock of their own they wait for no launch there.
CALLING := adapter_reruns analyze_only compare config_messages deployment dry_run failed_engines hostile_servers join lm_rs_campaign \
	model_sources not_asked owed plan_and_doctor rerun snakemake_report until_decided
BESIDE := tests/house/test_linters.py tests/house/test_crates.py $(COMPUTING:%=tests/%) $(CALLING:%=tests/workflow/test_%.py)

test: $(VENV)/test.stamp  ## set up and run every test
	@rm -rf $(VENV)/beside.* $(VENV)/beside; mkdir -m 700 $(VENV)/beside; trap 'kill $$beside 2> /dev/null' EXIT; trap 'exit 130' INT; \
	BENCHMARK_RUNNER_LOCK="$$(realpath $(VENV))/beside/lock" \
	nice -n 5 $(BIN)/python -m pytest $(BESIDE) $(PYTEST_FLAGS) --tell $(VENV)/beside.jsonl > $(VENV)/beside.log 2>&1 & beside=$$!; \
	$(BIN)/python -m pytest $(BESIDE:%=--ignore=%) $(PYTEST_FLAGS) --beside $$beside $(VENV)/beside.jsonl

test-quick: $(VENV)/test.stamp  ## the tests that need no engine, no workflow run and no browser
	@$(BIN)/python -m pytest -m "not workflow and not real_engine and not browser and not lint" $(PYTEST_FLAGS)

# Each file has a Slurm of its own: scenarios mostly wait, for Slurm's limits and Snakemake's looks at the queue.
test-cluster: $(VENV)/test.stamp $(VENV)/slurm.stamp  ## campaigns on a Slurm of two nodes made up here (as root; Debian's slurm-wlm and munge)
	@printf '%s\n' tests/cluster/test_*.py | xargs -P 4 -n 1 $(BIN)/python -m pytest --durations=0 --durations-min=1 $(PYTEST_FLAGS)

test-container: $(VENV)/test.stamp  ## campaigns in a container made here (as root; Debian's podman, runc, charliecloud, mmdebstrap)
	@$(BIN)/python -m pytest tests/containers $(PYTEST_FLAGS)

test-statistics: $(VENV)/test.stamp  ## the simulations with 2,000 campaigns each, and what they found (minutes)
	@printf '%s\n' tests/*/test_simul*.py | BENCHMARK_RUNNER_CAMPAIGNS=2000 \
	  xargs -P "$$(getconf _NPROCESSORS_ONLN)" -n 1 $(BIN)/python -m pytest -rP $(PYTEST_FLAGS)

format: $(VENV)/test.stamp  ## format Python, Snakemake and Rust as `make lint` wants them
	@$(BIN)/ruff check --quiet --fix-only . && $(BIN)/ruff format .
	@$(BIN)/snakefmt Snakefile workflow
	@for manifest in engines/*/Cargo.toml; do cargo fmt --manifest-path $$manifest || exit 1; done

lint: $(VENV)/test.stamp  ## format and type checks of Python, Snakemake and Rust
	@$(BIN)/python -m pytest -m lint $(PYTEST_FLAGS)

# An H100's compute capability; 80 is an A100's, 89 that of an L4 or RTX 4090.
CUDA_COMPUTE_CAP ?= 90
check-cuda: $(VENV)/workflow.stamp  ## build the Rust engines for a GPU and start them, without one (CUDA_COMPUTE_CAP=90 for an H100)
	@CUDA_COMPUTE_CAP=$(CUDA_COMPUTE_CAP) PYTHONPATH=workflow/scripts $(BIN)/python -m benchmark_runner.build.cuda_check \
		--engines engines --out target/check-cuda

# An environment from a hash-checked lock: pip brings uv, uv brings the rest. test.txt holds workflow.txt's packages too.
$(VENV)/bin/uv: envs/bootstrap.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
		|| { echo "error: Python 3.11 or newer is missing; install it, or name one: make PYTHON=/path/to/python3 ..." >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null \
		|| { echo "error: Python's venv module is missing; on Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; }
	@echo "making $(VENV) from the locks in envs/" >&2
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r envs/bootstrap.txt
	@touch $@

# Each stage and each launch starts a Python: without compiled modules, as where PYTHONDONTWRITEBYTECODE is set, each compiles them all.
COMPILE := $(BIN)/python -m compileall -q -j 0 workflow/scripts

$(VENV)/workflow.stamp: envs/workflow.txt $(VENV)/bin/uv
	@if [ ! -e $(VENV)/test.stamp ] || [ $(VENV)/test.stamp -ot envs/test.txt ]; then \
		rm -f $(VENV)/test.stamp; \
		UV_PYTHON_DOWNLOADS=never $(BIN)/uv pip sync --quiet --python $(BIN)/python --require-hashes --compile-bytecode $<; \
	fi
	@$(COMPILE)
	@touch $@

$(VENV)/test.stamp: envs/test.txt $(VENV)/bin/uv
	@UV_PYTHON_DOWNLOADS=never $(BIN)/uv pip sync --quiet --python $(BIN)/python --require-hashes --compile-bytecode $<
	@$(COMPILE)
	@touch $@ $(VENV)/workflow.stamp

# What comes beside an environment that is there.
$(VENV)/slurm.stamp: envs/slurm.txt $(VENV)/workflow.stamp
	@UV_PYTHON_DOWNLOADS=never $(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes --compile-bytecode -r $<
	@touch $@

UV_COMPILE := $(BIN)/uv pip compile --quiet --python-version 3.11 --generate-hashes --no-emit-index-url --custom-compile-command "make lock"
LOCKS := bootstrap workflow slurm test pytorch-baseline llama-cpp-bench mistral-rs-bench ctranslate2-bench lm-rs-bench cuda-toolkit \
	embedded-model vllm-server transformers-serve
lock: $(VENV)/bin/uv  ## renew the locks in envs/ from the .in files (LOCKS=NAME for one)
	@cd envs && for name in $(LOCKS); do \
		case $$name in \
			embedded-model) flags=--no-deps ;; \
			vllm-server) flags="--override $$name.override" ;; \
			*) flags= ;; \
		esac; \
		../$(UV_COMPILE) $$flags $$name.in -o $$name.txt || exit 1; \
	done

docs: $(VENV)/workflow.stamp  ## renew config/README.md from the schema
	@PYTHONPATH=workflow/scripts $(BIN)/python -m benchmark_runner.configuration.reference --out config/README.md

clean:  ## remove what was built; results and the environment stay
	rm -rf target .snakemake .benchmark_runner
