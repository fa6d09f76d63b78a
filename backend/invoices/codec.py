"""An invoice as JSON and back: how it is kept, how the API takes and gives it, and what its root commits to.

Dates are ISO 8601, decimals are text, totals are integers of minor units. Attachments keep their names and
lose their bytes: those stay in the original.
"""

import json
from collections.abc import Iterable
from typing import Any

from pydantic import TypeAdapter, ValidationError

from backend.invoices import amounts
from backend.invoices.formats.errors import Unreadable
from backend.invoices.model import Invoice
from backend.invoices.validation.result import Validation
from backend.kit.canonical import Json

_ADAPTER = TypeAdapter(Invoice)
_VALIDATION = TypeAdapter(Validation)
_ABSENT = {"number": None, "type": None, "issue_date": None, "currency": None}
_NOT_KEPT = {"attachments": {"__all__": {"content"}}}


def dump(invoice: Invoice) -> dict[str, Any]:
    """The invoice as JSON values, without what it does not say."""
    plain: dict[str, Any] = _ADAPTER.dump_python(invoice, mode="json", exclude=_NOT_KEPT, exclude_none=True)
    return plain


def dump_validation(validation: Validation) -> dict[str, Any]:
    """A validation's answer as JSON values."""
    plain: dict[str, Any] = _VALIDATION.dump_python(validation, mode="json")
    return plain


def load_validation(plain: Any) -> Validation:
    """The answer that `dump_validation` wrote."""
    return _VALIDATION.validate_python(plain)


def to_json(invoices: Iterable[Invoice]) -> bytes:
    """A JSON list of invoices as `dump` gives each."""
    return json.dumps([dump(invoice) for invoice in invoices], ensure_ascii=False, indent=1).encode()


def load(plain: Any) -> Invoice:
    """The invoice that `dump` wrote, or a caller sent. Raises Unreadable: `json-malformed`."""
    try:
        return _ADAPTER.validate_python({**_ABSENT, **plain} if isinstance(plain, dict) else plain)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = "/" + "/".join(str(step) for step in first["loc"])
        raise Unreadable("json-malformed", place=place, reason=first["msg"]) from None


def business_terms(invoice: Invoice, sha256: str) -> dict[str, Json]:
    """What can be shown field by field, each under its business term; `document` is the original's hash.

    Amounts are decimal text in the invoice's currency, as on the invoice; lines stand under their position.
    """
    references, totals, currency = invoice.references, invoice.totals, invoice.currency
    fields: dict[str, Json] = {
        "document": sha256,
        "BT-1": invoice.number,
        "BT-2": _iso(invoice.issue_date),
        "BT-3": invoice.type,
        "BT-5": currency,
        "BT-9": _iso(invoice.due.day),
        "BT-9/source": invoice.due.source.value,
        "BT-10": references.buyer,
        "BT-12": references.contract,
        "BT-13": references.order,
        "BT-14": references.sales_order,
        "BT-15": references.receipt,
        "BT-16": references.despatch,
        "BT-20": invoice.terms,
        "BT-27": invoice.seller.name,
        "BT-31": invoice.seller.vat,
        "BT-44": invoice.buyer.name,
        "BT-48": invoice.buyer.vat,
        "BT-59": invoice.payee.name if invoice.payee else None,
        "BT-72": _iso(invoice.delivery_date),
    }
    if currency is not None:
        for term, amount in (
            ("BT-109", totals.net),
            ("BT-110", totals.tax),
            ("BT-112", totals.gross),
            ("BT-113", totals.prepaid),
            ("BT-115", totals.payable),
        ):
            fields[term] = amounts.text(amount, currency) if amount is not None else None
    for position, preceding in enumerate(invoice.references.preceding):
        fields[f"BG-3/{position}/BT-25"] = preceding.number
    for position, line in enumerate(invoice.lines):
        for term, value in (
            ("BT-126", line.id),
            ("BT-129", _text(line.quantity)),
            ("BT-130", line.unit),
            ("BT-131", _text(line.net)),
            ("BT-153", line.name),
            ("BT-155", line.seller_item),
            ("BT-157", line.gtin),
        ):
            fields[f"BG-25/{position}/{term}"] = value
    return {name: value for name, value in fields.items() if value is not None}


def _iso(day: Any) -> str | None:
    return day.isoformat() if day else None


def _text(number: Any) -> str | None:
    return format(number, "f") if number is not None else None
