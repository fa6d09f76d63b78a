"""What no honest invoice exceeds, checked once for every format: a value is taken whole or not at all.

A number of a million characters, an amount of a million digits or a text that shows backwards is made to
bring a program down, or to make a person see something else than what is signed.
"""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from typing import Any

from backend.invoices.formats.errors import Unreadable
from backend.invoices.formats.xml import MAX_LINES, MAX_TAXES
from backend.invoices.model import DueDateSource, Invoice

MAX_ATTACHMENTS = 200
MAX_TEXT = 50_000
MAX_NAME = 200
"""Characters of a number: what the record, the fingerprint and a signer's page take."""
_MAX_DIGITS = 40
_MAX_AMOUNT = 10**_MAX_DIGITS
# Control characters are in no text a person typed; those of XML 1.0 (tab, line ends) are white space.
_CONTROL = re.compile(r"[\0-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff\ufffe\uffff]")
# Unicode's explicit directional formatting (UAX 9, 2.1 to 2.4): "ET-2026" shows as "6202-TE".
_TURNED = re.compile(r"[\u202a-\u202e\u2066-\u2069]")
# Free text, where a quotation from right to left may be meant.
_FREE = frozenset({"notes", "terms", "wording", "address"})


def within(invoice: Invoice) -> Invoice:
    """The invoice, if it is within bounds. Raises Unreadable: `too-many-lines`, `too-many-taxes`,
    `too-many-attachments`, `value-too-long`, `value-not-text`, `value-turned`, `value-too-large`.

    A due date that calls itself confirmed by the buyer is one the file states: nobody confirmed it here.
    """
    for count, limit, code in (
        (len(invoice.lines), MAX_LINES, "too-many-lines"),
        (len(invoice.taxes), MAX_TAXES, "too-many-taxes"),
        (len(invoice.attachments), MAX_ATTACHMENTS, "too-many-attachments"),
    ):
        if count > limit:
            raise Unreadable(code, count=count, limit=limit)
    if len(invoice.number or "") > MAX_NAME:
        raise Unreadable("value-too-long", place="number", limit=MAX_NAME)
    for place, value in _values(invoice, ""):
        if isinstance(value, str):
            _text(place, value)
        elif not -_MAX_AMOUNT < value < _MAX_AMOUNT or (
            isinstance(value, Decimal) and value and value.adjusted() < -_MAX_DIGITS
        ):
            raise Unreadable("value-too-large", place=place, limit=_MAX_DIGITS)
    if invoice.due.source is DueDateSource.CONFIRMED:
        return replace(invoice, due=replace(invoice.due, source=DueDateSource.STATED))
    return invoice


def _text(place: str, value: str) -> None:
    if len(value) > MAX_TEXT:
        raise Unreadable("value-too-long", place=place, limit=MAX_TEXT)
    if found := _CONTROL.search(value):
        raise Unreadable("value-not-text", place=place, character=f"U+{ord(found[0]):04X}")
    if place.rpartition(".")[2] not in _FREE and (found := _TURNED.search(value)):
        raise Unreadable("value-turned", place=place, character=unicodedata.name(found[0]).lower())


def _values(value: Any, place: str) -> Iterator[tuple[str, Any]]:
    """Every text and number in the invoice with its place, `seller.name`."""
    if isinstance(value, str | int | Decimal):
        yield place, value
    elif isinstance(value, tuple):
        for item in value:
            yield from _values(item, place)
    elif hasattr(value, "__dataclass_fields__"):
        for name in value.__dataclass_fields__:
            yield from _values(getattr(value, name), f"{place}.{name}" if place else name)
