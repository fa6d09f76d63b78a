"""Memory and processor time of every process over an hour: `python -m bench.soak sqlite|postgresql`.

Two minutes with nothing to do, with and without blocks, then steady work. MINUTES limits one part; the same
command goes on until there were TOTAL minutes of work in all, each part with processes of its own. FOLDER,
RATE (operations a second) and SEED choose the rest. Fails if a process of ours grows faster than GROWTH
megabytes an hour.
"""

import asyncio
import json
import os
import sys
import tempfile
import time
from collections import defaultdict
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil

from bench.faults.campaign import SETTINGS
from bench.faults.cluster import Cluster
from bench.faults.ledger import Ledger, prepare
from bench.faults.load import Journal, Load
from tasks import ledger as ledgers
from tasks import networks, rpc
from tasks.environment import ROOT

GROWTH = 24.0
"""Megabytes an hour that may be noise: allocators give back late, and caches fill."""
_IDLE_SECONDS, _WARM_UP_SECONDS, _EVERY = 60.0, 180.0, 5.0
_OURS = ("api", "worker")


def main() -> int:
    """Runs one part; 0 when there was enough in all and nothing grew."""
    kind = sys.argv[1] if len(sys.argv) == 2 else ""
    if kind not in ("sqlite", "postgresql"):
        print(__doc__)
        return 2
    default = Path(tempfile.gettempdir()) / f"tallystick-soak-{kind}"
    folder = Path(os.environ.get("FOLDER") or default).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o755)
    cluster = Cluster(folder / "cluster") if kind == "postgresql" else None
    if cluster is not None:
        cluster.start()
    try:
        return asyncio.run(_run(kind, folder, cluster))
    finally:
        if cluster is not None:
            cluster.kill()


async def _run(kind: str, folder: Path, cluster: Cluster | None) -> int:
    networks.DATA = folder / "data"
    os.environ["DATA_FOLDER"] = str(networks.DATA)
    network = networks.network_named("anvil")
    url = cluster.url if cluster else f"sqlite:///{network.folder / 'tallystick.sqlite'}"
    os.environ["TALLYSTICK_DATABASE_URL"] = url
    if not (folder / "prepared").exists():
        prepare(network, url)
        (folder / "prepared").touch()
    parts_file = folder / "parts.json"
    parts: list[dict[str, Any]] = json.loads(parts_file.read_text()) if parts_file.exists() else []
    total = 60 * float(os.environ.get("TOTAL") or 60)
    left = total - sum(part["seconds"] for part in parts)
    ledger = Ledger(network, folder, cluster, workers=1)
    load = Load(
        ledgers.parties_folder(network),
        ledger.api_url,
        Journal(folder / "journal.jsonl"),
        int(os.environ.get("SEED") or 1),
        100_000,
    )
    try:
        await asyncio.to_thread(
            ledger.start_all, ledger.node_url, SETTINGS | {"TALLYSTICK_FINALITY_BLOCKS": "12"}
        )
        await load.wait_until_ready()
        await asyncio.sleep(20)  # whatever a start has to do
        idle = {"with a block a second": await _idle(ledger)}
        await asyncio.to_thread(rpc.call, ledger.node_url, "evm_setIntervalMining", 0)
        idle["without blocks"] = await _idle(ledger)
        await asyncio.to_thread(rpc.call, ledger.node_url, "evm_setIntervalMining", 1)
        print("idle, % of a core:", json.dumps(idle), flush=True)
        seconds = min(60 * float(os.environ.get("MINUTES") or 30), left)
        part = await _work(ledger, load, seconds, float(os.environ.get("RATE") or 2))
    finally:
        await load.close()
        await asyncio.to_thread(ledger.close)
    parts.append({"idle": idle, **part})
    parts_file.write_text(json.dumps(parts))
    print(json.dumps(parts[-1], indent=2))
    if sum(part["seconds"] for part in parts) < total - 1:
        print("Cut off here; the same command goes on.")
        return 3
    text = json.dumps({"parts": parts}, indent=2) + "\n"
    if "TOTAL" not in os.environ:
        (ROOT / "bench" / f"soak-{kind}.json").write_text(text)
    grown = [
        f"{name}: {seen['slope, MB an hour']} MB an hour"
        for part in parts
        for name, seen in part["processes"].items()
        if name.startswith(_OURS) and seen["slope, MB an hour"] > GROWTH
    ]
    print("\n".join(grown) or "No process grew.")
    return 1 if grown else 0


async def _idle(ledger: Ledger) -> dict[str, float]:
    """The share of a core each process takes while nothing is to be done."""
    before = {name: sum(process.cpu_times()[:2]) for name, process in _processes(ledger).items()}
    began = time.monotonic()
    await asyncio.sleep(_IDLE_SECONDS)
    seconds = time.monotonic() - began
    after = {name: sum(process.cpu_times()[:2]) for name, process in _processes(ledger).items()}
    return {name: round(100 * (after[name] - before[name]) / seconds, 2) for name in before}


async def _work(ledger: Ledger, load: Load, seconds: float, rate: float) -> dict[str, Any]:
    """Steady work for so long, and what each process took."""
    began, accepted = time.monotonic(), load.accepted
    samples: dict[str, list[tuple[float, float]]] = defaultdict(list)
    before = {name: sum(process.cpu_times()[:2]) for name, process in _processes(ledger).items()}
    await load.consent()
    work = asyncio.create_task(load.run(4, pause=4 / rate))
    while (passed := time.monotonic() - began) < seconds:
        if work.done():
            work.result()
        for name, process in _processes(ledger).items():
            with suppress(psutil.Error):
                samples[name].append((passed, process.memory_full_info().uss / 2**20))
        await asyncio.sleep(_EVERY)
    work.cancel()
    await asyncio.gather(work, return_exceptions=True)
    processes = {}
    for name, process in _processes(ledger).items():
        warm = [each for each in samples[name] if each[0] >= min(_WARM_UP_SECONDS, seconds / 3)]
        processes[name] = {
            "MB at first": round(warm[0][1], 1),
            "MB at last": round(warm[-1][1], 1),
            "MB at most": round(max(size for _, size in warm), 1),
            "slope, MB an hour": round(_slope(warm) * 3600, 1),
            "% of a core": round(100 * (sum(process.cpu_times()[:2]) - before[name]) / seconds, 1),
        }
    return {"seconds": round(seconds), "operations": load.accepted - accepted, "processes": processes}


def _processes(ledger: Ledger) -> dict[str, psutil.Process]:
    return {name: ledger.process(name) for name in ("chain", "api", *ledger.workers)}


def _slope(samples: list[tuple[float, float]]) -> float:
    """The straight line that fits best: by how much each second adds."""
    count = len(samples)
    x = sum(when for when, _ in samples) / count
    y = sum(size for _, size in samples) / count
    spread = sum((when - x) ** 2 for when, _ in samples)
    return sum((when - x) * (size - y) for when, size in samples) / spread if spread else 0.0


if __name__ == "__main__":
    sys.exit(main())
