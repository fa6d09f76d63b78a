"""When a receivable is due, to the second, and what lateness costs.

The contract knows one number, `dueEnd`: the UTC second that ends the due date in the debtor's time zone,
after the date was moved to a business day by the rule the parties named. Everything here is pure; day counts
and business-day conventions carry their FpML / ISDA 2006 names.
"""

from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

DAY = 86_400
YEAR = 365 * DAY
"""Seconds of the year of "actual/365 fixed" (ISDA 2006, section 4.16(d))."""

TENOR_DEFAULT_DAYS = 180
"""Longest time from confirmation to `dueEnd` unless a programme says otherwise: Measures for Commercial Bills
of Exchange (PBoC and CBIRC order 4 of 2022) cut tenors to six months; the same cap is asked of
e-receivables."""
TENOR_MAX_DAYS = 365
"""No programme may go beyond one year."""

MILLIONTHS = 1_000_000
"""Late rates are millionths a year: 80,000 is 8 %."""


class BusinessDayRule(StrEnum):
    """What happens to a due date that is no business day (FpML `BusinessDayConventionEnum`)."""

    NONE = "NONE"
    FOLLOWING = "FOLLOWING"
    MODIFIED_FOLLOWING = "MODFOLLOWING"
    PRECEDING = "PRECEDING"


class CalendarError(ValueError):
    """A zone, calendar or date that cannot be used."""


def easter(year: int) -> date:
    """Easter Sunday of the Gregorian calendar (Meeus/Jones/Butcher)."""
    century, rest = divmod(year, 100)
    golden = year % 19
    epact = (19 * golden + century - century // 4 - (century - (century + 8) // 25 + 1) // 3 + 15) % 30
    weekday = (32 + 2 * (century % 4) + 2 * (rest // 4) - epact - rest % 4) % 7
    shift = (golden + 11 * epact + 22 * weekday) // 451
    month, day = divmod(epact + weekday - 7 * shift + 114, 31)
    return date(year, month, day + 1)


@lru_cache(maxsize=64)
def _target_holidays(year: int) -> frozenset[date]:
    sunday = easter(year)
    movable = {sunday - timedelta(days=2), sunday + timedelta(days=1)}
    return frozenset(movable | {date(year, m, d) for m, d in ((1, 1), (5, 1), (12, 25), (12, 26))})


_HOLIDAYS: dict[str, Callable[[int], frozenset[date]]] = {
    "WEEKENDS": lambda _: frozenset(),
    "TARGET": _target_holidays,
}
CALENDARS = tuple(_HOLIDAYS)
"""`WEEKENDS`: Saturday and Sunday only. `TARGET`: the euro's closing days (ECB decision of 14 December
2000)."""


def is_business_day(day: date, calendar: str) -> bool:
    """Whether banks of `calendar` settle on `day`."""
    if calendar not in _HOLIDAYS:
        raise CalendarError(f"unknown calendar {calendar!r}; known are {', '.join(CALENDARS)}")
    return day.weekday() < 5 and day not in _HOLIDAYS[calendar](day.year)


def adjust(day: date, rule: BusinessDayRule, calendar: str = "WEEKENDS") -> date:
    """`day` moved to a business day by `rule`."""
    if rule is BusinessDayRule.NONE:
        return day

    def roll(step: int) -> date:
        moved = day
        while not is_business_day(moved, calendar):
            moved += timedelta(days=step)
        return moved

    if rule is BusinessDayRule.PRECEDING:
        return roll(-1)
    following = roll(1)
    if rule is BusinessDayRule.MODIFIED_FOLLOWING and following.month != day.month:
        return roll(-1)
    return following


def zone(name: str) -> ZoneInfo:
    """The IANA time zone `name`; raises `CalendarError` for an unknown one."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise CalendarError(f"unknown time zone {name!r}; use an IANA name like Europe/Berlin") from error


def due_end(
    due: date,
    time_zone: str,
    rule: BusinessDayRule = BusinessDayRule.FOLLOWING,
    calendar: str = "WEEKENDS",
) -> int:
    """The last UTC second of the (adjusted) due date in `time_zone`, in Unix time.

    Midnight belongs to the next day, so a payment at `due_end` is in time and one a second later is not.
    """
    midnight = datetime.combine(adjust(due, rule, calendar) + timedelta(days=1), time.min, zone(time_zone))
    return int(midnight.astimezone(UTC).timestamp()) - 1


def due_date(end: int, time_zone: str) -> date:
    """The day that `end` ends in `time_zone`; what people are shown for a `dueEnd`."""
    return datetime.fromtimestamp(end, zone(time_zone)).date()


def tenor_days(due_end: int, confirmed_at: int) -> int:
    """Days from confirmation to `due_end`, a begun day counted whole; negative or zero when past due."""
    return -(-(due_end - confirmed_at) // DAY)


def late_interest(unpaid: int, rate: int, since: int, until: int) -> int:
    """Simple interest, actual/365 by the second, on `unpaid` minor units, rounded down to a minor unit.

    `rate` in millionths a year; nothing before `since` (the `dueEnd`).
    """
    return unpaid * rate * max(0, until - since) // (MILLIONTHS * YEAR)
