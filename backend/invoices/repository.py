"""Tables of invoices: what was read, the sealed original, tokens that meet, holds, fingerprint keys."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    ForeignKey,
    Index,
    LargeBinary,
    Select,
    String,
    UniqueConstraint,
    delete,
    func,
    or_,
    select,
)
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from backend.kit.access import Caller, Owned, visible_to
from backend.kit.clock import now
from backend.kit.database import Amount, Base, Hash32, Json, UtcTime
from backend.kit.ids import uuid7


class InvoiceRecord(Owned, Base):
    """An invoice of `party_id`, the seller. The matched buyer sees it too."""

    __tablename__ = "invoices"
    __table_args__ = (Index("ix_invoices_buyer", "ledger_id", "buyer_party_id"),)

    buyer_party_id: Mapped[UUID | None]
    uploaded_by: Mapped[UUID]
    """The user that brought it."""
    state: Mapped[str] = mapped_column(String(12), default="open")
    """`open`, `withdrawn` (by its owner, before anything was confirmed) or `erased`."""
    number: Mapped[str] = mapped_column(String(200), index=True)
    issue_date: Mapped[str] = mapped_column(String(10))
    currency: Mapped[str] = mapped_column(String(3))
    profile: Mapped[str] = mapped_column(String(10))
    fields: Mapped[dict[str, Any]] = mapped_column(Json)
    """The whole invoice (codec.dump)."""
    validation: Mapped[dict[str, Any]] = mapped_column(Json)
    sha256: Mapped[str] = mapped_column(Hash32)
    document_root: Mapped[str] = mapped_column(Hash32)
    media_type: Mapped[str] = mapped_column(String(100))
    scan: Mapped[str] = mapped_column(String(20), default="not-scanned")
    """What the scanner said: `not-scanned`, `clean`, or its own name for what it found."""
    filing_number: Mapped[str | None] = mapped_column(String(100))
    answer: Mapped[str | None] = mapped_column(String(2))
    """The buyer's last answer (Peppol Invoice Response code)."""
    legal_hold: Mapped[str | None] = mapped_column(String(500))
    """Why it may not be erased (a lawsuit, an inspection), whatever the schedule says."""
    reminders: Mapped[int] = mapped_column(default=0)
    """How often the buyer was reminded to answer."""
    reminded_at: Mapped[datetime | None] = mapped_column(UtcTime)


class SealedDocument(Owned, Base):
    """Something encrypted that belongs to an invoice: the `original`, or its `fields` with their salts."""

    __tablename__ = "invoice_documents"
    __table_args__ = (UniqueConstraint("invoice_id", "kind"),)

    invoice_id: Mapped[UUID] = mapped_column(ForeignKey("invoices.id"), index=True)
    kind: Mapped[str] = mapped_column(String(10))
    file_name: Mapped[str | None] = mapped_column(String(255))
    ciphertext: Mapped[bytes] = mapped_column(LargeBinary)
    wrapped_key: Mapped[bytes] = mapped_column(LargeBinary)
    master_key: Mapped[str] = mapped_column(String(16))


class InvoiceIdentity(Base):
    """The identity of an open invoice: at most one a ledger, whatever two requests do at once."""

    __tablename__ = "invoice_identities"

    ledger_id: Mapped[UUID] = mapped_column(primary_key=True)
    value: Mapped[str] = mapped_column(String(64), primary_key=True)
    invoice_id: Mapped[UUID] = mapped_column(ForeignKey("invoices.id"), index=True)


class InvoiceToken(Base):
    """A keyed token of an open invoice (uniqueness.py). Never shown."""

    __tablename__ = "invoice_tokens"
    __table_args__ = (Index("ix_invoice_tokens_value", "ledger_id", "value"),)

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid7)
    ledger_id: Mapped[UUID]
    invoice_id: Mapped[UUID] = mapped_column(ForeignKey("invoices.id"), index=True)
    kind: Mapped[str] = mapped_column(String(1))
    value: Mapped[str] = mapped_column(String(64))
    items: Mapped[dict[str, str]] = mapped_column(Json, default=dict)
    delivery: Mapped[str] = mapped_column(String(220), default="")
    units: Mapped[dict[str, str]] = mapped_column(Json, default=dict)


class InvoiceHold(Owned, Base):
    """A reason for a person to look before the invoice may be financed, and who let it go."""

    __tablename__ = "invoice_holds"
    __table_args__ = (UniqueConstraint("invoice_id", "rule", "against"),)

    invoice_id: Mapped[UUID] = mapped_column(ForeignKey("invoices.id"), index=True)
    rule: Mapped[str] = mapped_column(String(40))
    """A rule of gates/rules.toml, or `same-` and the kind of token that met another invoice's."""
    against: Mapped[str] = mapped_column(String(36), default="")
    """The other invoice, where a token met. For the person who decides; never shown to a party."""
    foreign: Mapped[bool] = mapped_column(default=False)
    """Whether the other invoice is another seller's."""
    params: Mapped[dict[str, str]] = mapped_column(Json, default=dict)
    released_by: Mapped[UUID | None]
    released_at: Mapped[datetime | None] = mapped_column(UtcTime)
    reason: Mapped[str | None] = mapped_column(String(500))


class InvoiceAnswer(Owned, Base):
    """An answer of the buyer (`party_id`), given or waiting for a second person."""

    __tablename__ = "invoice_answers"

    invoice_id: Mapped[UUID] = mapped_column(ForeignKey("invoices.id"), index=True)
    code: Mapped[str] = mapped_column(String(2))
    reasons: Mapped[list[str]] = mapped_column(Json, default=list)
    amount: Mapped[int | None] = mapped_column(Amount)
    due_date: Mapped[str | None] = mapped_column(String(10))
    note: Mapped[str | None] = mapped_column(String(1000))
    given_by: Mapped[UUID]
    approved_by: Mapped[UUID | None]
    approved_for: Mapped[UUID | None]
    """Whose place the second person took, where it was a deputy."""
    state: Mapped[str] = mapped_column(String(10))
    """`proposed` while a second person has to agree, then `given`."""


class InvoiceBatch(Owned, Base):
    """Many invoices brought at once."""

    __tablename__ = "invoice_batches"

    uploaded_by: Mapped[UUID]
    file_name: Mapped[str | None] = mapped_column(String(255))
    profile: Mapped[str] = mapped_column(String(10))
    total: Mapped[int]


class BatchEntry(Owned, Base):
    """One file or row of a batch; sealed while it waits, then `taken` or `refused`."""

    __tablename__ = "invoice_batch_entries"
    __table_args__ = (UniqueConstraint("batch_id", "position"),)

    batch_id: Mapped[UUID] = mapped_column(ForeignKey("invoice_batches.id"), index=True)
    position: Mapped[int]
    name: Mapped[str] = mapped_column(String(255))
    kind: Mapped[str] = mapped_column(String(100))
    state: Mapped[str] = mapped_column(String(10))
    invoice_id: Mapped[UUID | None]
    problem: Mapped[str | None] = mapped_column(String(60))
    detail: Mapped[dict[str, str]] = mapped_column(Json, default=dict)
    ciphertext: Mapped[bytes] = mapped_column(LargeBinary)
    wrapped_key: Mapped[bytes] = mapped_column(LargeBinary)
    master_key: Mapped[str] = mapped_column(String(16))


class AnswerLimit(Owned, Base):
    """Above this amount a buyer accepts with two people."""

    __tablename__ = "answer_limits"
    __table_args__ = (UniqueConstraint("ledger_id", "party_id", "currency"),)

    currency: Mapped[str] = mapped_column(String(3))
    amount: Mapped[int] = mapped_column(Amount)


class AnswerDeputy(Owned, Base):
    """Who of a party stands in for an absent colleague as the second person, from a day to a day (UTC)."""

    __tablename__ = "answer_deputies"

    absent_user_id: Mapped[UUID]
    deputy_user_id: Mapped[UUID]
    starts: Mapped[str] = mapped_column(String(10))
    ends: Mapped[str] = mapped_column(String(10))
    named_by: Mapped[UUID]
    ended_at: Mapped[datetime | None] = mapped_column(UtcTime)


class FingerprintKeySet(Base):
    """The public keys that fingerprints must be made under, as the chain says. Kept by a projection."""

    __tablename__ = "fingerprint_key_sets"

    ledger_id: Mapped[UUID] = mapped_column(primary_key=True)
    key_set: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    keys: Mapped[list[str]] = mapped_column(Json)


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


async def get(
    session: AsyncSession, ledger_id: UUID, invoice_id: UUID, *, lock: bool = False
) -> InvoiceRecord | None:
    """An invoice of the ledger, whoever asks: for other rooms, which have their own rules of access."""
    statement = select(InvoiceRecord).where(
        InvoiceRecord.ledger_id == ledger_id, InvoiceRecord.id == invoice_id
    )
    return await session.scalar(statement.with_for_update() if lock else statement)


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


async def meeting(
    session: AsyncSession, ledger_id: UUID, values: Iterable[str], besides: UUID
) -> Sequence[tuple[InvoiceToken, InvoiceRecord]]:
    """Tokens of other invoices with one of these values."""
    rows = await session.execute(
        select(InvoiceToken, InvoiceRecord)
        .join(InvoiceRecord, InvoiceRecord.id == InvoiceToken.invoice_id)
        .where(
            InvoiceToken.ledger_id == ledger_id,
            InvoiceToken.value.in_(list(values)),
            InvoiceToken.invoice_id != besides,
        )
        .order_by(InvoiceToken.id)
        .limit(200)
    )
    return [(row[0], row[1]) for row in rows]


async def tokens_of(session: AsyncSession, invoice_id: UUID) -> Sequence[InvoiceToken]:
    """The tokens of one invoice."""
    return (await session.scalars(select(InvoiceToken).where(InvoiceToken.invoice_id == invoice_id))).all()


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


def accepted_by(ledger_id: UUID, party_id: UUID) -> Select[InvoiceRecord]:
    """Invoices a buyer has accepted and not yet paid."""
    return select(InvoiceRecord).where(
        InvoiceRecord.ledger_id == ledger_id,
        InvoiceRecord.buyer_party_id == party_id,
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
