"""A whole ledger for the tests: chain, contracts, database, API, worker and sample parties, as `make run`
starts it.

One for the session, in a folder of its own; each test takes its journeys under numbers of its own.
"""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from uuid import uuid4

import httpx
import pytest

from scripts.journey.chain import Chain
from scripts.journey.party import Party
from scripts.parties import PartyFolder
from tasks import instance, ledger, networks, rpc
from tasks.environment import PYTHON, ROOT
from tasks.instance import Instance
from tasks.networks import Network
from tasks.processes import Supervisor

SAMPLE = ROOT / "samples" / "invoice.ubl.xml"


@dataclass
class Running:
    """The ledger that runs, and the means to hurt it."""

    network: Network
    instance: Instance
    supervisor: Supervisor
    rpc_port: int
    connections: ExitStack

    @property
    def parties(self) -> Path:
        return ledger.parties_folder(self.network)

    def party(self, name: str) -> Party:
        """A party as the journey has it, its requests told apart from all others."""
        party = Party(PartyFolder(self.parties, name), self.instance.api_url, uuid4().hex)
        return self.connections.enter_context(closing(party))

    @cached_property
    def chain(self) -> Chain:
        chain = Chain(self.instance.rpc_url, self.network.deployment)
        return self.connections.enter_context(closing(chain))

    def journey(
        self, number: str, *, until: str | None = None, invoice: Path = SAMPLE
    ) -> subprocess.Popen[str]:
        """Starts the journey with the sample invoice under another number."""
        command = [str(PYTHON), "-m", "scripts.journey", self.instance.api_url, str(self.parties)]
        command += ["--invoice", str(invoice), "--number", number, "--network", self.network.name]
        command += ["--until", until] if until else []
        environment = os.environ | {"DATA_FOLDER": str(networks.DATA)}
        return subprocess.Popen(
            command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )

    def kill(self, name: str) -> None:
        """SIGKILL: the process has no time to say or save anything."""
        record = json.loads((instance.folder(self.network) / f"{name}.json").read_text())
        os.kill(record["pid"], signal.SIGKILL)
        self.supervisor.stop(name)

    def start(self, name: str) -> None:
        """Starts the API, the worker or the chain again, as they were started first."""
        if name == "chain":
            command = [sys.executable, "-m", "tasks", "chain", "--network", self.network.name]
            command += ["--rpc-port", str(self.rpc_port)]
            environment = os.environ | {"DATA_FOLDER": str(networks.DATA)}
            self.supervisor.start(
                "chain",
                command,
                env=environment,
                log=self.network.logs / "chain.log",
                ready=lambda: self.network.live_url() is not None,
            )
            return
        port = int(self.instance.api_url.rpartition(":")[2])
        env = ledger.server_environment(self.network, self.instance.rpc_url, port)
        path = {"api": "/healthz", "worker": "/healthz"}[name]
        self.supervisor.start(
            name,
            ledger.tallystick(name),
            env=env,
            log=self.network.logs / f"{name}.log",
            ready=lambda: name == "worker" or rpc.http_ok(self.instance.api_url + path),
        )


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """The ledger, started once; it is stopped and its folder left to pytest at the end."""
    patch = pytest.MonkeyPatch()
    data = tmp_path_factory.mktemp("ledger")
    patch.setattr(networks, "DATA", data)
    patch.setenv("DATA_FOLDER", str(data))
    network = networks.network_named(os.environ.get("NETWORK") or "anvil")
    rpc_port = free_port()
    with (
        instance._started(network, free_port(), rpc_port) as (started, supervisor),
        ExitStack() as connections,
    ):
        yield Running(network, started, supervisor, rpc_port, connections)
    patch.undo()


@pytest.fixture
def number() -> str:
    """A number no journey was taken under."""
    return uuid4().hex[:8].upper()


@pytest.fixture
def raw(running: Running) -> Iterator[httpx.Client]:
    """A client that sends what it is told and no key of its own."""
    with httpx.Client(base_url=running.instance.api_url, timeout=60) as client:
        yield client
