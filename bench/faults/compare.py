"""What stands on the chain against what stands in the database: by web3 and plain SQL, with none of our code.

`differences` answers every difference in words; an empty list means there is none.
"""

import json
import sqlite3
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
from web3 import Web3
from web3.exceptions import TransactionNotFound
from web3.types import LogReceipt

from bench.faults.load import UNITS_LEAST, Journal

_CHUNK = 500
_EVENTS = (
    "SELECT block_number, log_index, block_hash, tx_hash, contract, address, name, args FROM chain_events"
)
_STATUS = ("none", "issued", "confirmed", "settled", "cancelled", "replaced", "written_off")


class Rows:
    """Plain SQL against either database."""

    def __init__(self, url: str) -> None:
        self._sqlite = url.startswith("sqlite:///")
        self._connection: Any = (
            sqlite3.connect(f"file:{url.removeprefix('sqlite:///')}?mode=ro", uri=True)
            if self._sqlite
            else psycopg.connect(url)
        )

    def __call__(self, statement: str) -> list[tuple[Any, ...]]:
        found: list[tuple[Any, ...]] = self._connection.execute(statement).fetchall()
        self._connection.rollback()  # the next question is to see what others wrote since
        return found

    def close(self) -> None:
        self._connection.close()


@dataclass
class Comparison:
    """What was compared, and what differs."""

    counts: Counter[str] = field(default_factory=Counter)
    differences: list[str] = field(default_factory=list)

    def same(self, what: str, chain: Iterable[Any], database: Iterable[Any]) -> None:
        """Both must hold the same things equally often."""
        left, right = Counter(chain), Counter(database)
        self.counts[what] += left.total()
        for where, more in (("the chain", left - right), ("the database", right - left)):
            if more:
                shown = "; ".join(str(each)[:300] for each in list(more)[:3])
                self.differences.append(f"{what}: {more.total()} only in {where}: {shown}")


def compare(node_url: str, deployment: Path, database_url: str, journal: Journal) -> Comparison:
    """Everything that can be compared once nothing moves any more."""
    found = Comparison()
    web3 = Web3(Web3.HTTPProvider(node_url, request_kwargs={"timeout": 120}))
    record = json.loads(deployment.read_text())
    contracts = {
        each["address"]: web3.eth.contract(
            address=each["address"], abi=json.loads((deployment.parent / each["abi"]).read_text())["abi"]
        )
        for each in record["contracts"].values()
    }
    names = {each["address"]: name for name, each in record["contracts"].items()}
    rows = Rows(database_url)
    try:
        logs = _logs(web3, list(contracts), record["block"])
        events = _compare_events(found, rows, logs, contracts, names)
        _compare_operations(found, rows, journal, events)
        receivables = next(contracts[address] for address, name in names.items() if name == "Receivables")
        _compare_claims(found, rows, receivables, journal)
        _compare_nonces(found, rows, web3)
    finally:
        rows.close()
    return found


def _logs(web3: Web3, addresses: list[Any], first: int) -> list[LogReceipt]:
    head = web3.eth.block_number
    logs: list[LogReceipt] = []
    for start in range(first, head + 1, _CHUNK):
        end = min(start + _CHUNK - 1, head)
        logs += web3.eth.get_logs({"address": addresses, "fromBlock": start, "toBlock": end})
    return logs


def _compare_events(
    found: Comparison, rows: Rows, logs: list[LogReceipt], contracts: dict[Any, Any], names: dict[Any, str]
) -> list[tuple[str, dict[str, Any]]]:
    """Every event, with its place and all its arguments."""
    chain, events = [], []
    known = {
        (address, event.topic): event for address, contract in contracts.items() for event in contract.events
    }
    for log in logs:
        event = known.get((log["address"], _hex(log["topics"][0])))
        if event is None:
            continue  # the ABI declares no such event
        args = {name: _plain(value) for name, value in event.process_log(log)["args"].items()}
        events.append((event.event_name, args))
        chain.append(
            (
                log["blockNumber"],
                log["logIndex"],
                _hex(log["blockHash"]),
                _hex(log["transactionHash"]),
                names[log["address"]],
                log["address"],
                event.event_name,
                json.dumps(args, sort_keys=True),
            )
        )
    database = [(*row[:-1], json.dumps(_loaded(row[-1]), sort_keys=True)) for row in rows(_EVENTS)]
    found.same("events", chain, database)
    blocks: dict[str, set[str]] = {}
    for log in logs:
        blocks.setdefault(_hex(log["transactionHash"]), set()).add(_hex(log["blockHash"]))
    if twice := [hash_ for hash_, found_in in blocks.items() if len(found_in) > 1]:
        found.differences.append(f"the chain contradicts itself: in two of its blocks stand {twice}")
    return events


def _compare_operations(
    found: Comparison, rows: Rows, journal: Journal, events: list[tuple[str, dict[str, Any]]]
) -> None:
    """Each operation a client was told of has ended: it stands on the chain once, or was stopped."""
    status = {
        str(_uuid(row[0])): (row[1], row[2]) for row in rows("SELECT id, status, error FROM operations")
    }
    keys = {claim["key"]: name for name, claim in journal.claims.items()}
    moved: Counter[int] = Counter()
    confirmed: Counter[str] = Counter()
    for name, args in events:
        if _claim(args) in journal.others:
            continue
        if name == "TransferSingle" and int(args["from"], 16) and int(args["to"], 16):
            moved[args["value"]] += 1
        if name == "Confirmed":
            confirmed[args["id"]] += 1
    for number, operation in journal.operations.items():
        ended, error = status.get(operation, ("lost", None))
        found.counts["operations"] += 1
        found.counts[f"operations {ended}"] += 1
        if number.startswith("claim-"):
            times = confirmed[journal.claims[number]["key"]]
        else:
            times = moved[UNITS_LEAST + int(number)]
        wanted = {"succeeded": 1, "cancelled": 0}.get(ended)
        if wanted is None or times != wanted or (ended == "cancelled" and number not in journal.stopped):
            found.differences.append(
                f"operation {operation} of {number} is {ended} ({error}) and on the chain {times} times"
            )
    unasked = [units for units in moved if str(units - UNITS_LEAST) not in journal.operations]
    unasked_claims = [key for key in confirmed if key not in keys]
    if unasked or unasked_claims:
        found.differences.append(f"nobody asked for transfers of {unasked}, nor for {unasked_claims}")
    open_ = rows("SELECT count(*) FROM operations WHERE status = 'pending'")[0][0]
    if open_:
        found.differences.append(f"{open_} operations have not ended")


def _claim(args: dict[str, Any]) -> str | None:
    """The claim an event is about."""
    named = args.get("id")
    return f"0x{named:064x}" if isinstance(named, int) else named


def _compare_claims(found: Comparison, rows: Rows, contract: Any, journal: Journal) -> None:
    """Status and units of every claim, asked from the contract itself."""
    states = dict(rows("SELECT id, status FROM receivable_states"))
    held = {
        (row[0], row[1]): int(row[2])
        for row in rows("SELECT receivable, account, units FROM receivable_holdings")
    }
    keys = [claim["key"] for claim in journal.claims.values()]
    found.same(
        "claims",
        [(key, _STATUS[contract.functions.statusOf(bytes.fromhex(key[2:])).call()]) for key in keys],
        [(key, states.get(key)) for key in keys],
    )
    places = [place for place in held if place[0] in set(keys)]
    found.same(
        "holdings",
        [
            (key, account, contract.functions.balanceOf(account, int(key, 16)).call())
            for key, account in places
        ],
        [(*place, held[place]) for place in places],
    )


def _compare_nonces(found: Comparison, rows: Rows, web3: Web3) -> None:
    """Each nonce of the relayer: the chain has the transaction we think it has, and no more."""
    ours = rows("SELECT signer, nonce, mined_hash, block_number, status FROM transactions")
    chain = []
    for row in ours:
        with suppress(TransactionNotFound):
            receipt = web3.eth.get_transaction_receipt(row[2])
            nonce = web3.eth.get_transaction(row[2])["nonce"]
            number = receipt["blockNumber"]
            chain.append((receipt["from"], nonce, _hex(receipt["transactionHash"]), number, "confirmed"))
    found.same("transactions", chain, ours)
    signers = {row[0] for row in ours}
    nonces = {signer: [row[1] for row in ours if row[0] == signer] for signer in signers}
    found.same(
        "nonces used",
        [(signer, web3.eth.get_transaction_count(signer)) for signer in signers],
        [(signer, min(nonces[signer]) + len(nonces[signer])) for signer in signers],
    )


def _plain(value: Any) -> Any:
    """A value of web3's as JSON has it."""
    if isinstance(value, bytes):
        return "0x" + value.hex()
    if isinstance(value, (list, tuple)):
        return [_plain(each) for each in value]
    if hasattr(value, "items"):
        return {name: _plain(each) for name, each in value.items()}
    return value


def _loaded(stored: Any) -> Any:
    return json.loads(stored) if isinstance(stored, (str, bytes)) else stored


def _hex(value: bytes) -> str:
    return "0x" + bytes(value).hex()


def _uuid(stored: Any) -> UUID:
    return stored if isinstance(stored, UUID) else UUID(str(stored))
