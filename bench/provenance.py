"""Measures the provenance room: `python -m bench.provenance [capture] [query] [--events N] [--url …]`.

Against the whole application in one process, without a network between; on a durable PostgreSQL cluster of
its own, or in a schema of its own of the one at `--url`. Each part runs alone in minutes; its figures go to
bench/provenance.json, with how busy the machine was.
"""

import argparse
import asyncio
import json
import logging
import os
import re
import resource
import secrets
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import uvloop
from sqlalchemy import create_engine, make_url, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from backend.app import create_app
from backend.chain.abi import Abi
from backend.chain.contracts import Contract, Contracts
from backend.kit import bulk, memory
from backend.kit.access import Caller, Role
from backend.kit.database import Database
from backend.kit.ids import uuid7
from backend.kit.settings import load
from backend.migrations import declared_tables
from backend.parties import service as parties
from backend.provenance.epcis.values import dumps
from backend.provenance.log import service
from backend.provenance.preparing import prepare
from backend.provenance.tables import EventKey, EventReader, RecordedEvent
from backend.verifier.leaf import decode
from bench.faults.cluster import Cluster

CONTEXT = "https://ref.gs1.org/standards/epcis/2.0.0/epcis-context.jsonld"


def event(number: int, **more: Any) -> dict[str, Any]:
    """One receipt of an item of its own."""
    return {
        "type": "ObjectEvent",
        "eventTime": "2026-03-02T09:30:00.000+01:00",
        "eventTimeZoneOffset": "+01:00",
        "epcList": [f"https://id.gs1.org/01/04012345000016/21/{number}"],
        "action": "OBSERVE",
        "bizStep": "receiving",
        "disposition": "in_progress",
        "readPoint": {"id": "https://id.gs1.org/414/4098765000010"},
        "bizTransactionList": [
            {"type": "po", "bizTransaction": f"urn:epcglobal:cbv:bt:4098765000010:{number // 50}"}
        ],
    } | more


def document(events: list[dict[str, Any]]) -> bytes:
    """A document of events."""
    return dumps(
        {
            "@context": [CONTEXT],
            "type": "EPCISDocument",
            "schemaVersion": "2.0",
            "creationDate": "2026-03-02T10:00:00Z",
            "epcisBody": {"eventList": events},
        }
    ).encode()


class Bench:
    """An application on an empty schema, and a party that records."""

    def __init__(self, url: str, folder: Path, contracts: Contracts | None = None) -> None:
        self.contracts = contracts or Contracts(
            31337,
            0,
            "0x" + "00" * 32,
            [Contract(name, "0x" + digits * 20, Abi([])) for name, digits in _CONTRACTS.items()],
        )
        self.database = Database(url, pool_size=20)
        self.app = create_app(load({}, data_directory=folder), self.contracts, self.database)
        self.log = self.app.state.log
        self.ledger = self.contracts.ledger_id
        self.caller = Caller(uuid7(), uuid7(), self.ledger, frozenset({Role.MAKER}))

    async def open(self) -> httpx.AsyncClient:
        """Admits the party and gives its client."""
        async with self.database.transaction() as session:
            await parties.open_ledger(session, self.ledger, name="bench", chain_id=31337)
            party = await parties.admit_party(
                session, self.ledger, country="DE", tax_number="123456789", name="B", glns=["4098765000010"]
            )
            user = await parties.create_user(session, party, name="b", roles=[Role.MAKER])
            key = await parties.create_key(session, user, label="b")
            self.caller = Caller(user.id, party.id, self.ledger, frozenset({Role.MAKER}))
        transport = httpx.ASGITransport(self.app)
        headers = {"Authorization": f"Bearer {key.secret}", "Content-Type": "application/json"}
        return httpx.AsyncClient(transport=transport, base_url="http://bench", headers=headers, timeout=120)

    async def capture(self, client: httpx.AsyncClient, documents: list[bytes], clients: int) -> float:
        """Seconds it takes so many clients at once to have the documents recorded."""
        waiting = iter(documents)

        async def send() -> None:
            for data in waiting:
                answer = await client.post("/epcis/capture", content=data)
                if answer.status_code != 202 or not answer.json()["success"]:
                    raise RuntimeError(answer.text[:500])

        start = time.perf_counter()
        await asyncio.gather(*(send() for _ in range(clients)))
        return time.perf_counter() - start

    async def fill(self, count: int) -> None:
        """Events up to `count`, as capture would have written them, each of an item of its own."""
        async with self.database.transaction() as session:
            state = await service.lock(session, self.ledger, self.log)
            row = (
                await session.scalars(select(RecordedEvent).order_by(RecordedEvent.sequence).limit(1))
            ).one()
            sample = await sample_of(session, row)
        for first in range(state.size, count, FILLED):
            last = min(first + FILLED, count)
            async with self.database.transaction() as session:
                state = await service.lock(session, self.ledger, self.log)
                copies = [copy_of(sample, number) for number in range(first, last)]
                for table in (RecordedEvent, EventKey, EventReader):
                    await bulk.insert(session, table, [r for copy in copies for r in copy[table]])
                leaves = [decode(copy[RecordedEvent][0]["leaf"]) for copy in copies]
                await service.append(session, state, leaves)
            print(f"\r{last:,} events", end="", file=sys.stderr)
        if not self.database.is_sqlite:
            async with self.database.transaction() as session:
                await session.execute(text("ANALYZE"))
        print(file=sys.stderr)


FILLED = 5000
"""Events written in one transaction while filling."""
_CONTRACTS = {"Participants": "11", "ProvenanceLog": "22"}
Rows = dict[Any, list[dict[str, Any]]]
Figures = dict[str, float]


async def sample_of(session: AsyncSession, row: RecordedEvent) -> Rows:
    """All rows of one recorded event, by table."""
    found: Rows = {RecordedEvent: [_values(row)]}
    for table in (EventKey, EventReader):
        statement = select(table).where(table.ledger_id == row.ledger_id, table.sequence == row.sequence)
        found[table] = [_values(each) for each in await session.scalars(statement)]
    return found


def _values(row: Any) -> dict[str, Any]:
    return {column.key: getattr(row, column.key) for column in type(row).__table__.columns}


def copy_of(sample: Rows, number: int) -> Rows:
    """The rows capture would have written for `event(number)` at that place, from those of another.

    Hashes and salts are new random ones, in place of those that follow from the event.
    """
    (first,) = sample[RecordedEvent]
    serial = _SERIAL.search(first["body"])
    if serial is None:
        raise ValueError("the sample was not made by `event`")
    old = int(serial[1])

    def renamed(written: str) -> str:
        if _SERIAL.search(written):
            written = written.replace(f"/21/{old}", f"/21/{number}")
        return written.replace(f"{_ORDER}{old // 50}", f"{_ORDER}{number // 50}")

    drawn = secrets.token_bytes(32)
    leaf = replace(decode(first["leaf"]), sequence=number, cbv_hash=drawn, fields_root=drawn)
    name = f"ni:///sha-256;{drawn.hex()}?ver=CBV2.0"
    event_row = first | {
        "id": uuid7(),
        "sequence": number,
        "identity": "0x" + drawn.hex(),
        "event_id": name,
        "cbv_hash": name,
        "body": renamed(first["body"]),
        "salts": secrets.token_bytes(len(first["salts"])),
        "leaf": leaf.encode(),
    }
    keys = [key | {"sequence": number, "value": renamed(key["value"])} for key in sample[EventKey]]
    readers = [reader | {"sequence": number} for reader in sample[EventReader]]
    return {RecordedEvent: [event_row], EventKey: keys, EventReader: readers}


_SERIAL = re.compile(r"/21/(\d+)")
_ORDER = "urn:epcglobal:cbv:bt:4098765000010:"


def show(name: str, value: float, unit: str) -> None:
    """One figure, one line."""
    print(f"{name}: {value:,.1f} {unit}", flush=True)


async def timed(times: int, rate: float, call: Callable[[int], Awaitable[Any]]) -> list[float]:
    """Milliseconds of each of `times` calls begun at this rate a second, whatever the others do."""
    spent: list[float] = []

    async def one(number: int) -> None:
        await asyncio.sleep(number / rate)
        start = time.perf_counter()
        await call(number)
        spent.append((time.perf_counter() - start) * 1000)

    await asyncio.gather(*(one(number) for number in range(times)))
    return spent


def percentile(values: list[float], share: float) -> float:
    """The value that `share` of all do not pass."""
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


async def captured(bench: Bench, client: httpx.AsyncClient, _count: int) -> Figures:
    """Events a second, in documents of 100 and one by one, and what they cost this process."""
    figures: Figures = {}
    hundred = [document([event(100 * n + i) for i in range(100)]) for n in range(63)]
    single = [document([event(100_000 + n)]) for n in range(2100)]
    large = [document([event(200_000 + 1000 * n + i) for i in range(1000)]) for n in range(8)]
    start = time.process_time()
    read_ = sum(len(prepare(bench.caller, bench.log, data=data, media_type=_JSON).events) for data in hundred)
    figures["read, check and hash, events/s of processor time"] = read_ / (time.process_time() - start)
    await bench.capture(client, hundred[:3], 1)
    await bench.capture(client, single[:100], 20)
    for name, documents, clients, each in (
        ("documents of 100, 4 clients", hundred[3:], 4, 100),
        ("single events, 20 clients", single[100:], 20, 1),
    ):
        start = time.process_time()
        spent = await bench.capture(client, documents, clients)
        events = len(documents) * each
        figures[f"{name}, events/s"] = events / spent
        figures[f"{name}, µs of this process's time an event"] = (time.process_time() - start) / events * 1e6
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    await bench.capture(client, large, 1)
    figures["memory that 8 documents of 1000 add, MiB"] = (
        resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    ) / 1024
    return figures


async def queried(bench: Bench, client: httpx.AsyncClient, count: int) -> Figures:
    """Queries by EPC at 200 a second among so many events."""
    await bench.capture(client, [document([event(0)])], 1)
    start = time.perf_counter()
    await bench.fill(count)
    figures: Figures = {"fill, events/s": count / (time.perf_counter() - start)}
    await timed(200, 100, lambda n: find(client, count, n))
    spent = await timed(3000, 200, lambda n: find(client, count, n))
    figures[f"query by EPC among {count:,}, 200 a second, median ms"] = statistics.median(spent)
    figures[f"query by EPC among {count:,}, 200 a second, p99 ms"] = percentile(spent, 0.99)
    start = time.process_time()
    await timed(500, 1e9, lambda n: find(client, count, n))
    figures["a query, ms of this process's time"] = (time.process_time() - start) / 500 * 1000
    return figures


async def find(client: httpx.AsyncClient, count: int, number: int) -> None:
    """Events of one item."""
    epc = f"https://id.gs1.org/01/04012345000016/21/{number * 7919 % count}"
    answer = await client.get("/epcis/events", params={"MATCH_epc": epc})
    found = answer.json()["epcisBody"]["queryResults"]["resultsBody"]["eventList"]
    if answer.status_code != 200 or len(found) != 1:
        raise RuntimeError(answer.text[:300])


@asynccontextmanager
async def schema(url: str) -> AsyncIterator[str]:
    """A schema of its own in the database, with all tables, dropped at the end."""
    name = f"bench_{uuid7().hex}"
    engine = create_engine(make_url(url).set(drivername="postgresql+psycopg"))
    with engine.begin() as connection:
        connection.execute(text(f"CREATE SCHEMA {name}"))
        connection.execute(text(f"SET LOCAL search_path TO {name}"))
        declared_tables().create_all(connection, checkfirst=False)
    try:
        own = make_url(url).update_query_dict({"options": f"-csearch_path={name}"})
        yield own.render_as_string(hide_password=False)
    finally:
        with engine.begin() as connection:
            connection.execute(text(f"DROP SCHEMA {name} CASCADE"))
        engine.dispose()


PARTS: dict[str, Callable[[Bench, httpx.AsyncClient, int], Awaitable[Figures]]] = {
    "capture": captured,
    "query": queried,
}
BOUNDS = {
    "capture": "of a document of 100, reading, checking and hashing, on one core, and then a wait: "
    "clients that share a transaction send their next documents together, so preparing and committing "
    "hardly overlap; of a single event, the request around it",
    "query": "the interpreter's one core, which at 200 a second also makes the requests: the database takes "
    "about 0.2 ms of a query, reading by index whatever the number of events",
}
"""What holds each part's figures down."""
_JSON = "application/json"
_OUT = Path(__file__).with_suffix(".json")


async def run_part(url: str, name: str, count: int) -> None:
    """One part on an empty schema; its figures are printed and kept."""
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as folder:
        async with schema(url) as own:
            bench = Bench(own, Path(folder))
            try:
                async with await bench.open() as client:
                    figures = await PARTS[name](bench, client, count)
            finally:
                await bench.database.close()
    for figure, value in figures.items():
        show(f"{name}: {figure.rpartition(', ')[0]}", value, figure.rpartition(", ")[2])
    kept = json.loads(_OUT.read_text()) if _OUT.exists() else {}
    rounded = {figure: round(value, 1) for figure, value in figures.items()}
    about = {"bounded by": BOUNDS[name], "processors": os.cpu_count(), "load before": round(load, 1)}
    kept[name] = about | rounded
    _OUT.write_text(json.dumps(kept, indent=2, ensure_ascii=False) + "\n")


def main() -> None:
    """Runs the parts that were asked for, or all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], default=list(PARTS))
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--url", help="a PostgreSQL to use instead of a cluster of its own")
    given = parser.parse_args()
    logging.getLogger("httpx").setLevel(logging.WARNING)
    memory.settle()
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        Path(folder).chmod(0o755)
        cluster = Cluster(Path(folder) / "cluster")
        try:
            if given.url is None:
                cluster.start()
            for name in given.parts:
                uvloop.run(run_part(given.url or cluster.url, name, given.events))
        finally:
            cluster.kill()


if __name__ == "__main__":
    main()
