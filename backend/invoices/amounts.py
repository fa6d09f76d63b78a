"""Amounts as invoices write them, exactly: text to decimals, decimals to minor units, never a float."""

import re
from decimal import Decimal

from backend.kit import money
from backend.kit.money import AmountError

# Currencies that left ISO 4217 lately: their invoices can still be read.
_WITHDRAWN = {
    "ANG": 2, "BGN": 2, "BYR": 0, "CUC": 2, "EEK": 2, "HRK": 2, "LTL": 2, "LVL": 2,
    "MRO": 2, "SLL": 2, "STD": 2, "VEF": 2, "ZMK": 2, "ZWL": 2,
}  # fmt: skip
# xs:decimal (XML Schema 1.1 part 2, 3.3.3), and the exponent that some programs write all the same.
_DECIMAL = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]{1,2})?")
_MAX_LENGTH = 40


def exponent(currency: str) -> int | None:
    """How many decimals the currency has; None if it is no currency that money is paid in."""
    try:
        return money.exponent(currency)
    except AmountError:
        return _WITHDRAWN.get(currency)


def decimal(text: str | None) -> Decimal | None:
    """The number a file states; None for no text. Raises AmountError for text that is no decimal number."""
    if text is None or not (text := text.strip()):
        return None
    if len(text) > _MAX_LENGTH or not _DECIMAL.fullmatch(text):
        raise AmountError(f"not a decimal number: {text[:_MAX_LENGTH]!r}")
    value = Decimal(text)
    if value and not -_MAX_LENGTH < value.adjusted() < _MAX_LENGTH:
        raise AmountError(f"too large or too small for an amount: {text!r}")
    return value


def minor_units(amount: Decimal, currency: str) -> int:
    """`amount` as an integer of minor units. Raises AmountError if it is not a whole number of them."""
    if currency not in _WITHDRAWN:
        return money.to_minor(amount, currency)
    scaled = amount.scaleb(_WITHDRAWN[currency])
    if scaled != scaled.to_integral_value():
        raise AmountError(f"{amount} {currency} has more than {_WITHDRAWN[currency]} decimal places")
    return int(scaled)


def text(amount: int, currency: str) -> str:
    """123456 of EUR as `1234.56`, with exactly the currency's decimals."""
    return format(Decimal(amount).scaleb(-(exponent(currency) or 0)), "f")
