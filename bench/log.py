"""Measures the provenance log at a million events: `python -m bench.log [postgresql://…] [events]`.

Fills a schema of its own, dropped at the end, and prints one line a figure, first how busy the machine was;
all of them go to `bench/log.json` at the end.
What is timed goes through the same functions as in the server; the trace through its HTTP interface.
"""

import asyncio
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx

from backend.kit import merkle
from backend.kit.clock import now
from backend.provenance import repository as events
from backend.provenance.log import service
from backend.provenance.log.anchoring import bring_map_up, make_head
from backend.provenance.tables import LogState
from backend.verifier import logmap
from backend.verifier.leaf import Leaf, decode
from bench.provenance import Bench, document, event, schema
from bench.provenance import show as say

APPENDED = 50_000
KEPT = Path(__file__).with_name("log.json")
_figures: dict[str, float | int] = {}


def show(name: str, value: float, unit: str) -> None:
    """Says one figure and keeps it."""
    say(name, value, unit)
    _figures[f"{name}, {unit}"] = round(value, 1)


_ITEM = "https://id.gs1.org/01/04012345000023/21/"


async def measure(bench: Bench, count: int) -> None:
    """All figures."""
    client = await bench.open()
    await bench.capture(client, [document([event(n) for n in range(100)])], 1)
    await bench.fill(count)
    for batch in (100, 1_000):
        show(f"append, {batch} leaves a transaction", await appended(bench, batch), "leaves/s")
    await proofs(bench, count)
    await mapped(bench, client)
    await traced(bench, client)


async def appended(bench: Bench, batch: int) -> float:
    """Leaves a second, each batch committed before the next."""
    async with bench.database.reading() as session:
        size = (await session.get_one(LogState, bench.ledger)).size
        model = decode((await events.entries(session, bench.ledger, 0, 1))[0].leaf)
    start = time.perf_counter()
    for first in range(size, size + APPENDED, batch):
        leaves = [
            Leaf(**{**vars(model), "sequence": place, "fields_root": place.to_bytes(32, "big")})
            for place in range(first, first + batch)
        ]
        async with bench.database.transaction() as session:
            await service.append(session, await service.lock(session, bench.ledger, bench.log), leaves)
    return APPENDED / (time.perf_counter() - start)


async def proofs(bench: Bench, count: int) -> None:
    """Inclusion and consistency proofs, each in a transaction of its own, as a request has it."""
    size = count + 2 * APPENDED

    async def include(number: int) -> None:
        async with bench.database.reading() as session:
            await service.inclusion(session, bench.ledger, size * number // 500, size)

    async def extend(number: int) -> None:
        async with bench.database.reading() as session:
            await service.consistency(session, bench.ledger, 1 + (size - 1) * number // 500, size)

    await timed(f"inclusion proof at {size:,} leaves", 500, include)
    await timed(f"consistency proof at {size:,} leaves", 500, extend)
    nodes = merkle.inclusion_nodes(size // 3, size)
    show("size of an inclusion proof", 32 * len(nodes), "bytes")


async def mapped(bench: Bench, client: Any) -> None:
    """The map, brought up by what a head of ten thousand events names, and what it proves."""
    async with bench.database.transaction() as session:
        state = await service.lock(session, bench.ledger, bench.log)
        state.map_size = state.size
    await bench.capture(
        client, [document([event(5_000_000 + 100 * n + i) for i in range(100)]) for n in range(100)], 2
    )
    async with bench.database.transaction() as session:
        state = await service.lock(session, bench.ledger, bench.log)
        first = state.map_size
        start = time.perf_counter()
        await bring_map_up(session, state)
        show("map, a head of 10,000 events", (state.size - first) / (time.perf_counter() - start), "events/s")
        head = await make_head(session, state, 0, now())
        size, root, secret = head.size, head.map_root, state.map_secret
    sizes: list[int] = []

    async def prove(number: int) -> None:
        name = logmap.Identifier("item", f"https://id.gs1.org/01/04012345000016/21/{5_000_000 + number}")
        key = logmap.key(bytes.fromhex(secret[2:]), name)
        async with bench.database.reading() as session:
            answer = await service.map_answer(session, bench.ledger, key, size, bytes.fromhex(root[2:]))
        if answer.count != 1:
            raise RuntimeError(f"the map counts {answer.count} of {name}")
        sizes.append(32 * len(answer.proof.siblings))

    await timed("proof of the map", 500, prove)
    show("size of a proof of the map", statistics.mean(sizes), "bytes")


async def traced(bench: Bench, client: httpx.AsyncClient) -> None:
    """Following an item back through a chain of events (`chain`)."""
    await chain(bench, client)
    await timed("trace of 1,000 items, over HTTP", 20, lambda _: follow(client))


async def chain(bench: Bench, client: httpx.AsyncClient) -> None:
    """Records 10 steps of 100 items each: 1,000 items, 10 levels."""
    steps = [
        {
            "type": "TransformationEvent",
            "eventTime": f"2026-02-{level + 1:02}T08:00:00Z",
            "eventTimeZoneOffset": "+01:00",
            "inputEPCList": [f"{_ITEM}{level}-{n}"],
            "outputEPCList": [f"{_ITEM}{level + 1}-{n}", *([f"{_ITEM}{level + 1}-0"] if n else [])],
        }
        for level in range(10)
        for n in range(100)
    ]
    await bench.capture(client, [document(steps[n : n + 100]) for n in range(0, 1000, 100)], 1)


async def follow(client: httpx.AsyncClient) -> None:
    """One trace of the chain, back from its end."""
    answer = await client.get("/v1/trace", params={"item": f"{_ITEM}10-0", "most": "1000"})
    if answer.status_code != 200 or len(answer.json()["items"]) < 1000:
        raise RuntimeError(answer.text[:300])


async def timed(name: str, times: int, call: Callable[[int], Awaitable[None]]) -> None:
    """Median and worst of a hundred of calls one after the other, the first left out."""
    await call(0)
    spent = []
    for number in range(1, times):
        start = time.perf_counter()
        await call(number)
        spent.append((time.perf_counter() - start) * 1000)
    spent.sort()
    show(f"{name}, median", statistics.median(spent), "ms")
    show(f"{name}, 99 of 100 within", spent[int(0.99 * (len(spent) - 1))], "ms")


async def main() -> None:
    """Runs all measurements."""
    url = sys.argv[1] if len(sys.argv) > 1 else "postgresql://root@127.0.0.1:5432/test"
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 1_000_000
    show("processors", os.cpu_count() or 0, "cores")
    show("load before", os.getloadavg()[0], "on average")
    show("events", count, "in all")
    with tempfile.TemporaryDirectory() as folder:
        async with schema(url) as own:
            bench = Bench(own, Path(folder))
            try:
                await measure(bench, count)
            finally:
                await bench.database.close()
    KEPT.write_text(json.dumps(_figures, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    asyncio.run(main())
