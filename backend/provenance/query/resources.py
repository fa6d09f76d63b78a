"""The values that stand in the events a caller may read: EPCs, steps, places, dispositions, event types."""

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import ColumnElement, Select, literal, select, union
from sqlalchemy.ext.asyncio import AsyncSession

from backend.kit.access import Caller
from backend.kit.bulk import among_numbers
from backend.provenance.grants import few_places, ways
from backend.provenance.tables import EventKey, RecordedEvent
from backend.verifier.vocabulary import BIZ_STEP, DISPOSITION, Vocabulary

_TERMS: Final[dict[str, Vocabulary]] = {"bizSteps": BIZ_STEP, "dispositions": DISPOSITION}


def expanded(resource: str, value: str) -> str:
    """A value as it is indexed: terms of the vocabulary in full."""
    return _TERMS[resource].expand(value) if resource in _TERMS else value


async def values(
    session: AsyncSession, caller: Caller, names: Sequence[str], *, after: str | None, limit: int
) -> Sequence[str]:
    """Distinct values of these names in readable events, in their order, from `after` on."""
    places = await few_places(session, caller)
    if places is not None:
        found: Any = select(EventKey.value).where(
            EventKey.ledger_id == caller.ledger_id,
            EventKey.name.in_(names),
            among_numbers(session, EventKey.sequence, places),
        )
        return await _page(session, [found], EventKey.value, after, limit)
    open_ways = await ways(session, caller, EventKey)
    parts = [
        _one_by_one(EventKey.value, [EventKey.name == name, way], after, limit)
        for name in names
        for way in open_ways
    ]
    return await _page(session, parts, None, after, limit)


async def kinds(session: AsyncSession, caller: Caller, *, after: str | None, limit: int) -> Sequence[str]:
    """The types of readable events."""
    places = await few_places(session, caller)
    if places is not None:
        found: Any = select(RecordedEvent.kind).where(
            RecordedEvent.ledger_id == caller.ledger_id,
            among_numbers(session, RecordedEvent.sequence, places),
        )
        return await _page(session, [found], RecordedEvent.kind, after, limit)
    parts = [
        _one_by_one(RecordedEvent.kind, [way], after, limit)
        for way in await ways(session, caller, RecordedEvent)
    ]
    return await _page(session, parts, None, after, limit)


def _one_by_one(column: Any, conditions: Sequence[ColumnElement[bool]], after: str | None, limit: int) -> Any:
    """Up to `limit` distinct values of a column, each found by one look into its index for what follows the
    one before: the database itself would read all rows to say which values there are."""
    first = select(column).where(*conditions)
    if after is not None:
        first = first.where(column > after)
    start = first.order_by(column).limit(1).scalar_subquery()
    found = select(start.label("value"), literal(1).label("count")).cte(recursive=True)
    following = select(column).where(*conditions, column > found.c.value).order_by(column).limit(1)
    found = found.union_all(
        select(following.scalar_subquery(), found.c.count + 1).where(
            found.c.value.is_not(None), found.c.count < limit
        )
    )
    return select(found.c.value).where(found.c.value.is_not(None))


async def _page(
    session: AsyncSession, parts: Sequence[Any], column: Any, after: str | None, limit: int
) -> Sequence[str]:
    """The distinct values of all parts, in order."""
    if column is not None and after is not None:
        parts = [part.where(column > after) for part in parts]
    together = union(*parts).subquery() if len(parts) > 1 else parts[0].distinct().subquery()
    (value,) = together.c
    return (await session.scalars(select(value).order_by(value).limit(limit))).all()


async def has_value(session: AsyncSession, caller: Caller, names: Sequence[str], value: str) -> bool:
    """Whether a readable event has this value."""
    found = select(EventKey.sequence).where(EventKey.name.in_(names), EventKey.value == value)
    return await _any(session, caller, EventKey, found)


async def has_kind(session: AsyncSession, caller: Caller, kind: str) -> bool:
    """Whether a readable event is of this type."""
    return await _any(
        session, caller, RecordedEvent, select(RecordedEvent.sequence).where(RecordedEvent.kind == kind)
    )


async def _any(session: AsyncSession, caller: Caller, event: Any, found: Select[Any]) -> bool:
    for way in await ways(session, caller, event):
        if await session.scalar(found.where(way).limit(1)) is not None:
            return True
    return False
