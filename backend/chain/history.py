"""The indexer's SQL: blocks, events, the keys they touch, the cursor."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Subquery, delete, insert, select, update
from sqlalchemy.engine import CursorResult
from sqlalchemy.ext.asyncio import AsyncSession

from backend.chain import lanes
from backend.chain.projections import Event, Projection
from backend.chain.repository import ChainBlock, ChainCursor, ChainEvent, ChainEventKey
from backend.kit import bulk
from backend.kit.clock import now

_KEYS = 5_000
"""Keys folded at once."""
_EVENT = (
    ChainEvent.contract,
    ChainEvent.name,
    ChainEvent.args,
    ChainEvent.address,
    ChainEvent.block_number,
    ChainEvent.block_hash,
    ChainEvent.block_time,
    ChainEvent.tx_hash,
    ChainEvent.log_index,
)
"""The columns of an `Event`, in its order."""
Touched = Mapping[str, set[str]]
"""For each projection, by name, the keys whose rows may have changed."""


class CursorMoved(Exception):
    """Another indexer went ahead in the meantime; nothing of the running transaction may stand."""


@dataclass(frozen=True, slots=True)
class Header:
    """What the index keeps of a block."""

    number: int
    hash: str
    parent_hash: str
    time: datetime


@dataclass(frozen=True, slots=True)
class Position:
    """Where the index stands, and the chain's head when it got there."""

    number: int
    hash: str
    head: int
    halted: str | None


async def position(session: AsyncSession, ledger_id: UUID) -> Position | None:
    """Where the index of a ledger stands; None if it was never begun."""
    row = await session.get(ChainCursor, ledger_id)
    return Position(row.number, row.hash, row.head, row.halted) if row else None


async def begin(session: AsyncSession, ledger_id: UUID, start: Header) -> Position:
    """Puts the cursor on the block before the first. Another indexer may have done so."""
    if (found := await position(session, ledger_id)) is not None:
        return found
    session.add(
        ChainCursor(
            ledger_id=ledger_id, number=start.number, hash=start.hash, head=start.number, updated_at=now()
        )
    )
    await add_headers(session, ledger_id, [start], keep=0)
    await session.flush()
    return Position(start.number, start.hash, start.number, None)


async def advance(session: AsyncSession, ledger_id: UUID, old: Position, new: Header, head: int) -> None:
    """Moves the cursor from where it was read. Raises CursorMoved if it is not there any more."""
    await _move(session, ledger_id, old, number=new.number, hash=new.hash, head=head)


async def retreat(session: AsyncSession, ledger_id: UUID, old: Position, new: Header) -> None:
    """Moves the cursor back, and forgets the blocks above. Raises CursorMoved."""
    await _move(session, ledger_id, old, number=new.number, hash=new.hash)
    await session.execute(
        delete(ChainBlock).where(ChainBlock.ledger_id == ledger_id, ChainBlock.number > new.number)
    )


async def note_head(session: AsyncSession, ledger_id: UUID, old: Position, head: int) -> None:
    """Notes how far the chain is while the index stands."""
    await _move(session, ledger_id, old, head=head)


async def halt(session: AsyncSession, ledger_id: UUID, reason: str) -> None:
    """Stops indexing until a person has looked."""
    await session.execute(
        update(ChainCursor).where(ChainCursor.ledger_id == ledger_id).values(halted=reason[:500])
    )


async def _move(session: AsyncSession, ledger_id: UUID, old: Position, **values: Any) -> None:
    result = await session.execute(
        update(ChainCursor)
        .where(
            ChainCursor.ledger_id == ledger_id,
            ChainCursor.number == old.number,
            ChainCursor.hash == old.hash,
        )
        .values(**values, updated_at=now())
    )
    if not (isinstance(result, CursorResult) and result.rowcount == 1):
        raise CursorMoved(f"the cursor is no longer at block {old.number}")


async def add_headers(
    session: AsyncSession, ledger_id: UUID, headers: Sequence[Header], *, keep: int
) -> None:
    """Remembers headers; those more than `keep` blocks below the newest are forgotten, but for the first."""
    rows = [
        {
            "ledger_id": ledger_id,
            "number": each.number,
            "hash": each.hash,
            "parent_hash": each.parent_hash,
            "time": each.time,
        }
        for each in headers
    ]
    await session.execute(insert(ChainBlock), rows)
    if keep:
        first = select(ChainBlock.number).where(ChainBlock.ledger_id == ledger_id)
        lowest = await session.scalar(first.order_by(ChainBlock.number).limit(1))
        await session.execute(
            delete(ChainBlock).where(
                ChainBlock.ledger_id == ledger_id,
                ChainBlock.number < headers[-1].number - keep,
                ChainBlock.number != lowest,
            )
        )


async def headers_down_from(session: AsyncSession, ledger_id: UUID, number: int) -> list[Header]:
    """The remembered headers from `number` down, highest first."""
    statement = select(ChainBlock).where(ChainBlock.ledger_id == ledger_id, ChainBlock.number <= number)
    rows = await session.scalars(statement.order_by(ChainBlock.number.desc()))
    return [Header(row.number, row.hash, row.parent_hash, row.time) for row in rows]


async def add_events(
    session: AsyncSession, ledger_id: UUID, projections: Sequence[Projection], events: Sequence[Event]
) -> None:
    """Stores events, which keys of which projection each concerns, and the rows that follow."""
    if not events:
        return
    by_key: dict[str, dict[str, list[Event]]] = {projection.name: {} for projection in projections}
    for projection in projections:
        found = by_key[projection.name]
        for event in events:
            for key in dict.fromkeys(projection.subjects(event)):
                found.setdefault(key, []).append(event)
    await bulk.prefer_indexes(session)
    # What is new has just been decoded; only what came before must be read back.
    before = {name: await events_of(session, ledger_id, name, list(found)) for name, found in by_key.items()}
    await bulk.insert(session, ChainEvent, [_row(ledger_id, event) for event in events])
    await bulk.insert(
        session,
        ChainEventKey,
        [
            {
                "ledger_id": ledger_id,
                "projection": name,
                "key": key,
                "block_number": event.block_number,
                "log_index": event.log_index,
            }
            for name, found in by_key.items()
            for key, concerned in found.items()
            for event in concerned
        ],
    )
    for projection in projections:
        earlier = before[projection.name]
        whole = {key: [*earlier.get(key, ()), *new] for key, new in by_key[projection.name].items()}
        if whole:
            await projection.rebuild(session, ledger_id, whole)


async def remove_events(session: AsyncSession, ledger_id: UUID, *, above: int) -> Touched:
    """Deletes the events of blocks that are no longer the chain's; answers the keys they concerned."""
    keys = (ChainEventKey.ledger_id == ledger_id, ChainEventKey.block_number > above)
    touched: dict[str, set[str]] = defaultdict(set)
    found = select(ChainEventKey.projection, ChainEventKey.key).where(*keys).distinct()
    for row in await session.execute(found):
        touched[row.projection].add(row.key)
    await session.execute(delete(ChainEventKey).where(*keys))
    await session.execute(
        delete(ChainEvent).where(ChainEvent.ledger_id == ledger_id, ChainEvent.block_number > above)
    )
    return touched


async def rebuild(
    session: AsyncSession, ledger_id: UUID, projections: Iterable[Projection], touched: Touched
) -> None:
    """Folds every touched key anew from all its events."""
    for projection in projections:
        keys = sorted(touched.get(projection.name, ()))
        for start in range(0, len(keys), _KEYS):
            some = keys[start : start + _KEYS]
            events = await events_of(session, ledger_id, projection.name, some)
            await projection.rebuild(session, ledger_id, {key: events.get(key, []) for key in some})


async def events_of(
    session: AsyncSession, ledger_id: UUID, projection: str, keys: Sequence[str]
) -> dict[str, list[Event]]:
    """All stored events of these keys, oldest first."""
    found: dict[str, list[Event]] = defaultdict(list)
    if not keys:
        return found
    statement = (
        select(ChainEventKey.key, *_EVENT)
        .join(
            ChainEvent,
            (ChainEvent.ledger_id == ChainEventKey.ledger_id)
            & (ChainEvent.block_number == ChainEventKey.block_number)
            & (ChainEvent.log_index == ChainEventKey.log_index),
        )
        .where(
            ChainEventKey.ledger_id == ledger_id,
            ChainEventKey.projection == projection,
            bulk.among(session, ChainEventKey.key, keys),
        )
        .order_by(ChainEventKey.block_number, ChainEventKey.log_index)
    )
    for key, *columns in await session.execute(statement):
        found[key].append(Event(*columns))
    return found


def events_by_key(projection: str) -> Subquery:
    """The stored events of a projection, once for each key they concern: its room reads them as rows of its
    own, without a copy."""
    of_event = (
        (ChainEvent.ledger_id == ChainEventKey.ledger_id)
        & (ChainEvent.block_number == ChainEventKey.block_number)
        & (ChainEvent.log_index == ChainEventKey.log_index)
    )
    statement = select(
        ChainEventKey.ledger_id,
        ChainEventKey.key,
        ChainEventKey.block_number,
        ChainEventKey.log_index,
        ChainEvent.name,
        ChainEvent.args,
        ChainEvent.block_time,
        ChainEvent.tx_hash,
    ).join(ChainEvent, of_event)
    return statement.where(ChainEventKey.projection == projection).subquery(f"events_of_{projection}")


async def newest_block_with_events(session: AsyncSession, ledger_id: UUID) -> str | None:
    """The hash of the newest block that has an event of ours; None while there is none."""
    statement = select(ChainEvent.block_hash).where(ChainEvent.ledger_id == ledger_id)
    return await session.scalar(statement.order_by(ChainEvent.block_number.desc()).limit(1))


async def reopen_transactions(
    session: AsyncSession, ledger_id: UUID, *, above: int, confirmed_too: bool
) -> None:
    """Hands transactions of orphaned blocks back to the sender."""
    await lanes.reopen(session, lanes.orphaned(ledger_id, above, confirmed_too=confirmed_too))


async def forget(session: AsyncSession, ledger_id: UUID, projections: Iterable[Projection]) -> None:
    """Takes the whole index back to nothing: rows, events, blocks, cursor. `reindex` begins with it."""
    for projection in projections:
        statement = select(ChainEventKey.key).where(
            ChainEventKey.ledger_id == ledger_id, ChainEventKey.projection == projection.name
        )
        keys = (await session.scalars(statement.distinct())).all()
        for start in range(0, len(keys), _KEYS):
            nothing: dict[str, list[Event]] = {key: [] for key in keys[start : start + _KEYS]}
            await projection.rebuild(session, ledger_id, nothing)
    for table in (ChainEventKey, ChainEvent, ChainBlock, ChainCursor):
        await session.execute(delete(table).where(table.ledger_id == ledger_id))


def _row(ledger_id: UUID, event: Event) -> dict[str, Any]:
    return {
        "ledger_id": ledger_id,
        "block_number": event.block_number,
        "log_index": event.log_index,
        "block_hash": event.block_hash,
        "block_time": event.block_time,
        "tx_hash": event.tx_hash,
        "contract": event.contract,
        "address": event.address,
        "name": event.name,
        "args": event.args,
    }
