# Every target is `python3 -m tasks <target>`, which works without make too.
PYTHON ?= python3
export NETWORK PORT RPC_PORT

.DEFAULT_GOAL := help
.PHONY: help setup run demo test lint contracts chain stop

help setup run demo test lint contracts chain stop:
	@$(PYTHON) -m tasks $@
