"""`tallystick record`: for machines and gateways. JSON lines in, signed events out."""

import base64
import json
import sys
import threading
import time
from pathlib import Path
from typing import Annotated, Any

import httpx
import typer

from backend.chain.contracts import load
from backend.provenance.config import CONTRACT, log_id_of
from backend.provenance.log.notes import load_key
from backend.provenance.recording import Queue, send_one
from backend.verifier import capture as signing

_LINES = 200
_LONGEST_PAUSE = 60.0


def machine_jwk(key_file: Path) -> dict[str, str]:
    """The public half of a machine's Ed25519 key as a JWK (RFC 8037); the key is made on first use."""
    public = load_key(key_file).public_key().public_bytes_raw()
    return {"kty": "OKP", "crv": "Ed25519", "x": base64.urlsafe_b64encode(public).rstrip(b"=").decode()}


class MachineSigner:
    """Signs documents for one account with a machine's key."""

    def __init__(self, key_file: Path, chain_id: int, contract: bytes, account: str) -> None:
        self._key, self._jwk = load_key(key_file), machine_jwk(key_file)
        self._log = (chain_id, contract, log_id_of(chain_id, contract))
        self._account = account

    def __call__(self, body: bytes) -> dict[str, str]:
        digest = signing.digest(*self._log, bytes.fromhex(self._account[2:]), body)
        return {
            "Tallystick-Account": self._account,
            "Tallystick-Signature": "0x" + self._key.sign(digest).hex(),
            "Tallystick-Key": base64.urlsafe_b64encode(json.dumps(self._jwk).encode()).decode(),
        }


def record(
    url: Annotated[str, typer.Option(help="The repository's address.")],
    deployment: Annotated[Path, typer.Option(help="The ledger's deployment record.")],
    account: Annotated[str, typer.Option(help="The account to record for.", metavar="0x…")],
    key: Annotated[Path, typer.Option(help="The machine's key file; made on first use.")],
    queue: Annotated[Path, typer.Option(help="The queue's file; survives a power cut.")],
    api_key: Annotated[str, typer.Option(envvar="TALLYSTICK_RECORD_KEY", help="API key of the party.")],
    most: Annotated[int, typer.Option(min=1, help="Events that wait at most; then reading waits.")] = 100_000,
) -> None:
    """Read events from standard input, one JSON object a line; sign them and send them.

    Ends when the input has ended and everything was sent. Started again, it first sends what is left.
    """
    contracts = load(deployment)
    contract = bytes.fromhex(contracts[CONTRACT].address[2:])
    sign = MachineSigner(key, contracts.chain_id, contract, account)
    typer.echo(f"key id 0x{signing.thumbprint(machine_jwk(key)).hex()}", err=True)
    held = Queue(queue, most)
    ended = threading.Event()
    reader = threading.Thread(target=_read, args=(held, ended), daemon=True)
    reader.start()
    with httpx.Client(base_url=url, headers={"Authorization": f"Bearer {api_key}"}, timeout=60.0) as client:
        _send(held, client, sign, ended)
    counts = held.counts()
    if counts.refused:
        typer.echo(f"{counts.refused} set aside: see the table `refused` in {queue}", err=True)
        raise typer.Exit(1)


def _read(queue: Queue, ended: threading.Event) -> None:
    try:
        lines: list[str] = []
        for line in sys.stdin:
            if line.strip():
                lines.append(line.strip())
            if len(lines) >= _LINES or not line.strip():
                queue.take(lines)
                lines = []
        queue.take(lines)
    finally:
        ended.set()


def _send(queue: Queue, client: httpx.Client, sign: MachineSigner, ended: threading.Event) -> None:
    pause = 1.0
    while True:
        finished = ended.is_set()
        try:
            if send_one(queue, client, sign, _report):
                pause = 1.0
                continue
            if finished:
                return
            time.sleep(0.2)
        except httpx.HTTPError as error:
            typer.echo(f"cannot send, trying again in {pause:.0f} s: {error}", err=True)
            time.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)


def _report(job: dict[str, Any]) -> None:
    told = {name: job[name] for name in ("captureID", "captured", "duplicates")}
    typer.echo(json.dumps(told | {"receipt": job.get("receipt")}))
