"""The ledger under test as processes: chain, API, workers; started, killed with SIGKILL, started again."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO

import psutil

from bench.faults.cluster import Cluster
from tasks import chains, instance, ledger, rpc
from tasks.console import TaskError
from tasks.environment import ROOT
from tasks.networks import Network
from tasks.rpc import choose_port
from tasks.snapshots import Snapshots

_SAVE_SECONDS = 2.0


class Ledger:
    """Everything that runs. `processes` names what can be killed."""

    def __init__(self, network: Network, folder: Path, cluster: Cluster | None, *, workers: int) -> None:
        self.network, self.folder, self.cluster = network, folder, cluster
        self.clock = folder / "clock-offset"
        self.rpc_port, self.api_port = choose_port(None, 0, ""), choose_port(None, 0, "")
        self.node_url = f"http://127.0.0.1:{self.rpc_port}"
        self.api_url = f"http://127.0.0.1:{self.api_port}"
        self.workers = [f"worker-{number}" for number in range(1, workers + 1)]
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._snapshots = Snapshots(network.folder / "chain")
        self._saving = threading.Lock()
        self._closing = threading.Event()
        self._environment: dict[str, str] = {}

    @property
    def victims(self) -> list[str]:
        """What can be killed."""
        return ["chain", "api", *self.workers, *(["database"] if self.cluster else [])]

    def start_all(self, rpc_url: str, settings: Mapping[str, str]) -> None:
        """Starts everything; the backend reaches the chain through `rpc_url`."""
        self._environment = ledger.server_environment(self.network, rpc_url, self.api_port) | {
            "CLOCK_OFFSET_FILE": str(self.clock),
            **settings,
        }
        self.clock.write_text("0")
        _end_leftovers(self.clock)
        migrated = self.command("migrate")
        if migrated.returncode:
            raise TaskError(f"the database was not brought up to date: {migrated.stderr}")
        self.start("chain")
        threading.Thread(target=self._save, daemon=True).start()
        for name in ("api", *self.workers):
            self.start(name)

    def start(self, name: str) -> None:
        """Starts one of them; returns at once for API and workers, which clients wait for themselves."""
        if name == "database":
            assert self.cluster is not None
            self.cluster.start()
            return
        if name == "chain":
            command = chains._command(self.network, self.rpc_port, self.network.folder / "chain")
            with self._log("anvil") as log:
                self._running[name] = subprocess.Popen(
                    [*command, "--block-time=1"],
                    env=self._environment,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )
            self._wait_for_chain()
            return
        command = [sys.executable, "-m", "bench.faults.stepped", name.partition("-")[0]]
        with self._log(name) as log:
            self._running[name] = subprocess.Popen(
                command,
                cwd=ROOT,
                env=self._environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def kill(self, name: str) -> None:
        """SIGKILL: no time to say or save anything."""
        if name == "database":
            assert self.cluster is not None
            self.cluster.kill()
            return
        process = self._running.pop(name)
        process.kill()
        process.wait()

    def reorganise(self, depth: int) -> None:
        """Replaces the newest blocks by empty ones. Raises TaskError if the chain cannot.

        Nothing is mined or saved meanwhile: Anvil, mining a block while it reorganises, has a transaction in
        two blocks of one chain and loses another block, which no chain does.
        """
        with self._saving:
            rpc.call(self.node_url, "evm_setIntervalMining", 0)
            try:
                rpc.call(self.node_url, "anvil_reorg", depth, [], seconds=60)
            finally:
                rpc.call(self.node_url, "evm_setIntervalMining", 1)

    def died(self) -> list[str]:
        """Processes that ended by themselves, with their exit code."""
        return [
            f"{name} ({code})" for name, each in self._running.items() if (code := each.poll()) is not None
        ]

    def terminate(self, name: str, seconds: float = 60) -> int:
        """SIGTERM, and the exit code."""
        process = self._running.pop(name)
        process.send_signal(signal.SIGTERM)
        return process.wait(timeout=seconds)

    def process(self, name: str) -> psutil.Process:
        return psutil.Process(self._running[name].pid)

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """A `tallystick` command, run to its end."""
        return subprocess.run(
            ledger.tallystick(*arguments),
            cwd=ROOT,
            env=self._environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )

    def close(self) -> None:
        """Ends everything, the chain saved."""
        self._closing.set()
        for name in ("api", *self.workers):
            if name in self._running:
                try:
                    self.terminate(name, 30)
                except subprocess.TimeoutExpired:
                    continue
        if "chain" in self._running:
            with self._saving:
                try:
                    self._snapshots.save(self.node_url)
                finally:
                    self.kill("chain")

    def _wait_for_chain(self) -> None:
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            try:
                rpc.block_number(self.node_url)
                return
            except TaskError:
                time.sleep(0.1)
        raise TaskError(f"the chain did not come up again; see {self.folder / 'anvil.log'}")

    def _save(self) -> None:
        """Keeps the chain's two generations; never more than a fifth of the time."""
        while not self._closing.is_set():
            began = time.monotonic()
            with self._saving:
                if self._closing.is_set():
                    return
                with suppress(TaskError):  # it is dead just now
                    self._snapshots.save(self.node_url)
            self._closing.wait(max(_SAVE_SECONDS, 4 * (time.monotonic() - began)))

    def _log(self, name: str) -> IO[bytes]:
        return (self.folder / f"{name}.log").open("ab")


def _end_leftovers(clock: Path) -> None:
    """Ends what a campaign that was itself killed left behind; the file in its environment tells it."""
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.environ().get("CLOCK_OFFSET_FILE") == str(clock):
                process.kill()


def prepare(network: Network, database_url: str | None) -> None:
    """Deploys a ledger, admits the sample parties, and stops it again."""
    if database_url is not None:
        os.environ["TALLYSTICK_DATABASE_URL"] = database_url
    with instance._started(network, choose_port(None, 0, ""), choose_port(None, 0, "")):
        pass
