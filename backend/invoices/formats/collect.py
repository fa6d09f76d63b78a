"""What the readers share: turning text into values, and noting what could not be taken as it stands."""

import base64
import binascii
import re
from datetime import date
from decimal import Decimal

from backend.invoices import amounts, terms
from backend.invoices.formats import xml
from backend.invoices.model import DueDate, DueDateSource, Identifier, Issue
from backend.kit.money import AmountError

_CURRENCY = re.compile(r"[A-Z]{3}")


class Collector:
    """Reads values for one invoice. Whatever fails becomes an `Issue` with its business term, and None."""

    def __init__(self) -> None:
        self.issues: list[Issue] = []
        self.currency: str | None = None

    def issue(self, code: str, place: str, **params: str) -> None:
        self.issues.append(Issue(code=code, place=place, params=params))

    def set_currency(self, *candidates: str | None) -> str | None:
        """Takes the first candidate there is as the invoice's currency (BT-5), if it is one."""
        stated = next((value for value in candidates if value), None)
        if stated is None:
            self.issue("currency-missing", "BT-5")
        elif not _CURRENCY.fullmatch(stated.upper()) or amounts.exponent(stated.upper()) is None:
            self.issue("currency-unknown", "BT-5", value=stated[:20])
        else:
            self.currency = stated.upper()
        return self.currency

    def amount(self, text: str | None, place: str) -> int | None:
        """A document total in minor units."""
        value = self.number(text, place)
        if value is None or self.currency is None:
            return None
        try:
            return amounts.minor_units(value, self.currency)
        except AmountError:
            self.issue("amount-not-exact", place, value=str(value), currency=self.currency)
            return None

    def number(self, text: str | None, place: str) -> Decimal | None:
        try:
            return amounts.decimal(text)
        except ValueError:
            self.issue("not-a-number", place, value=(text or "").strip()[:40])
            return None

    def day(self, text: str | None, place: str) -> date | None:
        try:
            return xml.iso_date(text)
        except ValueError:
            self.issue("not-a-date", place, value=(text or "").strip()[:40])
            return None

    def content(self, text: str | None, place: str) -> bytes | None:
        """Embedded bytes (xs:base64Binary)."""
        if not text:
            return None
        try:
            return base64.b64decode("".join(text.split()), validate=True)
        except (binascii.Error, ValueError):
            self.issue("attachment-not-base64", place)
            return None


def due_date(stated: list[date], words: str | None, issued: date | None) -> DueDate:
    """The due date with its source: the file's own, else from the terms, else for the buyer to confirm."""
    days = sorted(set(stated))
    if days:
        # Several dates are instalments or discount steps: only after the last is everything due.
        return DueDate(
            day=days[-1], source=DueDateSource.STATED, instalments=tuple(days) if len(days) > 1 else ()
        )
    if derived := terms.derive(words, issued):
        return DueDate(day=derived[0], source=DueDateSource.DERIVED, wording=derived[1])
    return DueDate(wording=words)


def identifier(value: str | None, scheme: str | None = None) -> Identifier | None:
    return Identifier(value, (scheme or "").strip()) if value else None


def unique(identifiers: list[Identifier]) -> tuple[Identifier, ...]:
    """The identifiers without repetition, in order."""
    return tuple(dict.fromkeys(identifiers))


def gtin(value: str | None, scheme: str | None) -> str | None:
    """A GTIN: digits under ISO/IEC 6523 scheme 0160, or under a scheme that calls itself so, or none."""
    if value is None or not re.fullmatch(r"\d{8}|\d{12,14}", value):
        return None
    return (
        value
        if (scheme or "").strip().upper() in {"", "0160", "0088", "GTIN", "EAN", "GTIN13", "SRV"}
        else None
    )
