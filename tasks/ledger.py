"""What is done to a ledger before and beside its running: keys, contracts, database, parties."""

import os
import subprocess
from hashlib import sha256
from pathlib import Path

from tasks import brownie
from tasks.console import TaskError, say, step
from tasks.environment import PYTHON, ROOT, child_environment, run
from tasks.networks import Network

OPERATOR = "operator"
BUILD = ROOT / "build"


def make_keys(network: Network) -> None:
    """The operator's keys of a local network, each made once."""
    run(PYTHON, "-m", "scripts.make_keys", network.keys, log=network.logs / "keys.log")


def compile_contracts(network: Network, url: str) -> None:
    """Brownie compiles what changed. It is not even started where nothing did: that alone takes seconds."""
    stamp, sources = BUILD / "compiled-from", _digest_of_sources()
    if (BUILD / "contracts").is_dir() and stamp.exists() and stamp.read_text() == sources:
        return
    home = brownie.live_home(network.name, url, network.chain_id)
    with step("Compiling the contracts (half a minute the first time)"):
        run(*brownie.compile_contracts(), log=network.logs / "compile.log", env=brownie.environment_in(home))
    stamp.write_text(sources)


def _digest_of_sources() -> str:
    """Of all that the compiler's output follows from."""
    settings = [ROOT / "brownie-config.yaml", ROOT / "package-lock.json"]
    files = sorted((ROOT / "contracts").rglob("*.sol")) + settings
    return sha256(b"".join(str(file).encode() + b"\0" + file.read_bytes() for file in files)).hexdigest()


def run_script(network: Network, url: str, name: str, **environment: str) -> None:
    """Runs a Brownie script on the network, showing what it says but Brownie's own words.

    Raises TaskError with its last words if it fails.
    """
    home = brownie.live_home(network.name, url, network.chain_id)
    log = network.logs / f"{name}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    env = brownie.environment_in(home, NETWORK=network.name, **environment)
    with (
        log.open("w") as copy,
        subprocess.Popen(
            brownie.run_script(name, network.name),
            cwd=ROOT,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as script,
    ):
        assert script.stdout is not None  # noqa: S101 - it is a pipe
        for line in script.stdout:
            copy.write(line)
            if line.startswith("  ") and "\x1b" not in line:  # our scripts indent, Brownie colours
                print(line, end="", flush=True)
    if script.returncode:
        last = log.read_text().rstrip().rpartition("\n")[2].removeprefix("error: ")
        raise TaskError(f"scripts/{name}.py: {last}\nAll of it: {log}")


def server_environment(network: Network, url: str, port: int) -> dict[str, str]:
    """The settings of the API and the worker for this network (backend/kit/settings.py).

    What the environment sets already stays, such as TALLYSTICK_DATABASE_URL for PostgreSQL.
    """
    settings = {
        "TALLYSTICK_DATA_DIRECTORY": str(network.folder / "server"),
        "TALLYSTICK_DATABASE_URL": f"sqlite:///{network.folder / 'tallystick.sqlite'}",
        "TALLYSTICK_DEPLOYMENT": str(network.deployment),
        "TALLYSTICK_RPC_URLS": url,
        "TALLYSTICK_LOCAL_CHAIN": str(network.is_local).lower(),
        "TALLYSTICK_FINALITY_BLOCKS": str(network.finality_blocks),
        "TALLYSTICK_FINGERPRINT_KEY_FILES": str(network.keys / "fingerprint.key"),
        "TALLYSTICK_RELAYER_KEYSTORE": str(network.keys / "relayer.key.json"),
        "TALLYSTICK_RELAYER_PASSWORD": network.password_file.read_text().strip(),
        "TALLYSTICK_PORT": str(port),
    }
    chosen = {name: value for name, value in os.environ.items() if name in settings}
    return child_environment(**settings | chosen)


def tallystick(*arguments: str) -> list[str]:
    """The command that runs `tallystick` from this checkout."""
    return [str(PYTHON), "-c", "from backend.cli import main; raise SystemExit(main())", *arguments]


def make_operator(network: Network, env: dict[str, str]) -> None:
    """The first operator, whose API key makes all others."""
    folder = parties_folder(network) / OPERATOR
    run(PYTHON, "-m", "scripts.first_operator", folder, log=network.logs / "operator.log", env=env)


def admit(network: Network, rpc_url: str, api_url: str, description: Path) -> None:
    """Admits the parties of a description: on the chain, then in the application."""
    if not description.is_file():
        raise TaskError(f"There is no {description}: give the description of the parties with PARTIES=….")
    say(f"• Admitting the parties of {description}")
    run_script(network, rpc_url, "admit", PARTIES=str(description.resolve()))
    parties = parties_folder(network)
    enrol = [
        str(PYTHON),
        "-m",
        "scripts.enrol",
        str(description),
        str(parties),
        api_url,
        str(parties / OPERATOR),
    ]
    run(*enrol, log=network.logs / "enrol.log")


def parties_folder(network: Network) -> Path:
    """Where the operator and the admitted parties are kept, one folder each."""
    return network.folder / "parties"
