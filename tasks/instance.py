"""`run` and `demo`: a whole ledger on one machine, from chain to journey, or the one that runs already."""

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from tasks import chains, environment, ledger, rpc
from tasks.console import TaskError, say, step
from tasks.environment import PYTHON, ROOT, child_environment
from tasks.networks import Network, require_remote
from tasks.processes import Supervisor, running

API_PORT = 8000
SAMPLE_PARTIES = ROOT / "samples" / "parties.toml"


@dataclass(frozen=True)
class Instance:
    """Where a running ledger answers."""

    network: str
    rpc_url: str
    api_url: str


def folder(network: Network) -> Path:
    """Where the records of its processes are."""
    return network.folder / "run" / "instance"


def run(network: Network, port: int | None, rpc_port: int | None) -> None:
    """Starts a ledger, shows the journey on it once, and keeps it running until it is stopped."""
    if (other := running(folder(network))) is not None:
        say(f"• A ledger on {network.name} runs already (process {other.pid}); it is left as it is")
        _say_where(network, _recorded(network))
        return
    environment.setup()
    with _started(network, port, rpc_port) as (instance, supervisor):
        if not _was_shown(network):
            show_journey(network, instance)
        _say_where(network, instance)
        say("\nCtrl-C stops it; the next run goes on from here.")
        supervisor.watch()


def demo(network: Network, port: int | None, rpc_port: int | None) -> None:
    """Shows the journey on the ledger that runs, or on one started for it and stopped afterwards."""
    environment.setup()
    if running(folder(network)) is not None:
        show_journey(network, _recorded(network))
        return
    with _started(network, port, rpc_port) as (instance, _):
        show_journey(network, instance)


def show_journey(network: Network, instance: Instance) -> None:
    """Runs the journey as its parties would: by HTTP, with their own keys. Raises TaskError if it fails.

    One that was cut off goes on where it was; after one that was completed, the next brings another invoice.
    """
    command = [str(PYTHON), "-m", "scripts.journey", instance.api_url, str(ledger.parties_folder(network))]
    if _was_shown(network):
        command += ["--number", f"DEMO-{time.strftime('%Y%m%d-%H%M%S')}"]
    environment.run(*command, env=child_environment(NETWORK=network.name))
    _journey_file(network).write_text(_ledger_id(network))


def _was_shown(network: Network) -> bool:
    file = _journey_file(network)
    return file.exists() and file.read_text() == _ledger_id(network)


def _journey_file(network: Network) -> Path:
    return network.folder / "journey.done"


def deploy(network: Network, rpc_port: int | None) -> None:
    """Deploys to the chain that runs, or to a local one started for it and stopped afterwards."""
    environment.setup()
    if network.is_local:
        ledger.make_keys(network)
    with Supervisor(network.folder / "run" / "deploy", f"A deployment to {network.name}") as supervisor:
        _deploy(network, _chain(network, rpc_port, supervisor))


def admit(network: Network, description: Path) -> None:
    """Admits the parties of a description on the ledger that runs. Raises TaskError if none does."""
    instance = _required(network)
    ledger.admit(network, instance.rpc_url, instance.api_url, description)


def status(network: Network) -> None:
    """Shows what stands on the chain that runs. Raises TaskError if none does."""
    url = network.live_url() if network.is_local else require_remote(network)
    if url is None:
        raise TaskError(f"No chain {network.name} runs: start one with `make run` or `make chain`.")
    ledger.run_script(network, url, "status")


def _required(network: Network) -> Instance:
    if running(folder(network)) is None:
        raise TaskError(f"No ledger on {network.name} runs: start one with `make run`.")
    return _recorded(network)


@contextmanager
def _started(
    network: Network, port: int | None, rpc_port: int | None
) -> Iterator[tuple[Instance, Supervisor]]:
    with Supervisor(folder(network), f"The ledger on {network.name}") as supervisor:
        api_port = rpc.choose_port(port, API_PORT, "PORT")
        if network.is_local:
            ledger.make_keys(network)
        url = _chain(network, rpc_port, supervisor)
        _deploy(network, url)
        instance = Instance(network.name, url, f"http://127.0.0.1:{api_port}")
        env = ledger.server_environment(network, url, api_port)
        with step("Bringing the database up to date"):
            environment.run(*ledger.tallystick("migrate"), log=network.logs / "migrate.log", env=env)
            ledger.make_operator(network, env)
        with step("Starting the API and the worker"):
            for name, path in (("api", "/healthz"), ("worker", "/readyz")):
                supervisor.start(
                    name,
                    ledger.tallystick(name),
                    env=env,
                    log=network.logs / f"{name}.log",
                    ready=lambda path=path: rpc.http_ok(instance.api_url + path),  # type: ignore[misc]
                )
        _instance_file(network).write_text(json.dumps(asdict(instance), indent=2) + "\n")
        if SAMPLE_PARTIES.exists() and network.is_local:
            ledger.admit(network, url, instance.api_url, SAMPLE_PARTIES)
        yield instance, supervisor


def _chain(network: Network, rpc_port: int | None, supervisor: Supervisor) -> str:
    """The address of the chain: the one that runs, else one started here."""
    if not network.is_local:
        return require_remote(network)
    if running(chains.keeper_folder(network)) is not None and (url := network.live_url()):
        say(f"• Using the chain that runs at {url}")
        return url
    command = [sys.executable, "-m", "tasks", "chain", "--network", network.name]
    if rpc_port is not None:
        command += ["--rpc-port", str(rpc_port)]
    with step(f"Starting {network.name}"):
        supervisor.start(
            "chain",
            command,
            env=child_environment(),
            log=network.logs / "chain.log",
            ready=lambda: (
                running(chains.keeper_folder(network)) is not None and network.live_url() is not None
            ),
        )
    url = network.live_url()
    if url is None:
        raise TaskError(f"The chain stopped answering; see {network.logs / 'chain.log'}")
    return url


def _deploy(network: Network, url: str) -> None:
    ledger.compile_contracts(network, url)
    with step("Deploying what is missing"):
        ledger.run_script(network, url, "deploy")


def _ledger_id(network: Network) -> str:
    """Tells this deployment from an earlier one on a chain that was begun anew."""
    record = json.loads(network.deployment.read_text())
    return f"{record['block_hash']} {record['contracts']['Receivables']['address']}"


def _say_where(network: Network, instance: Instance) -> None:
    say(f"\n  API and its documentation   {instance.api_url}/docs")
    say(f"  Chain                       {instance.rpc_url} (chain {network.chain_id})")
    say(f"  Contracts                   {network.deployment}")
    say(f"  Logs                        {network.logs}")
    say("  API keys")
    for file in sorted(ledger.parties_folder(network).glob("*/party.json")):
        for user, entry in json.loads(file.read_text())["users"].items():
            say(f"    {file.parent.name:<12} {user:<12} {entry.get('api_key', '(not made yet)')}")
    say("  The receivables as JSON, as a party sees them")
    say(f"    curl -H 'Authorization: Bearer API-KEY' {instance.api_url}/v1/receivables")


def _instance_file(network: Network) -> Path:
    return network.folder / "instance.json"


def _recorded(network: Network) -> Instance:
    try:
        return Instance(**json.loads(_instance_file(network).read_text()))
    except FileNotFoundError:
        raise TaskError(f"A ledger on {network.name} is being started by another run: wait for it.") from None
