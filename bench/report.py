"""Measures verification reports at a million receivables and events: `python -m bench.report [rate] [s]`.

A whole ledger on PostgreSQL and Anvil. Among RECORDS events and RECORDS receivables of others (1,000,000)
stand CLAIMS claims of a journey's own, each with fifty signed events behind it. Two API processes answer; the
bank's requests for reports are sent when they are due, whatever became of those before, and timed from then.
Blocks go on as they do, so the state is proved anew for each. Figures go to bench/report.json.
"""

import asyncio
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import psutil

from backend.chain.contracts import load
from backend.provenance.log import service
from bench import reads
from bench.faults.cluster import Cluster
from bench.provenance import Bench, document, event
from scripts.journey import paper, story
from scripts.journey.casting import cast_for
from scripts.journey.party import Party, wait_for
from tasks import environment, instance, ledger, networks
from tasks.console import step
from tasks.environment import PYTHON, ROOT
from tasks.rpc import choose_port, http_ok

FIGURES = ROOT / "bench" / "report.json"
RECORDS = int(os.environ.get("RECORDS") or 1_000_000)
CLAIMS = int(os.environ.get("CLAIMS") or 4)
EVENTS, PER_DOCUMENT = 50, 10
SAMPLE = ROOT / "samples" / "invoice.ubl.xml"


def main() -> None:
    """Fills, takes the journeys, measures, and stops what it started."""
    rate, seconds = (int(each) for each in (*sys.argv[1:], *("50", "60")[len(sys.argv) - 1 :]))
    folder = Path(tempfile.mkdtemp(prefix="tallystick-report-"))
    folder.chmod(0o755)
    cluster = Cluster(folder / "cluster")
    cluster.start()
    networks.DATA = folder / "data"
    os.environ |= {"DATA_FOLDER": str(networks.DATA), "TALLYSTICK_DATABASE_URL": cluster.url}
    network = networks.network_named("anvil")
    try:
        environment.setup()
        with instance._started(network, choose_port(None, 0, ""), choose_port(None, 0, "")):
            pass
        asyncio.run(_fill(cluster.url, network, folder))
        with instance._started(network, choose_port(None, 0, ""), choose_port(None, 0, "")) as (started, _):
            claims = [_claim(network, started, f"R{number}") for number in range(CLAIMS)]
            port = choose_port(None, 0, "")
            env = ledger.server_environment(network, started.rpc_url, port)
            with (folder / "second.log").open("wb") as log:
                second = subprocess.Popen(ledger.tallystick("api"), cwd=ROOT, env=env, stdout=log, stderr=log)
            try:
                urls = [started.api_url, f"http://127.0.0.1:{port}"]
                wait_for("the second API", lambda: http_ok(urls[1] + "/healthz"))
                asyncio.run(_measure(urls, claims, cluster, rate, seconds))
            finally:
                second.terminate()
                second.wait(30)
    finally:
        cluster.kill()
        shutil.rmtree(folder, ignore_errors=True)


async def _fill(url: str, network: networks.Network, folder: Path) -> None:
    """The receivables and events of others, whose names are left out of the map."""
    contracts = load(network.deployment)
    with step(f"Filling in {RECORDS:,} receivables"):
        reads.fill(url, contracts.ledger_id, RECORDS)
    bench = Bench(url, folder / "bench", contracts)
    try:
        client = await bench.open()
        await bench.capture(client, [document([event(0)])], 1)
        await bench.fill(RECORDS)
        async with bench.database.transaction() as session:
            state = await service.lock(session, bench.ledger, bench.log)
            state.map_size = state.size
    finally:
        await bench.database.close()


def _claim(network: networks.Network, started: instance.Instance, number: str) -> tuple[str, str]:
    """A confirmed claim of the journey with fifty events behind it: its id, and a key that may see it."""
    parties = ledger.parties_folder(network)

    def journey(until: str) -> None:
        command = [str(PYTHON), "-m", "scripts.journey", started.api_url, str(parties), "--number", number]
        environment.run(*command, "--until", until, "--invoice", str(SAMPLE))

    journey("capture")
    chosen = paper.choose(SAMPLE, number)
    cast = cast_for(chosen, network, parties, started.api_url, f"report {number}")
    for each in _documents(cast.supplier, str(chosen.invoice.references.despatch)):
        cast.supplier.record(each)
    journey("verify")
    found = cast.supplier.get("/v1/receivables")["items"]
    newest = max(found, key=lambda claim: claim["created_at"])
    report = cast.supplier.get(f"/v1/receivables/{newest['id']}/verification")
    count = next(each["text"] for each in report["checks"] if each["check"] == "events-recorded")
    print(f"{number}: {count}", flush=True)
    return newest["id"], cast.supplier._key


def _documents(supplier: Party, despatch: str) -> list[bytes]:
    """What the seller says about the goods on their way: forty-six items, ten to a document."""
    gln = story.gln_of(supplier)
    moment = datetime.now(UTC) - timedelta(days=8)
    events = [
        event(
            place,
            eventTime=moment.isoformat(timespec="milliseconds"),
            eventTimeZoneOffset="+00:00",
            bizStep="storing",
            epcList=[f"https://id.gs1.org/01/09521234000006/21/{despatch.replace(' ', '')}-{place}"],
            bizTransactionList=[
                {"type": "desadv", "bizTransaction": f"urn:epcglobal:cbv:bt:{gln}:{despatch}"}
            ],
        )
        for place in range(EVENTS - 4)
    ]
    return [document(events[start : start + PER_DOCUMENT]) for start in range(0, len(events), PER_DOCUMENT)]


async def _measure(
    urls: list[str], claims: list[tuple[str, str]], cluster: Cluster, rate: int, seconds: int
) -> None:
    await _offer(urls, claims, 5, 10)  # connections, caches
    busy, before = os.getloadavg()[0], _processor_seconds(cluster)
    offered = await _offer(urls, claims, rate, seconds)
    after = _processor_seconds(cluster)
    offered |= {
        f"processor_ms_a_report_{name}": round((after[name] - before[name]) / (rate * seconds) * 1000, 1)
        for name in after
    }
    print(json.dumps(offered), flush=True)
    steps = [await _offer(urls, claims, rate * factor, 15) for factor in (0.5, 1.5, 2.0)]
    for each in steps:
        print(json.dumps(each), flush=True)
    known: dict[str, Any] = {
        "records": RECORDS,
        "claims": len(claims),
        "events_of_a_claim": EVENTS,
        "processes": len(urls),
    }
    known |= {"cores": os.cpu_count(), "load_before": round(busy, 1), "at_offered": offered, "steps": steps}
    if RECORDS >= 1_000_000:
        FIGURES.write_text(json.dumps(known, indent=2) + "\n")


async def _offer(
    urls: list[str], claims: list[tuple[str, str]], rate: float, seconds: float
) -> dict[str, Any]:
    """Asks for so many reports a second, each when it is due."""
    times: list[float] = []
    failed = 0
    limits = httpx.Limits(max_connections=200, max_keepalive_connections=200, keepalive_expiry=2)
    async with httpx.AsyncClient(limits=limits, timeout=30, trust_env=False) as client:

        async def one(number: int, due: float) -> None:
            nonlocal failed
            claim, key = claims[number % len(claims)]
            url = f"{urls[number // len(claims) % len(urls)]}/v1/receivables/{claim}/verification"
            try:
                answer = await client.get(url, headers={"Authorization": f"Bearer {key}"})
                failed += answer.status_code != 200
            except httpx.HTTPError:
                failed += 1
            times.append(time.perf_counter() - due)

        started = time.perf_counter()
        running = []
        for number in range(int(rate * seconds)):
            due = started + number / rate
            if (early := due - time.perf_counter()) > 0:
                await asyncio.sleep(early)
            running.append(asyncio.create_task(one(number, due)))
        await asyncio.gather(*running)
        took = time.perf_counter() - started
    times.sort()
    found: dict[str, Any] = {"offered": rate, "answered": round(len(times) / took, 1), "failed": failed}
    return found | {f"p{share}_ms": reads._quantile(times, share) for share in (50, 99)}


def _processor_seconds(cluster: Cluster) -> dict[str, float]:
    """Of the API processes, and of the database."""
    database = cluster.processes()
    apis = [
        each
        for each in psutil.Process().children(recursive=True)
        if each.cmdline()[-1:] == ["api"] and each not in database
    ]
    return {
        name: sum(sum(process.cpu_times()[:2]) for process in found)
        for name, found in (("api", apis), ("database", database))
    }


if __name__ == "__main__":
    main()
