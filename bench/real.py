"""Bundles of a real ledger: it is started, journeys are taken on it as by `make demo`, a witness co-signs."""

import json
import os
import socket
import subprocess
from dataclasses import asdict, dataclass
from pathlib import Path

import httpx

from backend.verifier import bundle
from backend.verifier.reader import BundleError
from tasks import environment, instance, ledger, networks
from tasks.environment import PYTHON

WITNESS = "witness.example"


@dataclass(frozen=True)
class Real:
    """A bundle as a bank downloads it, and what that bank knows by other ways: the block, and a policy that
    pins chain, contracts, the debtor's key and the witness."""

    name: str
    raw: bytes
    block_hash: str
    made_at: int
    policy: dict[str, object]


def real_bundles(folder: Path) -> list[Real]:
    """Two open claims and a settled one; made once and kept in the folder."""
    kept = folder / "bundles.json"
    if kept.exists():
        found = [Real(**each | {"raw": each["raw"].encode()}) for each in json.loads(kept.read_text())]
        if all(_is_of_this_version(each) for each in found):
            return found
    made = _make(folder)
    kept.write_text(json.dumps([asdict(each) | {"raw": each.raw.decode()} for each in made]))
    return made


def _is_of_this_version(real: Real) -> bool:
    try:
        bundle.read(real.raw, block_hash=None, now=real.made_at)
    except BundleError:
        return False
    return True


def _make(folder: Path) -> list[Real]:
    environment.setup()
    networks.DATA = folder / "data"
    os.environ["DATA_FOLDER"] = str(networks.DATA)
    network = networks.network_named("anvil")
    with instance._started(network, _free_port(), _free_port()) as (started, _):
        parties = ledger.parties_folder(network)
        for number, until in (("A", "anchored"), ("B", "anchored"), ("C", "settled")):
            command = [
                str(PYTHON),
                "-m",
                "scripts.journey",
                started.api_url,
                str(parties),
                "--number",
                number,
            ]
            environment.run(
                *command, "--until", until, "--invoice", str(environment.ROOT / "samples" / "invoice.ubl.xml")
            )
        keys = {name: _key(parties / name) for name in ("supplier", "auditor", "operator", "bank-one")}
        record = json.loads(network.deployment.read_text())
        addresses = {name: each["address"].lower() for name, each in record["contracts"].items()}
        witness = _witness(folder, started, keys["operator"], addresses["ProvenanceLog"])
        with httpx.Client(base_url=started.api_url, timeout=60) as api:
            claims = _get(api, keys["supplier"], "/v1/receivables").json()["items"]
            found = [
                _real(api, started.rpc_url, keys["supplier"], claim, addresses, witness) for claim in claims
            ]
    return sorted(found, key=lambda each: each.name)


def _real(
    api: httpx.Client, rpc: str, key: str, claim: dict[str, object], addresses: dict[str, str], witness: str
) -> Real:
    raw = _get(api, key, f"/v1/receivables/{claim['id']}/bundle").content
    report = _get(api, key, f"/v1/receivables/{claim['id']}/verification").json()
    told = json.loads(raw)
    asked = {"jsonrpc": "2.0", "id": 1, "method": "eth_getBlockByNumber"}
    block = httpx.post(rpc, json=asked | {"params": [hex(report["block"]["number"]), False]}).json()["result"]
    pinned = {
        "chain_id": told["ledger"]["chain_id"],
        "contracts": {name: addresses[name] for name in told["ledger"]["contracts"]},
        "debtor_keys": ["0x" + told["confirmation"]["signer"][2:].rjust(64, "0")],
        "witnesses": {WITNESS: witness},
        "state_age": "864000",
    }
    status = (claim["chain"] or {"status": ""})["status"]  # type: ignore[index]
    return Real(f"{status} {claim['id']}", raw, block["hash"], int(told["made_at"]), pinned)


def _witness(folder: Path, started: instance.Instance, key: str, contract: str) -> str:
    """Has a witness recompute the log and co-sign its head; the witness's public key."""
    command = [*ledger.tallystick("monitor"), "--url", started.api_url, "--rpc", started.rpc_url]
    command += [
        "--contract",
        contract,
        "--api-key",
        key,
        "--folder",
        str(folder / "witness"),
        "--witness",
        WITNESS,
    ]
    done = subprocess.run(command, cwd=environment.ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"the witness did not sign: {done.stdout}{done.stderr}")
    from backend.provenance.log.notes import load_key

    return "0x" + load_key(folder / "witness" / "witness-key").public_key().public_bytes_raw().hex()


def _get(api: httpx.Client, key: str, path: str) -> httpx.Response:
    return api.get(path, headers={"Authorization": f"Bearer {key}"}).raise_for_status()


def _key(folder: Path) -> str:
    users = json.loads((folder / "party.json").read_text())["users"]
    return str(next(iter(users.values()))["api_key"])


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
