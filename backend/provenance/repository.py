"""All SQL of recorded events, their index and their readers."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, delete, exists, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from backend.kit import bulk
from backend.kit.access import Caller, visible_to
from backend.provenance.grants import readable
from backend.provenance.keys import CLASS_NAMES, EPC_NAMES
from backend.provenance.tables import CaptureJob, EventKey, EventReader, ReceivedDocument, RecordedEvent
from backend.verifier.identifiers import comparable
from backend.verifier.vocabulary import BIZ_STEP, BIZ_TRANSACTION_TYPE

_NAMES_OF = {"item": EPC_NAMES, "class": CLASS_NAMES}
_IN_LIST = 500
_OF_A_CLASS = 5000


def has_key(names: Sequence[str], values: Sequence[str]) -> ColumnElement[bool]:
    """True for events indexed under one of the values with one of the names."""
    return under_keys(EventKey.name.in_(names), EventKey.value.in_(values))


def under_keys(*conditions: ColumnElement[bool]) -> ColumnElement[bool]:
    """True for events with a key of which all this holds.

    Said so that the database may go from either side: as `sequence IN (…)` of one ledger, PostgreSQL would
    look through all such keys for each event.
    """
    return exists().where(
        EventKey.ledger_id == RecordedEvent.ledger_id,
        EventKey.sequence == RecordedEvent.sequence,
        *conditions,
    )


async def sequences_under(
    session: AsyncSession, ledger_id: UUID, names: Sequence[str], values: Sequence[str], most: int
) -> Sequence[int] | None:
    """The places of events under these keys, straight from the index; None when more than `most` keys fit.

    A set is made of them here: the database would collect all before it gives the first. Asked first and by
    itself: a planner without fresh statistics walks all events to answer both at once.
    """
    statement = select(EventKey.sequence).where(
        EventKey.ledger_id == ledger_id,
        EventKey.name.in_(names),
        bulk.among(session, EventKey.value, values),
    )
    found = (await session.scalars(statement.limit(most + 1))).all()
    return None if len(found) > most else sorted(set(found))


@dataclass(frozen=True, slots=True)
class Entry:
    """What stands at a place of the log: the leaf, and unless it was erased the event and its salts."""

    leaf: bytes
    body: str | None = None
    context: list[Any] | None = None
    salts: bytes | None = None


async def known_identities(session: AsyncSession, ledger_id: UUID, identities: Iterable[str]) -> set[str]:
    """Those of the identities that are recorded already."""
    statement = select(RecordedEvent.identity).where(
        RecordedEvent.ledger_id == ledger_id, bulk.among(session, RecordedEvent.identity, list(identities))
    )
    return set(await session.scalars(statement))


async def claimed_event_ids(
    session: AsyncSession, ledger_id: UUID, ids: Iterable[str]
) -> set[tuple[UUID, str]]:
    """Those of the eventIDs under which events are recorded, each with the party that recorded one."""
    wanted = list(ids)
    if not wanted:
        return set()
    statement = select(RecordedEvent.party_id, RecordedEvent.event_id).where(
        RecordedEvent.ledger_id == ledger_id, bulk.among(session, RecordedEvent.event_id, wanted)
    )
    return {(party_id, event_id) for party_id, event_id in await session.execute(statement)}


async def add_events(
    session: AsyncSession,
    rows: Sequence[dict[str, object]],
    keys: Sequence[dict[str, object]],
    readers: Sequence[dict[str, object]],
) -> None:
    """Inserts events with their keys and readers."""
    for table, values in ((RecordedEvent, rows), (EventKey, keys), (EventReader, readers)):
        await bulk.insert(session, table, values)


async def job(session: AsyncSession, caller: Caller, job_id: UUID) -> CaptureJob | None:
    """A capture job of the caller's."""
    return await session.scalar(
        select(CaptureJob).where(CaptureJob.id == job_id, visible_to(caller, CaptureJob))
    )


def jobs(caller: Caller) -> Select[CaptureJob]:
    """The caller's capture jobs."""
    return select(CaptureJob).where(visible_to(caller, CaptureJob))


async def by_event_id(session: AsyncSession, caller: Caller, event_id: str) -> Sequence[RecordedEvent]:
    """The readable events with this eventID, newest first: an error declaration has its event's."""
    may_read = await readable(session, caller)
    statement = select(RecordedEvent).where(RecordedEvent.event_id == event_id, may_read)
    return (await session.scalars(statement.order_by(RecordedEvent.sequence.desc()).limit(1000))).all()


async def by_sequence(session: AsyncSession, caller: Caller, sequence: int) -> RecordedEvent | None:
    """The event at a place in the log, if the caller may read it."""
    may_read = await readable(session, caller)
    return await session.scalar(select(RecordedEvent).where(RecordedEvent.sequence == sequence, may_read))


async def document(session: AsyncSession, ledger_id: UUID, document_id: UUID) -> ReceivedDocument | None:
    """A document as received."""
    return await session.scalar(
        select(ReceivedDocument).where(
            ReceivedDocument.ledger_id == ledger_id, ReceivedDocument.id == document_id
        )
    )


async def documents(
    session: AsyncSession, ledger_id: UUID, ids: Iterable[UUID]
) -> dict[UUID, ReceivedDocument]:
    """Documents by their ids."""
    rows = await session.scalars(
        select(ReceivedDocument).where(
            ReceivedDocument.ledger_id == ledger_id, ReceivedDocument.id.in_(set(ids))
        )
    )
    return {row.id: row for row in rows}


async def events_under(
    session: AsyncSession, ledger_id: UUID, keys: Iterable[tuple[str, str]]
) -> Sequence[RecordedEvent]:
    """All events under any of the (name, value) keys, in the log's order, whoever may read them."""
    found: dict[int, RecordedEvent] = {}
    by_name: dict[str, list[str]] = {}
    for name, value in keys:
        by_name.setdefault(name, []).append(value)
    for name, values in by_name.items():
        for start in range(0, len(values), _IN_LIST):
            part = values[start : start + _IN_LIST]
            places = await sequences_under(session, ledger_id, [name], part, _IN_LIST)
            under = has_key([name], part) if places is None else RecordedEvent.sequence.in_(places)
            statement = select(RecordedEvent).where(RecordedEvent.ledger_id == ledger_id, under)
            found.update({row.sequence: row for row in await session.scalars(statement)})
    return [found[sequence] for sequence in sorted(found)]


async def are_whole(session: AsyncSession, ledger_id: UUID, sequences: Sequence[int]) -> bool:
    """Whether the events at these places, and the documents they came in, still have their bodies."""
    erased = (
        select(RecordedEvent.sequence)
        .join(ReceivedDocument, ReceivedDocument.id == RecordedEvent.document_id)
        .where(
            RecordedEvent.ledger_id == ledger_id,
            RecordedEvent.sequence.in_(sequences),
            or_(RecordedEvent.body.is_(None), ReceivedDocument.body.is_(None)),
        )
    )
    return await session.scalar(erased.limit(1)) is None


async def made_by(
    session: AsyncSession, ledger_id: UUID, party_id: UUID, classes: Sequence[str], steps: Iterable[str]
) -> Sequence[RecordedEvent]:
    """What the party recorded in these business steps of these classes of goods: of each class, if very many
    events name it, among the newest `_OF_A_CLASS`."""
    places = await sequences_under(session, ledger_id, CLASS_NAMES, classes, _OF_A_CLASS)
    if places is None:
        places = [
            place
            for name in CLASS_NAMES
            for value in classes
            for place in await session.scalars(
                select(EventKey.sequence)
                .where(EventKey.ledger_id == ledger_id, EventKey.name == name, EventKey.value == value)
                .order_by(EventKey.sequence.desc())
                .limit(_OF_A_CLASS)
            )
        ]
    found: list[RecordedEvent] = []
    for start in range(0, len(places), _IN_LIST):
        part = places[start : start + _IN_LIST]
        step = select(EventKey.sequence).where(
            EventKey.ledger_id == ledger_id,
            EventKey.name == "bizStep",
            EventKey.value.in_([BIZ_STEP.expand(each) for each in steps]),
            EventKey.sequence.in_(part),
        )
        statement = select(RecordedEvent).where(
            RecordedEvent.ledger_id == ledger_id,
            RecordedEvent.sequence.in_(part),
            RecordedEvent.sequence.in_(step),
            RecordedEvent.party_id == party_id,
            RecordedEvent.body.is_not(None),
        )
        found += await session.scalars(statement)
    return found


async def names_first(session: AsyncSession, caller: Caller, kind: str, value: str) -> bool:
    """Whether the caller may read the first event that names this identifier of the map.

    Not any: whoever records an event about a competitor's goods would learn how much happens to them.
    """
    of_ledger = EventKey.ledger_id == caller.ledger_id
    if kind == "event":
        first = select(func.min(RecordedEvent.sequence)).where(
            RecordedEvent.ledger_id == caller.ledger_id,
            RecordedEvent.event_id.in_({value, comparable(value)}),
        )
    elif kind in _NAMES_OF:
        first = select(func.min(EventKey.sequence)).where(
            of_ledger, EventKey.name.in_(_NAMES_OF[kind]), EventKey.value == comparable(value)
        )
    else:
        name = BIZ_TRANSACTION_TYPE.expand(kind.removeprefix("bt").removeprefix("-"))
        first = select(func.min(EventKey.sequence)).where(
            of_ledger, EventKey.name == f"bizTransaction:{name}", EventKey.value == comparable(value)
        )
    may_read = await readable(session, caller)
    own = select(RecordedEvent.id).where(may_read, RecordedEvent.sequence == first.scalar_subquery())
    return await session.scalar(own.limit(1)) is not None


async def forget_keys(session: AsyncSession, row: RecordedEvent, keys: Iterable[tuple[str, str]]) -> None:
    """Removes an event from the index, in which it stands under these keys."""
    for name, value in keys:
        await session.execute(
            delete(EventKey).where(
                EventKey.ledger_id == row.ledger_id,
                EventKey.name == name,
                EventKey.value == value,
                EventKey.sequence == row.sequence,
            )
        )


async def document_is_needed(session: AsyncSession, row: RecordedEvent) -> bool:
    """Whether another event of the same document still has its body."""
    statement = select(RecordedEvent.id).where(
        RecordedEvent.ledger_id == row.ledger_id,
        RecordedEvent.document_id == row.document_id,
        RecordedEvent.body.is_not(None),
    )
    return await session.scalar(statement.limit(1)) is not None


async def entries(session: AsyncSession, ledger_id: UUID, start: int, end: int) -> Mapping[int, Entry]:
    """Place in the log, `start` up to before `end` → what stands there, whoever may read it."""
    kept = (RecordedEvent.leaf, RecordedEvent.body, RecordedEvent.context, RecordedEvent.salts)
    rows = await session.execute(
        select(RecordedEvent.sequence, *kept).where(
            RecordedEvent.ledger_id == ledger_id,
            RecordedEvent.sequence >= start,
            RecordedEvent.sequence < end,
        )
    )
    return {sequence: Entry(*rest) for sequence, *rest in rows}
