"""Calendar edges: the due second, business days, tenor, late interest."""

from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.receivables.calendar import (
    YEAR,
    BusinessDayRule,
    CalendarError,
    adjust,
    due_date,
    due_end,
    easter,
    late_interest,
    tenor_days,
)

NONE = BusinessDayRule.NONE


def utc(*parts: int) -> int:
    return int(datetime(*parts, tzinfo=UTC).timestamp())


@pytest.mark.parametrize(
    ("zone", "expected"),
    [
        ("UTC", utc(2026, 12, 31, 23, 59, 59)),
        ("Asia/Shanghai", utc(2026, 12, 31, 15, 59, 59)),
        ("Europe/Berlin", utc(2026, 12, 31, 22, 59, 59)),
        ("America/New_York", utc(2027, 1, 1, 4, 59, 59)),
        ("Pacific/Kiritimati", utc(2026, 12, 31, 9, 59, 59)),
    ],
)
def test_the_due_day_ends_where_the_debtor_is(zone, expected):
    assert due_end(date(2026, 12, 31), zone, NONE) == expected
    assert due_date(expected, zone) == date(2026, 12, 31)
    assert due_date(expected + 1, zone) == date(2027, 1, 1)


def test_the_day_clocks_change_has_its_own_length():
    before = due_end(date(2027, 3, 27), "Europe/Berlin", NONE)
    assert due_end(date(2027, 3, 28), "Europe/Berlin", NONE) - before == 23 * 3600
    before = due_end(date(2027, 10, 30), "Europe/Berlin", NONE)
    assert due_end(date(2027, 10, 31), "Europe/Berlin", NONE) - before == 25 * 3600


@pytest.mark.parametrize(
    ("day", "rule", "expected"),
    [
        (date(2027, 1, 30), BusinessDayRule.FOLLOWING, date(2027, 2, 1)),
        (date(2027, 1, 30), BusinessDayRule.MODIFIED_FOLLOWING, date(2027, 1, 29)),
        (date(2027, 1, 30), BusinessDayRule.PRECEDING, date(2027, 1, 29)),
        (date(2027, 1, 30), BusinessDayRule.NONE, date(2027, 1, 30)),
        (date(2027, 3, 26), BusinessDayRule.FOLLOWING, date(2027, 3, 30)),
        (date(2027, 1, 1), BusinessDayRule.PRECEDING, date(2026, 12, 31)),
        (date(2028, 2, 29), BusinessDayRule.FOLLOWING, date(2028, 2, 29)),
    ],
)
def test_business_day_rules_on_the_euro_calendar(day, rule, expected):
    assert adjust(day, rule, "TARGET") == expected


def test_easter():
    assert [easter(y) for y in (1961, 2024, 2027, 2038)] == [
        date(1961, 4, 2),
        date(2024, 3, 31),
        date(2027, 3, 28),
        date(2038, 4, 25),
    ]


@pytest.mark.parametrize("name", ["Mars/Olympus", "", "../etc/passwd"])
def test_an_unknown_zone_is_refused_by_name(name):
    with pytest.raises(CalendarError, match="IANA"):
        due_end(date(2027, 1, 1), name)


def test_an_unknown_calendar_is_refused_by_name():
    with pytest.raises(CalendarError, match="WEEKENDS, TARGET"):
        adjust(date(2027, 1, 1), BusinessDayRule.FOLLOWING, "MOON")


def test_tenor_counts_begun_days():
    end = due_end(date(2027, 6, 30), "UTC", NONE)
    assert tenor_days(end, end - 180 * 86_400) == 180
    assert tenor_days(end, end - 180 * 86_400 - 1) == 181
    assert tenor_days(end, end) == 0
    assert tenor_days(end, end + 1) == 0
    assert tenor_days(end, end + 86_400) == -1


def test_late_interest_starts_at_due_end_and_ignores_when_it_is_asked():
    end = utc(2027, 6, 30)
    assert late_interest(1_000_000, 80_000, end, end - 5) == 0
    assert late_interest(1_000_000, 80_000, end, end) == 0
    assert late_interest(1_000_000, 80_000, end, end + YEAR) == 80_000
    assert late_interest(1_000_000, 80_000, end, end + YEAR // 2) == 40_000


@given(st.integers(0, 2**96), st.integers(0, 1_000_000), st.integers(0, 10 * YEAR), st.integers(0, 10 * YEAR))
def test_late_interest_never_exceeds_its_exact_value(unpaid, rate, first, second):
    whole = late_interest(unpaid, rate, 0, first + second)
    parts = late_interest(unpaid, rate, 0, first) + late_interest(unpaid, rate, first, first + second)
    assert 0 <= whole - parts <= 1
