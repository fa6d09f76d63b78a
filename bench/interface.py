"""`deep-api`: schemathesis over our OpenAPI, on a whole local ledger: `python -m bench.interface [words]`.

Every operation is called with what its description allows and with what it does not, as a supplier and as an
auditor of the sample ledger. An answer of 500 or above, of a status, type or shape that the description does
not name, fails. EXAMPLES for each operation and PHASES choose how long it takes; words are handed on to
schemathesis, such as `--include-path-regex /epcis`. It runs in an environment of its own (`data/api`), made
from `requirements/api.txt` with hashes.
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from tasks import instance, ledger, networks
from tasks.console import TaskError, say, step
from tasks.environment import DATA, ROOT, child_environment, run
from tasks.rpc import choose_port

VENV = DATA / "api"
PARTIES = ("supplier", "auditor")
CHECKS = (
    "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance,"
    "response_headers_conformance"
)


def main() -> int:
    """Runs it for each kind of user. 0 when nothing was found."""
    _make_environment()
    with tempfile.TemporaryDirectory(prefix="api-") as folder:
        networks.DATA = Path(folder)
        os.environ["DATA_FOLDER"] = folder
        network = networks.network_named("anvil")
        with instance._started(network, choose_port(None, 0, ""), choose_port(None, 0, "")) as (running, _):
            found = [_search(running.api_url, name, key) for name, key in _keys(network).items()]
    return max(found)


def _keys(network: networks.Network) -> dict[str, str]:
    """An API key of the first user of each sample party."""
    keys = {}
    for file in sorted(ledger.parties_folder(network).glob("*/party.json")):
        users = json.loads(file.read_text())["users"]
        keys[file.parent.name] = next(iter(users.values()))["api_key"]
    chosen = {name: key for name, key in keys.items() if name in PARTIES} or dict([*keys.items()][:1])
    if not chosen:
        raise TaskError("the sample ledger has no party with an API key")
    return chosen


def _search(url: str, name: str, key: str) -> int:
    say(f"As {name}:")
    command = [
        str(VENV / "bin" / "schemathesis"), "run", f"{url}/openapi.json",
        "--header", f"Authorization: Bearer {key}",
        "--phases", os.environ.get("PHASES", "examples,coverage,fuzzing"),
        "--max-examples", os.environ.get("EXAMPLES", "10"),
        "--checks", CHECKS, "--continue-on-failure", "--request-timeout", "60", "--no-color",
        *sys.argv[1:],
    ]  # fmt: skip
    told = child_environment(SCHEMATHESIS_HOOKS="bench.schemathesis_forms", PYTHONPATH=str(ROOT))
    return subprocess.run(command, cwd=ROOT, env=told, check=False).returncode


def _make_environment() -> None:
    lock, stamp = ROOT / "requirements" / "api.txt", VENV / "lock"
    if stamp.exists() and stamp.read_text() == lock.read_text():
        return
    with step("Setting up schemathesis"):
        run(sys.executable, "-m", "venv", "--clear", VENV)
        run(VENV / "bin" / "pip", "install", "--quiet", "--require-hashes", "--requirement", lock)
        stamp.write_text(lock.read_text())


if __name__ == "__main__":
    try:
        sys.exit(main())
    except TaskError as error:
        say(f"error: {error}")
        sys.exit(1)
