"""How a debtor's claims went, and what hints that its trade with a supplier is not at arm's length.

Only claims count that somebody unaffiliated held for half their life: a supplier and a debtor who agree could
settle any number of claims between themselves. What is counted is bounded, the newest claims first, so that
it costs the same for a debtor with a hundred thousand.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import exists, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from backend.parties import repository as parties
from backend.parties.repository import AccountRecord, Grant
from backend.receivables.repository import Holding, ReceivableState, TimelineEntry

MOST: Final = 100
_MIRROR: Final = ("confirmed", "settled", "written_off")


@dataclass(frozen=True, slots=True)
class Conduct:
    """How a debtor's settled claims went that an unaffiliated funder held for half their life."""

    settled: int
    """At most `MOST` of them, the newest."""
    days_late: int
    """Mean days from due to settled, not below zero, rounded up."""
    diluted: int
    """Of their face reduced by credit notes, millionths."""
    disputed: int


async def of_debtor(session: AsyncSession, ledger_id: UUID, debtor: str) -> Conduct:
    """The debtor's record on this ledger."""
    sold = exists().where(
        Holding.ledger_id == ReceivableState.ledger_id,
        Holding.receivable == ReceivableState.id,
        Holding.account.not_in([ReceivableState.supplier, debtor]),
    )
    statement = select(ReceivableState).where(
        ReceivableState.ledger_id == ledger_id,
        ReceivableState.debtor == debtor,
        ReceivableState.settled_at.is_not(None),
        sold,
    )
    newest = (ReceivableState.settled_at.desc(), ReceivableState.id)
    rows = (await session.scalars(statement.order_by(*newest).limit(MOST))).all()
    entries = await _timelines(session, ledger_id, [row.id for row in rows])
    siblings = await parties.accounts_beside(session, ledger_id, {debtor, *(r.supplier for r in rows)})
    counted = [
        row
        for row in rows
        if held_half_its_life(row, entries.get(row.id, []), siblings[debtor] | siblings[row.supplier])
    ]
    late = [max(0, (row.settled_at - row.due_end).days) for row in counted if row.settled_at is not None]
    face = sum(row.face for row in counted)
    return Conduct(
        settled=len(counted),
        days_late=-(-sum(late) // len(late)) if late else 0,
        diluted=sum(row.reduced for row in counted) * 1_000_000 // face if face else 0,
        disputed=sum(any(entry.name == "Disputed" for entry in entries.get(row.id, [])) for row in counted),
    )


def held_half_its_life(
    row: ReceivableState, entries: Sequence[TimelineEntry], affiliated: frozenset[str]
) -> bool:
    """Whether accounts other than these held at least half of the claim's units, or all for half of the time:
    half of its unit-seconds from confirmation to settlement."""
    if row.confirmed_at is None or row.settled_at is None:
        return False
    outside, held, since = 0, 0, row.confirmed_at
    for entry in entries:
        if entry.name != "TransferSingle":
            continue
        moment = min(max(entry.time, row.confirmed_at), row.settled_at)
        held += outside * _seconds(since, moment)
        since = moment
        value = int(entry.args["value"])
        outside += value * (
            _is_outside(entry.args["to"], affiliated) - _is_outside(entry.args["from"], affiliated)
        )
    held += outside * _seconds(since, row.settled_at)
    return 2 * held >= row.face * max(1, _seconds(row.confirmed_at, row.settled_at))


async def signs(session: AsyncSession, ledger_id: UUID, supplier: str, debtor: str) -> tuple[str, ...]:
    """What hints that supplier and debtor are related, or trade in circles: `same-party`, `same-key`,
    `same-payout`, `mirror` (the debtor sells to its supplier too)."""
    found = []
    if debtor in (await parties.accounts_beside(session, ledger_id, [supplier]))[supplier]:
        found.append("same-party")
    theirs = aliased(Grant)
    shared = select(Grant.key).where(
        Grant.ledger_id == ledger_id,
        Grant.account == supplier,
        exists().where(theirs.ledger_id == ledger_id, theirs.account == debtor, theirs.key == Grant.key),
    )
    if await session.scalar(shared.limit(1)) is not None:
        found.append("same-key")
    payouts = await session.scalars(
        select(AccountRecord.payout).where(
            AccountRecord.ledger_id == ledger_id,
            AccountRecord.account.in_([supplier, debtor]),
            AccountRecord.payout.is_not(None),
        )
    )
    paid_to = payouts.all()
    if len(paid_to) != len(set(paid_to)):
        found.append("same-payout")
    mirror = select(ReceivableState.id).where(
        ReceivableState.ledger_id == ledger_id,
        ReceivableState.supplier == debtor,
        ReceivableState.debtor == supplier,
        ReceivableState.status.in_(_MIRROR),
    )
    if await session.scalar(mirror.limit(1)) is not None:
        found.append("mirror")
    return tuple(found)


async def _timelines(
    session: AsyncSession, ledger_id: UUID, keys: Sequence[str]
) -> dict[str, list[TimelineEntry]]:
    found: dict[str, list[TimelineEntry]] = {}
    if not keys:
        return found
    statement = select(TimelineEntry).where(
        TimelineEntry.ledger_id == ledger_id,
        TimelineEntry.receivable.in_(keys),
        TimelineEntry.name.in_(["TransferSingle", "Disputed"]),
    )
    order = (TimelineEntry.block_number, TimelineEntry.log_index)
    for entry in await session.scalars(statement.order_by(*order)):
        found.setdefault(entry.receivable, []).append(entry)
    return found


def _is_outside(account: str, affiliated: frozenset[str]) -> int:
    return int(account not in affiliated and int(account, 16) != 0)


def _seconds(start: datetime, end: datetime) -> int:
    return max(0, int((end - start).total_seconds()))
