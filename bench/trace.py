"""Measures the trace in a log that stays: `python -m bench.trace postgresql://… FOLDER [events]`.

The first run fills the schema `bench_trace` of that database, which takes minutes, and keeps the key files
and an API key in the folder; later runs measure only. It prints how busy the machine was, the time a client
waits and the processor time of this process, of which the database has no part.
"""

import asyncio
import os
import statistics
import sys
import time
from pathlib import Path

import httpx
from sqlalchemy import create_engine, inspect, make_url, text

from backend.migrations import declared_tables
from bench.log import chain, follow
from bench.provenance import Bench, document, event, show

SCHEMA = "bench_trace"
TIMES = 40


async def measure(url: str, folder: Path, count: int) -> None:
    """Fills what is empty, then follows one item again and again."""
    own, key = _schema(url), folder / "api-key"
    bench = Bench(own, folder)
    try:
        if not key.exists():
            async with await bench.open() as client:
                await bench.capture(client, [document([event(n) for n in range(100)])], 1)
                await bench.fill(count)
                await chain(bench, client)
                key.write_text(client.headers["Authorization"], encoding="ascii")
        headers = {"Authorization": key.read_text(encoding="ascii")}
        transport = httpx.ASGITransport(bench.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://bench", headers=headers) as client:
            await _timed(client)
    finally:
        await bench.database.close()


def _schema(url: str) -> str:
    engine = create_engine(make_url(url).set(drivername="postgresql+psycopg"))
    with engine.begin() as connection:
        if SCHEMA not in inspect(connection).get_schema_names():
            connection.execute(text(f"CREATE SCHEMA {SCHEMA}"))
            connection.execute(text(f"SET LOCAL search_path TO {SCHEMA}"))
            declared_tables().create_all(connection, checkfirst=False)
    engine.dispose()
    own = make_url(url).update_query_dict({"options": f"-csearch_path={SCHEMA}"})
    return own.render_as_string(hide_password=False)


async def _timed(client: httpx.AsyncClient) -> None:
    await follow(client)
    waited: list[float] = []
    busy = time.process_time()
    for _ in range(TIMES):
        start = time.perf_counter()
        await follow(client)
        waited.append((time.perf_counter() - start) * 1000)
    busy = (time.process_time() - busy) / TIMES * 1000
    waited.sort()
    show("load", os.getloadavg()[0], "on average")
    show("trace of 1,000 items, over HTTP, median", statistics.median(waited), "ms")
    show("trace of 1,000 items, over HTTP, 99 of 100 within", waited[int(0.99 * (TIMES - 1))], "ms")
    show("trace of 1,000 items, processor time of this process", busy, "ms")


if __name__ == "__main__":
    asyncio.run(measure(sys.argv[1], Path(sys.argv[2]), int((*sys.argv[3:], "1000000")[0])))
