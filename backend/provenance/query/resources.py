"""The values that stand in the events a caller may read: EPCs, steps, places, dispositions, event types."""

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import ColumnElement, and_, exists, select
from sqlalchemy.ext.asyncio import AsyncSession

from backend.kit.access import Caller
from backend.provenance.epcis.terms import BIZ_STEP, DISPOSITION, Vocabulary
from backend.provenance.repository import may_read
from backend.provenance.tables import EventKey, EventReader, RecordedEvent

_TERMS: Final[dict[str, Vocabulary]] = {"bizSteps": BIZ_STEP, "dispositions": DISPOSITION}


def expanded(resource: str, value: str) -> str:
    """A value as it is indexed: terms of the vocabulary in full."""
    return _TERMS[resource].expand(value) if resource in _TERMS else value


def _readable(caller: Caller) -> ColumnElement[bool]:
    own = EventKey.ledger_id == caller.ledger_id
    if caller.sees_everything:
        return own
    reader = exists().where(
        EventReader.ledger_id == EventKey.ledger_id,
        EventReader.party_id == caller.party_id,
        EventReader.sequence == EventKey.sequence,
    )
    return and_(own, reader)


async def values(
    session: AsyncSession, caller: Caller, names: Sequence[str], *, after: str | None, limit: int
) -> Sequence[str]:
    """Distinct values of these names in readable events, in their order, from `after` on."""
    statement: Any = select(EventKey.value).where(EventKey.name.in_(names), _readable(caller))
    if after is not None:
        statement = statement.where(EventKey.value > after)
    statement = statement.distinct().order_by(EventKey.value).limit(limit)
    return (await session.scalars(statement)).all()


async def kinds(session: AsyncSession, caller: Caller, *, after: str | None, limit: int) -> Sequence[str]:
    """The types of readable events."""
    statement: Any = select(RecordedEvent.kind).where(may_read(caller))
    if after is not None:
        statement = statement.where(RecordedEvent.kind > after)
    return (await session.scalars(statement.distinct().order_by(RecordedEvent.kind).limit(limit))).all()


async def has_value(session: AsyncSession, caller: Caller, names: Sequence[str], value: str) -> bool:
    """Whether a readable event has this value."""
    statement = select(EventKey.sequence).where(
        EventKey.name.in_(names), EventKey.value == value, _readable(caller)
    )
    return await session.scalar(statement.limit(1)) is not None


async def has_kind(session: AsyncSession, caller: Caller, kind: str) -> bool:
    """Whether a readable event is of this type."""
    statement = select(RecordedEvent.id).where(RecordedEvent.kind == kind, may_read(caller))
    return await session.scalar(statement.limit(1)) is not None
