"""Measures the provenance room: `python -m bench.provenance [postgresql://…] [events]`.

In one process, against the whole application without a network between; the database is a schema of its own,
dropped at the end. Prints one line a figure, and first how busy the machine was.
"""

import asyncio
import os
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
from sqlalchemy import create_engine, make_url, select, text

from backend.app import create_app
from backend.chain.abi import Abi
from backend.chain.contracts import Contract, Contracts
from backend.kit import merkle
from backend.kit.access import Caller, Role
from backend.kit.database import Database
from backend.kit.ids import uuid7
from backend.kit.settings import load
from backend.migrations import declared_tables
from backend.parties import service as parties
from backend.provenance.epcis.validation import read
from backend.provenance.epcis.values import dumps
from backend.provenance.log import repository, tiles
from backend.provenance.tables import LogState, RecordedEvent

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

    def __init__(self, url: str, folder: Path) -> None:
        self.contracts = Contracts(
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
        """Copies of one recorded event up to `count`, each with its own item, straight into the tables."""
        if self.database.is_sqlite:
            return
        async with self.database.transaction() as session:
            row = (await session.scalars(select(RecordedEvent).limit(1))).one()
            first = ((await session.get_one(LogState, self.ledger)).size,)[0]
            values = {"first": first, "count": count, "source": row.sequence, "ledger": self.ledger}
            for statement in _FILL:
                await session.execute(text(statement), values)
            state = await session.get_one(LogState, self.ledger)
            held = await repository.tiles(session, self.ledger, tiles.edge(first))
            leaves = [merkle.leaf_hash(number.to_bytes(8, "big")) for number in range(first, count)]
            start = time.perf_counter()
            await repository.put_tiles(session, self.ledger, tiles.extend(held, first, leaves))
            show("append to the tree alone", len(leaves) / (time.perf_counter() - start), "leaves/s")
            state.size = count


_CONTRACTS = {"Participants": "11", "ProvenanceLog": "22"}
_FILL = (
    """INSERT INTO epcis_events (id, ledger_id, party_id, created_at, sequence, document_id, place, identity,
       event_id, cbv_hash, kind, event_time, record_time, body, context, salts, leaf)
       SELECT gen_random_uuid(), e.ledger_id, e.party_id, e.created_at, n, e.document_id, e.place,
       '0x' || lpad(to_hex(n), 64, '0'), e.event_id || n, e.cbv_hash, e.kind, e.event_time, e.record_time,
       replace(e.body, '/21/', '/21/x' || n), e.context, e.salts, e.leaf
       FROM epcis_events e, generate_series(CAST(:first AS bigint), CAST(:count AS bigint) - 1) n
       WHERE e.ledger_id = :ledger AND e.sequence = :source""",
    """INSERT INTO epcis_keys (ledger_id, name, value, sequence)
       SELECT k.ledger_id, k.name, CASE WHEN k.name = 'epc' THEN
       'https://id.gs1.org/01/04012345000016/21/x' || n ELSE k.value END, n
       FROM epcis_keys k, generate_series(CAST(:first AS bigint), CAST(:count AS bigint) - 1) n
       WHERE k.ledger_id = :ledger AND k.sequence = :source""",
    """INSERT INTO epcis_readers (ledger_id, party_id, sequence)
       SELECT r.ledger_id, r.party_id, n
       FROM epcis_readers r, generate_series(CAST(:first AS bigint), CAST(:count AS bigint) - 1) n
       WHERE r.ledger_id = :ledger AND r.sequence = :source""",
    "ANALYZE epcis_events", "ANALYZE epcis_keys", "ANALYZE epcis_readers",
)  # fmt: skip


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


async def measure(bench: Bench, count: int) -> None:
    """All figures, from capture to trace."""
    client = await bench.open()
    hundred = [document([event(100 * n + i) for i in range(100)]) for n in range(30)]
    start = time.process_time()
    hashes = sum(len([e.cbv_hash() for e in read(data).events]) for data in hundred)
    show("read and hash", hashes / (time.process_time() - start), "events/s of processor time")
    await bench.capture(client, hundred[:3], 1)
    show("capture, documents of 100", 2700 / await bench.capture(client, hundred[3:], 2), "events/s")
    single = [document([event(10_000 + n)]) for n in range(400)]
    show("capture, single events, 20 clients", 400 / await bench.capture(client, single, 20), "events/s")

    await bench.fill(count)
    spent = await timed(1000, 200, lambda n: find(client, count, n))
    show("query by EPC, 200 a second, median", statistics.median(spent), "ms")
    show("query by EPC, 200 a second, p99", percentile(spent, 0.99), "ms")


async def find(client: httpx.AsyncClient, count: int, number: int) -> None:
    """Events of one item."""
    epc = f"https://id.gs1.org/01/04012345000016/21/x{4000 + number * (count - 4000) // 1000}"
    answer = await client.get("/epcis/events", params={"MATCH_epc": epc})
    if answer.status_code != 200 or len(answer.json()["epcisBody"]) != 1:
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


async def main() -> None:
    """Runs all measurements."""
    url = sys.argv[1] if len(sys.argv) > 1 else "postgresql://root@127.0.0.1:5432/test"
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 1_000_000
    print(f"{os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}, {count:,} events in the end")
    with tempfile.TemporaryDirectory() as folder:
        async with schema(url) as own:
            bench = Bench(own, Path(folder))
            try:
                await measure(bench, count)
            finally:
                await bench.database.close()


if __name__ == "__main__":
    asyncio.run(main())
