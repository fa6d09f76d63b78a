"""All SQL of invoices."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias
from uuid import UUID

from sqlalchemy import Select, and_, delete, exists, func, or_, select, union_all, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from backend.invoices.tables import (
    AnswerLimit,
    BatchEntry,
    FingerprintKeySet,
    InvoiceAnswer,
    InvoiceBatch,
    InvoiceHold,
    InvoiceIdentity,
    InvoiceRecord,
    InvoiceToken,
    SealedDocument,
)
from backend.invoices.uniqueness import COMPARED, Kind
from backend.kit.access import Caller, visible_to
from backend.kit.clock import now

Invoices: TypeAlias = Select[InvoiceRecord]
ENOUGH = 200
"""As many invoices on one delivery as are added up: whoever meets so many is not one to let pass."""
FEW = 20
"""As many invoices with the same token as are looked at, where one is a reason already."""
_AT_ONCE = 100


def visible(caller: Caller) -> Select[InvoiceRecord]:
    """The invoices a caller may see: its own, those that name it as the buyer, all for auditors."""
    statement = select(InvoiceRecord).where(InvoiceRecord.ledger_id == caller.ledger_id)
    if caller.sees_everything:
        return statement
    return statement.where(
        or_(
            InvoiceRecord.party_id == caller.party_id,
            (InvoiceRecord.buyer_party_id == caller.party_id) & InvoiceRecord.state.in_(("open", "in-use")),
        )
    )


async def find(session: AsyncSession, caller: Caller, invoice_id: UUID) -> InvoiceRecord | None:
    """An invoice the caller may see."""
    return await session.scalar(visible(caller).where(InvoiceRecord.id == invoice_id))


async def lock(session: AsyncSession, record: InvoiceRecord) -> None:
    """Waits until nobody else is changing the invoice, and reads again what it has become.

    Whatever decides by an invoice's state and then changes it does this first: of two who saw the same state
    (an answer and its opposite, an answer and a withdrawal) the second has to decide by what the first did.
    """
    await session.flush()
    await session.refresh(record, with_for_update=True)


async def get(
    session: AsyncSession, ledger_id: UUID, invoice_id: UUID, *, lock: bool = False
) -> InvoiceRecord | None:
    """An invoice of the ledger, whoever asks: for other rooms, which have their own rules of access."""
    statement = select(InvoiceRecord).where(
        InvoiceRecord.ledger_id == ledger_id, InvoiceRecord.id == invoice_id
    )
    if lock:
        statement = statement.with_for_update().execution_options(populate_existing=True)
    return await session.scalar(statement)


async def lock_all(session: AsyncSession, ledger_id: UUID, invoice_ids: Collection[UUID]) -> set[UUID]:
    """Holds invoices until the transaction ends, always in one order; those that are there."""
    statement = select(InvoiceRecord.id).where(
        InvoiceRecord.ledger_id == ledger_id, InvoiceRecord.id.in_(invoice_ids)
    )
    return set((await session.scalars(statement.order_by(InvoiceRecord.id).with_for_update())).all())


async def document(session: AsyncSession, invoice_id: UUID, kind: str) -> SealedDocument | None:
    """A sealed document of an invoice."""
    return await session.scalar(
        select(SealedDocument).where(SealedDocument.invoice_id == invoice_id, SealedDocument.kind == kind)
    )


async def identity_owner(
    session: AsyncSession, ledger_id: UUID, values: Iterable[str]
) -> InvoiceRecord | None:
    """The open invoice that has one of these identities."""
    return await session.scalar(
        select(InvoiceRecord)
        .join(InvoiceIdentity, InvoiceIdentity.invoice_id == InvoiceRecord.id)
        .where(InvoiceIdentity.ledger_id == ledger_id, InvoiceIdentity.value.in_(list(values)))
        .limit(1)
    )


@dataclass(frozen=True, slots=True)
class Rival:
    """Another invoice whose token meets: what has to be known of it, and nothing of what it says."""

    id: UUID
    party_id: UUID
    answer: str | None


async def meeting(
    session: AsyncSession, ledger_id: UUID, tokens: Iterable[InvoiceToken], besides: UUID
) -> Sequence[tuple[InvoiceToken, Rival]]:
    """Tokens of other invoices that equal these: of each the oldest `FEW`, or `ENOUGH` of a delivery."""
    found: list[tuple[InvoiceToken, Rival]] = []
    wanted = [(token.value, ENOUGH if token.kind == Kind.D else FEW) for token in tokens]
    for start in range(0, len(wanted), _AT_ONCE):
        alike = [
            select(InvoiceToken.id)
            .where(
                InvoiceToken.ledger_id == ledger_id,
                InvoiceToken.value == value,
                InvoiceToken.invoice_id != besides,
            )
            .order_by(InvoiceToken.id)
            .limit(limit)
            .subquery()
            for value, limit in wanted[start : start + _AT_ONCE]
        ]
        rows = await session.execute(
            select(InvoiceToken, InvoiceRecord.id, InvoiceRecord.party_id, InvoiceRecord.answer)
            .join(InvoiceRecord, InvoiceRecord.id == InvoiceToken.invoice_id)
            .where(InvoiceToken.id.in_(union_all(*(select(each.c.id) for each in alike))))
            .order_by(InvoiceToken.id)
        )
        found += [(row[0], Rival(row[1], row[2], row[3])) for row in rows]
    return found


async def tokens_of(
    session: AsyncSession, invoice_id: UUID, kinds: Iterable[str] = COMPARED
) -> Sequence[InvoiceToken]:
    """The tokens of one invoice, those that are compared or of other kinds."""
    statement = select(InvoiceToken).where(
        InvoiceToken.invoice_id == invoice_id, InvoiceToken.kind.in_([str(kind) for kind in kinds])
    )
    return (await session.scalars(statement)).all()


async def naming(session: AsyncSession, record: InvoiceRecord) -> Sequence[InvoiceRecord]:
    """Credit notes and corrections of the same seller and buyer that name the invoice, oldest first."""
    own = select(InvoiceToken.value).where(InvoiceToken.invoice_id == record.id, InvoiceToken.kind == Kind.C)
    statement = (
        select(InvoiceRecord)
        .join(InvoiceToken, InvoiceToken.invoice_id == InvoiceRecord.id)
        .where(
            InvoiceToken.ledger_id == record.ledger_id,
            InvoiceToken.value.in_(own),
            InvoiceToken.kind == Kind.N,
            InvoiceRecord.state.in_(("open", "in-use")),
            InvoiceRecord.id != record.id,
        )
        .distinct()
        .order_by(InvoiceRecord.id)
        .limit(ENOUGH)
    )
    return (await session.scalars(statement)).all()


async def with_company(
    session: AsyncSession, ledger_id: UUID, invoice_ids: Collection[UUID]
) -> Collection[UUID]:
    """Those of these invoices that have a hold, or a compared token that another invoice has too."""
    own, other = InvoiceToken, aliased(InvoiceToken)
    shared = exists().where(
        other.ledger_id == ledger_id, other.value == own.value, other.invoice_id != own.invoice_id
    )
    compared = own.kind.in_([str(kind) for kind in COMPARED])
    met = select(own.invoice_id).where(own.invoice_id.in_(invoice_ids), compared, shared)
    held = select(InvoiceHold.invoice_id).where(InvoiceHold.invoice_id.in_(invoice_ids))
    return (await session.scalars(met.union(held).order_by("invoice_id"))).all()


async def let_go(session: AsyncSession, invoice_ids: Iterable[UUID], against: UUID) -> frozenset[UUID]:
    """Which of these invoices somebody let go although they met the one that is `against` them."""
    statement = select(InvoiceHold.invoice_id).where(
        InvoiceHold.invoice_id.in_(list(invoice_ids)),
        InvoiceHold.against == str(against),
        InvoiceHold.released_at.is_not(None),
    )
    return frozenset((await session.scalars(statement)).all())


async def holds_of(session: AsyncSession, invoice_id: UUID) -> Sequence[InvoiceHold]:
    """The holds of one invoice, released ones too, oldest first."""
    statement = select(InvoiceHold).where(InvoiceHold.invoice_id == invoice_id).order_by(InvoiceHold.id)
    return (await session.scalars(statement)).all()


def release_hold(hold: InvoiceHold, user_id: UUID, reason: str) -> None:
    """Marks a hold as looked at and let go."""
    hold.released_by, hold.released_at, hold.reason = user_id, now(), reason


async def forget_tokens(session: AsyncSession, invoice_id: UUID) -> None:
    """Takes an invoice out of all comparisons: it was withdrawn before anybody relied on it."""
    for table in (InvoiceToken, InvoiceIdentity):
        await session.execute(delete(table).where(table.invoice_id == invoice_id))


async def forget_deliveries(session: AsyncSession, invoice_id: UUID) -> None:
    """Takes the deliveries' own numbers from an erased invoice: what they backed still counts."""
    await session.execute(
        update(InvoiceToken).where(InvoiceToken.invoice_id == invoice_id).values(delivery="")
    )


async def answers_of(session: AsyncSession, invoice_id: UUID) -> Sequence[InvoiceAnswer]:
    """The buyer's answers to an invoice, oldest first."""
    statement = select(InvoiceAnswer).where(InvoiceAnswer.invoice_id == invoice_id)
    return (await session.scalars(statement.order_by(InvoiceAnswer.id))).all()


async def answer(session: AsyncSession, invoice_id: UUID, answer_id: UUID) -> InvoiceAnswer | None:
    """One answer to an invoice."""
    return await session.scalar(
        select(InvoiceAnswer).where(InvoiceAnswer.invoice_id == invoice_id, InvoiceAnswer.id == answer_id)
    )


async def answer_limit(
    session: AsyncSession, ledger_id: UUID, party_id: UUID, currency: str
) -> AnswerLimit | None:
    """The party's limit in a currency."""
    return await session.scalar(
        select(AnswerLimit).where(
            AnswerLimit.ledger_id == ledger_id,
            AnswerLimit.party_id == party_id,
            AnswerLimit.currency == currency,
        )
    )


async def batch(session: AsyncSession, caller: Caller, batch_id: UUID) -> InvoiceBatch | None:
    """A batch the caller may see."""
    return await session.scalar(
        select(InvoiceBatch).where(visible_to(caller, InvoiceBatch), InvoiceBatch.id == batch_id)
    )


async def batch_with_work(session: AsyncSession, ledger_id: UUID) -> InvoiceBatch | None:
    """The oldest batch of which something waits."""
    waiting = select(BatchEntry.batch_id).where(
        BatchEntry.ledger_id == ledger_id, BatchEntry.state == "waiting"
    )
    statement = select(InvoiceBatch).where(InvoiceBatch.id.in_(waiting)).order_by(InvoiceBatch.id).limit(1)
    return await session.scalar(statement)


async def waiting(
    session: AsyncSession, batch_id: UUID, count: int, *, lock: bool = False
) -> Sequence[BatchEntry]:
    """The next entries of a batch that wait; with `lock` those nobody else has, locked where it can be."""
    statement = (
        select(BatchEntry)
        .where(BatchEntry.batch_id == batch_id, BatchEntry.state == "waiting")
        .order_by(BatchEntry.position)
        .limit(count)
    )
    if lock:
        statement = statement.with_for_update(skip_locked=True)
    return (await session.scalars(statement)).all()


async def batch_counts(session: AsyncSession, batch_id: UUID) -> dict[str, int]:
    """How many entries are in each state."""
    statement = select(BatchEntry.state, func.count()).where(BatchEntry.batch_id == batch_id)
    rows = await session.execute(statement.group_by(BatchEntry.state))
    return {row[0]: row[1] for row in rows}


async def batch_entries(session: AsyncSession, batch_id: UUID) -> Sequence[BatchEntry]:
    """All entries of a batch in order."""
    statement = select(BatchEntry).where(BatchEntry.batch_id == batch_id).order_by(BatchEntry.position)
    return (await session.scalars(statement)).all()


def unanswered(ledger_id: UUID, party_id: UUID) -> Select[InvoiceRecord]:
    """Invoices a buyer has neither accepted nor turned down, oldest first."""
    return (
        select(InvoiceRecord)
        .where(
            InvoiceRecord.ledger_id == ledger_id,
            InvoiceRecord.buyer_party_id == party_id,
            InvoiceRecord.state.in_(("open", "in-use")),
            or_(InvoiceRecord.answer.is_(None), InvoiceRecord.answer.in_(("AB", "IP", "UQ"))),
        )
        .order_by(InvoiceRecord.id)
    )


def waiting_since(ledger_id: UUID, before: datetime, reminders: int) -> Invoices:
    """Invoices whose buyer neither answered nor was reminded since, and was less often than `reminders`."""
    answered = (
        select(func.max(InvoiceAnswer.created_at))
        .where(InvoiceAnswer.invoice_id == InvoiceRecord.id)
        .correlate(InvoiceRecord)
        .scalar_subquery()
    )
    return (
        select(InvoiceRecord)
        .where(
            InvoiceRecord.ledger_id == ledger_id,
            InvoiceRecord.buyer_party_id.is_not(None),
            InvoiceRecord.state.in_(("open", "in-use")),
            or_(InvoiceRecord.answer.is_(None), InvoiceRecord.answer.in_(("AB", "IP"))),
            InvoiceRecord.reminders < reminders,
            InvoiceRecord.created_at <= before,
            or_(InvoiceRecord.reminded_at.is_(None), InvoiceRecord.reminded_at <= before),
            or_(answered.is_(None), answered <= before),
        )
        .order_by(InvoiceRecord.id)
    )


def issued_until(ledger_id: UUID, ends: Mapping[str, str], after: UUID | None) -> Invoices:
    """Invoices of each profile issued until its day, neither erased nor held by law, after an id."""
    over = (
        and_(InvoiceRecord.profile == profile, InvoiceRecord.issue_date <= day)
        for profile, day in ends.items()
    )
    statement = select(InvoiceRecord).where(
        InvoiceRecord.ledger_id == ledger_id,
        InvoiceRecord.state != "erased",
        InvoiceRecord.legal_hold.is_(None),
        or_(*over),
    )
    if after is not None:
        statement = statement.where(InvoiceRecord.id > after)
    return statement.order_by(InvoiceRecord.id)


def accepted_by(ledger_id: UUID, party_id: UUID) -> Select[InvoiceRecord]:
    """Invoices a buyer has accepted and not yet paid."""
    return select(InvoiceRecord).where(
        InvoiceRecord.ledger_id == ledger_id,
        InvoiceRecord.buyer_party_id == party_id,
        InvoiceRecord.state.in_(("open", "in-use")),
        InvoiceRecord.answer.in_(("AP", "CA")),
    )


async def current_key_set(session: AsyncSession, ledger_id: UUID) -> FingerprintKeySet | None:
    """The newest key set on the chain."""
    return await session.scalar(
        select(FingerprintKeySet)
        .where(FingerprintKeySet.ledger_id == ledger_id)
        .order_by(FingerprintKeySet.key_set.desc())
        .limit(1)
    )


async def replace_key_sets(
    session: AsyncSession, ledger_id: UUID, sets: Iterable[tuple[int, Sequence[str]]]
) -> None:
    """Makes the key sets what the chain's events say."""
    await session.execute(delete(FingerprintKeySet).where(FingerprintKeySet.ledger_id == ledger_id))
    session.add_all(
        FingerprintKeySet(ledger_id=ledger_id, key_set=number, keys=list(keys)) for number, keys in sets
    )
    await session.flush()
