"""Measures how many invoices are issued and confirmed on the chain a second: `python -m bench.throughput`.

One run, one machine, the chain (Anvil) included. The clock runs from the first request to the last
confirmation the chain shows. Before it starts, suppliers' and debtors' signatures were made. In this order:

    naive     50 clients post to an endpoint that sends both steps itself (bench/throughput/naive.py), which
              waits for receipts: with a block for each transaction, and with a block a second
    single    50 clients post one signature each, to the API
    bulk      signatures a thousand at a time, to the API
    chain     what the chain takes when all was signed before, alone and packed

From `single` on there is a block a second, large enough for what comes. The naive endpoint's better figure
is the one compared with.

FOLDER keeps what was prepared for the next run; SINGLE, BULK and NAIVE choose how many claims. Figures go to
`bench/throughput.json`.
"""

import asyncio
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import psutil
from rich.progress import track
from sqlalchemy import text

from backend.chain.contracts import Contracts
from backend.chain.contracts import load as load_contracts
from backend.chain.repository import ActionRecord
from backend.kit.database import Database
from backend.receivables.repository import ReceivableRecord
from bench.faults.cluster import Cluster
from bench.faults.ledger import prepare
from bench.faults.load import Party
from bench.throughput import chain, papers
from bench.throughput.chain import Node
from bench.throughput.papers import Notary, Paper
from bench.throughput.wire import Line
from scripts.parties import PartyFolder
from tasks import chains, ledger, networks, rpc
from tasks.console import step
from tasks.environment import PYTHON, ROOT
from tasks.networks import Network
from tasks.rpc import choose_port
from tasks.snapshots import Snapshots

FIGURES = ROOT / "bench" / "throughput.json"
CLIENTS, BULK_ITEMS, BULK_CLIENTS = 50, 1_000, 2
SINGLE, BULK, NAIVE = (
    int(os.environ.get(name) or usual) for name, usual in (("SINGLE", 2_000), ("BULK", 6_000), ("NAIVE", 500))
)
_LIMIT_SINGLE, _LIMIT_PACKED = 1_000, 3_000


class Bench:
    """The processes of one ledger, and what each of them has used of the processors."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        networks.DATA = folder / "data"
        os.environ["DATA_FOLDER"] = str(networks.DATA)
        self.network: Network = networks.network_named("anvil")
        self.cluster = Cluster(folder / "cluster")
        self.node_port, self.api_port = choose_port(None, 0, ""), choose_port(None, 0, "")
        self.node_url = f"http://127.0.0.1:{self.node_port}"
        self.running: dict[str, subprocess.Popen[bytes]] = {}

    @property
    def contracts(self) -> Contracts:
        return load_contracts(self.network.deployment)

    def party(self, name: str, client: httpx.AsyncClient) -> Party:
        return Party(PartyFolder(ledger.parties_folder(self.network), name), 1, client)

    def start_chain(self) -> None:
        command = chains._command(self.network, self.node_port, self.network.folder / "chain")
        command.append("--gas-limit=1000000000")
        self._start("chain", command, dict(os.environ))
        self._wait(lambda: rpc.block_number(self.node_url) >= 0)

    def start_ledger(self) -> None:
        environment = ledger.server_environment(self.network, self.node_url, self.api_port)
        environment["TALLYSTICK_DATABASE_URL"] = self.cluster.url
        for name in ("api", "worker"):
            self._start(name, ledger.tallystick(name), environment)
        self._wait(lambda: rpc.http_ok(f"http://127.0.0.1:{self.api_port}/readyz"))

    def start_naive(self, port: int, key: str) -> None:
        own = {"NAIVE_RPC": self.node_url, "NAIVE_PORT": str(port), "NAIVE_KEY": key}
        own["NAIVE_DEPLOYMENT"] = str(self.network.deployment)
        self._start("naive", [str(PYTHON), "-m", "bench.throughput.naive"], os.environ | own)
        self._wait(lambda: rpc.http_ok(f"http://127.0.0.1:{port}/openapi.json"))

    def stop(self, *names: str) -> None:
        for name in names:
            if (process := self.running.pop(name, None)) is not None:
                process.terminate()
                process.wait(60)

    def close(self) -> None:
        self.stop("naive", "api", "worker", "chain")
        self.cluster.kill()

    def used(self) -> dict[str, float]:
        """Seconds of a processor each process has used so far."""
        known = {name: psutil.Process(each.pid) for name, each in self.running.items()}
        used = {name: sum(each.cpu_times()[:2]) for name, each in known.items()}
        used["postgresql"] = 0.0
        for process in self.cluster.processes():
            with suppress(psutil.NoSuchProcess):
                used["postgresql"] += sum(process.cpu_times()[:2])
        return used | {"clients": time.process_time()}

    def _start(self, name: str, command: Sequence[str], environment: dict[str, str]) -> None:
        with (self.folder / f"{name}.log").open("ab") as log:
            self.running[name] = subprocess.Popen(
                command, cwd=ROOT, env=environment, stdout=log, stderr=log, start_new_session=True
            )

    def _wait(self, ready: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            with suppress(Exception):
                if ready():
                    return
            time.sleep(0.1)
        raise TimeoutError(f"a process did not come up; see the logs in {self.folder}")


def make(folder: Path) -> None:
    """Deploys a ledger, admits parties, and puts claims forward: all that is done before the clock starts."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    folder.chmod(0o755)
    bench = Bench(folder)
    bench.cluster.start()
    try:
        prepare(bench.network, bench.cluster.url)
        bench.start_chain()
        bench.start_ledger()
        asyncio.run(_claims(bench))
        bench.stop("api", "worker")
        Snapshots(bench.network.folder / "chain").save(bench.node_url)
    finally:
        bench.close()


async def _claims(bench: Bench) -> None:
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{bench.api_port}", timeout=60) as client:
        supplier, buyer = bench.party("supplier", client), bench.party("buyer", client)
        first = await papers.template(supplier, buyer)
    database = Database(bench.cluster.url)
    async with database.reading() as session:
        action = await session.get_one(ActionRecord, first)
        claim = await session.get_one(ReceivableRecord, UUID(action.effect["receivable"]))
    notary = Notary(bench.contracts, claim.terms, supplier.key, buyer.key)
    made: list[Paper] = []
    for start in track(range(0, SINGLE + BULK, 500), "Signing"):
        made += await papers.copies(database, first, min(500, SINGLE + BULK - start), notary)
    async with database.engine.connect() as connection:
        plain = await connection.execution_options(isolation_level="AUTOCOMMIT")
        await plain.execute(text("VACUUM ANALYZE"))
    await database.close()
    (bench.folder / "papers").write_text(papers.save(made))
    (bench.folder / "template").write_text(json.dumps(claim.terms))


async def timed(bench: Bench, node: Node, count: int, work: Callable[[], Awaitable[Any]]) -> dict[str, Any]:
    """Does `work`, waits until the chain shows `count` claims more, and says what that took."""
    await node.start_counting()
    before, began = bench.used(), time.monotonic()
    latencies, failed = await work()
    answered = time.monotonic() - began
    took = await node.wait_for(count - failed) - began
    after = bench.used()
    latencies.sort()
    return {
        "claims": count,
        "failed": failed,
        "seconds": round(took, 2),
        "claims_a_second": round((count - failed) / took, 1),
        "seconds_until_all_were_answered": round(answered, 2),
        "answer_p50_ms": round(latencies[len(latencies) // 2] * 1e3, 1),
        "answer_p99_ms": round(latencies[len(latencies) * 99 // 100] * 1e3, 1),
        "cpu_ms_a_claim": {name: round((after[name] - before[name]) / count * 1e3, 2) for name in after},
        "cores_busy": round(sum(after[name] - before[name] for name in after) / took, 2),
    }


async def clients(
    number: int, port: int, headers: dict[str, str], requests: Sequence[tuple[str, bytes, str, int]]
) -> tuple[list[float], int]:
    """So many clients post `requests` (path, body, key, claims in it); latencies, and claims that failed."""
    waiting = iter(requests)
    latencies: list[float] = []
    failed = 0

    async def one() -> None:
        nonlocal failed
        line = Line(port, headers)
        for path, body, key, holds in waiting:
            began = time.perf_counter()
            answer = await line.post(path, body, {"Idempotency-Key": key})
            latencies.append(time.perf_counter() - began)
            if not 200 <= answer.status < 300:
                failed += holds
                print(f"{path}: {answer.status} {answer.body[:300]!r}", flush=True)
        line.close()

    await asyncio.gather(*(one() for _ in range(number)))
    return latencies, failed


async def measure(bench: Bench) -> dict[str, Any]:
    """All figures of one run."""
    made = papers.load((bench.folder / "papers").read_text())
    single, bulk = made[:SINGLE], made[SINGLE : SINGLE + BULK]
    node = Node(bench.node_port, bench.contracts)
    found: dict[str, Any] = {}
    async with httpx.AsyncClient() as nobody:
        supplier, buyer = bench.party("supplier", nobody), bench.party("buyer", nobody)
    template = json.loads((bench.folder / "template").read_text())
    notary = Notary(bench.contracts, template, supplier.key, buyer.key)
    found["naive"] = await _naive(bench, node, notary)
    await node.ask(("evm_setIntervalMining", [1]))
    found["naive_block_a_second"] = await _naive(bench, node, notary)
    await asyncio.to_thread(bench.start_ledger)
    found["single"] = await timed(
        bench, node, len(single), lambda: clients(CLIENTS, bench.api_port, buyer.headers, _singles(single))
    )
    print(json.dumps({"single": found["single"]}), flush=True)
    found["bulk"] = await timed(
        bench, node, len(bulk), lambda: clients(BULK_CLIENTS, bench.api_port, buyer.headers, _bulks(bulk))
    )
    print(json.dumps({"bulk": found["bulk"]}), flush=True)
    await asyncio.sleep(2)
    await asyncio.to_thread(bench.stop, "api", "worker")
    found["chain"] = await _limits(bench, node, notary)
    node.close()
    return found


async def _naive(bench: Bench, node: Node, notary: Notary) -> dict[str, Any]:
    requests = []
    for number in range(NAIVE):
        pair = notary.pair("Issue")
        body = {"terms": pair.terms, "action": pair.relay.struct(b""), "confirmation": pair.confirmation}
        del body["action"]["callData"]
        requests.append(("/invoices", json.dumps(body).encode(), str(number), 1))
    port = choose_port(None, 0, "")
    bench.start_naive(port, chain.funded(6).key.hex())
    found = await timed(bench, node, NAIVE, lambda: clients(CLIENTS, port, {}, requests))
    print(json.dumps({"naive": found}), flush=True)
    bench.stop("naive")
    return found


def _singles(some: Sequence[Paper]) -> list[tuple[str, bytes, str, int]]:
    return [
        (
            f"/v1/actions/{each.action}/signatures",
            json.dumps({"signature": each.signature}).encode(),
            each.action,
            1,
        )
        for each in some
    ]


def _signature(paper: Paper) -> bytes:
    return json.dumps({"signature": paper.signature}).encode()


def _bulks(some: Sequence[Paper]) -> list[tuple[str, bytes, str, int]]:
    parts = [some[start : start + BULK_ITEMS] for start in range(0, len(some), BULK_ITEMS)]
    return [
        (
            "/v1/signatures",
            json.dumps(
                {"signatures": [{"action_id": each.action, "signature": each.signature} for each in part]}
            ).encode(),
            part[0].action,
            len(part),
        )
        for part in parts
    ]


async def _limits(bench: Bench, node: Node, notary: Notary) -> dict[str, Any]:
    account = chain.funded(5)
    found = {}
    for name, count, pack in (("packed", _LIMIT_PACKED, chain.PACK), ("alone", _LIMIT_SINGLE, 1)):
        transactions = await chain.signed(node, notary, count, account, pack=pack)

        async def send(some: list[str] = transactions) -> tuple[list[float], int]:
            await chain.send(node, some)
            return [0.0], 0

        found[name] = await timed(bench, node, count, send)
        print(json.dumps({name: found[name]}), flush=True)
    return found


def main() -> int:
    """Prepares if nothing is prepared, measures on a copy; 0 when the targets are met."""
    kept = os.environ.get("FOLDER")
    folder = Path(kept or tempfile.mkdtemp(prefix="tallystick-throughput-")).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o755)
    base, run = folder / f"prepared-{SINGLE + BULK}", folder / "run"
    if not (base / "papers").exists():
        make(base)
    with step("Copying what was prepared"):
        shutil.rmtree(run, ignore_errors=True)
        subprocess.run(["/bin/cp", "-a", str(base), str(run)], check=True)
    bench = Bench(run)
    bench.cluster.start()
    try:
        bench.start_chain()
        found = asyncio.run(measure(bench))
    finally:
        bench.close()
        if kept is None:
            shutil.rmtree(folder, ignore_errors=True)
    naive = max(found[name]["claims_a_second"] for name in ("naive", "naive_block_a_second"))
    times = {kind: round(found[kind]["claims_a_second"] / naive, 1) for kind in ("single", "bulk")}
    known = {"cores": os.cpu_count(), "load": os.getloadavg()[0], "times_naive": times, **found}
    print(json.dumps(known, indent=2))
    if kept is None:
        FIGURES.write_text(json.dumps(known, indent=2) + "\n")
    return int(times["single"] < 3 or times["bulk"] < 10 or bool(found["single"]["failed"]))


if __name__ == "__main__":
    sys.exit(main())
