"""The identity of an invoice, in one spelling: what its fingerprint is made over.

    tallystick-invoice-1|TAX:DE:999999911|2026|INV|ET2026-0117

Seller as admitted (not as the file says), year of issue, class of document, number. One such text for each
identifier the seller is admitted under, so that no other identifier makes a second invoice out of the first.
The parts hold letters, digits, `-` and `:`, so `|` separates them without doubt.
"""

import re
from collections.abc import Sequence

from backend.invoices.model import Format, Invoice
from backend.kit.spelling import IDENTITY_VERSION, class_of_type, spelling

CORRECTIONS = {"384"}
"""Types that take the place of the invoice they name."""

# Letters of other alphabets that pass for Latin, then Latin letters that pass for digits.
_CYRILLIC = str.maketrans("АВЕКМНОРСТУХІЈЅ", "ABEKMHOPCTYXIJS")
_GREEK = str.maketrans("ΑΒΕΖΗΙΚΜΝΟΡΤΥΧ", "ABEZHIKMNOPTYX")
_DIGITS = str.maketrans("OILSBZ", "011582")
_LEADING_ZEROS = re.compile(r"(?<![0-9])0+(?=[0-9])")
# What people write where a system demands a reference and there is none.
_PLACEHOLDERS = {"NA", "NONE", "NULL", "DUMMY", "DUMMYWERT", "TBD", "TBA", "UNKNOWN", "OHNE", "KEINE", "XXX"}


def document_class(invoice: Invoice) -> str:
    """INV for an invoice, CN for a credit note, PRE for a prepayment invoice."""
    return "CN" if invoice.format is Format.UBL_CREDIT_NOTE else class_of_type(invoice.type)


def skeletons(text: str) -> tuple[str, str]:
    """What a number looks like from afar: look-alikes made equal, without leading zeros or separators."""
    latin = spelling(text).translate(_CYRILLIC).translate(_GREEK).translate(_DIGITS)
    return _LEADING_ZEROS.sub("", latin), latin.replace("-", "")


def reference(text: str | None) -> str | None:
    """A reference to an order or delivery in its one spelling; None for a placeholder or without a digit."""
    plain = spelling(text or "")
    return plain if plain not in _PLACEHOLDERS and any(character.isdecimal() for character in plain) else None


def identities(invoice: Invoice, seller: Sequence[str]) -> tuple[str, ...]:
    """The identity under each of the seller's identifiers (`TAX:DE:…`, `GLN:…`), in their order.

    Raises ValueError where number or issue date are missing: such an invoice has no identity.
    """
    if invoice.issue_date is None or not spelling(invoice.number or ""):
        raise ValueError("an invoice without number or issue date has no identity")
    tail = (str(invoice.issue_date.year), document_class(invoice), spelling(invoice.number or ""))
    return tuple("|".join((IDENTITY_VERSION, identifier, *tail)) for identifier in seller)
