"""`python -m bench.faults sqlite|postgresql`; FAULTS, OPERATIONS, SEED, MINUTES, FOLDER choose the rest."""

import asyncio
import itertools
import json
import os
import random
import signal
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from rich.console import Console
from rich.status import Status

from bench.faults.campaign import Campaign, State
from bench.faults.cluster import Cluster
from bench.faults.ledger import Ledger, prepare
from tasks import ledger as ledgers
from tasks import networks
from tasks.console import TaskError
from tasks.environment import ROOT

_SIZES = {"postgresql": (5_000, 500), "sqlite": (2_000, 200)}


def main() -> int:
    """Runs the campaign, or the next part of it; 0 when it is through and nothing differs."""
    kind = sys.argv[1] if len(sys.argv) == 2 else ""
    if kind not in _SIZES:
        print(__doc__)
        return 2
    operations, faults = (
        int(os.environ.get(name) or size)
        for name, size in zip(("OPERATIONS", "FAULTS"), _SIZES[kind], strict=True)
    )
    seed = int(os.environ.get("SEED") or random.SystemRandom().randrange(10**6))
    default = Path(tempfile.gettempdir()) / f"tallystick-faults-{kind}"
    folder = Path(os.environ.get("FOLDER") or default).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o755)
    state = State.load(folder / "state.json", seed, operations, faults)
    print(f"seed {state.seed}, {state.operations} operations, {state.faults} faults, in {folder}", flush=True)
    cluster = Cluster(folder / "cluster") if kind == "postgresql" else None
    if cluster is not None:
        cluster.start()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        return asyncio.run(_run(kind, folder, cluster, state))
    finally:
        if cluster is not None:
            cluster.kill()


async def _run(kind: str, folder: Path, cluster: Cluster | None, state: State) -> int:
    networks.DATA = folder / "data"
    os.environ["DATA_FOLDER"] = str(networks.DATA)
    network = networks.network_named("anvil")
    url = cluster.url if cluster else f"sqlite:///{network.folder / 'tallystick.sqlite'}"
    os.environ["TALLYSTICK_DATABASE_URL"] = url
    if not (folder / "prepared").exists():
        prepare(network, url)
        (folder / "prepared").touch()
    state.save()
    seconds = 60 * float(os.environ.get("MINUTES") or 38)
    ledger = Ledger(network, folder, cluster, workers=2 if cluster else 1)
    console = Console()
    try:
        with console.status("") as status:
            campaign = Campaign(ledger, ledgers.parties_folder(network), state, _shower(console, status))
            through = await campaign.run(seconds)
            if not through:
                print("Cut off here; the same command goes on.")
                return 3
            await campaign.settle(url)
        found, doctor = await campaign.verdict(url)
    except TaskError as error:
        print(f"✗ {error}")
        return 1
    finally:
        await asyncio.to_thread(ledger.close)
    print(doctor)
    figures = {
        "seed": state.seed,
        "operations": dict(sorted((n, c) for n, c in found.counts.items() if n.startswith("operations"))),
        "faults": {"all": state.done.total(), **dict(sorted(state.done.items()))},
        "requests to the chain that met a bad node": dict(sorted(state.met.items())),
        "requests put off": dict(sorted(state.put_off.items())),
        "processes that ended by themselves": len(state.ended_by_themselves),
        "compared": {n: c for n, c in sorted(found.counts.items()) if not n.startswith("operations")},
        "differences": found.differences,
        "seconds": round(state.seconds),
    }
    text = json.dumps(figures, indent=2) + "\n"
    print(text)
    if "OPERATIONS" not in os.environ and not found.differences:
        (ROOT / "bench" / f"faults-{kind}.json").write_text(text)
    return 1 if found.differences else 0


def _shower(console: Console, status: Status) -> Callable[[str], None]:
    """On a terminal one line that changes, elsewhere every tenth line."""
    told = itertools.count()

    def show(text: str) -> None:
        if console.is_terminal:
            status.update(text)
        elif next(told) % 10 == 0:
            console.print(text)

    return show


if __name__ == "__main__":
    sys.exit(main())
