"""Tokens that meet when two invoices are one: keyed, so that only this server can make and compare them.

E is the identity; meeting it blocks. The others hold for a person to look at: A renumbered, F look-alike
number, P same order and amount, D same delivery, X same bytes. They never leave the server, and an answer
built on them never tells one party about another's business.
"""

import hashlib
import hmac
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum

from backend.invoices import identity
from backend.invoices.model import Invoice, Line
from backend.kit.spelling import spelling


class Kind(StrEnum):
    """What a token says is the same."""

    E = "E"
    """Identity: seller, year, class, number."""
    A = "A"
    """Renumbered: seller, buyer, date, currency, gross, class."""
    F = "F"
    """Look-alike number, in the same year or for the same buyer and amount."""
    P = "P"
    """Same order and amount for the same delivery, or on the same day where none is named."""
    D = "D"
    """Same delivery: what it brought can be invoiced once."""
    X = "X"
    """Same bytes."""
    C = "C"
    """The invoice itself, as credit notes and corrections name it. Holds nothing."""
    N = "N"
    """That it names an invoice: the value is that of the invoice's C. Holds nothing."""


COMPARED = (Kind.A, Kind.F, Kind.P, Kind.D, Kind.X)


@dataclass(frozen=True, slots=True)
class Token:
    """One keyed token. `items` says, for D, how much of what the invoice takes from the delivery."""

    kind: Kind
    value: str
    items: Mapping[str, Decimal] = field(default_factory=dict)
    delivery: str = ""
    """For D, the delivery itself: `despatch` or `receipt`, a colon, and the number as the invoice has it."""
    units: Mapping[str, str] = field(default_factory=dict)
    """For D, the unit of each item, where the invoice states one for all its lines of it."""


def tokens(
    invoice: Invoice, data: bytes, seller: Sequence[str], buyer: str | None, key: bytes
) -> tuple[Token, ...]:
    """All tokens of an invoice under `key`.

    `seller` are the identifiers the seller is admitted under, the canonical tax number first; `buyer` the
    buyer's tax number, None while it is not an admitted party.
    """
    plain = [
        Token(kind, _keyed(key, kind, parts)) for kind, parts in _materials(invoice, data, seller, buyer)
    ]
    deliveries = [
        Token(Kind.D, _keyed(key, Kind.D, parts), _quantities(lines), delivery, _units(lines))
        for parts, delivery, lines in _deliveries(invoice, seller[0], buyer)
    ]
    if buyer is None:
        return (*plain, *deliveries)
    concerned = [
        Token(role, _keyed(key, Kind.C, (seller[0], buyer, spelling(number))))
        for role, number in _concerned(invoice)
    ]
    return (*plain, *deliveries, *concerned)


def exceeds(
    own: Mapping[str, Decimal],
    others: Sequence[Mapping[str, Decimal]],
    delivered: Mapping[str, Decimal] | None = None,
) -> bool:
    """Whether a delivery cannot back this invoice beside the `others` that already stand on it.

    With known delivered quantities it is their sum that counts; without, a second invoice for an item of the
    first is too much, and so is one that does not say which items it is for.
    """
    if delivered is not None and own and all(others):
        return any(
            amount + sum((other.get(item, Decimal(0)) for other in others), start=Decimal(0))
            > delivered.get(item, Decimal(0))
            for item, amount in own.items()
        )
    return any(not own or not other or set(own) & set(other) for other in others)


def _concerned(invoice: Invoice) -> Iterator[tuple[Kind, str]]:
    """The number others name the invoice by, and the numbers it names as credited or replaced."""
    is_credit = identity.document_class(invoice) == "CN"
    if not is_credit:
        yield Kind.C, invoice.number or ""
    if is_credit or invoice.type in identity.CORRECTIONS:
        for preceding in {each.number: None for each in invoice.references.preceding}:
            yield Kind.N, preceding


def _materials(
    invoice: Invoice, data: bytes, seller: Sequence[str], buyer: str | None
) -> Iterator[tuple[Kind, tuple[str, ...]]]:
    for text in identity.identities(invoice, seller):
        yield Kind.E, (text,)
    yield Kind.X, (hashlib.sha256(data).hexdigest(),)
    kind = identity.document_class(invoice)
    gross = invoice.totals.gross if invoice.totals.gross is not None else invoice.totals.payable
    amount = (invoice.currency or "", str(abs(gross or 0)))
    issued = invoice.issue_date.isoformat() if invoice.issue_date else ""
    for way, looks in zip("zs", identity.skeletons(invoice.number or ""), strict=True):
        yield Kind.F, (way, seller[0], kind, looks, issued[:4])
        if buyer is not None:
            yield Kind.F, (way, seller[0], kind, looks, buyer, *amount)
    if buyer is None:
        return
    yield Kind.A, (seller[0], kind, buyer, issued, *amount)
    if order := identity.reference(invoice.references.order):
        deliveries = sorted(set(_references(invoice, "despatch")) | set(_references(invoice, "receipt")))
        day = (invoice.delivery_date or invoice.issue_date).isoformat() if invoice.issue_date else ""
        for occasion in deliveries or [day]:
            yield Kind.P, (kind, buyer, order, *amount, occasion)


def _deliveries(
    invoice: Invoice, seller: str, buyer: str | None
) -> Iterator[tuple[tuple[str, ...], str, Sequence[Line]]]:
    """Despatch advices are numbered by the seller, receipts by the buyer."""
    if buyer is None or identity.document_class(invoice) != "INV":
        return
    for name, who in (("despatch", (buyer, seller)), ("receipt", (buyer,))):
        whole = identity.reference(getattr(invoice.references, name))
        lines: dict[str | None, list[Line]] = {}
        for line in invoice.lines:
            lines.setdefault(identity.reference(getattr(line, name)) or whole, []).append(line)
        for delivery, stated in _references(invoice, name).items():
            yield (name, *who, delivery), f"{name}:{stated[:200]}", lines.get(delivery, [])


def _references(invoice: Invoice, name: str) -> Mapping[str, str]:
    """Each delivery in its one spelling, and as the invoice writes it first."""
    found: dict[str, str] = {}
    for text in (getattr(invoice.references, name), *(getattr(line, name) for line in invoice.lines)):
        if plain := identity.reference(text):
            found.setdefault(plain, text)
    return found


def _item(line: Line) -> str | None:
    """What the line sells, by GTIN or the seller's number."""
    return line.gtin or (spelling(line.seller_item) if line.seller_item else None)


def _units(lines: Sequence[Line]) -> Mapping[str, str]:
    found: dict[str, set[str | None]] = {}
    for line in lines:
        found.setdefault(_item(line) or "", set()).add(line.unit)
    return {item: unit for item, (unit, *others) in found.items() if unit and not others}


def _quantities(lines: Sequence[Line]) -> Mapping[str, Decimal]:
    """How much of each item. Empty if some line does not say."""
    total: dict[str, Decimal] = {}
    for line in lines:
        item = _item(line)
        if item is None or line.quantity is None:
            return {}
        total[item] = total.get(item, Decimal(0)) + line.quantity
    return total


def _keyed(key: bytes, kind: Kind, parts: Sequence[str]) -> str:
    """HMAC-SHA256 over the parts, each with its length before it, so that no two lists read the same."""
    message = b"".join(len(part.encode()).to_bytes(4, "big") + part.encode() for part in (kind.value, *parts))
    return hmac.digest(key, message, "sha256").hex()
