"""Schedules of subscriptions (EPCIS 2.0, section 8.2.5.3): when a query runs next."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Final

from backend.provenance.problems import ScheduleInvalid

_RANGES: Final = {
    "second": (0, 59),
    "minute": (0, 59),
    "hour": (0, 23),
    "dayOfMonth": (1, 31),
    "month": (1, 12),
    "dayOfWeek": (1, 7),
}
_PART: Final = re.compile(r"(\d{1,2})|\[(\d{1,2})-(\d{1,2})\]")
_FURTHEST: Final = timedelta(days=366 * 8)
"""How far a schedule may reach: the 29th of February comes at least once in eight years."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """The moments, in UTC, that match every field. A field not given matches always; a second is then 0."""

    fields: Mapping[str, frozenset[int]]

    @classmethod
    def read(cls, given: Mapping[str, str]) -> "Schedule":
        """The schedule of fields like `5`, `1,3` or `[9-17]`. Raises ScheduleInvalid."""
        fields = {}
        for name, (low, high) in _RANGES.items():
            text = str(given.get(name, "")).replace(" ", "")
            fields[name] = _values(name, text, low, high) if text else frozenset(range(low, high + 1))
        if unknown := set(given) - set(_RANGES):
            raise ScheduleInvalid(name=f"schedule.{min(unknown)}", reason="a schedule has no such field")
        if not given.get("second"):
            fields["second"] = frozenset({0})
        schedule = cls(fields)
        schedule.after(datetime(2024, 1, 1, tzinfo=UTC))
        return schedule

    def after(self, moment: datetime) -> datetime:
        """The first matching moment later than this one. Raises ScheduleInvalid when there is none."""
        start = moment.astimezone(UTC).replace(microsecond=0) + timedelta(seconds=1)
        day = start.date()
        while day - start.date() < _FURTHEST:
            if self._is_on(day.month, day.day, day.isoweekday()):
                earliest = start.time() if day == start.date() else time()
                clock = self._clock(earliest)
                if clock is not None:
                    return datetime.combine(day, clock, UTC)
            day += timedelta(days=1)
        raise ScheduleInvalid(name="schedule", reason="no moment ever matches it")

    def _is_on(self, month: int, day: int, weekday: int) -> bool:
        return (
            month in self.fields["month"]
            and day in self.fields["dayOfMonth"]
            and weekday in self.fields["dayOfWeek"]
        )

    def _clock(self, earliest: time) -> time | None:
        for hour in sorted(self.fields["hour"]):
            if hour < earliest.hour:
                continue
            for minute in sorted(self.fields["minute"]):
                if (hour, minute) < (earliest.hour, earliest.minute):
                    continue
                for second in sorted(self.fields["second"]):
                    if (hour, minute, second) >= (earliest.hour, earliest.minute, earliest.second):
                        return time(hour, minute, second)
        return None


def _values(name: str, text: str, low: int, high: int) -> frozenset[int]:
    found: set[int] = set()
    for part in text.split(","):
        match = _PART.fullmatch(part)
        if match is None:
            raise ScheduleInvalid(
                name=f"schedule.{name}", reason=f"{part[:20]!r} is no number and no [low-high]"
            )
        first, last = (int(match[1]), int(match[1])) if match[1] else (int(match[2]), int(match[3]))
        if not low <= first <= last <= high:
            raise ScheduleInvalid(name=f"schedule.{name}", reason=f"it goes from {low} to {high}")
        found.update(range(first, last + 1))
    return frozenset(found)
