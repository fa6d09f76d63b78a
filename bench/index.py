"""Measures the index from scratch: `python -m bench.index [logs …]` (10,000, 100,000 and 1,000,000).

Real events of the contracts, served from a file (see `bench/replay.py`), through the indexer that `worker`
runs with every room's projections, into a PostgreSQL cluster of this run's own with its usual settings.
Afterwards rows are counted and sums compared with what was served. Figures go to `bench/index.json`.
"""

import asyncio
import json
import multiprocessing
import os
import resource
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil
from sqlalchemy import func, select, text

from backend.app import projections
from backend.chain.indexer import Indexer
from backend.chain.repository import ChainEvent
from backend.chain.rpc import Rpc
from backend.kit import memory
from backend.kit.database import Database
from backend.migrations.upgrade import upgrade
from backend.receivables.repository import Holding, ReceivableState, TakenFingerprint
from bench import replay
from bench.faults.cluster import Cluster
from tasks.environment import DATA, ROOT
from tasks.rpc import choose_port

FINALITY = 64
SIZES = (10_000, 100_000, 1_000_000)
FIGURES = ROOT / "bench" / "index.json"


async def measure(chain: replay.Chain, database: Database, url: str, cluster: Cluster) -> dict[str, Any]:
    """Indexes all of the chain; what it took."""
    rpc = Rpc([url], replay.CHAIN_ID, seconds=120)
    indexer = Indexer(database, rpc, chain.contracts, projections(), finality=FINALITY)
    before, served = _cpu(cluster), time.process_time()
    started = last = time.monotonic()
    while (progress := await indexer.step()).lag:
        if sys.stdout.isatty() and time.monotonic() - last > 1:
            last = time.monotonic()
            print(f"\r  block {progress.indexed} of {progress.head}", end="", flush=True)
    took, busy = time.monotonic() - started, time.process_time() - served
    await rpc.close()
    return {
        "logs": chain.logs,
        "seconds": round(took, 2),
        "logs_a_second": round(chain.logs / took),
        "indexer_cpu_us_a_log": round(busy / chain.logs * 1e6, 1),
        "postgresql_cpu_us_a_log": round((_cpu(cluster) - before) / chain.logs * 1e6, 1),
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }


async def check(chain: replay.Chain, database: Database) -> None:
    """Every event is there, and every invoice with its money."""
    ledger = chain.contracts.ledger_id
    async with database.reading() as session:
        found = {
            table.__tablename__: await session.scalar(
                select(func.count()).select_from(table).where(table.ledger_id == ledger)
            )
            for table in (ChainEvent, ReceivableState, TakenFingerprint)
        }
        held = await session.scalar(select(func.sum(Holding.units)).where(Holding.ledger_id == ledger))
    invoices = chain.invoices
    assert found == {
        "chain_events": chain.logs,
        "receivable_states": invoices,
        "taken_fingerprints": invoices,
    }, found
    assert held == sum(replay.terms(number).amount for number in range(invoices))


def _cpu(cluster: Cluster) -> float:
    """CPU seconds of the cluster's living processes."""
    total = 0.0
    for process in cluster.processes():
        try:
            times = process.cpu_times()
        except psutil.NoSuchProcess:
            continue
        total += times.user + times.system
    return total


def main() -> None:
    """Measures each size on an empty database."""
    sizes = [int(each) for each in sys.argv[1:]] or list(SIZES)
    memory.settle()
    contracts = replay.contracts()
    cache = DATA / "bench"
    cache.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="tallystick-index-"))
    cluster = Cluster(folder)
    cluster.start()
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    figures = []
    try:
        for size in sizes:
            chain = replay.Chain(cache, contracts, size * 10 // 42)
            port = choose_port(None, 0, "")
            node = multiprocessing.Process(target=replay.serve, args=(chain, port, FINALITY + 1), daemon=True)
            node.start()
            figures.append(asyncio.run(_one(chain, f"http://127.0.0.1:{port}", cluster)))
            node.terminate()
            node.join()
            print(", ".join(f"{name} {value}" for name, value in figures[-1].items()), flush=True)
    finally:
        cluster.kill()
        shutil.rmtree(folder, ignore_errors=True)
    if sizes == list(SIZES):
        known = {"load": round(os.getloadavg()[0], 1), "cores": os.cpu_count(), "runs": figures}
        FIGURES.write_text(json.dumps(known, indent=2) + "\n")


async def _one(chain: replay.Chain, url: str, cluster: Cluster) -> dict[str, Any]:
    name = f"index_{chain.invoices}"
    maintenance = Database(cluster.url)
    async with maintenance.engine.connect() as connection:
        plain = await connection.execution_options(isolation_level="AUTOCOMMIT")
        await plain.execute(text(f"CREATE DATABASE {name}"))
    await maintenance.close()
    place = cluster.url.rsplit("/", 1)[0] + f"/{name}"
    await asyncio.to_thread(upgrade, place)
    database = Database(place)
    found = await measure(chain, database, url, cluster)
    await check(chain, database)
    await database.close()
    return found


if __name__ == "__main__":
    main()
