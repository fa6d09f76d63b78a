"""A JSON-RPC proxy that misbehaves when told: what providers and networks do, between the backend and a node.

Plain HTTP over asyncio. One fault at a time, for a number of seconds; without one it only passes on.
"""

import asyncio
import json
import math
import random
import time
from collections import Counter
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

KINDS = (
    "lose-answer",  # the node acts, the answer never comes
    "lose-question",  # the connection breaks before the node hears anything
    "delay",
    "duplicate",  # every question reaches the node twice
    "reorder",  # a batch is carried out backwards and answered in any order
    "rate-limit",
    "rate-limit-in-body",
    "server-error",
    "half-answer",
    "empty-logs",  # a node without its logs answers "none" to every question for them
    "behind",  # a node some blocks behind
    "wrong-chain",
)
_OTHER_CHAIN = 424_242
_SEND = "eth_sendRawTransaction"


class Proxy:
    """Passes questions on to the node at `upstream`; `misbehave` switches a fault on."""

    def __init__(self, upstream: str, seed: int) -> None:
        self.upstream = upstream
        self.met: Counter[str] = Counter()
        """How many requests met each kind of fault."""
        self._chance = random.Random(seed)  # noqa: S311 - a lot, no secret
        self._fault, self._seconds, self._until = "", 0.0, 0.0
        self._server: asyncio.Server | None = None
        self._serving: set[asyncio.Task[None]] = set()
        self.url = ""

    async def start(self, port: int = 0) -> None:
        """Listens on `port`, or on any that is free."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", port, limit=2**26)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def close(self) -> None:
        """Stops listening, and ends the connections that are open."""
        if self._server is not None:
            self._server.close()
        for each in self._serving:
            each.cancel()
        await asyncio.gather(*self._serving, return_exceptions=True)

    def misbehave(self, kind: str, seconds: float) -> None:
        """Begins a fault of one of `KINDS`, which ends so long after the first request that met it."""
        self._fault, self._seconds, self._until = kind, seconds, math.inf

    def behave(self) -> None:
        """Ends whatever fault is on."""
        self._fault = ""

    @property
    def fault(self) -> str:
        """The fault that is on; empty if none is."""
        return self._fault if time.monotonic() < self._until else ""

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._serving.add(task)
        task.add_done_callback(self._serving.discard)
        try:
            # Cancelled by `close`: asyncio's own callback would complain of a task that ends so.
            gone = (ConnectionError, asyncio.IncompleteReadError, TimeoutError, asyncio.CancelledError)
            with suppress(*gone):
                while await self._serve_one(reader, writer):
                    pass
        finally:
            writer.close()

    async def _serve_one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Answers the next request; False if the line goes dead instead."""
        status, answer = await self._answer(json.loads(await _read_body(reader)))
        if status == 0:
            return False
        content = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        head = f"HTTP/1.1 {status} .\r\nContent-Type: application/json\r\n"
        writer.write(f"{head}Content-Length: {len(content)}\r\n\r\n".encode() + content)
        await writer.drain()
        return True

    async def _answer(self, asked: Any) -> tuple[int, Any]:
        """The status and body for a request; status 0 for no answer at all."""
        fault = self.fault
        if fault:
            self.met[fault] += 1
            self._until = min(self._until, time.monotonic() + self._seconds)
        if fault in ("lose-question", "rate-limit", "rate-limit-in-body", "server-error", "wrong-chain"):
            return self._made_up(fault, asked)
        if fault == "behind":
            return await self._ask_behind(asked)
        if fault == "delay":
            await asyncio.sleep(self._chance.uniform(0.2, 3))
        if fault == "duplicate":
            await self._ask(asked)
        backwards = fault == "reorder" and isinstance(asked, list)
        status, answer = await self._ask(asked[::-1] if backwards else asked)
        if fault == "lose-answer":
            return 0, None
        if fault == "half-answer":
            whole = json.dumps(answer).encode()
            return status, whole[: len(whole) // 2]
        if fault == "reorder" and isinstance(answer, list):
            self._chance.shuffle(answer)
        if fault == "empty-logs" and status:
            _empty(_listed(asked), answer)
        return status, answer

    def _made_up(self, fault: str, asked: Any) -> tuple[int, Any]:
        """An answer the node never hears about."""
        match fault:
            case "rate-limit":
                return 429, b"slow down"
            case "rate-limit-in-body":
                error = {"code": -32005, "message": "daily request count exceeded, request rate limited"}
                return 200, {"jsonrpc": "2.0", "id": None, "error": error}
            case "server-error":
                return self._chance.choice([500, 502, 503, 504]), b"<html>Bad gateway</html>"
            case "wrong-chain":
                answers = [_elsewhere(each) for each in _listed(asked)]
                return 200, answers if isinstance(asked, list) else answers[0]
        return 0, None

    async def _ask_behind(self, asked: Any) -> tuple[int, Any]:
        """What a node answers that has not seen the newest blocks."""
        questions = _listed(asked)
        _, head = await self._ask({"jsonrpc": "2.0", "id": 1, "method": "eth_blockNumber", "params": []})
        if not isinstance(head, dict) or "result" not in head:
            return 0, None
        last = max(int(head["result"], 16) - 8, 0)
        rewritten = [_as_of(each, last) for each in questions]
        status, answer = await self._ask(rewritten if isinstance(asked, list) else rewritten[0])
        answers = {each.get("id"): each for each in (answer if isinstance(answer, list) else [answer])}
        for question in questions:
            given = answers.get(question["id"], {})
            result = given.get("result")
            if question["method"] == "eth_blockNumber":
                given["result"] = hex(last)
            elif isinstance(result, dict) and int(result.get("blockNumber") or "0x0", 16) > last:
                given["result"] = None  # a receipt or transaction of a block it does not know
            elif isinstance(result, list):
                given["result"] = [
                    each
                    for each in result
                    if not (isinstance(each, dict) and int(each.get("blockNumber") or "0x0", 16) > last)
                ]
        return status, answer

    async def _ask(self, body: Any) -> tuple[int, Any]:
        """What the node answers; status 0 when it does not."""
        place = urlsplit(self.upstream)
        content = json.dumps(body).encode()
        try:
            reader, writer = await asyncio.open_connection(place.hostname, place.port, limit=2**26)
            try:
                head = f"POST / HTTP/1.1\r\nHost: {place.netloc}\r\nContent-Type: application/json\r\n"
                writer.write(
                    f"{head}Connection: close\r\nContent-Length: {len(content)}\r\n\r\n".encode() + content
                )
                await writer.drain()
                async with asyncio.timeout(60):
                    answer = await _read_body(reader)
            finally:
                writer.close()
            return 200, json.loads(answer)
        except (OSError, ValueError, asyncio.IncompleteReadError, TimeoutError):
            return 0, None


async def _read_body(reader: asyncio.StreamReader) -> bytes:
    """The body of the next HTTP message."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
    for line in head.split("\r\n"):
        if line.startswith("content-length:"):
            return await reader.readexactly(int(line.partition(":")[2]))
    raise ConnectionError("a message without a length")


def _listed(asked: Any) -> list[Any]:
    return asked if isinstance(asked, list) else [asked]


def _empty(questions: list[Any], answer: Any) -> None:
    logs = {each["id"] for each in questions if each["method"] == "eth_getLogs"}
    for each in answer if isinstance(answer, list) else [answer]:
        if each.get("id") in logs:
            each["result"] = []


def _as_of(question: dict[str, Any], last: int) -> dict[str, Any]:
    """The question as a node would take it whose newest block is `last`."""
    method, params = question["method"], list(question["params"])
    if method == _SEND:
        return question

    def clipped(block: Any) -> Any:
        if block in ("latest", "pending", "safe", "finalized"):
            return hex(last)
        return block

    if method == "eth_getBlockByNumber" and params:
        number = params[0]
        if isinstance(number, str) and number.startswith("0x") and int(number, 16) > last:
            params[0] = hex(2**52)  # it does not know such a block
    if method == "eth_getLogs" and "toBlock" in params[0]:
        params[0] = params[0] | {"toBlock": hex(min(int(params[0]["toBlock"], 16), last))}
    return question | {"params": [clipped(each) for each in params]}


def _elsewhere(question: dict[str, Any]) -> dict[str, Any]:
    """What a node of another, nearly empty chain answers."""
    block = {
        "number": "0x5",
        "hash": "0x" + "ee" * 32,
        "parentHash": "0x" + "ed" * 32,
        "timestamp": hex(int(time.time())),
        "gasLimit": hex(30_000_000),
        "baseFeePerGas": "0x7",
        "logsBloom": "0x" + "00" * 256,
        "transactions": [],
    }
    results: dict[str, Any] = {
        "eth_chainId": hex(_OTHER_CHAIN),
        "eth_blockNumber": "0x5",
        "eth_getBlockByNumber": block,
        "eth_getTransactionCount": "0x0",
        "eth_getTransactionReceipt": None,
        "eth_getLogs": [],
        "eth_gasPrice": "0x7",
        "eth_getBalance": "0x0",
        "eth_estimateGas": hex(21_000),
        "eth_feeHistory": {"baseFeePerGas": ["0x7", "0x7"], "reward": [["0x1"]]},
        "eth_call": "0x",
        "eth_getCode": "0x",
    }
    said = {"jsonrpc": "2.0", "id": question["id"]}
    if question["method"] in results:
        return said | {"result": results[question["method"]]}
    return said | {"error": {"code": -32000, "message": "invalid chain id for signer"}}
