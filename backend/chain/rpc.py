"""JSON-RPC to the chain's nodes: batches, fail-over for reads, and never a hidden second send.

RpcError
├── Unreachable      no answer, or not in time: whether the node acted is not known
├── RateLimited      HTTP 429 or a vendor's way of saying so
├── BadAnswer        an answer that is none: HTTP 5xx, no JSON, ids that do not match
├── WrongChain       the node is on another chain than the ledger
└── NodeError        the node understood and refused; `revert` holds the bytes of a contract's error
"""

import asyncio
import itertools
import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import httpx
from pydantic_core import from_json

from backend.chain.answers import Answer, classify
from backend.kit import tracing
from backend.kit.outgoing import tls

log = logging.getLogger("tallystick.rpc")
_BATCH = 99
"""Questions at a time; with the one for the chain's id a hundred, which is what vendors take."""
_REVERTED = ("revert", "vm exception")


class RpcError(Exception):
    """The chain could not be asked, or refused."""


class Unreachable(RpcError):
    """No answer came, or not in time."""


class RateLimited(RpcError):
    """The node or its vendor asks to be asked less."""


class BadAnswer(RpcError):
    """What came back is not a JSON-RPC answer."""


class WrongChain(RpcError):
    """The node is on another chain."""


class NodeError(RpcError):
    """The node refused; `code` and `message` are its own."""

    def __init__(self, code: int, message: str, data: Any = None) -> None:
        super().__init__(f"{message} (code {code})")
        self.code, self.message, self.data = code, message, data

    @property
    def revert(self) -> bytes | None:
        """The bytes a contract reverted with; None if this is no revert."""
        data: Any = self.data
        if isinstance(data, Mapping):  # some nodes wrap it: {"data": "0x…"} or {"<hash>": {"return": "0x…"}}
            nested = [each for each in data.values() if isinstance(each, Mapping)]
            data = data.get("data", data.get("result", nested[0].get("return") if nested else None))
        if isinstance(data, str):
            found = data[data.find("0x") :] if "0x" in data else ""  # "Reverted 0x…" is one way to say it
            try:
                return bytes.fromhex(found[2:]) if found else self._bare()
            except ValueError:
                return self._bare()
        return self._bare()

    def _bare(self) -> bytes | None:
        reverted = self.code == 3 or any(word in self.message.lower() for word in _REVERTED)
        return b"" if reverted else None


@dataclass(frozen=True, slots=True)
class Sent:
    """What became of one signed transaction handed to a node."""

    answer: Answer
    text: str


@dataclass(slots=True)
class _Provider:
    url: str
    failures: int = 0
    rest_until: float = 0.0


class Rpc:
    """One chain, through one or more of its nodes. Reads move to the next node when one fails."""

    def __init__(self, urls: Sequence[str], chain_id: int, *, seconds: float = 20.0) -> None:
        self.chain_id = chain_id
        self._providers = [_Provider(url) for url in urls]
        limits = httpx.Limits(max_connections=20, max_keepalive_connections=10)
        self._client = httpx.AsyncClient(verify=tls(), timeout=seconds, limits=limits)
        self._ids = itertools.count(1)

    async def close(self) -> None:
        """Closes the connections."""
        await self._client.aclose()

    async def call(self, method: str, *params: Any) -> Any:
        """One question. Raises NodeError if the node refuses."""
        (result,) = await self.batch([(method, params)])
        if isinstance(result, NodeError):
            raise result
        return result

    async def batch(self, requests: Sequence[tuple[str, Sequence[Any]]]) -> list[Any]:
        """Several questions to one node; for each its result or a NodeError.

        Asks the next node when one cannot be reached, is rate limited or answers nonsense; raises the last
        such error when all have failed. Only for questions: sends go through `send`.
        """
        last: RpcError = Unreachable("no node is configured")
        for provider in self._in_order():
            try:
                results = await self._post(provider, requests)
            except RpcError as error:
                last = error
                self._rest(provider, error)
                continue
            provider.failures = 0
            return results
        raise last

    async def send(self, raws: Sequence[bytes]) -> list[Sent]:
        """Hands signed transactions to a node, once each and in this order, and says what became of each.

        Never raises for a node's failure: not knowing is an answer (UNCLEAR), and the same bytes can go
        again.
        """
        provider = self._in_order()[0]
        requests = [("eth_sendRawTransaction", ["0x" + raw.hex()]) for raw in raws]
        try:
            with tracing.span("send", transactions=len(raws)):
                results = await self._post(provider, requests)
        except RateLimited as error:
            self._rest(provider, error)
            return [Sent(Answer.BUSY, str(error)) for _ in raws]
        except RpcError as error:
            self._rest(provider, error)
            return [Sent(Answer.UNCLEAR, str(error)) for _ in raws]
        return [
            Sent(classify(result.code, result.message), str(result))
            if isinstance(result, NodeError)
            else Sent(Answer.ACCEPTED, "accepted")
            for result in results
        ]

    def _in_order(self) -> list[_Provider]:
        """Those that do not rest, best first; those that do afterwards, the first to be ready first."""
        moment = time.monotonic()
        ready = [each for each in self._providers if each.rest_until <= moment]
        resting = sorted(
            (each for each in self._providers if each not in ready), key=lambda each: each.rest_until
        )
        return ready + resting

    def _rest(self, provider: _Provider, error: RpcError) -> None:
        """Leaves a failing node alone for a while: 0.5 s, doubled each time, at most 30 s."""
        provider.failures += 1
        provider.rest_until = time.monotonic() + min(30.0, 0.25 * 2**provider.failures)
        log.warning("node %s: %s", _without_secrets(provider.url), error)

    async def _post(self, provider: _Provider, requests: Sequence[tuple[str, Sequence[Any]]]) -> list[Any]:
        """Asks in batches, in each for the chain's id too: a node behind a balancer may be of another chain
        from one question to the next, and what it said then would look like a chain that lost its blocks."""
        results: list[Any] = []
        for start in range(0, len(requests), _BATCH):
            asked = [("eth_chainId", ()), *requests[start : start + _BATCH]]
            chain_id, *answers = await self._post_one(provider, asked)
            self._check(chain_id)
            results += answers
        return results

    def _check(self, chain_id: Any) -> None:
        if isinstance(chain_id, NodeError):
            raise chain_id
        try:
            found = int(chain_id, 16)
        except (TypeError, ValueError):
            raise BadAnswer(f"{str(chain_id)[:80]!r} is no chain id") from None
        if found != self.chain_id:
            raise WrongChain(f"the node is on chain {found}, the ledger on {self.chain_id}")

    async def _post_one(
        self, provider: _Provider, requests: Sequence[tuple[str, Sequence[Any]]]
    ) -> list[Any]:
        ids = [next(self._ids) for _ in requests]
        body = [
            {"jsonrpc": "2.0", "id": id_, "method": method, "params": list(params)}
            for id_, (method, params) in zip(ids, requests, strict=True)
        ]
        try:
            response = await self._client.post(provider.url, json=body)
        except httpx.HTTPError as error:
            raise Unreachable(f"{type(error).__name__} {error}".strip()) from error
        if response.status_code == 429:
            raise RateLimited("HTTP 429")
        try:
            answers = from_json(response.content)
        except ValueError:
            raise BadAnswer(f"HTTP {response.status_code} without JSON") from None
        answers = answers if isinstance(answers, list) else [answers]
        by_id = {answer.get("id"): answer for answer in answers if isinstance(answer, Mapping)}
        if (whole := by_id.get(None)) is not None and "error" in whole:  # the batch as a whole was refused
            raise _refusal(whole["error"])
        if missing := [id_ for id_ in ids if id_ not in by_id]:
            raise BadAnswer(f"HTTP {response.status_code}, {len(missing)} of {len(ids)} answers missing")
        return [_result(by_id[id_]) for id_ in ids]


def _result(answer: Mapping[str, Any]) -> Any:
    if "error" in answer and answer["error"] is not None:
        return _node_error(answer["error"])
    if "result" not in answer:
        raise BadAnswer("an answer with neither result nor error")
    return answer["result"]


def _node_error(error: Any) -> NodeError:
    if not isinstance(error, Mapping):
        return NodeError(0, str(error))
    code = error.get("code")
    return NodeError(code if isinstance(code, int) else 0, str(error.get("message", "")), error.get("data"))


def _refusal(error: Any) -> RpcError:
    refused = _node_error(error)
    return RateLimited(str(refused)) if classify(refused.code, refused.message) is Answer.BUSY else refused


def _without_secrets(url: str) -> str:
    """Vendors put keys into paths and passwords; a log shows neither."""
    parsed = httpx.URL(url)
    return f"{parsed.scheme}://{parsed.host}{f':{parsed.port}' if parsed.port else ''}"


async def wait_until_ready(rpc: Rpc, seconds: float) -> None:
    """Waits for a node to answer. Raises the last RpcError when the time is over, WrongChain at once."""
    end = time.monotonic() + seconds
    while True:
        try:
            await rpc.call("eth_blockNumber")
            return
        except WrongChain:
            raise
        except RpcError:
            if time.monotonic() > end:
                raise
            await asyncio.sleep(0.2)
