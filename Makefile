# The pipeline's verbs. Everything is set up on first use, in .venv, from Python 3.11 or newer.
SHELL := /bin/sh
PYTHON ?= python3
PY := .venv/bin/python
SYMBOLS ?= $(SYMBOL)
BARE := $(if $(strip $(SYMBOLS)),$(foreach s,$(SYMBOLS),--symbol $(s)))
PICK := $(BARE) $(if $(TF),$(foreach t,$(TF),--tf $(t))) $(if $(LAKE),--lake $(LAKE))
# What the command line says goes before the environment.
ifneq ($(and $(filter environment,$(origin DAYS)),$(START)$(END)),)
DAYS :=
endif
SPAN = $(if $(and $(DAYS),$(START),$(END)),$(error DAYS=$(DAYS), START=$(START) and END=$(END) contradict each other; \
	give two of them at most))$(if $(DAYS),--days $(DAYS)) $(if $(START),--start $(START)) $(if $(END),--end $(END))
COMMA := ,
SPACE := $(subst ,, )
# A test that hangs is a failure that shows where, never a run without end.
NO_HANG := -o faulthandler_timeout=300 -o faulthandler_exit_on_timeout=true
UNIVERSE ?= $(or $(LAKE),data)/universe/universe.json
FROM := $(if $(SOURCE),--source $(SOURCE))
export SOURCE
.DEFAULT_GOAL := help
.PHONY: $(shell sed -n 's/^\([a-z0-9_-]*\):.*\#\# .*/\1/p' Makefile)

help:  ## these lines
	@awk -F ':.*## ' '/^[a-z0-9_-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' Makefile
	@echo "  variables:   SYMBOLS=\"BTCUSDT ETHUSDT\" DAYS=80 START=2025-01-01 END=2025-12-31 TF=5m SOURCE=binance LAKE=data"

p1: .venv/ready  ## bring bars into the lake (DAYS=80 by default; without a key: a stand-in venue, SYNTHETIC)
	$(PY) -m p1_ingest ingest $(FROM) $(PICK) $(SPAN)

follow: .venv/ready  ## keep up with the symbols of conf/universe.yaml, or SYMBOLS, until interrupted
	$(PY) -m p1_ingest follow $(FROM) $(PICK)

p2: .venv/ready  ## compute features for every bar that can have them
	$(PY) -m p2_features build $(PICK)

p3: .venv/ready  ## label every bar that has features
	$(PY) -m p3_labels triple-barrier $(PICK)

p3_label: p3  ## the same as p3

p1_qa: .venv/ready  ## check the bars: gaps, NaN, imputation; exit 3 when red
	$(PY) -m p1_ingest qa $(PICK) $(SPAN)

p2_validate: .venv/ready  ## check the features; exit 3 when red
	$(PY) -m p2_features validate $(PICK)

p2_bench: .venv/ready  ## time the features of one bar; exit 3 above 50 ms
	$(PY) -m p2_features bench $(PICK)

p3_train: .venv/ready  ## weigh the labels and cut them into purged folds: what train_* joins
	$(PY) -m p3_labels weights $(PICK)
	$(PY) -m p3_labels folds $(PICK)

p3_validate: .venv/ready  ## check the labels; exit 3 when red
	$(PY) -m p3_labels validate $(PICK)

universe: .venv/ready $(UNIVERSE)  ## UNIVERSE=file, else one of conf/universe.yaml's symbols: define once, download, export
	$(PY) -m p1_ingest universe download --universe-file $(UNIVERSE) $(if $(LAKE),--lake $(LAKE)) $(if $(TF),--interval $(TF)); \
		got=$$?; \
		$(PY) -m reports universe-export --universe-file $(UNIVERSE) $(if $(LAKE),--lake $(LAKE)) $(if $(TF),--source-freq $(TF)) \
		&& exit $$got

$(UNIVERSE): | .venv/ready
	$(PY) -m p1_ingest universe define --output $@ $(if $(TF),--interval $(TF)) $(SPAN) $(if $(LAKE),--lake $(LAKE)) \
		$(foreach s,$(SYMBOLS),--symbols $(s))

views: .venv/ready  ## bring the DuckDB catalog up to date and list its views
	$(PY) -m lake views $(if $(LAKE),--lake $(LAKE))

export: .venv/ready  ## tables to take away, into exports/ (EXPORT=all, candles, funding, oi, features, labels or train)
	$(PY) -m reports export $(or $(EXPORT),all) $(foreach s,$(or $(SYMBOLS),BTC),--coin $(s)) \
		$(if $(filter funding oi,$(EXPORT)),,--intervals $(or $(subst $(SPACE),$(COMMA),$(strip $(TF))),all)) \
		$(if $(and $(DAYS),$(START)$(END)),$(error an export takes DAYS, or START and END; give one or the other)) \
		$(if $(DAYS),--days $(DAYS)) $(if $(START),--start-time $(START)) $(if $(END),--end-time $(END)T23:59:59) \
		$(if $(LAKE),--lake $(LAKE))

status: .venv/ready  ## what the lake holds, and what is stale
	$(PY) -m lake status $(if $(LAKE),--lake $(LAKE))

report: .venv/ready  ## a page a symbol to look at, and an index; prints where it is
	$(PY) -m reports html $(PICK) $(SPAN)

test: .venv/dev  ## the whole test suite, with lint and types
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy
	.venv/bin/python -m pytest -n 2 $(NO_HANG)

explore: .venv/dev  ## the tests of properties, on examples never tried before
	.venv/bin/python -m pytest -n 2 --hypothesis-profile=default $$(grep -l '@given' tests/*.py)

test-long: .venv/dev  ## the long forms of the reliability bars
	.venv/bin/python -m pytest -m long

soak: .venv/dev  ## writers killed at random while readers verify: SECONDS=600
	.venv/bin/python -m tests.soak $(if $(SECONDS),--seconds $(SECONDS))

fuzz: .venv/dev  ## mutated bytes for everything that parses: COUNT=100000, or SECONDS and SEED
	.venv/bin/python -m tests.fuzz $(if $(COUNT),--count $(COUNT)) $(if $(SECONDS),--seconds $(SECONDS)) $(if $(SEED),--seed $(SEED))

mutate: .venv/dev  ## small faults in commit, recovery and verification, which their tests have to see: SAMPLE=200 SEED=1
	.venv/bin/python -m scripts.mutate $(if $(SAMPLE),--sample $(SAMPLE)) $(if $(SEED),--seed $(SEED))

coverage: .venv/dev  ## branches of commit, recovery and verification that their quick tests take
	.venv/bin/python -m coverage run -m pytest -p no:xdist tests/test_lake_*.py
	.venv/bin/python -m coverage report

test-power: .venv/dev  ## the power goes at every change on disk: ext4, xfs, btrfs on loop images; needs root
	.venv/bin/python -m pytest -m long -rs -s tests/test_power.py

test-strace: .venv/dev  ## commands killed and failed from outside, by strace, at every change on disk: SAMPLE=30 a command
	$(PY) -m tests.injected $(if $(SAMPLE),--most $(SAMPLE))

test-signals: .venv/dev  ## commands interrupted at random instants, by Ctrl-C and SIGTERM: COUNT=20 a command, SEED
	$(PY) -m tests.interrupted $(if $(COUNT),--count $(COUNT)) $(if $(SEED),--seed $(SEED))

universe-round: .venv/ready  ## a universe of a made-up archive with dying and late symbols; what today's list would hide
	$(PY) -m tests.universe_round

soak-query: .venv/dev  ## two minutes of queries while days are rewritten five times a second
	$(PY) -m tests.query_soak

test-docker: .venv/dev  ## every service of docker-compose.yml in a real engine, where one answers
	@if docker info >/dev/null 2>&1 && docker compose version >/dev/null 2>&1; \
		then .venv/bin/python -m pytest -m long tests/test_compose.py; \
		else echo "no Docker engine with compose answers here; nothing was tried"; fi

test-pages: .venv/dev  ## pages in a real Chromium at every width, light and dark, where one is installed
	.venv/bin/python -m pytest -m "long or not long" tests/test_reports_browser.py

lint: .venv/dev  ## ruff and mypy
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy

bench: .venv/dev  ## kernels side by side with named peers, into reports/bench.md
	$(PY) -m bench

docs: .venv/dev  ## write the data dictionary and the command reference anew
	$(PY) -m scripts.reference

pictures: .venv/dev  ## make the pictures of the documents anew, in a headless Chromium
	$(PY) -m scripts.pictures

lock: .venv/dev  ## resolve the newest versions that fit pyproject.toml into the lock files
	$(PY) -m scripts.lock

clean:  ## remove what can be made again: environment, caches (never a lake)
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .hypothesis build ./*.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/ready: requirements.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "perplake needs Python 3.11 or newer; name one: make PYTHON=python3.12 …"; exit 1; }
	@test -x $(PY) || { echo "setting up .venv (once)"; $(PYTHON) -m venv .venv; }
	@$(PY) -m pip install --quiet --disable-pip-version-check -r requirements.txt
	@touch $@

.venv/dev: .venv/ready requirements-dev.txt
	@$(PY) -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $@
