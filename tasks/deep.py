"""`deep-…`: the long runs behind the figures of docs/adr, which the suite tries only a sample of."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field

from tasks.console import TaskError
from tasks.environment import PYTHON, child_environment, run

_PYTEST = (str(PYTHON), "-m", "pytest", "-q", "-rs")


@dataclass(frozen=True)
class Campaign:
    """A long run: what it is for, the program, what it is told by environment, and what it must be given."""

    about: str
    command: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)
    needs: str = ""


CAMPAIGNS = {
    "deep-contracts": Campaign(
        "hold the contracts' invariants over 100,000 calls (SEED, MINUTES)",
        (str(PYTHON), "-m", "tasks.invariants"),
    ),
    "deep-symbolic": Campaign(
        "prove with halmos what is in tests/contracts/symbolic",
        (str(PYTHON), "-m", "tasks.analysers", "symbolic"),
    ),
    "deep-static": Campaign(
        "analyse the contracts with slither", (str(PYTHON), "-m", "tasks.analysers", "static")
    ),
    "deep-mutation": Campaign(
        "change the contracts in every small way; do the tests notice? (SEED, MINUTES, ONLY, AT_ONCE)",
        (str(PYTHON), "-m", "tasks.mutation"),
    ),
    "deep-tampering": Campaign(
        "change bundles of a real ledger in 24,000 ways (TAMPERING_MUTATIONS, TAMPERING_SEED), resumable",
        (str(PYTHON), "-m", "bench.tampering"),
    ),
    "deep-verify": Campaign(
        "measure how long a bundle of 1,000 events takes to verify, and how large it is",
        (str(PYTHON), "-m", "bench.verify"),
    ),
    "deep-journeys": Campaign(
        "the journey with everything killed at every step, on NETWORK=ganache or testnet-local",
        (*_PYTEST, "tests/e2e"),
    ),
    "test-corpora": Campaign(
        "read real invoices and events below CORPORA=folder, and count what was understood",
        (
            *_PYTEST,
            "tests/backend/invoices/test_validation.py",
            "tests/backend/provenance/epcis/test_corpora.py",
        ),
        needs="CORPORA",
    ),
    "deep-faults": Campaign(
        "kill, cut off and lie to a whole ledger on PostgreSQL, 500 times (FAULTS, OPERATIONS, SEED, FOLDER)",
        (str(PYTHON), "-m", "bench.faults", "postgresql"),
    ),
    "deep-faults-sqlite": Campaign(
        "the same on SQLite, 200 times", (str(PYTHON), "-m", "bench.faults", "sqlite")
    ),
    "deep-soak": Campaign(
        "an hour of steady work in two parts: what each process takes, and whether it grows (MINUTES, RATE)",
        (str(PYTHON), "-m", "bench.soak", "postgresql"),
    ),
    "deep-throughput": Campaign(
        "measure invoices issued and confirmed a second, beside a naive endpoint and the chain (FOLDER)",
        (str(PYTHON), "-m", "bench.throughput"),
    ),
    "deep-index": Campaign(
        "measure the index from scratch on 10,000 to 1,000,000 events", (str(PYTHON), "-m", "bench.index")
    ),
    "deep-reads": Campaign(
        "measure lists and details at a million receivables, 300 requests a second offered",
        (str(PYTHON), "-m", "bench.reads"),
    ),
    "deep-report": Campaign(
        "times reports on claims of 50 events among a million receivables and events, 50 a second",
        (str(PYTHON), "-m", "bench.report"),
    ),
    "deep-invoices": Campaign(
        "measure the invoice readers on the files below CORPORA=folder",
        (str(PYTHON), "-m", "bench.invoices"),
        needs="CORPORA",
    ),
    "deep-honest": Campaign(
        "count false alarms of uniqueness over 100,000 honest invoices", (str(PYTHON), "-m", "bench.honest")
    ),
    "deep-log": Campaign(
        "measure the log at a million events: append, proofs, map, trace", (str(PYTHON), "-m", "bench.log")
    ),
    "deep-api": Campaign(
        "call every operation of the API with all its description allows and more (EXAMPLES, PHASES)",
        (str(PYTHON), "-m", "bench.interface"),
    ),
    "deep-provenance": Campaign(
        "measure how fast events are captured, found and traced", (str(PYTHON), "-m", "bench.provenance")
    ),
}


def run_campaign(name: str) -> None:
    """Runs one to its end. Raises TaskError if it fails or lacks what it needs."""
    campaign = CAMPAIGNS[name]
    if campaign.needs and not os.environ.get(campaign.needs):
        raise TaskError(f"`make {name}` needs {campaign.needs}=…: {campaign.about}.")
    program, *arguments = campaign.command
    chosen = {key: os.environ.get(key, value) for key, value in campaign.env.items()}
    run(program, *arguments, env=child_environment(**chosen))
