"""The commands, one function each; `help` prints their first lines."""

import argparse
import os
from collections.abc import Callable
from pathlib import Path

from tasks import chains, coverage, deep, environment, gas, instance, suite
from tasks.console import TaskError, say
from tasks.networks import NETWORKS, Network, network_named
from tasks.processes import stop_other


class Options(argparse.Namespace):
    network: Network
    port: int | None
    rpc_port: int | None
    rest: list[str]


def setup(_: Options) -> None:
    """make .venv and node_modules from the lock files (done by the others when needed)"""
    environment.setup()
    say("✓ Set up")


def run(options: Options) -> None:
    """start a whole ledger, show the journey on it once, keep it running until Ctrl-C"""
    instance.run(options.network, options.port, options.rpc_port)


def demo(options: Options) -> None:
    """show the journey: on the ledger that runs, or on one started for it"""
    instance.demo(options.network, options.port, options.rpc_port)


def deploy(options: Options) -> None:
    """deploy the contracts, or what is missing of them"""
    instance.deploy(options.network, options.rpc_port)


def admit(options: Options) -> None:
    """admit the parties described in PARTIES=file.toml on the ledger that runs"""
    environment.setup()
    instance.admit(options.network, Path(os.environ.get("PARTIES") or ""))


def status(options: Options) -> None:
    """show what stands on the chain that runs"""
    environment.setup()
    instance.status(options.network)


def chain(options: Options) -> None:
    """keep a local chain running in the foreground, its state kept over restarts"""
    environment.setup()
    chains.keep(options.network, options.rpc_port)


def test(_: Options) -> None:
    """run every check: linters, types, contracts on Anvil and Ganache, backend, end to end"""
    environment.setup()
    suite.run_all()


def lint(_: Options) -> None:
    """run the linters, the type checker and the check of the floors"""
    environment.setup()
    suite.run_lanes(suite.lint_parts())


def contracts(options: Options) -> None:
    """run the contract tests alone: Forge, then Brownie on a fresh Anvil (or NETWORK=ganache)"""
    environment.setup()
    program = options.network.program
    if program == "remote":
        raise TaskError(f"Contract tests need a chain that can go back in time, not {options.network.name}.")
    with chains.throwaway(program) as url:
        brownie_part = suite.brownie_part(program, url, options.rest)
        suite.run_lanes([brownie_part] if options.rest else [suite.forge_part(), brownie_part])


def measure_gas(_: Options) -> None:
    """measure what each operation costs and compare with bench/gas.json (UPDATE=1 writes it)"""
    environment.setup()
    gas.measure()


def measure_coverage(_: Options) -> None:
    """count the lines and branches of the contracts that the Forge tests run; fails below 98 %"""
    environment.setup()
    coverage.measure()


def stop(options: Options) -> None:
    """stop what `run` or `chain` started for this network in another terminal"""
    stopped = [stop_other(options.network.folder / "run" / part) for part in ("instance", "chain")]
    say("✓ Stopped" if any(stopped) else f"Nothing runs for {options.network.name}.")


def show_help(_: Options) -> None:
    """print this list"""
    for name, command in COMMANDS.items():
        say(f"  {name:<16} {command.__doc__}")
    say("\nNETWORK=… chooses the chain (default anvil):")
    for network in NETWORKS.values():
        say(f"  {network.name:<16} {network.about}")
    say("\nPORT=… and RPC_PORT=… choose the ports of the API and of a local chain.")


def campaign(name: str) -> Callable[[Options], None]:
    """The command that runs a long campaign."""

    def command(_: Options) -> None:
        environment.setup()
        deep.run_campaign(name)

    command.__doc__ = deep.CAMPAIGNS[name].about
    return command


COMMANDS: dict[str, Callable[[Options], None]] = {
    "help": show_help,
    "setup": setup,
    "run": run,
    "demo": demo,
    "deploy": deploy,
    "admit": admit,
    "status": status,
    "chain": chain,
    "test": test,
    "lint": lint,
    "contracts": contracts,
    "gas": measure_gas,
    "coverage": measure_coverage,
    "stop": stop,
    **{name: campaign(name) for name in deep.CAMPAIGNS},
}


def main(arguments: list[str]) -> int:
    """Runs one command; returns its exit code."""
    try:
        options = _parse(arguments)
        COMMANDS[options.command](options)
    except TaskError as error:
        say(f"error: {error}")
        return 1
    except KeyboardInterrupt:
        say("✓ Stopped")
        # To stop is how these two end; anything else was broken off, which no script may take for success.
        return 0 if {"run", "chain"} & set(arguments) else 130
    return 0


def _parse(arguments: list[str]) -> Options:
    parser = argparse.ArgumentParser(prog="python3 -m tasks", description="The developer's commands.")
    parser.add_argument("command", choices=COMMANDS, nargs="?", default="help", metavar="command")
    parser.add_argument("--network", default=os.environ.get("NETWORK") or "anvil")
    parser.add_argument("--port", default=os.environ.get("PORT") or None)
    parser.add_argument("--rpc-port", default=os.environ.get("RPC_PORT") or None)
    options, options_rest = parser.parse_known_args(arguments, Options())
    options.rest = options_rest
    options.network = network_named(str(options.network))
    options.port = _port("PORT", options.port)
    options.rpc_port = _port("RPC_PORT", options.rpc_port)
    return options


def _port(name: str, value: object) -> int | None:
    if value is None:
        return None
    if not str(value).isdecimal() or not 0 < int(str(value)) < 65536:
        raise TaskError(f"{name}={value} is no port: give a number from 1 to 65535.")
    return int(str(value))
