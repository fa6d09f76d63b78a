"""What was found outside the ledger: screenings, searches in registers, keys somebody called back about.

Each is the word of who noted it, with its source and date, and stands in reports as claimed. What an operator
notes stands in every report, what a bank notes in its own.
"""

from collections.abc import Collection
from datetime import datetime
from functools import partial
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, exists, or_, select, tuple_
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from backend.kit.access import Caller, Role, visible_to
from backend.kit.clock import now
from backend.kit.problems import Problem
from backend.parties import service as parties
from backend.receivables import reading
from backend.verification.tables import PinnedKey, RegistrySearch, Screening


class FindingInFuture(Problem):
    """What was found cannot have been found later than now."""

    status, code = 422, "verification-finding-in-future"


class KeyPinned(Problem):
    """The party has pinned this key for this debtor already."""

    status, code = 409, "verification-key-pinned"


async def note_screening(
    session: AsyncSession, caller: Caller, subject: UUID, screened_at: datetime, source: str
) -> Screening:
    """Notes that a party was screened. Raises NotFound, FindingInFuture."""
    await parties.get_party(session, caller.ledger_id, subject)
    row = Screening(
        ledger_id=caller.ledger_id,
        party_id=caller.party_id,
        subject_party_id=subject,
        screened_at=_past(screened_at),
        source=source,
        for_all=Role.OPERATOR in caller.roles,
    )
    session.add(row)
    await session.flush()
    return row


async def note_search(
    session: AsyncSession,
    caller: Caller,
    receivable_id: UUID,
    register: str,
    searched_at: datetime,
    hits: int,
) -> RegistrySearch:
    """Notes a search in a register of pledges for a receivable. Raises NotFound, FindingInFuture."""
    await reading.get(session, caller, receivable_id)
    row = RegistrySearch(
        ledger_id=caller.ledger_id,
        party_id=caller.party_id,
        receivable_id=receivable_id,
        register=register,
        searched_at=_past(searched_at),
        hits=hits,
        for_all=Role.OPERATOR in caller.roles,
    )
    session.add(row)
    await session.flush()
    return row


async def pin_key(session: AsyncSession, caller: Caller, debtor: UUID, key: str, source: str) -> PinnedKey:
    """Notes that the caller's party knows a key to be a debtor's. Raises NotFound, KeyPinned."""
    await parties.get_party(session, caller.ledger_id, debtor)
    row = PinnedKey(
        ledger_id=caller.ledger_id,
        party_id=caller.party_id,
        debtor_party_id=debtor,
        key=key.lower(),
        source=source,
    )
    session.add(row)
    try:
        await session.flush()
    except IntegrityError as error:
        raise KeyPinned(key=key) from error
    return row


async def last_screenings(
    session: AsyncSession, caller: Caller, subjects: Collection[UUID]
) -> dict[UUID, Screening]:
    """The last screening of each party that this caller's reports rest on."""
    later = aliased(Screening)
    counts = partial(_counts_for, caller)
    after = tuple_(later.screened_at, later.id) > tuple_(Screening.screened_at, Screening.id)
    statement = select(Screening).where(
        counts(Screening),
        Screening.subject_party_id.in_(subjects),
        ~exists().where(counts(later), later.subject_party_id == Screening.subject_party_id, after),
    )
    return {row.subject_party_id: row for row in await session.scalars(statement)}


def _counts_for(caller: Caller, table: type[Screening]) -> ColumnElement[bool]:
    """Whether a screening stands in this caller's reports."""
    return and_(table.ledger_id == caller.ledger_id, or_(table.for_all, table.party_id == caller.party_id))


async def last_search(session: AsyncSession, caller: Caller, receivable_id: UUID) -> RegistrySearch | None:
    """The last search for a receivable that this caller's reports rest on; one with hits outweighs others."""
    statement = select(RegistrySearch).where(
        RegistrySearch.ledger_id == caller.ledger_id,
        RegistrySearch.receivable_id == receivable_id,
        or_(RegistrySearch.for_all, RegistrySearch.party_id == caller.party_id),
    )
    newest = (RegistrySearch.searched_at.desc(), RegistrySearch.id.desc())
    return await session.scalar(statement.order_by(*newest).limit(1))


async def pinned_keys(session: AsyncSession, caller: Caller, debtor: UUID) -> frozenset[bytes]:
    """The keys that the caller's party knows to be the debtor's."""
    statement = select(PinnedKey.key).where(
        PinnedKey.ledger_id == caller.ledger_id,
        PinnedKey.party_id == caller.party_id,
        PinnedKey.debtor_party_id == debtor,
    )
    return frozenset(bytes.fromhex(key[2:]) for key in await session.scalars(statement))


def pins(caller: Caller) -> Select[PinnedKey]:
    """The pinned keys the caller may see."""
    return select(PinnedKey).where(visible_to(caller, PinnedKey))


def _past(moment: datetime) -> datetime:
    if moment > now():
        raise FindingInFuture(time=moment.isoformat())
    return moment
