# Every target is `python3 -m tasks <target>`, which works without make too.
PYTHON ?= python3
export NETWORK PORT RPC_PORT PARTIES UPDATE CORPORA TAMPERING_MUTATIONS TAMPERING_SEED

TARGETS := help setup run demo deploy admit status chain stop test lint contracts gas \
	deep-contracts deep-tampering deep-journeys deep-readers deep-invoices deep-honest deep-provenance

.DEFAULT_GOAL := help
.PHONY: $(TARGETS)

$(TARGETS):
	@$(PYTHON) -m tasks $@
