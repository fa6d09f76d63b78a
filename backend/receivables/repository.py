"""Tables of receivables: what parties drafted and signed, and what the chain says.

`receivables` is ours and backed up; the others are the read model, folded from events and droppable.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    Index,
    LargeBinary,
    Select,
    String,
    UniqueConstraint,
    and_,
    delete,
    exists,
    func,
    select,
    text,
)
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column, synonym

from backend.chain import history
from backend.kit import bulk
from backend.kit.access import Owned
from backend.kit.database import Address, Amount, Base, Hash32, Json, UtcTime

PROJECTION = "receivables"
"""The name under which the index keeps the events of receivables."""
_OPEN = text("open")


class ReceivableRecord(Owned, Base):
    """A receivable from draft to archive; `party_id` is the supplier's. `chain_id` follows from `terms`."""

    __tablename__ = "receivables"
    __table_args__ = (
        Index(
            "uq_receivables_one_open_claim",
            "ledger_id",
            "debtor_account",
            "fingerprint",
            unique=True,
            sqlite_where=_OPEN,
            postgresql_where=_OPEN,
        ),
        Index("ix_receivables_chain_id", "ledger_id", "chain_id"),
        # Pages of a party's receivables, newest first (visibility.py).
        Index("ix_receivables_supplier", "ledger_id", "party_id", "id"),
        Index("ix_receivables_debtor", "ledger_id", "debtor_party_id", "id"),
    )

    debtor_party_id: Mapped[UUID] = mapped_column(index=True)
    invoice_id: Mapped[UUID] = mapped_column(index=True)
    supplier_account: Mapped[str] = mapped_column(Address)
    debtor_account: Mapped[str] = mapped_column(Address)
    fingerprint: Mapped[str] = mapped_column(Hash32)
    terms: Mapped[dict[str, Any]] = mapped_column(Json)
    """`Terms.message()`: what both sides sign."""
    chain_id: Mapped[str] = mapped_column(Hash32)
    other_fingerprints: Mapped[list[str]] = mapped_column(Json, default=list)
    due_date: Mapped[str] = mapped_column(String(10))
    time_zone: Mapped[str] = mapped_column(String(64))
    business_day_rule: Mapped[str] = mapped_column(String(20))
    calendar: Mapped[str] = mapped_column(String(20))
    open: Mapped[bool] = mapped_column(default=True)
    """Not withdrawn and not turned down: it stands in the way of the same invoice brought again."""
    stage: Mapped[str] = mapped_column(String(20), default="draft")
    """draft, put_forward (the supplier signed), agreed (the debtor signed too), rejected, withdrawn."""
    reason: Mapped[str | None] = mapped_column(String(500))
    issue: Mapped[dict[str, Any] | None] = mapped_column(Json)
    """The supplier's signed action `IssueAndConfirm`, waiting for the debtor's confirmation."""
    confirmation: Mapped[dict[str, Any] | None] = mapped_column(Json)
    """The debtor's signed confirmation."""
    operation_id: Mapped[UUID | None]
    """What was last sent to the chain to issue and confirm it."""


class Invitation(Owned, Base):
    """A party the supplier shows a receivable to, so that it can check it and offer for it."""

    __tablename__ = "receivable_invitations"
    __table_args__ = (UniqueConstraint("receivable_id", "guest_party_id"),)

    receivable_id: Mapped[UUID] = mapped_column(index=True)
    guest_party_id: Mapped[UUID] = mapped_column(index=True)


class Note(Owned, Base):
    """What a party said about a receivable, of which the chain holds the salted hash."""

    __tablename__ = "receivable_notes"

    receivable_id: Mapped[UUID] = mapped_column(index=True)
    subject: Mapped[str] = mapped_column(String(20))
    text: Mapped[str] = mapped_column(String(500))
    salt: Mapped[bytes] = mapped_column(LargeBinary(32))
    hash: Mapped[str] = mapped_column(Hash32)


class ReceivableState(Base):
    """What the chain says of a receivable now."""

    __tablename__ = "receivable_states"

    ledger_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[str] = mapped_column(Hash32, primary_key=True)
    supplier: Mapped[str] = mapped_column(Address, index=True)
    debtor: Mapped[str] = mapped_column(Address, index=True)
    token: Mapped[str] = mapped_column(Address)
    currency: Mapped[str] = mapped_column(String(3))
    terms: Mapped[dict[str, Any]] = mapped_column(Json)
    status: Mapped[str] = mapped_column(String(20))
    was_written_off: Mapped[bool]
    due_end: Mapped[datetime] = mapped_column(UtcTime, index=True)
    grace_days: Mapped[int]
    face: Mapped[int] = mapped_column(Amount)
    units: Mapped[int] = mapped_column(Amount)
    unpaid: Mapped[int] = mapped_column(Amount)
    paid: Mapped[int] = mapped_column(Amount)
    closed: Mapped[int] = mapped_column(Amount)
    reduced: Mapped[int] = mapped_column(Amount)
    redeemed: Mapped[int] = mapped_column(Amount)
    interest_paid: Mapped[int] = mapped_column(Amount)
    issued_at: Mapped[datetime] = mapped_column(UtcTime)
    confirmed_at: Mapped[datetime | None] = mapped_column(UtcTime)
    settled_at: Mapped[datetime | None] = mapped_column(UtcTime)
    replaced_by: Mapped[str | None] = mapped_column(Hash32)


class Holding(Base):
    """What one account has, or had, of a receivable."""

    __tablename__ = "receivable_holdings"

    ledger_id: Mapped[UUID] = mapped_column(primary_key=True)
    receivable: Mapped[str] = mapped_column(Hash32, primary_key=True)
    account: Mapped[str] = mapped_column(Address, primary_key=True, index=True)
    units: Mapped[int] = mapped_column(Amount)
    unpaid: Mapped[int] = mapped_column(Amount)
    redeemable: Mapped[int] = mapped_column(Amount)
    redeemed: Mapped[int] = mapped_column(Amount)


_EVENTS = history.events_by_key(PROJECTION)


class TimelineEntry(Base):
    """One event in the life of a receivable, as the index keeps it."""

    __table__ = _EVENTS
    __mapper_args__ = {  # noqa: RUF012 - SQLAlchemy's own declaration of it
        "primary_key": [_EVENTS.c.ledger_id, _EVENTS.c.key, _EVENTS.c.block_number, _EVENTS.c.log_index]
    }

    ledger_id: Mapped[UUID]
    receivable: Mapped[str] = synonym("key")
    block_number: Mapped[int]
    log_index: Mapped[int]
    name: Mapped[str]
    args: Mapped[dict[str, Any]]
    time: Mapped[datetime] = synonym("block_time")
    tx_hash: Mapped[str]


class TakenFingerprint(Base):
    """A slot of the register of invoices: taken once, for ever."""

    __tablename__ = "taken_fingerprints"

    ledger_id: Mapped[UUID] = mapped_column(primary_key=True)
    debtor: Mapped[str] = mapped_column(Address, primary_key=True)
    fingerprint: Mapped[str] = mapped_column(Hash32, primary_key=True)
    receivable: Mapped[str] = mapped_column(Hash32)


class SettlementCurrency(Base):
    """A currency and the token it is paid in; `exponent`: a minor unit is 10 ** exponent of the token's
    units."""

    __tablename__ = "settlement_currencies"

    ledger_id: Mapped[UUID] = mapped_column(primary_key=True)
    number: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    token: Mapped[str] = mapped_column(Address)
    code: Mapped[str] = mapped_column(String(3))
    exponent: Mapped[int]
    minimum: Mapped[int] = mapped_column(Amount)
    is_open: Mapped[bool]


_READ_MODEL: Mapping[type[Base], Any] = {
    ReceivableState: ReceivableState.id,
    Holding: Holding.receivable,
}
"""The tables of the read model, and the column that names the receivable."""


async def replace_read_model(
    session: AsyncSession,
    ledger_id: UUID,
    keys: Collection[str],
    rows: Mapping[type[Base], Sequence[Mapping[str, Any]]],
) -> None:
    """Puts `rows`, by table, in the place of all read-model rows of the receivables `keys`."""
    for table, column in _READ_MODEL.items():
        concerned = bulk.among(session, column, keys)
        await session.execute(delete(table).where(column.class_.ledger_id == ledger_id, concerned))
        await bulk.insert(session, table, rows[table])


async def point_slots(
    session: AsyncSession, ledger_id: UUID, slots: Sequence[tuple[str, str, str | None]]
) -> None:
    """Points slots (debtor, fingerprint) to a receivable each, or, with none, as if never taken."""
    # A fingerprint is nearly always one debtor's; what else has it is of these debtors, and written again.
    concerned = bulk.among(session, TakenFingerprint.fingerprint, [each[1] for each in slots])
    of_these = bulk.among(session, TakenFingerprint.debtor, sorted({each[0] for each in slots}))
    found = select(TakenFingerprint).where(TakenFingerprint.ledger_id == ledger_id, of_these, concerned)
    pointed: dict[tuple[str, str], str | None] = {
        (row.debtor, row.fingerprint): row.receivable for row in await session.scalars(found)
    }
    pointed |= {(debtor, fingerprint): receivable for debtor, fingerprint, receivable in slots}
    await session.execute(
        delete(TakenFingerprint).where(TakenFingerprint.ledger_id == ledger_id, of_these, concerned)
    )
    rows = [
        {"ledger_id": ledger_id, "debtor": debtor, "fingerprint": fingerprint, "receivable": receivable}
        for (debtor, fingerprint), receivable in pointed.items()
        if receivable is not None
    ]
    await bulk.insert(session, TakenFingerprint, rows)


def records(ledger_id: UUID) -> Select[ReceivableRecord]:
    """Receivables of a ledger, before any tenant filter."""
    return select(ReceivableRecord).where(ReceivableRecord.ledger_id == ledger_id)


async def invitation(session: AsyncSession, receivable_id: UUID, guest: UUID) -> Invitation | None:
    """The invitation of a party to a receivable."""
    statement = select(Invitation).where(
        Invitation.receivable_id == receivable_id, Invitation.guest_party_id == guest
    )
    return await session.scalar(statement)


async def holdings(session: AsyncSession, ledger_id: UUID, key: str) -> Sequence[Holding]:
    """Who has, or had, what of a receivable."""
    statement = select(Holding).where(Holding.ledger_id == ledger_id, Holding.receivable == key)
    return (await session.scalars(statement.order_by(Holding.account))).all()


async def holding(session: AsyncSession, ledger_id: UUID, key: str, account: str) -> Holding | None:
    """What one account has of a receivable."""
    return await session.get(Holding, (ledger_id, key, account))


async def held_by(session: AsyncSession, ledger_id: UUID, accounts: Sequence[str]) -> Sequence[Holding]:
    """Everything these accounts have of any receivable."""
    statement = select(Holding).where(Holding.ledger_id == ledger_id, Holding.account.in_(accounts))
    return (await session.scalars(statement.order_by(Holding.receivable, Holding.account))).all()


async def held_records(session: AsyncSession, ledger_id: UUID, accounts: Sequence[str]) -> Sequence[UUID]:
    """The receivables of which these accounts have units now."""
    statement = (
        select(ReceivableRecord.id)
        .join(
            Holding,
            and_(
                Holding.ledger_id == ReceivableRecord.ledger_id,
                Holding.receivable == ReceivableRecord.chain_id,
            ),
        )
        .where(Holding.ledger_id == ledger_id, Holding.account.in_(accounts), Holding.units > 0)
        .distinct()
    )
    return (await session.scalars(statement)).all()


async def last_of_timeline(session: AsyncSession, ledger_id: UUID, key: str) -> tuple[int, int, str] | None:
    """Block, place and transaction of a receivable's newest event on the chain."""
    statement = (
        select(TimelineEntry.block_number, TimelineEntry.log_index, TimelineEntry.tx_hash)
        .where(TimelineEntry.ledger_id == ledger_id, TimelineEntry.receivable == key)
        .order_by(TimelineEntry.block_number.desc(), TimelineEntry.log_index.desc())
        .limit(1)
    )
    found = (await session.execute(statement)).first()
    return None if found is None else (found[0], found[1], found[2])


async def timeline(session: AsyncSession, ledger_id: UUID, key: str) -> Sequence[TimelineEntry]:
    """The events of a receivable, oldest first."""
    statement = select(TimelineEntry).where(
        TimelineEntry.ledger_id == ledger_id, TimelineEntry.receivable == key
    )
    return (
        await session.scalars(statement.order_by(TimelineEntry.block_number, TimelineEntry.log_index))
    ).all()


async def is_claimed(
    session: AsyncSession, ledger_id: UUID, debtor_account: str, fingerprints: Sequence[str]
) -> bool:
    """Whether a claim against this debtor for the same invoice stands open here, or is on the chain."""
    drafted = select(ReceivableRecord.id).where(
        ReceivableRecord.ledger_id == ledger_id,
        ReceivableRecord.debtor_account == debtor_account,
        ReceivableRecord.fingerprint.in_(fingerprints),
        ReceivableRecord.open,
    )
    taken = select(TakenFingerprint.fingerprint).where(
        TakenFingerprint.ledger_id == ledger_id,
        TakenFingerprint.debtor == debtor_account,
        TakenFingerprint.fingerprint.in_(fingerprints),
    )
    return (await session.scalar(drafted.limit(1))) is not None or (
        await session.scalar(taken.limit(1))
    ) is not None


async def confirmed_by(
    session: AsyncSession, ledger_id: UUID, debtor_party_id: UUID, limit: int
) -> Sequence[ReceivableRecord]:
    """Receivables the debtor signed that were not taken back on the chain, newest first."""
    undone = exists().where(
        ReceivableState.ledger_id == ReceivableRecord.ledger_id,
        ReceivableState.id == ReceivableRecord.chain_id,
        ReceivableState.status.in_(["cancelled", "replaced"]),
    )
    statement = records(ledger_id).where(
        ReceivableRecord.debtor_party_id == debtor_party_id, ReceivableRecord.stage == "agreed", ~undone
    )
    return (await session.scalars(statement.order_by(ReceivableRecord.id.desc()).limit(limit))).all()


async def count_elsewhere(
    session: AsyncSession, ledger_id: UUID, debtor_account: str, fingerprints: Sequence[str]
) -> int:
    """How many other debtors have a claim on the chain for the same invoice."""
    statement = select(func.count(TakenFingerprint.debtor.distinct())).where(
        TakenFingerprint.ledger_id == ledger_id,
        TakenFingerprint.debtor != debtor_account,
        TakenFingerprint.fingerprint.in_(fingerprints),
    )
    return (await session.scalar(statement)) or 0


async def state(session: AsyncSession, ledger_id: UUID, key: str) -> ReceivableState | None:
    """What the chain says of a receivable."""
    return await session.get(ReceivableState, (ledger_id, key))


async def rests_on(session: AsyncSession, ledger_id: UUID, invoice_id: UUID) -> bool:
    """Whether a receivable made of the invoice is neither turned down nor over on the chain."""
    ended = select(ReceivableState.id).where(
        ReceivableState.ledger_id == ledger_id,
        ReceivableState.id == ReceivableRecord.chain_id,
        ReceivableState.status.in_(("settled", "cancelled", "replaced")),
    )
    statement = select(ReceivableRecord.id).where(
        ReceivableRecord.ledger_id == ledger_id,
        ReceivableRecord.invoice_id == invoice_id,
        ReceivableRecord.stage.not_in(("rejected", "withdrawn")),
        ~ended.exists(),
    )
    return await session.scalar(statement.limit(1)) is not None


async def supplied(
    session: AsyncSession, ledger_id: UUID, keys: Collection[str], supplier: str
) -> Sequence[ReceivableRecord]:
    """The receivables under these ids that the account put forward itself."""
    statement = records(ledger_id).where(
        ReceivableRecord.chain_id.in_(keys), ReceivableRecord.supplier_account == supplier
    )
    return (await session.scalars(statement)).all()


async def record(
    session: AsyncSession, ledger_id: UUID, record_id: UUID, *, lock: bool = False
) -> ReceivableRecord | None:
    """One receivable of a ledger, locked for the transaction where it is about to change."""
    if lock:
        return (await locked(session, ledger_id, [record_id])).get(record_id)
    statement = select(ReceivableRecord).where(
        ReceivableRecord.ledger_id == ledger_id, ReceivableRecord.id == record_id
    )
    return await session.scalar(statement)


async def locked(
    session: AsyncSession, ledger_id: UUID, record_ids: Collection[UUID]
) -> dict[UUID, ReceivableRecord]:
    """Receivables that are about to change, locked for the transaction, always in one order."""
    statement = select(ReceivableRecord).where(
        ReceivableRecord.ledger_id == ledger_id, ReceivableRecord.id.in_(record_ids)
    )
    rows = await session.scalars(statement.order_by(ReceivableRecord.id).with_for_update())
    return {each.id: each for each in rows}


async def notes(session: AsyncSession, ledger_id: UUID, receivable_id: UUID) -> Sequence[Note]:
    """What was said about a receivable, oldest first."""
    statement = select(Note).where(Note.ledger_id == ledger_id, Note.receivable_id == receivable_id)
    return (await session.scalars(statement.order_by(Note.id))).all()


async def count_of(session: AsyncSession, ledger_id: UUID, key: str, name: str) -> int:
    """How often an event of this name happened to a receivable."""
    statement = select(func.count()).where(
        TimelineEntry.ledger_id == ledger_id, TimelineEntry.receivable == key, TimelineEntry.name == name
    )
    return (await session.scalars(statement)).one()


async def has_credit_note(session: AsyncSession, ledger_id: UUID, key: str, note: str) -> bool:
    """Whether the supplier gave this credit note on the receivable."""
    rows = await session.scalars(
        select(TimelineEntry.args).where(
            TimelineEntry.ledger_id == ledger_id,
            TimelineEntry.receivable == key,
            TimelineEntry.name == "CreditNoteIssued",
        )
    )
    return any(args["note"] == note for args in rows)
