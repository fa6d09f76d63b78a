"""What an operator shows: monitors the log, readers the map; and what a node of one's own answers."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from backend.kit import sparse
from backend.provenance.log.monitor import ChainHead
from tests.backend.provenance.conftest import Chain, Recorder


class Shown:
    """What the operator shows a monitor."""

    def __init__(self, page: dict[str, Any]) -> None:
        self.page = page
        self.posted: list[tuple[str, dict[str, Any]]] = []

    def get(self, path: str) -> Any:
        if "entries" not in path:
            return self.page["checkpoint"] if path.endswith("checkpoint") else self.page
        start = int(path.partition("start=")[2].partition("&")[0])
        return self.page | {"entries": self.page["entries"][start : start + 2]}

    def post(self, path: str, body: Mapping[str, Any]) -> None:
        self.posted.append((path, dict(body)))


class OnChain:
    """What a node answers."""

    def __init__(self, args: Mapping[str, Any]) -> None:
        now = datetime.now(UTC).timestamp()
        self.value = ChainHead(raw(args["logRoot"]), args["size"], raw(args["mapRoot"]), int(now))

    def head(self) -> ChainHead:
        return self.value


def raw(text: str) -> bytes:
    return bytes.fromhex(text.removeprefix("0x"))


async def look(auditor: Any, chain: Chain) -> tuple[Shown, OnChain]:
    """A head made and taken, and what the operator shows after it."""
    args = await chain.anchor()
    answer = await auditor.get("/v1/log/entries?limit=1000")
    assert answer.status_code == 200, answer.text
    return Shown(answer.json()), OnChain(args)


async def ask_map(recorder: Recorder, kind: str, value: str) -> dict[str, Any]:
    answer = await recorder.user.get("/v1/log/map", params={"kind": kind, "value": value})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def proof_of(answer: dict[str, Any]) -> sparse.MapProof:
    other = None
    if answer["other_key"]:
        other = (raw(answer["other_key"]), raw(answer["other_value"]))
    return sparse.MapProof(tuple(raw(node) for node in answer["siblings"]), other)
