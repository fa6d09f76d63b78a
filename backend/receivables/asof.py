"""Receivables and the book as of a moment: what their events up to then add up to.

The past is folded from the events anew, and only where something happened since; for the rest the read model
is what it was. So the book as of yesterday costs little more than the book as of now.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from backend.chain.projections import Event
from backend.kit.access import Caller
from backend.kit.web import PageQuery, page
from backend.parties.service import accounts_of
from backend.receivables import reading
from backend.receivables.model import Phase, State, Status, fold, phase
from backend.receivables.projection import events_about
from backend.receivables.repository import Holding, ReceivableRecord, ReceivableState, TimelineEntry

BUCKETS = (
    ("not_due", 0),
    ("days_1_to_30", 30),
    ("days_31_to_60", 60),
    ("days_61_to_90", 90),
    ("over_90", None),
)
"""Days past due, up to and with the number."""
_PAGE = 500
_OPEN = (Phase.NOT_YET_DUE, Phase.DUE_TODAY, Phase.OVERDUE, Phase.IN_DEFAULT)


@dataclass(frozen=True, slots=True)
class Exposure:
    """What one debtor owes in one currency, by how long it is past due; minor units."""

    debtor: str
    currency: str
    receivables: int
    buckets: Mapping[str, int]

    @property
    def total(self) -> int:
        return sum(self.buckets.values())


@dataclass(frozen=True, slots=True)
class Standing:
    """One receivable at a moment: its state, and the unpaid share of each account that holds units."""

    record: ReceivableRecord
    debtor: str
    currency: str
    due_end: int
    phase: Phase
    unpaid: Mapping[str, int]


async def state_at(session: AsyncSession, record: ReceivableRecord, moment: datetime) -> State | None:
    """What the chain said of a receivable at a moment; None before it was issued."""
    return (await _folded(session, record.ledger_id, [record.chain_id], moment)).get(record.chain_id)


async def page_of_standings(
    session: AsyncSession, caller: Caller, moment: datetime, paging: PageQuery
) -> tuple[list[Standing], str | None]:
    """A page of the receivables the caller may see, newest first, as far as they were on the chain then.

    The page may hold fewer, or none, before the last. Raises InvalidCursor.
    """
    statement = await reading.everything(session, caller)
    records, following = await page(session, statement, ReceivableRecord.id, paging)
    return await _standings(session, caller.ledger_id, records, moment), following


async def standings(session: AsyncSession, caller: Caller, moment: datetime) -> list[Standing]:
    """Every receivable the caller may see that was on the chain at the moment."""
    found: list[Standing] = []
    base = (await reading.everything(session, caller)).order_by(ReceivableRecord.id).limit(_PAGE)
    last: UUID | None = None
    while True:
        statement = base if last is None else base.where(ReceivableRecord.id > last)
        records = (await session.scalars(statement)).all()
        found += await _standings(session, caller.ledger_id, records, moment)
        if len(records) < _PAGE:
            return found
        last = records[-1].id


async def exposures(session: AsyncSession, caller: Caller, moment: datetime) -> list[Exposure]:
    """What is owed to the caller's accounts (to anybody, for who sees everything), by debtor and currency."""
    own = None if caller.sees_everything else set(await accounts_of(session, caller.party_id))
    sums: dict[tuple[str, str], dict[str, int]] = {}
    counts: dict[tuple[str, str], int] = {}
    for each in await standings(session, caller, moment):
        owed = sum(amount for account, amount in each.unpaid.items() if own is None or account in own)
        if each.phase not in _OPEN or not owed:
            continue
        key = (each.debtor, each.currency)
        buckets = sums.setdefault(key, {name: 0 for name, _ in BUCKETS})
        buckets[bucket(each.due_end, int(moment.timestamp()))] += owed
        counts[key] = counts.get(key, 0) + 1
    return [Exposure(*key, counts[key], buckets) for key, buckets in sorted(sums.items())]


def bucket(due_end: int, moment: int) -> str:
    """Which bucket something due at `due_end` is in: the first second after it is one day late."""
    days = -((due_end - moment) // 86_400) if moment > due_end else 0
    return next(name for name, most in BUCKETS if most is None or days <= most)


async def _standings(
    session: AsyncSession, ledger_id: UUID, records: Sequence[ReceivableRecord], moment: datetime
) -> list[Standing]:
    keys = [record.chain_id for record in records]
    moved = set(
        await session.scalars(
            select(TimelineEntry.receivable)
            .where(
                TimelineEntry.ledger_id == ledger_id,
                TimelineEntry.receivable.in_(keys),
                TimelineEntry.time > moment,
            )
            .distinct()
        )
    )
    past = await _folded(session, ledger_id, sorted(moved), moment)
    present = {
        row.id: row
        for row in await session.scalars(
            select(ReceivableState).where(
                ReceivableState.ledger_id == ledger_id, ReceivableState.id.in_(keys)
            )
        )
        if row.id not in moved
    }
    held: dict[str, dict[str, int]] = {}
    for row in await session.scalars(
        select(Holding).where(Holding.ledger_id == ledger_id, Holding.receivable.in_(list(present)))
    ):
        held.setdefault(row.receivable, {})[row.account] = row.unpaid
    seconds = int(moment.timestamp())
    made: list[Standing] = []
    for record in records:
        if (state := past.get(record.chain_id)) is not None:
            unpaid = {account: state.ledger.unpaid_share(account) for account in state.ledger.lots}
            terms = state.terms
            made.append(
                Standing(record, terms.debtor, terms.currency, terms.dueEnd, state.phase(seconds), unpaid)
            )
        elif (now := present.get(record.chain_id)) is not None:
            due = int(now.due_end.timestamp())
            at = phase(Status(now.status), due, now.grace_days, now.was_written_off, seconds)
            made.append(Standing(record, now.debtor, now.currency, due, at, held.get(now.id, {})))
    return made


async def _folded(
    session: AsyncSession, ledger_id: UUID, keys: Sequence[str], moment: datetime
) -> dict[str, State]:
    """The receivables' states from their events up to the moment."""
    rows = await session.scalars(
        select(TimelineEntry)
        .where(
            TimelineEntry.ledger_id == ledger_id,
            TimelineEntry.receivable.in_(keys),
            TimelineEntry.time <= moment,
        )
        .order_by(TimelineEntry.receivable, TimelineEntry.block_number, TimelineEntry.log_index)
    )
    events: dict[str, list[Event]] = {}
    for row in rows:
        events.setdefault(row.receivable, []).append(_event(row))
    states = {key: fold(events_about(key, own)) for key, own in events.items()}
    return {key: state for key, state in states.items() if state is not None}


def _event(row: TimelineEntry) -> Event:
    return Event(
        "Receivables", row.name, row.args, "0x" + "00" * 20, row.block_number, "0x" + "00" * 32, row.time,
        row.tx_hash, row.log_index,
    )  # fmt: skip
