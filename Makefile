# What a developer does with Followups. `make` alone lists it.
#
# Set-up happens once, and again when the requirements change: each environment has a stamp file, `.done` or `.ready`.
# Nothing is installed outside this folder.

.POSIX:
.PHONY: help setup demo simulate mutants soak overload fuzz test races test-api e2e check bench build deploy clean

PYTHON =
ARGS =
ARCH = arm64
ENV = dev
PARAMETERS =
SEEDS = 500
MINUTES = 5
COUNT = 50000
FUZZ_EXAMPLES = 1000
# Each with an environment of its own, made of tools/requirements-NAME.txt.
TOOLS = ministack sam schemathesis rie bandit checkov
MACHINE = $(if $(filter arm64 aarch64,$(shell uname -m)),arm64,x86_64)
# cfn-lint checks a template against one region, and SAM tells nobody about it.
SAM = AWS_DEFAULT_REGION=eu-central-1 SAM_CLI_TELEMETRY=0 .tools/sam/bin/sam
RUN = layers/followups/requirements.txt requirements.txt pyproject.toml tools/venv.sh

help: ## list what there is
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "make %-9s %s\n", $$1, $$2 }' Makefile

setup: .venv/.done $(TOOLS:%=.tools/%/.done) ## install all that the other targets need

demo: .venv/.ready ## see it work, in a folder of its own (.demo)
	@FOLLOWUPS_HOME=.demo .venv/bin/followups demo $(ARGS)

# One process more than there are cores: some tests wait for other processes. Where bytecode is forbidden, each of the many
# commands that tests start would compile all of Followups anew, and take twice as long.
test: .venv/.done .tools/ministack/.done ## run the tests; ARGS="-k sweep" picks some
	@PYTHONDONTWRITEBYTECODE= .venv/bin/python -m pytest -n $$(($$(getconf _NPROCESSORS_ONLN) + 1)) --maxprocesses 9 --dist worksteal $(ARGS)

check: .venv/.done .tools/sam/.done .tools/bandit/.done .tools/checkov/.done ## lint, format, types, the template, and what is insecure
	@.venv/bin/ruff check .
	@.venv/bin/ruff format --check .
	@.venv/bin/mypy
	@.tools/bandit/bin/bandit -q -r layers functions tools -c pyproject.toml
	@AWS_DEFAULT_REGION=eu-central-1 .tools/sam/bin/cfn-lint -t template.yaml
	@$(SAM) validate --lint
	@.tools/checkov/bin/checkov -f template.yaml --config-file tools/checkov.yaml

races: .venv/.done .tools/ministack/.done ## the tests that take long: 32 claims at once on SQLite and ministack, cascades, long lines, workers, an operator's commands
	@PYTHONDONTWRITEBYTECODE= .venv/bin/python -m pytest tests/integration -m slow -n 2 $(ARGS)

test-api: .venv/.done .tools/schemathesis/.done ## ask the API all that its OpenAPI document says; SEED=2, EXAMPLES=60
	@SEED="$(SEED)" EXAMPLES="$(EXAMPLES)" .venv/bin/python -m tests.api.run

# Built beside what `make build` makes, which is for AWS. The stacks wait more than they compute, so they run side by side.
e2e: .venv/.done .tools/ministack/.done .tools/sam/.done .tools/rie/.done ## deploy the real template on ministack, and use it; needs Python 3.13
	@BUILT=.aws-sam/e2e PYTHON="$(PYTHON)" SAM="$(SAM)" sh tools/build.sh --cached --parameter-overrides Arch=$(MACHINE)
	@PYTHONDONTWRITEBYTECODE= .venv/bin/python -m pytest tests/e2e -m slow -n 3 --dist loadfile -rs $(ARGS)

simulate: .venv/.done ## simulate the product under faults: SEEDS=10000; ARGS="--seed 7" replays one
	@.venv/bin/python -m tests.simulation --seeds $(SEEDS) $(ARGS)

mutants: .venv/.done ## plant mistakes one by one and show which seed of the simulation finds each
	@.venv/bin/python -m tests.simulation.table $(ARGS)

soak: .venv/.done .tools/ministack/.done ## kill -9 everything at random for MINUTES=5, on SQLite and on ministack, then count
	@.venv/bin/python -m tests.soak --minutes $(MINUTES) $(ARGS)

overload: .venv/.done .tools/ministack/.done ## let COUNT=50000 be due at once on a laptop, a tenth of it on ministack
	@.venv/bin/python -m tests.overload all --count $(COUNT) $(ARGS)

fuzz: .venv/.done ## search through every parser, FUZZ_EXAMPLES=1000 each
	@FUZZ_EXAMPLES=$(FUZZ_EXAMPLES) .venv/bin/python -m pytest -m hypothesis -n 2 \
		tests/unit tests/integration/fuzz tests/integration/test_mail.py $(ARGS)

bench: .venv/.done ## time the commands that somebody waits for, as JSON
	@.venv/bin/python -m tests.benchmarks.commands $(ARGS)

build: .tools/sam/.done ## build the functions and their layer into .aws-sam; needs Python 3.13; ARCH=x86_64 for another processor
	@PYTHON="$(PYTHON)" SAM="$(SAM)" sh tools/build.sh --parameter-overrides Arch=$(ARCH) $(ARGS)

# For the processor that it was built for, whatever an earlier deployment said.
deploy: .tools/sam/.done ## deploy what was built: ENV=dev or prod; the first time PARAMETERS="Sender=… ReportTo=… AllowedRecipients=…"
	@test -f .aws-sam/build/template.yaml || { echo "Nothing is built: make build first" >&2; exit 1; }
	@SAM_CLI_TELEMETRY=0 .tools/sam/bin/sam deploy --config-env $(ENV) --parameter-overrides \
		Arch=$$(sed -n 's/^ *BuildArchitecture: //p' .aws-sam/build/template.yaml) $(PARAMETERS) $(ARGS)

clean: ## remove all that was made here, also the environments
	@rm -rf .venv .tools .demo .aws-sam build .mypy_cache .pytest_cache .ruff_cache .hypothesis
	@find layers functions tests -type d \( -name __pycache__ -o -name .mypy_cache -o -name '*.egg-info' \) -prune -exec rm -rf {} +

# What `followups` needs to run; then, on top of it, what tests and checks need.
.venv/.ready: $(RUN)
	@PYTHON="$(PYTHON)" sh tools/venv.sh .venv requirements.txt editable
	@touch $@

.venv/.done: .venv/.ready requirements-dev.txt
	@PYTHON="$(PYTHON)" sh tools/venv.sh .venv requirements-dev.txt
	@touch $@

# Tools whose own requirements do not go together with ours, nor with each other's.
.tools/%/.done: tools/requirements-%.txt tools/venv.sh
	@PYTHON="$(TOOL_PYTHON)" sh tools/venv.sh .tools/$* $<
	@touch $@

# What runs the functions runs under their own Python, where there is one.
TOOL_PYTHON = $(PYTHON)
.tools/ministack/.done .tools/rie/.done: TOOL_PYTHON = $(shell sh tools/find-python.sh 3.13 2>/dev/null || echo $(PYTHON))
