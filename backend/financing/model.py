"""What an offer means for the supplier: what it receives, when, what that costs, and the annual rate of it.

Amounts are integers of the currency's minor unit; rates are worked out in integers, so no
precision setting can change them.
"""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal

RATE_FORMULA = "simple annual rate, actual/365: (cost / received) x (365 / days until due)"
"""How `Quote.annual_rate` is worked out; shown wherever the rate is shown. It is the money-market yield of
the price paid (ISDA 2006 day count "actual/365 fixed"), not a discount rate on the face value."""


class QuoteError(ValueError):
    """A price that cannot be an offer for these units."""


@dataclass(frozen=True)
class Quote:
    """One offer in the supplier's words: receive `received` on `paid_on`; `due_value` would have come on
    `due_on`.

    `deferred` is the part of the price kept back until the debtor pays (the reserve of factoring): it is part
    of what the supplier gets in the end, so it is no cost, but it is not received on `paid_on`.
    """

    due_value: int
    received: int
    deferred: int
    paid_on: date
    due_on: date
    recourse: bool

    def __post_init__(self) -> None:
        if self.received <= 0 or self.deferred < 0:
            raise QuoteError(f"a price must be positive, not {self.received} now and {self.deferred} later")
        if self.received + self.deferred > self.due_value:
            raise QuoteError(
                f"a price of {self.received + self.deferred} is more than the {self.due_value} still due"
            )

    @property
    def cost(self) -> int:
        """What the supplier gives up for having the money early."""
        return self.due_value - self.received - self.deferred

    @property
    def days(self) -> int:
        """Days by which the money comes early; 0 or less for a claim that is due already."""
        return (self.due_on - self.paid_on).days

    @property
    def annual_rate(self) -> Decimal | None:
        """Percent a year by `RATE_FORMULA`, to a hundredth, halves up; None when nothing comes early."""
        if self.days <= 0:
            return None
        numerator, denominator = self.cost * 365 * 100 * 100, self.received * self.days
        hundredths = (2 * numerator + denominator) // (2 * denominator)
        return Decimal(f"{hundredths // 100}.{hundredths % 100:02d}")

    @property
    def rank(self) -> tuple[int, int, bool]:
        """Sort key, best for the supplier first: most in total, then most now, then without recourse."""
        return (-(self.received + self.deferred), -self.received, self.recourse)
