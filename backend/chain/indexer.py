"""From the chain into the database, so that the rows of every room always equal the chain.

Near the head it goes block by block: each header must name the one before as its parent, and logs are asked
for by block hash, because a node that is behind answers a question by number with an empty list. Where the
header's bloom filter says that there are logs of ours, "none" is not believed (`chain/bloom.py`). Far from
the head it asks for ranges, as wide as the node bears, in one batch with the node's own head, the block the
index stands on, and logs that are known to be there. Events, the rows folded from them and the cursor change
in one transaction; the cursor moves only from where it was read.

When a header does not fit, everything above the last common block is taken back in one transaction. Deeper
than finality nothing is guessed: indexing halts and says so, except on a local chain, which may lose blocks.
"""

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

from backend.chain import bloom, history
from backend.chain.abi import AbiError
from backend.chain.contracts import Contracts
from backend.chain.history import Header, Position
from backend.chain.projections import Event, Projection
from backend.chain.rpc import BadAnswer, NodeError, Rpc, RpcError
from backend.kit.clock import from_unix
from backend.kit.database import Database

log = logging.getLogger("tallystick.indexer")

_NEAR_BATCH = 20
_RANGE_START, _RANGE_LEAST, _RANGE_MOST = 2_000, 10, 50_000
_MANY_EVENTS = 5_000
_ASKED = 3
"""How often a node has to say the same before what cannot be read is believed to be on the chain."""


class IndexHalted(Exception):
    """Indexing has stopped and waits for a person; the text says why and what to do."""


class UndecodableLog(BadAnswer):
    """A log of a contract of ours that does not fit the event it says it is."""

    def __init__(self, entry: Mapping[str, Any], event: str, why: str) -> None:
        block, index = int(entry["blockNumber"], 16), int(entry["logIndex"], 16)
        super().__init__(f"log {index} of block {block} does not fit the event {event}: {why}")
        self.identity = f"{entry['blockHash']} {index} {entry['data']}"


class NodeBehind(RpcError):
    """The node does not have a block it should; ask again later."""


@dataclass(slots=True)
class Progress:
    """Where the index and the chain are."""

    indexed: int
    head: int

    @property
    def lag(self) -> int:
        """Blocks the index is behind."""
        return max(self.head - self.indexed, 0)


class Indexer:
    """Follows one ledger's contracts. Several may run; a step that another overtook is undone."""

    def __init__(
        self,
        database: Database,
        rpc: Rpc,
        contracts: Contracts,
        projections: Sequence[Projection],
        *,
        finality: int,
        local_chain: bool = False,
    ) -> None:
        self.database, self.rpc, self.contracts = database, rpc, contracts
        self.projections = tuple(projections)
        self.finality, self.local_chain = finality, local_chain
        self.ledger_id = contracts.ledger_id
        self._range = _RANGE_START
        self._keep = max(finality * 2, 64)
        self._doubted: Counter[str] = Counter()

    async def step(self) -> Progress:
        """Goes one stretch further; `lag` says whether there is more. Raises RpcError, IndexHalted."""
        try:
            progress = await self._step()
        except UndecodableLog as error:
            await self._doubt(error)
            raise
        self._doubted.clear()
        return progress

    async def _doubt(self, error: UndecodableLog) -> None:
        """A node may garble an answer once; what it says again and again is so, and then indexing halts.

        To pass over the log would leave rows that do not equal the chain, and nobody would know.
        """
        self._doubted[error.identity] += 1
        if self._doubted[error.identity] >= _ASKED:
            raise await self._halted(
                f"{str(error)[:250]}. Are the deployment record and its ABI files those of these contracts? "
                "Put that right, then `tallystick reindex`."
            )

    async def _step(self) -> Progress:
        head = _header(await self._ask("eth_getBlockByNumber", "latest", False))
        position = await self._position()
        if head.number < position.number:
            return await self._shorter_chain(head, position)
        if head.number == position.number:
            if head.hash != position.hash:
                await self._roll_back(position)
            elif head.number > position.head:
                await self._note_head(position, head.number)
            return Progress(position.number, head.number)
        if head.number - position.number > self.finality + _NEAR_BATCH:
            reached = await self._far(position, head.number)
        else:
            reached = await self._near(position, head.number)
        return Progress(reached, head.number)

    async def catch_up(self) -> Progress:
        """Steps until the index has reached the head it saw."""
        while (progress := await self.step()).lag:
            pass
        return progress

    async def _position(self) -> Position:
        """Where the index stands; on first use just before the first block of the deployment."""
        async with self.database.reading() as session:
            position = await history.position(session, self.ledger_id)
        if position is not None:
            if position.halted is not None:
                raise IndexHalted(position.halted)
            return position
        before = max(self.contracts.first_block - 1, 0)
        start = _header(await self._ask("eth_getBlockByNumber", hex(before), False))
        async with self.database.transaction() as session:
            return await history.begin(session, self.ledger_id, start)

    async def _ask(self, method: str, *params: Any) -> Any:
        answer = await self.rpc.call(method, *params)
        if answer is None:
            raise NodeBehind(f"the node knows nothing of {method} {params[0]}")
        return answer

    async def _near(self, position: Position, head: int) -> int:
        """Up to a batch of blocks, each a child of the one before, with the logs of exactly these blocks."""
        last = min(position.number + _NEAR_BATCH, head)
        numbers = range(position.number + 1, last + 1)
        answers = await self.rpc.batch([("eth_getBlockByNumber", [hex(n), False]) for n in numbers])
        headers: list[Header] = []
        blooms: list[str | None] = []
        parent = position.hash
        for answer in answers:
            if answer is None or isinstance(answer, NodeError):
                break  # the node is behind its own head; what came so far is whole
            header = _header(answer)
            if header.parent_hash != parent:
                break
            headers.append(header)
            blooms.append(answer.get("logsBloom"))
            parent = header.hash
        if not headers:
            await self._roll_back(position)
            return position.number
        logs = await self._logs_of(headers, blooms)
        events = [
            event
            for header, entries in zip(headers, logs, strict=True)
            for event in self._events(entries, {header.number: header})
        ]
        await self._store(position, headers, events, head)
        return headers[-1].number

    async def _logs_of(
        self, headers: Sequence[Header], blooms: Sequence[str | None]
    ) -> list[Sequence[Mapping[str, Any]]]:
        """Our logs of each block, by its hash. Raises NodeBehind when "none" cannot be true."""
        ours = self.contracts.addresses
        filters = [{"blockHash": each.hash, "address": ours} for each in headers]
        logs = await self.rpc.batch([("eth_getLogs", [each]) for each in filters])
        for answer in logs:
            if isinstance(answer, NodeError):
                raise NodeBehind(f"logs by block hash: {answer}")
        doubtful = [
            place for place, entries in enumerate(logs) if not entries and bloom.may_hold(blooms[place], ours)
        ]
        # A filter may say "there" of what is not; all logs of the block tell.
        whole = await self.rpc.batch([("eth_getLogs", [{"blockHash": headers[n].hash}]) for n in doubtful])
        for place, answer in zip(doubtful, whole, strict=True):
            if isinstance(answer, NodeError) or not answer:
                raise NodeBehind(f"block {headers[place].number} has logs, and the node says it has none")
            logs[place] = [each for each in answer if self.contracts.at(each["address"]) is not None]
        return logs

    async def _far(self, position: Position, head: int) -> int:
        """One range of blocks that are past finality. Its width follows what the node bears."""
        first = position.number + 1
        last = min(position.number + self._range, head - self.finality)
        question = {
            "fromBlock": hex(first),
            "toBlock": hex(last),
            "address": self.contracts.addresses,
        }
        async with self.database.reading() as session:
            known = await history.newest_block_with_events(session, self.ledger_id)
        try:
            blocks, base, end, entries, *sample = await self.rpc.batch(
                [
                    ("eth_blockNumber", []),
                    ("eth_getBlockByNumber", [hex(position.number), False]),
                    ("eth_getBlockByNumber", [hex(last), False]),
                    ("eth_getLogs", [question]),
                    *(
                        [("eth_getLogs", [{"blockHash": known, "address": question["address"]}])]
                        if known
                        else []
                    ),
                ]
            )
            if isinstance(entries, NodeError):
                raise entries
        except RpcError:
            self._range = max(self._range // 2, _RANGE_LEAST)
            raise
        if (
            any(not each or isinstance(each, NodeError) for each in (blocks, base, end))
            or int(blocks, 16) < last
        ):
            raise NodeBehind(f"the node that answered has not reached block {last}")
        if base["hash"] != position.hash:
            await self._roll_back(position)
            return position.number
        if any(not each or isinstance(each, NodeError) for each in sample):
            raise NodeBehind(f"the node has lost its logs: it has none of block {known}")
        headers = await self._headers_of(entries, _header(end))
        await self._store(position, [_header(end)], self._events(entries, headers), head)
        if len(entries) < _MANY_EVENTS:
            self._range = min(self._range * 2, _RANGE_MOST)
        else:
            self._range = max(self._range // 2, _RANGE_LEAST)
        return last

    async def _headers_of(self, entries: Sequence[Mapping[str, Any]], end: Header) -> dict[int, Header]:
        """The headers of the blocks these logs are in: they have the times that logs do not carry."""
        numbers = sorted({int(each["blockNumber"], 16) for each in entries} - {end.number})
        answers = await self.rpc.batch([("eth_getBlockByNumber", [hex(n), False]) for n in numbers])
        found = {end.number: end}
        for answer in answers:
            if answer is None or isinstance(answer, NodeError):
                raise NodeBehind("a block that has logs is not there")
            header = _header(answer)
            found[header.number] = header
        return found

    def _events(self, entries: Sequence[Mapping[str, Any]], headers: Mapping[int, Header]) -> list[Event]:
        """Logs as events, in the chain's order. A log from another block than its header is refused."""
        events = []
        for entry in entries:
            header = headers.get(int(entry["blockNumber"], 16))
            if header is None or entry["blockHash"] != header.hash or entry.get("removed"):
                raise BadAnswer(f"a log of block {entry['blockHash']}, which is not the chain's")
            contract = self.contracts.at(entry["address"])
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
                    block_number=header.number,
                    block_hash=header.hash,
                    block_time=header.time,
                    tx_hash=entry["transactionHash"],
                    log_index=int(entry["logIndex"], 16),
                )
            )
        return sorted(events, key=attrgetter("block_number", "log_index"))

    async def _store(
        self, position: Position, headers: Sequence[Header], events: Sequence[Event], head: int
    ) -> None:
        async with self.database.transaction() as session:
            await history.advance(session, self.ledger_id, position, headers[-1], head)
            await history.add_headers(session, self.ledger_id, headers, keep=self._keep)
            await history.add_events(session, self.ledger_id, self.projections, events)

    async def _note_head(self, position: Position, head: int) -> None:
        async with self.database.transaction() as session:
            await history.note_head(session, self.ledger_id, position, head)

    async def _shorter_chain(self, head: Header, position: Position) -> Progress:
        """The chain ends before the index does: a node that is behind, or a local chain that lost blocks."""
        if not self.local_chain:
            raise NodeBehind(f"the node is at block {head.number}, the index already at {position.number}")
        await self._roll_back(position)
        return Progress(head.number, head.number + 1)

    async def _roll_back(self, position: Position) -> None:
        """Takes back what is above the last block the index and the chain have in common."""
        ancestor = await self._common_ancestor(position)
        depth = position.number - ancestor.number
        if depth == 0:
            return
        if depth > self.finality and not self.local_chain:
            reason = (
                f"The chain was reorganised {depth} blocks deep, past the finality of {self.finality}: block "
                f"{position.number} is no longer {position.hash}. Check the nodes, then `tallystick reindex`."
            )
            raise await self._halted(reason)
        log.warning("taking back %s blocks, down to %s", depth, ancestor.number)
        async with self.database.transaction() as session:
            await history.retreat(session, self.ledger_id, position, ancestor)
            touched = await history.remove_events(session, self.ledger_id, above=ancestor.number)
            await history.rebuild(session, self.ledger_id, self.projections, touched)
            await history.reopen_transactions(
                session, self.ledger_id, above=ancestor.number, confirmed_too=self.local_chain
            )

    async def _halted(self, reason: str) -> IndexHalted:
        """Stops indexing until a person has looked; the reason is on /readyz and in `tallystick doctor`."""
        async with self.database.transaction() as session:
            await history.halt(session, self.ledger_id, reason)
        log.critical(reason)
        return IndexHalted(reason)

    async def _common_ancestor(self, position: Position) -> Header:
        """The highest block that the index knows and the chain still has."""
        async with self.database.reading() as session:
            known = await history.headers_down_from(session, self.ledger_id, position.number)
        for start in range(0, len(known), _NEAR_BATCH):
            some = known[start : start + _NEAR_BATCH]
            answers = await self.rpc.batch([("eth_getBlockByNumber", [hex(h.number), False]) for h in some])
            for header, answer in zip(some, answers, strict=True):
                if isinstance(answer, NodeError):
                    raise answer
                if answer is not None and answer["hash"] == header.hash:
                    return header
        reason = (
            "The chain has none of the blocks the index is built on. Is it the chain the ledger was deployed "
            "on? If a local chain began anew, deploy again; otherwise run `tallystick reindex`."
        )
        raise await self._halted(reason)


def _header(block: Mapping[str, Any]) -> Header:
    return Header(
        number=int(block["number"], 16),
        hash=block["hash"],
        parent_hash=block["parentHash"],
        time=from_unix(int(block["timestamp"], 16)),
    )
