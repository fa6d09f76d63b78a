# Every target is `python3 -m tasks <target>`, which works without make too.
PYTHON ?= python3
export NETWORK PORT RPC_PORT PARTIES UPDATE

TARGETS := help setup run demo deploy admit status chain stop test lint contracts gas

.DEFAULT_GOAL := help
.PHONY: $(TARGETS)

$(TARGETS):
	@$(PYTHON) -m tasks $@
