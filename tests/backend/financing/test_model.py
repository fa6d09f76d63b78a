"""What an offer costs, in the words a supplier reads."""

from datetime import date
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.financing.model import Quote, QuoteError


def quote(
    received: int, due_value: int = 1_000_000, deferred: int = 0, days: int = 90, recourse: bool = False
) -> Quote:
    return Quote(
        due_value,
        received,
        deferred,
        date(2027, 1, 1),
        date.fromordinal(date(2027, 1, 1).toordinal() + days),
        recourse,
    )


def test_ninety_days_at_ten_per_cent_of_the_money_received():
    offer = quote(975_000)
    assert (offer.cost, offer.days, offer.annual_rate) == (25_000, 90, Decimal("10.40"))


def test_a_year_at_the_face_is_free():
    assert quote(1_000_000, days=365).annual_rate == Decimal("0.00")


def test_the_reserve_is_no_cost_but_raises_the_rate_on_what_is_received():
    offer = quote(800_000, deferred=175_000)
    assert (offer.cost, offer.annual_rate) == (25_000, Decimal("12.67"))


@pytest.mark.parametrize("days", [0, -3])
def test_nothing_early_has_no_rate(days):
    assert quote(990_000, days=days).annual_rate is None


@pytest.mark.parametrize(
    ("received", "deferred"), [(0, 0), (-1, 0), (1_000_001, 0), (900_000, 100_001), (10, -1)]
)
def test_a_price_that_is_nothing_or_above_the_claim_is_refused(received, deferred):
    with pytest.raises(QuoteError):
        quote(received, deferred=deferred)


def test_better_offers_come_first():
    offers = [quote(970_000), quote(980_000, recourse=True), quote(900_000, deferred=80_000), quote(980_000)]
    ranked = sorted(offers, key=lambda offer: offer.rank)
    assert ranked == [offers[3], offers[1], offers[2], offers[0]]


@given(st.integers(1, 2**96), st.integers(1, 2**96), st.integers(1, 365))
def test_the_rate_is_the_exact_fraction_to_a_hundredth(received, discount, days):
    offer = quote(received, due_value=received + discount, days=days)
    exact = Fraction(discount * 365 * 100, received * days)
    assert -Fraction(1, 200) <= exact - Fraction(offer.annual_rate) < Fraction(1, 200)
