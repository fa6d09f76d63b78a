"""All SQL of the log: its edge, tiles, map and heads."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Table, and_, delete, func, select, tuple_, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from backend.provenance.log.tiles import TileId
from backend.provenance.tables import (
    AnchoredHead,
    Cosignature,
    ErasedEvent,
    ErasedKey,
    LogHead,
    LogState,
    LogTile,
    MapEntry,
    MapNode,
    RecordedEvent,
)
from backend.verifier.leaf import Erasure

_IN_LIST = 500


async def state(session: AsyncSession, ledger_id: UUID, *, lock: bool = False) -> LogState | None:
    """The log's edge; with `lock`, held until the transaction ends, so that leaves come in order."""
    statement = select(LogState).where(LogState.ledger_id == ledger_id)
    if lock:
        statement = statement.with_for_update().execution_options(populate_existing=True)
    return await session.scalar(statement)


async def open_log(session: AsyncSession, ledger_id: UUID, log_id: bytes, map_secret: bytes) -> None:
    """Makes the log's first row; when somebody else made it meanwhile, theirs stays."""
    row = {
        "ledger_id": ledger_id,
        "size": 0,
        "log_id": log_id,
        "last_received": 0,
        "map_secret": map_secret,
        "map_size": 0,
        "map_root": bytes(32),
    }
    await _upsert(session, LogState, [row], [])


async def tiles(session: AsyncSession, ledger_id: UUID, ids: Iterable[TileId]) -> dict[TileId, bytes]:
    """The tiles that exist of those asked for."""
    wanted = sorted(set(ids))
    if not wanted:
        return {}
    rows = await session.execute(
        select(LogTile.level, LogTile.index, LogTile.hashes).where(
            LogTile.ledger_id == ledger_id, tuple_(LogTile.level, LogTile.index).in_(wanted)
        )
    )
    return {(level, index): hashes for level, index, hashes in rows}


async def put_tiles(session: AsyncSession, ledger_id: UUID, changed: Mapping[TileId, bytes]) -> None:
    """Writes tiles, in place of narrower ones."""
    rows = [
        {"ledger_id": ledger_id, "level": level, "index": index, "hashes": hashes}
        for (level, index), hashes in changed.items()
    ]
    await _upsert(session, LogTile, rows, ["hashes"])


async def map_nodes(
    session: AsyncSession, ledger_id: UUID, hashes: Iterable[bytes]
) -> dict[bytes, tuple[bytes, bytes]]:
    """The nodes of the map with these hashes."""
    found: dict[bytes, tuple[bytes, bytes]] = {}
    wanted = sorted(set(hashes))
    for start in range(0, len(wanted), _IN_LIST):
        part = wanted[start : start + _IN_LIST]
        rows = await session.execute(
            select(MapNode.hash, MapNode.left, MapNode.right).where(
                MapNode.ledger_id == ledger_id, MapNode.hash.in_(part)
            )
        )
        found.update({node: (left, right) for node, left, right in rows})
    return found


async def put_map_nodes(
    session: AsyncSession, ledger_id: UUID, nodes: Mapping[bytes, tuple[bytes, bytes]]
) -> None:
    """Adds nodes of the map; one that is there already is the same."""
    rows = [
        {"ledger_id": ledger_id, "hash": node, "left": left, "right": right}
        for node, (left, right) in nodes.items()
    ]
    await _upsert(session, MapNode, rows, [])


async def map_entries(
    session: AsyncSession, ledger_id: UUID, keys: Iterable[bytes], size: int
) -> dict[bytes, tuple[int, int]]:
    """What the map says of keys as of the head of `size` leaves: key → (count, last sequence)."""
    found: dict[bytes, tuple[int, int]] = {}
    wanted = sorted(set(keys))
    for start in range(0, len(wanted), _IN_LIST):
        newest = (
            select(MapEntry.key, func.max(MapEntry.size).label("size"))
            .where(
                MapEntry.ledger_id == ledger_id,
                MapEntry.key.in_(wanted[start : start + _IN_LIST]),
                MapEntry.size <= size,
            )
            .group_by(MapEntry.key)
            .subquery()
        )
        rows = await session.execute(
            select(MapEntry.key, MapEntry.count, MapEntry.last_sequence)
            .join(newest, and_(MapEntry.key == newest.c.key, MapEntry.size == newest.c.size))
            .where(MapEntry.ledger_id == ledger_id)
        )
        found.update({key: (count, last) for key, count, last in rows})
    return found


async def mark_replaced(session: AsyncSession, ledger_id: UUID, hashes: Iterable[bytes], size: int) -> None:
    """Notes that maps of `size` leaves and more do not need these nodes."""
    wanted = sorted(hashes)
    for start in range(0, len(wanted), _IN_LIST):
        await session.execute(
            update(MapNode)
            .where(MapNode.ledger_id == ledger_id, MapNode.hash.in_(wanted[start : start + _IN_LIST]))
            .values(replaced_at=size)
        )


async def prune_nodes(session: AsyncSession, ledger_id: UUID, size: int, most: int) -> bool:
    """Removes up to `most` nodes that maps of `size` leaves and more do not need; whether it was so many."""
    old = (
        select(MapNode.hash)
        .where(MapNode.ledger_id == ledger_id, MapNode.replaced_at <= size)
        .limit(most)
        .scalar_subquery()
    )
    gone = await session.scalars(
        delete(MapNode).where(MapNode.ledger_id == ledger_id, MapNode.hash.in_(old)).returning(MapNode.hash)
    )
    return len(gone.all()) == most


async def prune_entries(session: AsyncSession, ledger_id: UUID, keys: Iterable[bytes], size: int) -> None:
    """Removes what maps before that of `size` leaves say of these keys, unless that says it still."""
    wanted = sorted(set(keys))
    later = aliased(MapEntry)
    for start in range(0, len(wanted), _IN_LIST):
        newest = (
            select(func.max(later.size))
            .where(later.ledger_id == ledger_id, later.key == MapEntry.key, later.size <= size)
            .scalar_subquery()
        )
        await session.execute(
            delete(MapEntry)
            .where(
                MapEntry.ledger_id == ledger_id,
                MapEntry.key.in_(wanted[start : start + _IN_LIST]),
                MapEntry.size < newest,
            )
            .execution_options(synchronize_session=False)
        )


async def put_map_entries(
    session: AsyncSession, ledger_id: UUID, size: int, entries: Mapping[bytes, tuple[int, int]]
) -> None:
    """Writes what the map says of keys from the head of `size` leaves on."""
    rows = [
        {"ledger_id": ledger_id, "key": key, "size": size, "count": count, "last_sequence": last}
        for key, (count, last) in entries.items()
    ]
    await _upsert(session, MapEntry, rows, ["count", "last_sequence"])


async def leaves(
    session: AsyncSession, ledger_id: UUID, start: int, end: int
) -> Sequence[tuple[int, bytes, str | None, list[Any]]]:
    """Sequence, encoded leaf, body and context of the events from `start` up to before `end`."""
    rows = await session.execute(
        select(RecordedEvent.sequence, RecordedEvent.leaf, RecordedEvent.body, RecordedEvent.context)
        .where(
            RecordedEvent.ledger_id == ledger_id,
            RecordedEvent.sequence >= start,
            RecordedEvent.sequence < end,
        )
        .order_by(RecordedEvent.sequence)
    )
    return [(sequence, leaf, body, context) for sequence, leaf, body, context in rows]


async def put_erasure(session: AsyncSession, ledger_id: UUID, record: Erasure, keys: Iterable[bytes]) -> None:
    """Notes that an event was forgotten, by which leaf, and under which keys of the map it stands."""
    erased = {"ledger_id": ledger_id, "sequence": record.erased}
    session.add(ErasedEvent(**erased, record=record.sequence, leaf=record.encode()))
    session.add_all([ErasedKey(**erased, key=key) for key in keys])
    await session.flush()


async def erasures_at(session: AsyncSession, ledger_id: UUID, start: int, end: int) -> dict[int, bytes]:
    """The leaves from `start` up to before `end` that say what was forgotten, by place."""
    rows = await session.execute(
        select(ErasedEvent.record, ErasedEvent.leaf).where(
            ErasedEvent.ledger_id == ledger_id, ErasedEvent.record >= start, ErasedEvent.record < end
        )
    )
    return {row.record: row.leaf for row in rows}


async def erasures_of(
    session: AsyncSession, ledger_id: UUID, start: int, end: int
) -> dict[int, tuple[int, list[bytes]]]:
    """The events from `start` up to before `end` that were forgotten: place → (place of the record, keys)."""
    rows = await session.execute(
        select(ErasedEvent.sequence, ErasedEvent.record, ErasedKey.key)
        .join(
            ErasedKey,
            and_(ErasedKey.ledger_id == ErasedEvent.ledger_id, ErasedKey.sequence == ErasedEvent.sequence),
            isouter=True,
        )
        .where(ErasedEvent.ledger_id == ledger_id, ErasedEvent.sequence >= start, ErasedEvent.sequence < end)
        .order_by(ErasedEvent.sequence, ErasedKey.key)
    )
    found: dict[int, tuple[int, list[bytes]]] = {}
    for row in rows:
        keys = found.setdefault(row.sequence, (row.record, []))[1]
        keys += filter(None, [row.key])
    return found


async def erased_under(
    session: AsyncSession, ledger_id: UUID, keys: Iterable[bytes]
) -> dict[int, list[bytes]]:
    """The forgotten events that stand under any of these keys of the map, each with those of them it has."""
    found: dict[int, list[bytes]] = {}
    wanted = sorted(set(keys))
    for start in range(0, len(wanted), _IN_LIST):
        part = wanted[start : start + _IN_LIST]
        rows = await session.execute(
            select(ErasedKey.sequence, ErasedKey.key).where(
                ErasedKey.ledger_id == ledger_id, ErasedKey.key.in_(part)
            )
        )
        for sequence, key in rows:
            found.setdefault(sequence, []).append(key)
    return found


async def newest_head(session: AsyncSession, ledger_id: UUID) -> LogHead | None:
    """The last head we made."""
    statement = select(LogHead).where(LogHead.ledger_id == ledger_id).order_by(LogHead.size.desc()).limit(1)
    return await session.scalar(statement)


async def head(session: AsyncSession, ledger_id: UUID, size: int) -> LogHead | None:
    """The head we made at this size."""
    return await session.get(LogHead, (ledger_id, size))


async def anchored(session: AsyncSession, ledger_id: UUID, at_least: int = 0) -> AnchoredHead | None:
    """The first head on the chain of at least so many leaves."""
    statement = (
        select(AnchoredHead)
        .where(AnchoredHead.ledger_id == ledger_id, AnchoredHead.size >= at_least)
        .order_by(AnchoredHead.size)
        .limit(1)
    )
    return await session.scalar(statement)


async def newest_anchored(
    session: AsyncSession, ledger_id: UUID, *, made_before: datetime | None = None
) -> AnchoredHead | None:
    """The newest head on the chain, or the newest of those that we made before a moment of our clock."""
    statement = select(AnchoredHead).where(AnchoredHead.ledger_id == ledger_id)
    if made_before is not None:
        ours = and_(LogHead.ledger_id == AnchoredHead.ledger_id, LogHead.size == AnchoredHead.size)
        statement = statement.join(LogHead, ours).where(LogHead.made_at < made_before)
    return await session.scalar(statement.order_by(AnchoredHead.size.desc()).limit(1))


async def leaf_at(session: AsyncSession, ledger_id: UUID, sequences: Iterable[int]) -> dict[int, bytes]:
    """The encoded leaves at these places."""
    found: dict[int, bytes] = {}
    wanted = sorted(set(sequences))
    for start in range(0, len(wanted), _IN_LIST):
        rows = await session.execute(
            select(RecordedEvent.sequence, RecordedEvent.leaf).where(
                RecordedEvent.ledger_id == ledger_id,
                RecordedEvent.sequence.in_(wanted[start : start + _IN_LIST]),
            )
        )
        found.update((row.sequence, row.leaf) for row in rows)
    return found


@dataclass(frozen=True, slots=True)
class HeadsAround:
    """Heads on the chain from just before a leaf on, oldest first, and the rolling hash before the first."""

    covering: Sequence[AnchoredHead]
    history_before: str


async def anchored_around(session: AsyncSession, ledger_id: UUID, sequence: int) -> HeadsAround:
    """The heads on the chain that say since when a leaf stands in the log."""
    earlier = (
        await session.scalars(
            select(AnchoredHead)
            .where(AnchoredHead.ledger_id == ledger_id, AnchoredHead.size <= sequence)
            .order_by(AnchoredHead.size.desc())
            .limit(2)
        )
    ).all()
    start = earlier[0].size if earlier else 0
    covering = await session.scalars(
        select(AnchoredHead)
        .where(AnchoredHead.ledger_id == ledger_id, AnchoredHead.size >= start)
        .order_by(AnchoredHead.size)
    )
    history = earlier[1].history if len(earlier) == 2 else "0x" + "00" * 32
    return HeadsAround(covering.all(), history)


async def all_anchored(session: AsyncSession, ledger_id: UUID) -> Sequence[AnchoredHead]:
    """Every head on the chain, oldest first."""
    statement = select(AnchoredHead).where(AnchoredHead.ledger_id == ledger_id)
    return (await session.scalars(statement.order_by(AnchoredHead.size))).all()


async def cosignatures(session: AsyncSession, ledger_id: UUID, size: int) -> Sequence[str]:
    """The witnesses' lines under the head of this size."""
    statement = select(Cosignature.line).where(Cosignature.ledger_id == ledger_id, Cosignature.size == size)
    return (await session.scalars(statement.order_by(Cosignature.witness))).all()


async def witnesses(session: AsyncSession, ledger_id: UUID, size: int) -> set[str]:
    """Who signed the head of this size."""
    statement = select(Cosignature.witness).where(
        Cosignature.ledger_id == ledger_id, Cosignature.size == size
    )
    return set((await session.scalars(statement)).all())


async def put_cosignature(session: AsyncSession, row: dict[str, Any]) -> None:
    """Keeps a witness's line, in place of an earlier one of the same head."""
    await _upsert(session, Cosignature, [row], ["line", "signed_at"])


async def replace_anchored(
    session: AsyncSession, ledger_id: UUID, size: int, row: AnchoredHead | None
) -> None:
    """Makes the head at `size` what the chain says, or nothing."""
    await session.execute(
        delete(AnchoredHead).where(AnchoredHead.ledger_id == ledger_id, AnchoredHead.size == size)
    )
    if row is not None:
        session.add(row)
    await session.flush()


async def _upsert(session: AsyncSession, table: Any, rows: list[dict[str, Any]], replace: list[str]) -> None:
    """Inserts rows; where one is there, replaces these columns of it, or leaves it when none are named."""
    if not rows:
        return
    insert: Any = sqlite.insert if session.get_bind().dialect.name == "sqlite" else postgresql.insert
    core: Table = table.__table__
    statement = insert(core)
    keys = [column.name for column in core.primary_key]
    if replace:
        new = {name: statement.excluded[name] for name in replace}
        statement = statement.on_conflict_do_update(index_elements=keys, set_=new)
    else:
        statement = statement.on_conflict_do_nothing(index_elements=keys)
    for start in range(0, len(rows), 1000):
        await session.execute(statement, rows[start : start + 1000])
