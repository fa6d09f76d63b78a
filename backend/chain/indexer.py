"""From the chain into the database, so that the rows of every room always equal the chain.

Near the head it goes block by block: each header must name the one before as its parent, and logs are asked
for by block hash, because a node that is behind answers a question by number with an empty list. Where the
header's bloom filter says that there are logs of ours, "none" is not believed (`chain/bloom.py`). Far from
the head it asks for ranges (`chain/reading.py`), the next while one is stored. Events, the rows folded from
them and the cursor change in one transaction; the cursor moves only from where it was read.

When a header does not fit, everything above the last common block is taken back in one transaction. Deeper
than finality nothing is guessed: indexing halts and says so, except on a local chain, which may lose blocks.
"""

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from backend.chain import bloom, history
from backend.chain.contracts import Contracts
from backend.chain.history import Header, Position
from backend.chain.projections import Event, Projection
from backend.chain.reading import NodeBehind, Ranges, UndecodableLog, decode, header
from backend.chain.rpc import NodeError, Rpc
from backend.kit import tracing
from backend.kit.database import Database

log = logging.getLogger("tallystick.indexer")

_NEAR_BATCH = 20
_ASKED = 3
"""How often a node has to say the same before what cannot be read is believed to be on the chain."""


class IndexHalted(Exception):
    """Indexing has stopped and waits for a person; the text says why and what to do."""


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
        self.ranges = Ranges(rpc, contracts)
        self._keep = max(finality * 2, 64)
        self._doubted: Counter[str] = Counter()
        self._rests_on = ""
        """The newest block, once the index has all of it: until there is another, nothing is to do."""

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
        head = header(await self._ask("eth_getBlockByNumber", "latest", False))
        if head.hash == self._rests_on:
            return Progress(head.number, head.number)
        position = await self._position()
        if head.number < position.number:
            return await self._shorter_chain(head, position)
        if head.number == position.number:
            if head.hash != position.hash:
                await self._roll_back(position)
            elif head.number > position.head:
                await self._note_head(position, head.number)
            else:
                self._rests_on = head.hash
            return Progress(position.number, head.number)
        if head.number - position.number > self.finality + _NEAR_BATCH:
            reached = await self._far(position, head.number)
        else:
            reached = await self._near(position, head.number)
        return Progress(reached, head.number)

    async def close(self) -> None:
        """Gives up what is on its way."""
        await self.ranges.close()

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
        start = header(await self._ask("eth_getBlockByNumber", hex(before), False))
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
            found = header(answer)
            if found.parent_hash != parent:
                break
            headers.append(found)
            blooms.append(answer.get("logsBloom"))
            parent = found.hash
        if not headers:
            await self._roll_back(position)
            return position.number
        logs = await self._logs_of(headers, blooms)
        events = [
            event
            for each, entries in zip(headers, logs, strict=True)
            for event in decode(self.contracts, entries, {each.number: each})
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
        """One range of blocks that are past finality."""
        most = head - self.finality
        if self.ranges.known is None:
            async with self.database.reading() as session:
                self.ranges.known = await history.newest_block_with_events(session, self.ledger_id)
        stretch = await self.ranges.read(position.number, position.hash, most)
        if stretch is None:
            await self._roll_back(position)
            return position.number
        self.ranges.look_ahead(stretch, most)
        await self._store(position, [stretch.end], stretch.events, head)
        return stretch.end.number

    async def _store(
        self, position: Position, headers: Sequence[Header], events: Sequence[Event], head: int
    ) -> None:
        reached = {"first": position.number + 1, "last": headers[-1].number, "events": len(events)}
        with tracing.span("index", **reached):
            await self._write(position, headers, events, head)

    async def _write(
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
        self.ranges.known = None  # it may be gone with what is taken back
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
            for each, answer in zip(some, answers, strict=True):
                if isinstance(answer, NodeError):
                    raise answer
                if answer is not None and answer["hash"] == each.hash:
                    return each
        reason = (
            "The chain has none of the blocks the index is built on. Is it the chain the ledger was deployed "
            "on? If a local chain began anew, deploy again; otherwise run `tallystick reindex`."
        )
        raise await self._halted(reason)
