# What each target does is in dev/; this file only names them.

PYTHON ?= python3
DIR ?=
SIZE ?=
ROUNDS ?=
RESUME ?=
ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help setup demo demo-cluster test lint bench bench-compare clean

help:
	@echo 'make setup           install what is missing, build the core, fill .venv'
	@echo 'make demo [DIR=…]    back up and restore a folder of media, yours or a sample'
	@echo 'make demo-cluster    a vault on three nodes of etcd, one killed in the middle of a recovery'
	@echo 'make test [ARGS=…]   set up, then run all tests; ARGS go to pytest'
	@echo 'make lint            formatters and checkers, changing nothing'
	@echo 'make bench [ARGS=…]  measure everything, about half an hour; ARGS: see bench/__main__.py'
	@echo 'make bench-compare   beside restic, borg and others; DIR=… your files, SIZE=1024 MiB, ROUNDS=5,'
	@echo '                     RESUME=1 goes on with an interrupted one; ARGS: see bench/compare'
	@echo 'make clean           remove what was made here'

setup test lint bench clean:
	@$(PYTHON) -m dev $@ $(if $(filter test bench,$@),$(ARGS))

bench-compare:
	@$(PYTHON) -m dev $@ $(if $(DIR),--library "$(DIR)") $(if $(SIZE),--size $(SIZE)) \
	    $(if $(ROUNDS),--rounds $(ROUNDS)) $(if $(RESUME),--resume) $(ARGS)

demo: setup
	@.venv/bin/python -m dev.demo $(if $(DIR),"$(DIR)")

demo-cluster: setup
	@.venv/bin/python -m dev.demo_cluster
