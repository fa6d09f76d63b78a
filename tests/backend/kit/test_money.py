"""Amounts in and out of minor units: exact or refused."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.kit import money

currencies = st.sampled_from(["EUR", "CNY", "JPY", "KWD", "CLF"])


@pytest.mark.parametrize(
    ("amount", "currency", "minor"),
    [
        ("12.30", "EUR", 1230),
        ("12.3", "EUR", 1230),
        ("12.300", "EUR", 1230),
        ("12", "JPY", 12),
        ("0.001", "KWD", 1),
        ("-0.01", "CNY", -1),
        ("0012.30", "EUR", 1230),
        (Decimal("1E+3"), "EUR", 100000),
    ],
)
def test_to_minor(amount, currency, minor):
    assert money.to_minor(amount, currency) == minor


@given(st.integers(-(10**40), 10**40), currencies)
def test_there_and_back_is_exact(minor, currency):
    assert money.to_minor(money.from_minor(minor, currency), currency) == minor
    assert money.to_minor(money.text(minor, currency), currency) == minor


def test_text_shows_all_places():
    assert [money.text(5, code) for code in ("EUR", "JPY", "KWD")] == ["0.05", "5", "0.005"]
    assert money.text(-123456, "EUR") == "-1234.56"


@pytest.mark.parametrize(
    ("amount", "currency", "message"),
    [
        ("0.001", "EUR", "more than 2 decimal places"),
        ("0.5", "JPY", "more than 0 decimal places"),
        ("1,5", "EUR", "not a plain decimal"),
        ("1e3", "EUR", "not a plain decimal"),
        (" 1", "EUR", "not a plain decimal"),
        ("١", "EUR", "not a plain decimal"),
        ("NaN", "EUR", "not a plain decimal"),
        ("9" * 61, "EUR", "not a plain decimal"),
        (Decimal("NaN"), "EUR", "is not an amount"),
        (Decimal("Infinity"), "EUR", "is not an amount"),
        (Decimal("1E+999999"), "EUR", "is not an amount"),
        (Decimal("1E-999999"), "EUR", "decimal places"),
        ("1", "EURO", "not an ISO 4217"),
        ("1", "eur", "not an ISO 4217"),
        ("1", "XAU", "no minor unit"),
    ],
)
def test_what_is_not_exact_is_refused(amount, currency, message):
    with pytest.raises(money.AmountError, match=message):
        money.to_minor(amount, currency)


def test_only_integers_of_minor_units():
    for value in (True, 1.0, "1"):
        with pytest.raises(money.AmountError, match="not an integer"):
            money.from_minor(value, "EUR")
