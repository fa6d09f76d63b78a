"""Who else may read a party's events: by its leave, for a scope, until a moment, until it is taken back.

A grant is looked at when somebody reads and never copied to the events: it counts for what is recorded later
too, and ends for everything at once. What no grant opens stays as if it were not there.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, Literal, TypeAlias
from uuid import UUID

from sqlalchemy import ColumnElement, Index, Select, String, and_, bindparam, exists, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, aliased, mapped_column

from backend.kit import bulk
from backend.kit.access import Caller, Owned
from backend.kit.clock import now
from backend.kit.columns import UtcTime
from backend.kit.database import Base
from backend.parties import repository as parties
from backend.provenance.keys import CLASS_NAMES, EPC_NAMES
from backend.provenance.problems import GrantUnknown, ReaderUnknown
from backend.provenance.tables import EventKey, EventReader, RecordedEvent
from backend.verifier.identifiers import comparable

Scope: TypeAlias = Literal["all", "item", "location", "transaction"]

_ITEMS: Final = (*EPC_NAMES, *CLASS_NAMES)
_LOCATIONS: Final = ("readPoint", "bizLocation")
FEW: Final = 1000
"""Events that are fewer than a page costs to look for."""


class ReadingGrant(Owned, Base):
    """Leave to read events that its owner (`party_id`) recorded."""

    __tablename__ = "epcis_grants"
    __table_args__ = (Index("ix_epcis_grants_reader", "ledger_id", "reader_id"),)

    reader_id: Mapped[UUID]
    """The party that may read."""
    scope: Mapped[str] = mapped_column(String(20))
    value: Mapped[str] = mapped_column(String(255))
    """What the events must name, in its one form (`identifiers.comparable`); empty for all of them."""
    expires_at: Mapped[datetime | None] = mapped_column(UtcTime)
    revoked_at: Mapped[datetime | None] = mapped_column(UtcTime)


async def give(
    session: AsyncSession,
    caller: Caller,
    *,
    reader_id: UUID,
    scope: Scope,
    value: str,
    expires_at: datetime | None,
) -> ReadingGrant:
    """Lets another party read the caller's party's events of a scope. Raises ReaderUnknown."""
    if reader_id == caller.party_id or await parties.party(session, caller.ledger_id, reader_id) is None:
        raise ReaderUnknown()
    grant = ReadingGrant(
        ledger_id=caller.ledger_id,
        party_id=caller.party_id,
        reader_id=reader_id,
        scope=scope,
        value="" if scope == "all" else comparable(value),
        expires_at=expires_at,
        revoked_at=None,
    )
    session.add(grant)
    await session.flush()
    return grant


async def take_back(session: AsyncSession, caller: Caller, grant_id: UUID) -> ReadingGrant:
    """Ends a grant of the caller's party from this moment. Raises GrantUnknown."""
    grant = await session.scalar(
        select(ReadingGrant).where(
            ReadingGrant.ledger_id == caller.ledger_id,
            ReadingGrant.party_id == caller.party_id,
            ReadingGrant.id == grant_id,
        )
    )
    if grant is None:
        raise GrantUnknown()
    grant.revoked_at = grant.revoked_at or now()
    await session.flush()
    return grant


def grants(caller: Caller) -> Select[ReadingGrant]:
    """The grants the caller's party gave or was given; all for auditors."""
    statement = select(ReadingGrant).where(ReadingGrant.ledger_id == caller.ledger_id)
    if caller.sees_everything:
        return statement
    mine = or_(ReadingGrant.party_id == caller.party_id, ReadingGrant.reader_id == caller.party_id)
    return statement.where(mine)


def _in_force(ledger_id: Any, reader_id: Any, moment: Any) -> ColumnElement[bool]:
    return and_(
        ReadingGrant.ledger_id == ledger_id,
        ReadingGrant.reader_id == reader_id,
        ReadingGrant.revoked_at.is_(None),
        or_(ReadingGrant.expires_at.is_(None), ReadingGrant.expires_at > moment),
    )


async def readable(session: AsyncSession, caller: Caller, event: Any = RecordedEvent) -> ColumnElement[bool]:
    """True for rows of `event` (it has a ledger and a sequence) that tell of events the caller may read.

    All for auditors; else what names its party or was recorded by it, and what it was granted. Every way out
    of this room asks this one condition.
    """
    return or_(*await ways(session, caller, event))


async def ways(
    session: AsyncSession, caller: Caller, event: Any = RecordedEvent
) -> list[ColumnElement[bool]]:
    """The ways in which a caller may read, `readable` when taken together.

    Each for itself is one the database finds by an index, where it looks through the whole log for what is
    open in this way or in that.
    """
    own_ledger: ColumnElement[bool] = event.ledger_id == caller.ledger_id
    if caller.sees_everything:
        return [own_ledger]
    found = [and_(own_ledger, _named(caller.party_id, event))]
    for owner, names, values in await _openings(session, caller):
        opened = and_(own_ledger, _recorded_by(owner, event))
        if names is not None:
            key = aliased(EventKey)
            opened = and_(
                opened,
                exists().where(
                    key.ledger_id == event.ledger_id,
                    key.sequence == event.sequence,
                    key.name.in_(names),
                    bulk.among(session, key.value, values),
                ),
            )
        found.append(opened)
    return found


async def few_places(session: AsyncSession, caller: Caller) -> Sequence[int] | None:
    """The places in the log of all events the caller may read, if they are no more than `FEW`.

    Whoever may read little of a large log is answered from that little.
    """
    if caller.sees_everything:
        return None
    own = [
        select(EventReader.sequence).where(
            EventReader.ledger_id == caller.ledger_id, EventReader.party_id == caller.party_id
        )
    ]
    for owner, names, values in await _openings(session, caller):
        recorded = (RecordedEvent.ledger_id == caller.ledger_id, RecordedEvent.party_id == owner)
        opened = select(RecordedEvent.sequence).where(*recorded)
        if names is not None:
            opened = opened.join(
                EventKey,
                and_(EventKey.ledger_id == caller.ledger_id, EventKey.sequence == RecordedEvent.sequence),
            ).where(EventKey.name.in_(names), bulk.among(session, EventKey.value, values))
        own.append(opened)
    found: set[int] = set()
    for statement in own:
        found.update(await session.scalars(statement.limit(FEW + 1)))
        if len(found) > FEW:
            return None
    return sorted(found)


async def _openings(
    session: AsyncSession, caller: Caller
) -> list[tuple[UUID, Sequence[str] | None, list[str]]]:
    """What others let the caller read: whose events and, unless all of them, under which names and values."""
    held: dict[tuple[UUID, str], list[str]] = {}
    for owner, scope, value in await session.execute(_HELD, _who(caller)):
        held.setdefault((owner, scope), []).append(value)
    names: dict[str, Sequence[str] | None] = {"all": None, "item": _ITEMS, "location": _LOCATIONS}
    if any(scope == "transaction" for _, scope in held):
        names["transaction"] = await _transaction_names(session, caller.ledger_id)
    return [(owner, names[scope], values) for (owner, scope), values in held.items()]


_HELD: Final = select(ReadingGrant.party_id, ReadingGrant.scope, ReadingGrant.value).where(
    _in_force(bindparam("ledger_id"), bindparam("reader_id"), bindparam("moment"))
)
"""Put together once: every query asks it."""


def _who(caller: Caller) -> dict[str, Any]:
    return {"ledger_id": caller.ledger_id, "reader_id": caller.party_id, "moment": now()}


async def _transaction_names(session: AsyncSession, ledger_id: UUID) -> Sequence[str]:
    """The names of keys that say a business transaction, each found by one look into the index."""
    first, last = "bizTransaction:", "bizTransaction;"
    of_kind = (EventKey.ledger_id == ledger_id, EventKey.name < last)
    start = select(func.min(EventKey.name).label("name")).where(*of_kind, EventKey.name >= first)
    found = start.cte("names", recursive=True)
    following = select(func.min(EventKey.name)).where(*of_kind, EventKey.name > found.c.name)
    found = found.union_all(select(following.scalar_subquery()).where(found.c.name.is_not(None)))
    return (await session.scalars(select(found.c.name).where(found.c.name.is_not(None)))).all()


def _named(reader_id: Any, event: Any) -> ColumnElement[bool]:
    return exists().where(
        EventReader.ledger_id == event.ledger_id,
        EventReader.party_id == reader_id,
        EventReader.sequence == event.sequence,
    )


def _recorded_by(owner: UUID, event: Any) -> ColumnElement[bool]:
    if event is RecordedEvent:
        return RecordedEvent.party_id == owner
    recorded = aliased(RecordedEvent)
    return exists().where(
        recorded.ledger_id == event.ledger_id,
        recorded.sequence == event.sequence,
        recorded.party_id == owner,
    )


def _granted(ledger_id: Any, reader_id: Any, moment: Any, event: Any) -> ColumnElement[bool]:
    recorded, key = aliased(RecordedEvent), aliased(EventKey)
    names_it = exists().where(
        key.ledger_id == recorded.ledger_id,
        key.sequence == recorded.sequence,
        key.value == ReadingGrant.value,
        or_(
            and_(ReadingGrant.scope == "item", key.name.in_(_ITEMS)),
            and_(ReadingGrant.scope == "location", key.name.in_(_LOCATIONS)),
            and_(ReadingGrant.scope == "transaction", key.name.like("bizTransaction:%")),
        ),
    )
    return exists().where(
        recorded.ledger_id == event.ledger_id,
        recorded.sequence == event.sequence,
        recorded.party_id == ReadingGrant.party_id,
        _in_force(ledger_id, reader_id, moment),
        or_(ReadingGrant.scope == "all", names_it),
    )


_OF_LEDGER: Final = RecordedEvent.ledger_id == bindparam("ledger_id")
_OPEN: Final = and_(
    _OF_LEDGER,
    or_(
        _named(bindparam("reader_id"), RecordedEvent),
        _granted(bindparam("ledger_id"), bindparam("reader_id"), bindparam("moment"), RecordedEvent),
    ),
)


def readable_of_few(caller: Caller) -> tuple[ColumnElement[bool], dict[str, Any]]:
    """As `readable`, for events already found by their places: put together once, with what it is given.

    The database looks each of the few up; whether there are grants at all need not be asked first.
    """
    return (_OF_LEDGER if caller.sees_everything else _OPEN), _who(caller)
