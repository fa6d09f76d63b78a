"""What a buyer should see before it confirms: what it received of each article, and what of that it
confirmed already.

One delivery cannot stand behind two claims. Receipts are the buyer's own events that name a document of the
invoice (order, despatch advice, receiving advice); confirmed before is what other confirmed receivables bill
for goods of the same events. Articles are told by their GTIN and quantities compared within one kind of unit;
where that cannot be done the answer is "cannot tell", never a guess.
"""

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from enum import StrEnum
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from backend.invoices import codec
from backend.invoices import model as invoicing
from backend.invoices import repository as invoices
from backend.invoices.holds import Delivery
from backend.provenance.references import LinkedEvent, events_for_references
from backend.provenance.trace.deliveries import Line, Moved, moved
from backend.provenance.units import convert
from backend.receivables import repository
from backend.receivables.repository import ReceivableRecord

_MOST_OTHERS = 500
"""Confirmed receivables of one buyer that are looked through; beyond, nothing is told."""


class Doubt(StrEnum):
    """Why it cannot be told what was received of a line, or confirmed before."""

    NO_ARTICLE = "no-article"
    """The line names no GTIN or no quantity."""
    NO_RECEIPT = "no-receipt"
    """The buyer recorded no receipt under the numbers on the invoice."""
    NO_QUANTITY = "no-quantity"
    """Some event states no quantity that compares with the invoice's."""
    OTHER_CLAIMS = "other-claims"
    """Another claim rests on the same delivery, and its lines do not compare with this one's."""


@dataclass(frozen=True, slots=True)
class Delivered:
    """One article of an invoice against its goods, in its own unit. `doubt` says why a quantity is None."""

    lines: str
    """The numbers of the invoice's lines that bill it."""
    name: str | None
    gtin: str | None
    unit: str | None
    billed: Decimal | None
    received: Decimal | None = None
    """Received and not sent back, by the buyer's own events, over all deliveries."""
    confirmed: Decimal | None = None
    """Billed by receivables this buyer confirmed before, for the same deliveries."""
    doubt: Doubt | None = None

    @property
    def enough(self) -> bool | None:
        """Whether what is left of the deliveries covers what is billed."""
        if self.billed is None or self.received is None or self.confirmed is None:
            return None
        return self.received - self.confirmed >= self.billed


async def behind(session: AsyncSession, record: ReceivableRecord) -> list[Delivered]:
    """The invoice behind `record` against what its debtor received and confirmed before."""
    invoice = await _invoice(session, record)
    if invoice is None:
        return []
    linked = await _linked(session, record, invoice)
    claimed = await _claimed(session, record, {each.row.sequence for each in linked})
    return compare(invoice.lines, linked, claimed, record.debtor_party_id)


async def _claimed(
    session: AsyncSession, record: ReceivableRecord, sequences: Container[int]
) -> list[invoicing.Line] | None:
    """The lines of confirmed claims on the same events; None where they cannot all be known."""
    others = await repository.confirmed_by(session, record.ledger_id, record.debtor_party_id, _MOST_OTHERS)
    lines: list[invoicing.Line] = []
    for other in others:
        theirs = await _invoice(session, other)
        if theirs is None or len(others) == _MOST_OTHERS:
            return None
        if any(each.row.sequence in sequences for each in await _linked(session, other, theirs)):
            lines += theirs.lines
    return lines


async def received(
    session: AsyncSession, ledger_id: UUID, delivery: Delivery
) -> Mapping[str, Decimal] | None:
    """How much of each item the buyer received in one delivery and kept, by its own events.

    In the units asked. None where it recorded nothing under that number, or some quantity does not compare.
    """
    kind = "desadv" if delivery.kind == "despatch" else "recadv"
    events = await events_for_references(
        session,
        ledger_id,
        {kind: [delivery.number]},
        seller_party_id=delivery.seller_party_id,
        buyer_party_id=delivery.buyer_party_id,
    )
    items = {item: _gtin(item) for item in delivery.items}
    if not any(each.recorder == delivery.buyer_party_id for each in events) or None in items.values():
        return None
    lines = [
        Line(item, _link(gtin), delivery.items[item], delivery.units[item])
        for item, gtin in items.items()
        if gtin is not None
    ]
    found: dict[str, Decimal] = {}
    for goods in moved(lines, events, receivers={delivery.buyer_party_id}):
        if goods.received is None or goods.returned is None:
            return None
        found[goods.line.number] = goods.received - goods.returned
    return found


def compare(
    lines: Sequence[invoicing.Line],
    events: Sequence[LinkedEvent],
    claimed: Sequence[invoicing.Line] | None,
    buyer: UUID,
) -> list[Delivered]:
    """Each article of `lines` against the buyer's receipts among `events` and the lines of claims confirmed
    before: `claimed`, None where they are not all known."""
    billed = _articles(lines)
    known = [
        Line(gtin, _link(gtin), each.billed, each.unit)
        for gtin, each in billed.items()
        if each.gtin is not None and each.billed is not None
    ]
    goods = {each.line.number: each for each in moved(known, events, receivers={buyer})}
    if not any(each.recorder == buyer for each in events):
        return [replace(each, doubt=each.doubt or Doubt.NO_RECEIPT) for each in billed.values()]
    before = None if claimed is None else _articles(claimed)
    return [_against(each, goods.get(gtin), before) for gtin, each in billed.items()]


def _against(stated: Delivered, goods: Moved | None, before: Mapping[str, Delivered] | None) -> Delivered:
    if stated.doubt is not None or goods is None:
        return stated
    if goods.received is None or goods.returned is None:
        return replace(stated, doubt=Doubt.NO_QUANTITY)
    confirmed = _confirmed(stated, before)
    return replace(
        stated,
        received=goods.received - goods.returned,
        confirmed=confirmed,
        doubt=Doubt.OTHER_CLAIMS if confirmed is None else None,
    )


def _confirmed(stated: Delivered, before: Mapping[str, Delivered] | None) -> Decimal | None:
    """What earlier claims bill of the article; a line of theirs without a GTIN may be any article."""
    if before is None or any(each.gtin is None for each in before.values()):
        return None
    theirs = before.get(stated.gtin or "")
    if theirs is None:
        return Decimal(0)
    return None if theirs.billed is None else convert(theirs.billed, theirs.unit, stated.unit)


def _articles(lines: Sequence[invoicing.Line]) -> dict[str, Delivered]:
    """Lines by article, quantities added up in the unit of its first line; a line without GTIN alone."""
    found: dict[str, Delivered] = {}
    for place, line in enumerate(lines, 1):
        number, gtin = line.id or str(place), _gtin(line.gtin)
        stated = Delivered(number, line.name, gtin, line.unit, line.quantity)
        if gtin is None or line.quantity is None:
            stated = replace(stated, doubt=Doubt.NO_ARTICLE)
        key = gtin or f"line {place}"
        found[key] = stated if key not in found else _added(found[key], stated)
    return found


def _added(first: Delivered, more: Delivered) -> Delivered:
    amount = None if more.billed is None else convert(more.billed, more.unit, first.unit)
    total = None if amount is None or first.billed is None else first.billed + amount
    doubt = first.doubt or more.doubt or (Doubt.NO_QUANTITY if total is None else None)
    return replace(first, lines=f"{first.lines}, {more.lines}", billed=total, doubt=doubt)


def _gtin(text: str | None) -> str | None:
    known = text is not None and text.isascii() and text.isdigit() and len(text) <= 14
    return text.zfill(14) if text is not None and known else None


def _link(gtin: str) -> str:
    return f"https://id.gs1.org/01/{gtin}"


async def _linked(
    session: AsyncSession, record: ReceivableRecord, invoice: invoicing.Invoice
) -> list[LinkedEvent]:
    return await events_for_references(
        session,
        record.ledger_id,
        invoice.documents,
        seller_party_id=record.party_id,
        buyer_party_id=record.debtor_party_id,
    )


async def _invoice(session: AsyncSession, record: ReceivableRecord) -> invoicing.Invoice | None:
    found = await invoices.get(session, record.ledger_id, record.invoice_id)
    return None if found is None or found.state == "erased" else codec.load(found.fields)
