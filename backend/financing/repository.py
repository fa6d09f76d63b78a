"""Offers as buyers signed them, and the sales that came of them."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, ForeignKey, Select, String, and_, delete, exists, or_, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from backend.kit import bulk
from backend.kit.access import Caller, Owned
from backend.kit.database import Address, Amount, Base, Hash32, Json, UtcTime
from backend.receivables.repository import ReceivableRecord, TimelineEntry


class OfferRecord(Owned, Base):
    """An offer; `party_id` is the buyer's. Only buyer and seller see it."""

    __tablename__ = "offers"

    seller_party_id: Mapped[UUID] = mapped_column(index=True)
    terms: Mapped[dict[str, Any]] = mapped_column(Json)
    """The message that is signed, integers as decimal text."""
    sale: Mapped[str] = mapped_column(Hash32, index=True)
    """Digest of the offer, which is the id of the sale that comes of it."""
    currency: Mapped[str] = mapped_column(String(3))
    price: Mapped[int] = mapped_column(Amount)
    reserve: Mapped[int] = mapped_column(Amount)
    due_value: Mapped[int] = mapped_column(Amount)
    """What is unpaid on the units offered for."""
    due_on: Mapped[str] = mapped_column(String(10))
    expires_at: Mapped[datetime] = mapped_column(UtcTime)
    status: Mapped[str] = mapped_column(String(20), default="prepared")
    """prepared, open (the buyer signed), accepted (the seller signed), withdrawn."""
    signature: Mapped[str | None] = mapped_column(String(200))
    cosignature: Mapped[str | None] = mapped_column(String(400))
    operation_id: Mapped[UUID | None]
    """What was last sent to the chain to accept it."""


class OfferedReceivable(Base):
    """Which receivables an offer is for."""

    __tablename__ = "offered_receivables"

    offer_id: Mapped[UUID] = mapped_column(ForeignKey("offers.id"), primary_key=True)
    receivable_id: Mapped[UUID] = mapped_column(primary_key=True, index=True)


class Sale(Base):
    """A sale as the chain has it."""

    __tablename__ = "sales"

    ledger_id: Mapped[UUID] = mapped_column(primary_key=True)
    sale: Mapped[str] = mapped_column(Hash32, primary_key=True)
    seller: Mapped[str] = mapped_column(Address, index=True)
    buyer: Mapped[str] = mapped_column(Address, index=True)
    offer: Mapped[dict[str, Any]] = mapped_column(Json)
    """What its acceptance says of it: token, price, reserve, recourse, agreement, law; and the facts that
    held then, where any did."""
    status: Mapped[str] = mapped_column(String(20))
    """done, locked (cash is awaited), lapsed, cancelled (the offer, before any sale)."""
    time: Mapped[datetime] = mapped_column(UtcTime)
    tx_hash: Mapped[str] = mapped_column(Hash32)


async def replace_sales(
    session: AsyncSession, ledger_id: UUID, keys: Collection[str], rows: Sequence[Mapping[str, Any]]
) -> None:
    """Puts `rows` in the place of what is known of these sales."""
    concerned = bulk.among(session, Sale.sale, keys)
    await session.execute(delete(Sale).where(Sale.ledger_id == ledger_id, concerned))
    await bulk.insert(session, Sale, rows)


async def sale(session: AsyncSession, ledger_id: UUID, key: str) -> Sale | None:
    """The sale that came of an offer, if it did."""
    return await session.get(Sale, (ledger_id, key))


async def sales_of(session: AsyncSession, ledger_id: UUID, receivable_id: UUID, key: str) -> Sequence[Sale]:
    """The sales of units of a receivable (`key` on the chain): of offers made here for it, and any
    other in a transaction that moved its units."""
    offered = (
        select(OfferRecord.sale)
        .join(OfferedReceivable, OfferedReceivable.offer_id == OfferRecord.id)
        .where(OfferRecord.ledger_id == ledger_id, OfferedReceivable.receivable_id == receivable_id)
    )
    known = select(OfferRecord.sale).where(OfferRecord.ledger_id == ledger_id)
    moved = exists().where(
        TimelineEntry.ledger_id == ledger_id,
        TimelineEntry.receivable == key,
        TimelineEntry.tx_hash == Sale.tx_hash,
    )
    statement = select(Sale).where(
        Sale.ledger_id == ledger_id, or_(Sale.sale.in_(offered), and_(Sale.sale.not_in(known), moved))
    )
    return (await session.scalars(statement.order_by(Sale.time, Sale.sale))).all()


def may_see(caller: Caller) -> ColumnElement[bool]:
    """The tenant filter: the buyer sees its offers, the seller those that were signed."""
    own = OfferRecord.party_id == caller.party_id
    made_to = (OfferRecord.seller_party_id == caller.party_id) & (OfferRecord.status != "prepared")
    return or_(own, made_to)


def offers(caller: Caller) -> Select[OfferRecord]:
    """The offers the caller may see."""
    statement = select(OfferRecord).where(OfferRecord.ledger_id == caller.ledger_id)
    return statement if caller.sees_everything else statement.where(may_see(caller))


async def for_receivable(session: AsyncSession, caller: Caller, receivable_id: UUID) -> Sequence[OfferRecord]:
    """The offers for one receivable that the caller may see."""
    statement = (
        offers(caller)
        .join(OfferedReceivable, OfferedReceivable.offer_id == OfferRecord.id)
        .where(OfferedReceivable.receivable_id == receivable_id)
    )
    return (await session.scalars(statement)).all()


async def offer(
    session: AsyncSession, caller: Caller, offer_id: UUID, *, lock: bool = False
) -> OfferRecord | None:
    """One offer the caller may see."""
    statement = offers(caller).where(OfferRecord.id == offer_id)
    return await session.scalar(statement.with_for_update() if lock else statement)


async def by_id(session: AsyncSession, ledger_id: UUID, offer_id: UUID) -> OfferRecord | None:
    """One offer of a ledger, held until the transaction ends."""
    statement = select(OfferRecord).where(OfferRecord.ledger_id == ledger_id, OfferRecord.id == offer_id)
    return await session.scalar(statement.with_for_update())


async def offered(session: AsyncSession, offer: OfferRecord, key: str) -> ReceivableRecord:
    """The receivable with the id `key` on the chain, which the offer is for."""
    return (
        await session.scalars(
            select(ReceivableRecord)
            .join(OfferedReceivable, OfferedReceivable.receivable_id == ReceivableRecord.id)
            .where(OfferedReceivable.offer_id == offer.id, ReceivableRecord.chain_id == key)
        )
    ).one()
