# Every target is `python3 -m tasks <target>`, which works without make too. What is given to make (NETWORK=…)
# reaches it through the environment.
PYTHON ?= python3

TARGETS := help setup run demo deploy admit status chain stop test lint contracts gas coverage \
	deep-contracts deep-symbolic deep-static deep-mutation deep-tampering deep-verify deep-journeys \
	test-corpora deep-index deep-reads deep-report deep-invoices deep-honest deep-log deep-provenance deep-api \
	deep-faults deep-faults-sqlite deep-soak deep-throughput

.DEFAULT_GOAL := help
.PHONY: $(TARGETS)

$(TARGETS):
	@$(PYTHON) -m tasks $@
