"""The money of one receivable, exact to the minor unit, as the contract keeps it.

Nothing here knows of time, parties or the chain: it is the rule by which a payment is shared among holders
without looping over them, mirrored from `contracts/Receivables.sol` so that the read model can replay events
and be compared with the chain.

A payment moves an index; a holder's share is worked out from the index when it is next touched. With face F,
live units U, paid in P, closed outside X and reduced R, the unpaid amount is `Q = F - P - X - R`, and at
every moment `sum(owed) + sum(units * (index - checkpoint)) + pool == SCALE * (P - redeemed)`.
"""

from dataclasses import dataclass, field

SCALE = 2**64
"""Fractions of a minor unit are kept in 1/2^64."""


class AccountingError(ValueError):
    """An amount that this receivable, or this holder, does not have."""


@dataclass
class Lot:
    """What one holder has: `units` of original face, and `owed` (in 1/SCALE of a minor unit) up to
    `checkpoint`."""

    units: int = 0
    owed: int = 0
    checkpoint: int = 0


@dataclass
class Ledger:
    """The accounts of one receivable. All amounts are integers of the currency's minor unit."""

    face: int
    units: int = 0
    paid: int = 0
    closed: int = 0
    reduced: int = 0
    redeemed: int = 0
    index: int = 0
    pool: int = 0
    settled: bool = False
    """Neither face nor late interest is owed any more: fractions and the pool go out."""
    lots: dict[str, Lot] = field(default_factory=dict)

    @classmethod
    def opened(cls, face: int, holder: str) -> "Ledger":
        """A new receivable of `face` minor units, all of them with `holder`."""
        if face <= 0:
            raise AccountingError(f"face value must be positive, not {face}")
        return cls(face=face, units=face, lots={holder: Lot(units=face)})

    @property
    def unpaid(self) -> int:
        """What the debtor still owes."""
        return self.face - self.paid - self.closed - self.reduced

    def units_of(self, holder: str) -> int:
        """Units of original face that `holder` has now."""
        lot = self.lots.get(holder)
        return lot.units if lot else 0

    def unpaid_share(self, holder: str) -> int:
        """What is still to come on `holder`'s units, rounded down."""
        return self.units_of(holder) * self.unpaid // self.units if self.units else 0

    def pay(self, amount: int) -> None:
        """Take `amount` from whoever pays; it belongs to those who hold units now."""
        if not 0 < amount <= self.unpaid:
            raise AccountingError(f"a payment must be between 1 and {self.unpaid}, not {amount}")
        self.index += amount * SCALE // self.units
        self.pool += amount * SCALE % self.units
        self.paid += amount

    def move(self, giver: str, taker: str, units: int) -> None:
        """Hand `units` on. Money paid before stays with the giver, in whole minor units if it keeps none."""
        if not 0 < units <= self.units_of(giver):
            raise AccountingError(f"{giver} has {self.units_of(giver)} units, not {units}")
        self._touch(giver).units -= units
        self._touch(taker).units += units
        self._sweep(giver)

    def release(self, lock: str, taker: str) -> None:
        """Hand on what was paid on the units of `lock`, to the fraction, before they follow."""
        held = self._touch(lock)
        self._touch(taker).owed += held.owed
        held.owed = 0

    def reduce(self, holder: str, amount: int) -> int:
        """Credit note: `holder` gives up `amount` of what is unpaid on its units. Returns the units
        extinguished."""
        units = self._extinguish(holder, amount)
        self.reduced += amount
        return units

    def close(self, holder: str, amount: int) -> int:
        """`holder` says `amount` was paid to it outside. Returns the units extinguished."""
        units = self._extinguish(holder, amount)
        self.closed += amount
        return units

    def set_aside(self, holder: str, amount: int, units: int) -> None:
        """Takes `units` of `holder`, carrying `amount` of what is unpaid, out into a lot with accounts of its
        own."""
        if not 0 < amount <= self.unpaid_share(holder) or not 0 < units <= self.units_of(holder):
            raise AccountingError(f"{holder} has no {units} units that carry {amount}")
        self._touch(holder).units -= units
        self.units -= units
        self.face -= amount
        self._sweep(holder)

    def retire(self, holder: str) -> None:
        """Ends `holder`'s units once nothing more can come for them; what it is owed stays owed."""
        lot = self._touch(holder)
        self.units -= lot.units
        lot.units = 0

    def redeemable(self, holder: str) -> int:
        """What `redeem` would pay `holder` as the next to redeem: the pool's whole units are only one's."""
        lot = self.lots.get(holder, Lot(checkpoint=self.index))
        owed = lot.owed + lot.units * (self.index - lot.checkpoint)
        if self.settled and (lot.units or owed):
            owed += self.pool
        return owed // SCALE

    def redeem(self, holder: str) -> int:
        """Pay out what is `holder`'s, and return it. The fraction stays, or joins the pool once no more can
        come."""
        lot = self._touch(holder)
        if self.settled:
            amount, self.pool = divmod(lot.owed + self.pool, SCALE)
            lot.owed = 0
        else:
            amount, lot.owed = divmod(lot.owed, SCALE)
        self.redeemed += amount
        return amount

    def balanced(self) -> bool:
        """Whether every fraction is accounted for; false only if this module is wrong."""
        owed = sum(lot.owed + lot.units * (self.index - lot.checkpoint) for lot in self.lots.values())
        live = sum(lot.units for lot in self.lots.values()) == self.units
        return live and owed + self.pool == SCALE * (self.paid - self.redeemed)

    def _touch(self, holder: str) -> Lot:
        lot = self.lots.setdefault(holder, Lot(checkpoint=self.index))
        lot.owed += lot.units * (self.index - lot.checkpoint)
        lot.checkpoint = self.index
        return lot

    def _extinguish(self, holder: str, amount: int) -> int:
        if not 0 < amount <= self.unpaid_share(holder):
            raise AccountingError(f"{holder} can give up 1 to {self.unpaid_share(holder)}, not {amount}")
        units = -(-amount * self.units // self.unpaid)
        self._touch(holder).units -= units
        self.units -= units
        self._sweep(holder)
        return units

    def _sweep(self, holder: str) -> None:
        """A fraction that can never grow joins the pool."""
        lot = self.lots[holder]
        if not lot.units:
            self.pool += lot.owed % SCALE
            lot.owed -= lot.owed % SCALE
