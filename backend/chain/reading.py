"""What is read of the chain: headers, logs as events, and ranges of blocks far from the head.

A range is asked for in one batch with the node's own head, the block the index stands on, and logs that are
known to be there: a node that is behind, or has lost its logs, answers with an empty list.
"""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

from backend.chain.abi import AbiError
from backend.chain.contracts import Contracts
from backend.chain.history import Header
from backend.chain.projections import Event
from backend.chain.rpc import BadAnswer, NodeError, Rpc, RpcError
from backend.kit.clock import from_unix

_START, _MOST = 100, 50_000
_AIM = 6_000
"""So many logs at once: some megabytes, stored in about the time it takes to fetch and read the next."""


class UndecodableLog(BadAnswer):
    """A log of a contract of ours that does not fit the event it says it is."""

    def __init__(self, entry: Mapping[str, Any], event: str, why: str) -> None:
        block, index = int(entry["blockNumber"], 16), int(entry["logIndex"], 16)
        super().__init__(f"log {index} of block {block} does not fit the event {event}: {why}")
        self.identity = f"{entry['blockHash']} {index} {entry['data']}"


class NodeBehind(RpcError):
    """The node does not have a block it should; ask again later."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """A range that was read: its last block, and our events in it."""

    end: Header
    events: Sequence[Event]


class Ranges:
    """Ranges of blocks past finality, as wide as the node bears. The next is fetched while one is stored."""

    def __init__(self, rpc: Rpc, contracts: Contracts) -> None:
        self.rpc, self.contracts = rpc, contracts
        self.width = _START
        self.known: str | None = None
        """The hash of a block that has logs of ours."""
        self._ahead: tuple[str, asyncio.Task[Stretch | None]] | None = None

    async def read(self, base: int, base_hash: str, most: int) -> Stretch | None:
        """The blocks above `base`, at most up to `most`; None if the chain's block of that number is another.

        Raises RpcError, NodeBehind, UndecodableLog.
        """
        if self._ahead is None or self._ahead[0] != base_hash:
            await self.close()
            self._begin(base, base_hash, most)
        assert self._ahead is not None  # noqa: S101 - begun just now
        _, task = self._ahead
        self._ahead = None
        return await task

    def look_ahead(self, after: Stretch, most: int) -> None:
        """Begins to fetch what follows a stretch."""
        if after.events:
            self.known = after.events[-1].block_hash
        if after.end.number < most:
            self._begin(after.end.number, after.end.hash, most)

    async def close(self) -> None:
        """Gives up what was begun."""
        if self._ahead is not None:
            _, task = self._ahead
            self._ahead = None
            task.cancel()
            with suppress(asyncio.CancelledError, RpcError):
                await task

    def _begin(self, base: int, base_hash: str, most: int) -> None:
        reading = self._read(base, base_hash, min(base + self.width, most))
        self._ahead = (base_hash, asyncio.create_task(reading))

    async def _read(self, base: int, base_hash: str, last: int) -> Stretch | None:
        addresses = self.contracts.addresses
        question = {"fromBlock": hex(base + 1), "toBlock": hex(last), "address": addresses}
        known = self.known
        sample = [("eth_getLogs", [{"blockHash": known, "address": addresses}])] if known else []
        try:
            blocks, before, end, entries, *found = await self.rpc.batch(
                [
                    ("eth_blockNumber", []),
                    ("eth_getBlockByNumber", [hex(base), False]),
                    ("eth_getBlockByNumber", [hex(last), False]),
                    ("eth_getLogs", [question]),
                    *sample,
                ]
            )
            if isinstance(entries, NodeError):
                raise entries
        except RpcError:
            self.width = max(self.width // 2, 1)
            raise
        missing = any(not each or isinstance(each, NodeError) for each in (blocks, before, end))
        if missing or int(blocks, 16) < last:
            raise NodeBehind(f"the node that answered has not reached block {last}")
        if before["hash"] != base_hash:
            return None
        if any(not each or isinstance(each, NodeError) for each in found):
            self.known = None  # or the block is gone, and another has to be named
            raise NodeBehind(f"the node has lost its logs: it has none of block {known}")
        wished = self.width * _AIM // max(len(entries), 1)
        self.width = max(1, min(wished, self.width * 2, _MOST))
        headers = await self._headers_of(entries, header(end))
        return Stretch(header(end), decode(self.contracts, entries, headers))

    async def _headers_of(self, entries: Sequence[Mapping[str, Any]], end: Header) -> dict[int, Header]:
        """The headers of the blocks these logs are in: they have the times that logs do not carry."""
        numbers = sorted({int(each["blockNumber"], 16) for each in entries} - {end.number})
        answers = await self.rpc.batch([("eth_getBlockByNumber", [hex(n), False]) for n in numbers])
        found = {end.number: end}
        for answer in answers:
            if answer is None or isinstance(answer, NodeError):
                raise NodeBehind("a block that has logs is not there")
            each = header(answer)
            found[each.number] = each
        return found


def decode(
    contracts: Contracts, entries: Sequence[Mapping[str, Any]], headers: Mapping[int, Header]
) -> list[Event]:
    """Logs as events, in the chain's order. A log from another block than its header is refused."""
    events = []
    for entry in entries:
        of = headers.get(int(entry["blockNumber"], 16))
        if of is None or entry["blockHash"] != of.hash or entry.get("removed"):
            raise BadAnswer(f"a log of block {entry['blockHash']}, which is not the chain's")
        contract = contracts.at(entry["address"])
        topics = [bytes.fromhex(topic[2:]) for topic in entry["topics"]]
        item = contract.abi.events.get(topics[0]) if contract and topics else None
        if contract is None or item is None:
            continue  # an event the ABI does not declare is none of ours
        try:
            args = item.decode_log(topics, bytes.fromhex(entry["data"][2:]))
        except AbiError as error:
            raise UndecodableLog(entry, f"{contract.name}.{item.name}", str(error)) from error
        events.append(
            Event(
                contract=contract.name,
                name=item.name,
                args=args,
                address=contract.address,
                block_number=of.number,
                block_hash=of.hash,
                block_time=of.time,
                tx_hash=entry["transactionHash"],
                log_index=int(entry["logIndex"], 16),
            )
        )
    return sorted(events, key=attrgetter("block_number", "log_index"))


def header(block: Mapping[str, Any]) -> Header:
    """What the index keeps of a block, from a node's answer."""
    return Header(
        number=int(block["number"], 16),
        hash=block["hash"],
        parent_hash=block["parentHash"],
        time=from_unix(int(block["timestamp"], 16)),
    )
