"""`tallystick monitor`: a monitor's eyes and hands: the operator's API, a node of one's own, a folder."""

import base64
import time
from collections.abc import Mapping
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import httpx
import typer
from eth_utils.crypto import keccak

from backend.provenance.log.memory import Memory
from backend.provenance.log.monitor import (
    ChainHead,
    Disagreement,
    check_checkpoint,
    cosign,
    follow,
    has_signed,
    is_agreed,
    keep,
    require_pinned,
)
from backend.provenance.log.notes import Signer, load_key

_HEAD = "0x" + keccak(text="head()")[:4].hex()


class Api:
    """The operator's API."""

    def __init__(self, url: str, key: str) -> None:
        headers = {"Authorization": f"Bearer {key}"}
        self._client = httpx.Client(base_url=url, headers=headers, timeout=30.0, follow_redirects=False)

    def get(self, path: str) -> Any:
        """The JSON at a path, or its text where it is none."""
        answer = self._client.get(path)
        answer.raise_for_status()
        return answer.json() if "json" in answer.headers.get("content-type", "") else answer.text

    def post(self, path: str, body: Mapping[str, Any]) -> None:
        """Sends JSON."""
        self._client.post(path, json=dict(body)).raise_for_status()


class Node:
    """A node of the monitor's own."""

    def __init__(self, url: str, contract: str) -> None:
        self._client = httpx.Client(base_url=url, timeout=30.0)
        self._contract = contract

    def head(self) -> ChainHead:
        """What the contract holds now."""
        block = self._ask("eth_getBlockByNumber", "latest", False)
        held = self._ask("eth_call", {"to": self._contract, "data": _HEAD}, block["number"])
        raw = bytes.fromhex(held.removeprefix("0x"))
        if len(raw) != 128:
            raise ValueError(f"there is no ProvenanceLog at {self._contract}")
        now = int(block["timestamp"], 16)
        return ChainHead(raw[:32], int.from_bytes(raw[32:64], "big"), raw[64:96], now)

    def _ask(self, method: str, *params: object) -> Any:
        request = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        answer = self._client.post("", json=request)
        answer.raise_for_status()
        body = answer.json()
        if body.get("result") is None:
            raise ValueError(f"the node answers {body.get('error')}")
        return body["result"]


def monitor(
    url: Annotated[str, typer.Option(help="The operator's API.")],
    rpc: Annotated[str, typer.Option(help="A node of your own; not the operator's.")],
    contract: Annotated[str, typer.Option(help="Address of ProvenanceLog, known by other means.")],
    api_key: Annotated[str, typer.Option(envvar="TALLYSTICK_MONITOR_KEY", help="An auditor's API key.")],
    folder: Annotated[Path, typer.Option(help="Where the monitor remembers and keeps evidence.")],
    witness: Annotated[
        str | None, typer.Option(help="Your name as a witness: heads that agree are co-signed.")
    ] = None,
    log_key: Annotated[
        str | None,
        typer.Option(help="The log's verifier key, known by other means; else what it shows first counts."),
    ] = None,
    every: Annotated[float, typer.Option(help="Seconds between looks; 0 looks once.")] = 0.0,
) -> None:
    """Follow the log, recompute both roots, check every head against the chain, and co-sign what agrees.

    Exit code 3 means that something does not agree; the evidence lies in the folder.
    """
    source, node = Api(url, api_key), Node(rpc, contract)
    signer = Signer(witness, load_key(folder / "witness-key")) if witness else None
    if signer is not None:
        typer.echo(f"witness key: {signer.verifier_key}")
    while True:
        try:
            typer.echo(_look(source, node, folder, signer, log_key))
        except Disagreement as disagreement:
            path = keep(folder, disagreement, int(time.time()))
            typer.echo(f"DISAGREES: {disagreement}\nevidence: {path}", err=True)
            raise typer.Exit(3) from disagreement
        except (httpx.HTTPError, ValueError) as error:
            typer.echo(f"cannot look: {error}", err=True)
            if every == 0:
                raise typer.Exit(1) from error
        if every == 0:
            return
        time.sleep(every)


def _look(source: Api, node: Node, folder: Path, signer: Signer | None, log_key: str | None) -> str:
    status, note = source.get("/v1/log"), source.get("/v1/log/checkpoint")
    origin, public = _who(status["verifier_key"])
    if log_key not in {None, status["verifier_key"]}:
        raise Disagreement(
            "the log shows another key than the one known", {"shown": status, "known": log_key}
        )
    with closing(Memory(folder)) as memory:
        require_pinned(memory, "log key", status["verifier_key"])
        head = follow(source, node, memory, check=partial(check_checkpoint, note, origin, public, memory))
        agreed = is_agreed(note, origin, public, memory)
        if signer is not None and agreed and not has_signed(note, signer):
            cosign(source, signer, note, int(time.time()))
        unseen = f"; {memory.unseen} events were erased before this monitor saw them" if memory.unseen else ""
        if head is None:
            return f"nothing new: {memory.size} leaves agree with the chain{unseen}"
    roots = f"log {head.log_root.hex()}, map {head.map_root.hex()}"
    return f"{head.size} leaves agree with the chain, {roots}{unseen}"


def _who(verifier_key: str) -> tuple[str, bytes]:
    """The log's name in its checkpoints, and its public key."""
    origin, _, encoded = verifier_key.split("+", 2)  # Base64 has a + of its own
    return origin, base64.b64decode(encoded + "=" * (-len(encoded) % 4))[1:]
