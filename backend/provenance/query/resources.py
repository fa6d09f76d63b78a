"""The values that stand in the events a caller may read: EPCs, steps, places, dispositions, event types."""

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from backend.kit.access import Caller
from backend.provenance.grants import readable
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
    statement: Any = select(EventKey.value).where(
        EventKey.name.in_(names), await readable(session, caller, EventKey)
    )
    if after is not None:
        statement = statement.where(EventKey.value > after)
    statement = statement.distinct().order_by(EventKey.value).limit(limit)
    return (await session.scalars(statement)).all()


async def kinds(session: AsyncSession, caller: Caller, *, after: str | None, limit: int) -> Sequence[str]:
    """The types of readable events."""
    statement: Any = select(RecordedEvent.kind).where(await readable(session, caller))
    if after is not None:
        statement = statement.where(RecordedEvent.kind > after)
    return (await session.scalars(statement.distinct().order_by(RecordedEvent.kind).limit(limit))).all()


async def has_value(session: AsyncSession, caller: Caller, names: Sequence[str], value: str) -> bool:
    """Whether a readable event has this value."""
    statement = select(EventKey.sequence).where(
        EventKey.name.in_(names), EventKey.value == value, await readable(session, caller, EventKey)
    )
    return await session.scalar(statement.limit(1)) is not None


async def has_kind(session: AsyncSession, caller: Caller, kind: str) -> bool:
    """Whether a readable event is of this type."""
    statement = select(RecordedEvent.id).where(RecordedEvent.kind == kind, await readable(session, caller))
    return await session.scalar(statement.limit(1)) is not None
