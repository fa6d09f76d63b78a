"""What was ordered, shipped and received, line by line: the goods behind an invoice.

Quantities are compared in the line's unit (UN/ECE Recommendation 20). A receipt counts when the buyer, or
somebody the buyer appointed, recorded it; what the seller says of a receipt is the seller's word.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final
from uuid import UUID

from backend.provenance.references import LinkedEvent
from backend.provenance.trace.model import Placed, Portion, effective, portions
from backend.provenance.units import convert
from backend.verifier.identifiers import class_of

_OUT: Final = frozenset({"shipping", "departing", "consigning"})
_IN: Final = frozenset({"receiving", "accepting", "arriving"})
_RETURNED: Final = frozenset({"returned"})


@dataclass(frozen=True, slots=True)
class Line:
    """A line of an order or invoice: how much of which article. `item` is a canonical GTIN link."""

    number: str
    item: str
    amount: Decimal
    unit: str | None


@dataclass(frozen=True, slots=True)
class Moved:
    """What the events say of one line, in its unit. None: some event states no comparable quantity."""

    line: Line
    shipped: Decimal | None
    received: Decimal | None
    returned: Decimal | None

    def covers(self, tolerance: Decimal) -> bool | None:
        """Whether so much was received and kept that the line is owed, up to the tolerance (of one)."""
        if self.received is None or self.returned is None:
            return None
        return self.received - self.returned >= self.line.amount * (1 - tolerance)


def moved(
    lines: Sequence[Line], events: Iterable[LinkedEvent], *, receivers: Collection[UUID]
) -> list[Moved]:
    """What was shipped, received by one of `receivers`, and sent back, cumulative over partial deliveries.

    Events declared wrong by their recorder do not count, and one that its recorder brought twice, signed and
    unsigned or under two keys, counts once. Arriving, receiving and accepting the same goods is one receipt,
    so the steps are not added up. The same article on several lines is shared out in their order.
    """
    linked = {event.row.sequence: event for event in events}
    placed_events = (Placed(sequence, each.event, each.recorder) for sequence, each in sorted(linked.items()))
    steps: dict[str, dict[str, list[Portion]]] = {"out": {}, "in": {}, "back": {}}
    seen: set[tuple[UUID, str]] = set()
    for placed in effective(placed_events):
        row, recorder = linked[placed.sequence].row, linked[placed.sequence].recorder
        if (recorder, row.cbv_hash) in seen:
            continue
        seen.add((recorder, row.cbv_hash))
        body = placed.body
        parts = portions(placed.event, "childEPCs" if "childEPCs" in body else "epcList")
        step = str(body.get("bizStep", "")).rpartition("-")[2]
        back = str(body.get("disposition", "")).rpartition("-")[2] in _RETURNED
        if back and (step in _OUT or step in _IN):
            steps["back"].setdefault(f"{recorder} {step}", []).extend(parts)
        elif not back and step in _OUT:
            steps["out"].setdefault(step, []).extend(parts)
        elif not back and step in _IN and recorder in receivers:
            steps["in"].setdefault(step, []).extend(parts)
    sums = [_most(lines, list(by_step.values())) for by_step in steps.values()]
    return [Moved(line, *(amounts[line.number] for amounts in sums)) for line in lines]


def _most(lines: Sequence[Line], steps: Sequence[Sequence[Portion]]) -> Mapping[str, Decimal | None]:
    """For each line the largest amount of any step; None where one cannot be told."""
    told = [_shared(lines, parts) for parts in steps] or [_shared(lines, [])]
    found: dict[str, Decimal | None] = {}
    for line in lines:
        amounts = [each[line.number] for each in told]
        known = [amount for amount in amounts if amount is not None]
        found[line.number] = max(known) if len(known) == len(amounts) else None
    return found


def _shared(lines: Sequence[Line], parts: Sequence[Portion]) -> Mapping[str, Decimal | None]:
    """The amount of each line, the last line of an article taking what the others leave."""
    amounts: dict[str, Decimal | None] = {}
    by_item: dict[str, list[Line]] = {}
    for line in lines:
        by_item.setdefault(line.item, []).append(line)
    for item, same in by_item.items():
        left = _sum(parts, item, same[0].unit)
        for place, line in enumerate(same):
            if left is None:
                amounts[line.number] = None
                continue
            here = convert(left, same[0].unit, line.unit)
            if here is None:
                amounts[line.number] = None
                continue
            taken = here if place == len(same) - 1 else min(here, line.amount)
            amounts[line.number] = taken
            used = convert(taken, line.unit, same[0].unit)
            left = None if used is None else left - used
    return amounts


def _sum(parts: Iterable[Portion], item: str, unit: str | None) -> Decimal | None:
    whole = Decimal(0)
    for part in parts:
        if (class_of(part.item) or part.item) != item and part.item != item:
            continue
        amount = None if part.amount is None else convert(part.amount, part.unit, unit)
        if amount is None:
            return None
        whole += amount
    return whole


@dataclass(frozen=True, slots=True)
class Share:
    """How much of a line a claim may rest on, after what other claims already rest on."""

    line: Line
    available: Decimal
    enough: bool


def available(
    moved_lines: Sequence[Moved], claimed: Mapping[str, Decimal], *, tolerance: Decimal = Decimal(0)
) -> list[Share]:
    """What is left of each delivery: one delivery cannot stand behind more than its quantity.

    `claimed` is what other live claims rest on, by article, in the line's unit. A quantity that cannot be
    told is counted as none.
    """
    left = dict(claimed)
    shares = []
    for each in moved_lines:
        kept = (each.received or Decimal(0)) - (each.returned or Decimal(0))
        if each.received is None or each.returned is None:
            kept = Decimal(0)
        taken = min(kept, left.get(each.line.item, Decimal(0)))
        left[each.line.item] = left.get(each.line.item, Decimal(0)) - taken
        free = kept - taken
        shares.append(Share(each.line, free, free >= each.line.amount * (1 - tolerance)))
    return shares
