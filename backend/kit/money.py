"""Amounts of money: integers of the minor unit (ISO 4217), in and out of decimal text, exact or refused.

There is no rounding and no float here. `1,234.50` in whatever dress is the business of the page or the
invoice format that shows it.
"""

import re
from decimal import Context, Decimal, Inexact
from functools import cache

from iso4217 import Currency

MAX_DIGITS = 60

_EXACT = Context(prec=2 * MAX_DIGITS, traps=[Inexact])
_DECIMAL = re.compile(r"-?[0-9]+(\.[0-9]+)?")


class AmountError(ValueError):
    """An amount that is not exactly a number of minor units of a known currency."""


@cache
def exponent(currency: str) -> int:
    """Decimal places of the minor unit: 2 for EUR and CNY, 0 for JPY, 3 for KWD."""
    try:
        places = Currency(currency).exponent
    except ValueError as error:
        raise AmountError(f"{currency!r} is not an ISO 4217 currency code") from error
    if places is None:
        raise AmountError(f"{currency} has no minor unit in ISO 4217, so it cannot be a currency of payment")
    return int(places)


def to_minor(amount: Decimal | str, currency: str) -> int:
    """`"12.30"` EUR → 1230. Raises `AmountError` where a fraction of a minor unit would be lost."""
    value = parse(amount) if isinstance(amount, str) else amount
    if not value.is_finite() or value.adjusted() >= MAX_DIGITS:
        raise AmountError(f"{amount} is not an amount of at most {MAX_DIGITS} digits")
    minor = value.scaleb(exponent(currency), _EXACT)
    if minor != minor.to_integral_value():
        raise AmountError(f"{amount} {currency} has more than {exponent(currency)} decimal places")
    return int(minor)


def from_minor(minor: int, currency: str) -> Decimal:
    """1230 EUR → `Decimal("12.30")`, always with all decimal places of the currency."""
    if isinstance(minor, bool) or not isinstance(minor, int):
        raise AmountError(f"{minor!r} is not an integer number of minor units")
    digits = tuple(map(int, str(abs(minor))))
    return Decimal((int(minor < 0), digits, -exponent(currency)))


def text(minor: int, currency: str) -> str:
    """1230 EUR → `"12.30"`: plain decimal text, no grouping, point as separator."""
    if isinstance(minor, bool) or not isinstance(minor, int):
        raise AmountError(f"{minor!r} is not an integer number of minor units")
    sign, digits, places = "-" if minor < 0 else "", str(abs(minor)), exponent(currency)
    if not places:
        return sign + digits
    digits = digits.rjust(places + 1, "0")
    return f"{sign}{digits[:-places]}.{digits[-places:]}"


def parse(amount: str) -> Decimal:
    """Plain decimal text as in XML Schema and JSON, without exponent, sign `+`, spaces or grouping."""
    if len(amount) > MAX_DIGITS or not _DECIMAL.fullmatch(amount):
        raise AmountError(f"{amount[:40]!r} is not a plain decimal number")
    return Decimal(amount)
