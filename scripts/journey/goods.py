"""The goods behind the invoice as EPCIS 2.0 documents: made, ordered, sent, received, to match its lines.

In life these come from the parties' own systems. Everything follows from the invoice, event ids included, so
a journey that is gone on with reports the same events again and the log takes them once.
"""

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from backend.invoices.model import Invoice
from backend.kit.clock import iso

_CONTEXT = "https://ref.gs1.org/standards/epcis/2.0.0/epcis-context.jsonld"
_EXAMPLE_PREFIX = "0952"
"""GS1's prefix for examples, for lines without a GTIN of their own."""


@dataclass(frozen=True)
class Trade:
    """What the documents say: who traded what under which numbers."""

    invoice: Invoice
    seller_gln: str
    buyer_gln: str
    moment: datetime
    """When the invoice was brought: the goods moved in the days before."""

    @property
    def order(self) -> str:
        return self.invoice.references.order or f"PO {self.invoice.number}"

    @property
    def despatch(self) -> str:
        return self.invoice.references.despatch or f"DN {self.invoice.number}"

    @property
    def receipt(self) -> str:
        return self.invoice.references.receipt or f"GR {self.invoice.number}"


def making(trade: Trade) -> bytes:
    """The seller made the goods."""
    event = {
        "type": "ObjectEvent",
        "action": "ADD",
        "bizStep": "creating_class_instance",
        "disposition": "active",
        "quantityList": _quantities(trade),
    }
    return _document(trade, "making", 16, event, [])


def order(trade: Trade) -> bytes:
    """The seller picked the goods of the buyer's order."""
    event = {
        "type": "TransactionEvent",
        "action": "ADD",
        "bizStep": "picking",
        "quantityList": _quantities(trade),
    }
    return _document(trade, "order", 14, event, [("po", trade.buyer_gln, trade.order)])


def despatch(trade: Trade) -> bytes:
    """The seller sent them."""
    event = {
        "type": "ObjectEvent",
        "action": "OBSERVE",
        "bizStep": "shipping",
        "disposition": "in_transit",
        "quantityList": _quantities(trade),
    }
    numbers = [("po", trade.buyer_gln, trade.order), ("desadv", trade.seller_gln, trade.despatch)]
    return _document(trade, "despatch", 10, event, numbers)


def receipt(trade: Trade) -> bytes:
    """The buyer received them: the word of the one who owes for them."""
    event = {
        "type": "ObjectEvent",
        "action": "OBSERVE",
        "bizStep": "receiving",
        "disposition": "in_progress",
        "quantityList": _quantities(trade),
    }
    numbers = [
        ("po", trade.buyer_gln, trade.order),
        ("desadv", trade.seller_gln, trade.despatch),
        ("recadv", trade.buyer_gln, trade.receipt),
    ]
    return _document(trade, "receipt", 7, event, numbers)


def _document(
    trade: Trade, kind: str, days_before: int, event: dict[str, Any], numbers: list[tuple[str, str, str]]
) -> bytes:
    moment = (trade.moment - timedelta(days=days_before)).replace(microsecond=0)
    named = f"{trade.seller_gln}/{trade.invoice.number}/{kind}/{trade.order}"
    event = event | {
        "eventID": f"urn:uuid:{uuid5(NAMESPACE_URL, named)}",
        "eventTime": iso(moment),
        "eventTimeZoneOffset": "+00:00",
    }
    if numbers:
        event["bizTransactionList"] = [
            {"type": code, "bizTransaction": f"urn:epcglobal:cbv:bt:{gln}:{number}"}
            for code, gln, number in numbers
        ]
    document = {
        "@context": _CONTEXT,
        "type": "EPCISDocument",
        "schemaVersion": "2.0",
        "creationDate": iso(moment),
        "epcisBody": {"eventList": [event]},
    }
    return json.dumps(document, ensure_ascii=False, sort_keys=True).encode()


def _quantities(trade: Trade) -> list[dict[str, Any]]:
    lines = []
    for place, line in enumerate(trade.invoice.lines, 1):
        quantity = line.quantity or 1
        number = int(quantity) if quantity == int(quantity) else float(quantity)
        gtin = line.gtin if line.gtin and _is_gtin(line.gtin) else _gtin(place)
        lines.append({"epcClass": f"https://id.gs1.org/01/{gtin.rjust(14, '0')}", "quantity": number})
    return lines


def _is_gtin(text: str) -> bool:
    return text.isdigit() and len(text) in {8, 12, 13, 14} and _check_digit(text[:-1]) == text[-1]


def _gtin(place: int) -> str:
    body = f"{_EXAMPLE_PREFIX}{900_000_000 + place}"
    return body + _check_digit(body)


def _check_digit(body: str) -> str:
    total = sum(int(digit) * (1 if place % 2 else 3) for place, digit in enumerate(reversed(body)))
    return str(-total % 10)
