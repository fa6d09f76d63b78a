"""`chain`: keeps a local chain running in the foreground, and its state over restarts."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from tasks import rpc
from tasks.console import TaskError, say
from tasks.environment import NODE_MODULES, child_environment, native_binary
from tasks.networks import NETWORKS, Network, Program
from tasks.processes import ProcessEnded, Supervisor, running
from tasks.snapshots import Snapshots

SAVE_SECONDS = 1.0
DEPLOYER_FLOOR = 10 * 10**18
DEPLOYER_BALANCE = 1_000 * 10**18


def keeper_folder(network: Network) -> Path:
    return network.folder / "run" / "chain"


def keep(network: Network, asked_port: int | None) -> None:
    """Runs the chain until a signal arrives; its state is saved every second in which it changed.

    Raises TaskError if the port is taken or the program ends.
    """
    if not network.is_local:
        raise TaskError(f"{network.name} is a public network: there is nothing to start.")
    if (other := running(keeper_folder(network))) is not None:
        raise TaskError(
            f"The chain {network.name} already runs at {network.remembered_url()} (process {other.pid}). "
            f"Stop it with `make stop NETWORK={network.name}`."
        )
    snapshots = Snapshots(network.folder / "chain")

    def salvage() -> None:
        if network.program == "anvil" and (url := network.live_url()):
            say("• Saving the state of the chain that was left running")
            snapshots.save(url)

    with Supervisor(keeper_folder(network), f"The chain {network.name}", salvage=salvage) as supervisor:
        port = rpc.choose_port(asked_port, _preferred_port(network), "RPC_PORT")
        url = f"http://127.0.0.1:{port}"
        supervisor.start(
            network.program,
            _command(network, port, network.folder / "chain"),
            env=child_environment(),
            log=network.logs / f"{network.program}.log",
            ready=lambda: _answers(url, network),
        )
        _fund_deployer(network, url)
        network.remember_url(url)
        saver = _Saver(url, snapshots)
        if network.program == "anvil":
            supervisor.before_stop(saver.save_last)
        say(f"✓ {network.name} (chain {network.chain_id}) answers at {url}, block {rpc.block_number(url)}")
        supervisor.watch(tick=saver.tick if network.program == "anvil" else lambda: None)


class _Saver:
    """Saves when blocks were added, and never spends more than a tenth of its time at it."""

    def __init__(self, url: str, snapshots: Snapshots) -> None:
        self._url = url
        self._snapshots = snapshots
        self._saved_block = -1
        self._next = 0.0

    def tick(self) -> None:
        if time.monotonic() < self._next:
            return
        try:
            block = rpc.block_number(self._url)
            started = time.monotonic()
            if block != self._saved_block:
                self._snapshots.save(self._url)
                self._saved_block = block
        except rpc.RpcUnreachable:
            return  # the supervisor notices if the program is gone; if it is only busy, the next tick saves
        self._next = time.monotonic() + max(SAVE_SECONDS, 10 * (time.monotonic() - started))

    def save_last(self) -> None:
        try:
            self._snapshots.save(self._url)
        except TaskError as error:
            say(f"• The last moments of the chain could not be saved: {error}")


def _command(network: Network, port: int, folder: Path) -> list[str]:
    folder.mkdir(parents=True, exist_ok=True)
    options: dict[str, object]
    if network.program == "ganache":
        options = {
            "server.host": "127.0.0.1",
            "server.port": port,
            "chain.chainId": network.chain_id,
            "chain.networkId": network.chain_id,
            "chain.hardfork": "shanghai",
            "database.dbPath": folder,
            "wallet.totalAccounts": network.unlocked_accounts,
        }
        script = NODE_MODULES / "ganache" / "dist" / "node" / "cli.js"
        return ["node", str(script), "--wallet.deterministic", *_flags(options)]
    options = {
        "host": "127.0.0.1",
        "port": port,
        "chain-id": network.chain_id,
        "hardfork": "shanghai",
        "accounts": network.unlocked_accounts,
    }
    if network.block_seconds:
        options["block-time"] = network.block_seconds
    if state := Snapshots(folder).best():
        options["load-state"] = state
    return [str(native_binary("anvil")), *_flags(options)]


def _flags(options: dict[str, object]) -> list[str]:
    return [f"--{name}={value}" for name, value in options.items()]


def _fund_deployer(network: Network, url: str) -> None:
    """Gives the deployer of a local chain the coins a faucet would give it on a public one."""
    keystore = network.keys / "deployer.key.json"
    if not keystore.exists():
        return
    address = "0x" + json.loads(keystore.read_text())["address"].removeprefix("0x")
    if int(rpc.call(url, "eth_getBalance", address, "latest"), 16) < DEPLOYER_FLOOR:
        method = "evm_setAccountBalance" if network.program == "ganache" else "anvil_setBalance"
        rpc.call(url, method, address, hex(DEPLOYER_BALANCE))


def _preferred_port(network: Network) -> int:
    remembered = network.remembered_url()
    return int(remembered.rpartition(":")[2]) if remembered else network.port


def _answers(url: str, network: Network) -> bool:
    try:
        found = rpc.chain_id(url, seconds=2)
    except rpc.RpcUnreachable:
        return False
    if found != network.chain_id:
        raise ProcessEnded(f"Another program answers at {url}, with chain id {found}.")
    return True


@contextmanager
def throwaway(program: Program) -> Iterator[str]:
    """A fresh chain for tests, on a free port, forgotten afterwards; gives its URL."""
    network = next(
        known for known in NETWORKS.values() if known.program == program and not known.block_seconds
    )
    with TemporaryDirectory(prefix=f"tallystick-{program}-") as name:
        folder = Path(name)
        port = rpc.choose_port(None, 0, "")
        url = f"http://127.0.0.1:{port}"
        with Supervisor(folder / "run", f"The test chain {program}") as supervisor:
            supervisor.start(
                program,
                _command(network, port, folder / "chain"),
                env=child_environment(),
                log=folder / "log",
                ready=lambda: _answers(url, network),
            )
            yield url
