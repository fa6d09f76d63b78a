"""The graph that events draw between items: pure, from events alone.

An item is a canonical identifier: a serialised EPC, or a class with its lot. An edge leads from what
something was to what it became or went into, with the quantity that the event states.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID

from backend.provenance.epcis.document import Event
from backend.provenance.epcis.hashing import utc_milliseconds
from backend.provenance.epcis.values import Number, Object
from backend.provenance.units import convert
from backend.verifier.identifiers import comparable


class EdgeKind(StrEnum):
    """How one item leads to another."""

    TRANSFORMED = "transformed"
    PACKED = "packed"
    UNPACKED = "unpacked"
    ASSOCIATED = "associated"
    SEPARATED = "separated"


EVERYTHING = "*"
"""Stands for all that a container holds, where an event empties it without saying of what."""


class Portion(NamedTuple):
    """So much of an item. No amount where the event states none; no unit for pieces."""

    item: str
    amount: Decimal | None
    unit: str | None


class Edge(NamedTuple):
    """One event's link between two items, and what of the first it took."""

    source: str
    target: str
    kind: EdgeKind
    sequence: int
    time: str
    """When it happened, in UTC with milliseconds, so that text sorts as time does."""
    taken: Portion


@dataclass(frozen=True, slots=True)
class Placed:
    """An event with its place in the log."""

    sequence: int
    event: Event
    recorder: UUID | None = None
    """The party whose word it is."""
    _stated: dict[str, list[Portion]] = field(default_factory=dict, repr=False, compare=False)

    @property
    def body(self) -> Object:
        return self.event.body

    def portions(self, epcs: str) -> list[Portion]:
        """`portions` of its event, made once: a trace asks for them at every level that names one of them."""
        if epcs not in self._stated:
            self._stated[epcs] = portions(self.event, epcs)
        return self._stated[epcs]


@dataclass(frozen=True, slots=True)
class Balance:
    """Inputs against outputs of one transformation, in one unit where they can be compared."""

    transformation: str
    sequences: tuple[int, ...]
    inputs: tuple[Portion, ...]
    outputs: tuple[Portion, ...]
    unit: str | None
    put_in: Decimal | None
    came_out: Decimal | None

    @property
    def excess(self) -> bool | None:
        """Whether more came out than went in; None where quantities are missing or of different kinds."""
        if self.put_in is None or self.came_out is None:
            return None
        return self.came_out > self.put_in


_STATED = {
    "inputEPCList": "inputQuantityList",
    "outputEPCList": "outputQuantityList",
    "childEPCs": "childQuantityList",
    "epcList": "quantityList",
}


def portions(event: Event, epcs: str) -> list[Portion]:
    """The items of one list of an event and of its list of quantities; a serialised item is one piece."""
    found = [Portion(comparable(epc, event.namespaces), Decimal(1), None) for epc in event.body.get(epcs, ())]
    for element in event.body.get(_STATED[epcs], ()):
        amount = element.get("quantity")
        found.append(
            Portion(
                comparable(element["epcClass"], event.namespaces),
                Decimal(amount.text) if isinstance(amount, Number) else None,
                element.get("uom"),
            )
        )
    return found


def draw(events: Iterable[Placed], drawn: dict[int, list[Edge]]) -> Iterator[Edge]:
    """The edges that events draw; those of one transformationID by one recorder are one transformation.

    Of an event that stands for itself they are kept in `drawn`, by its place.
    """
    joined: dict[tuple[UUID | None, str], list[Placed]] = {}
    for placed in events:
        name = placed.body.get("transformationID")
        if placed.event.kind == "TransformationEvent" and name is not None:
            joined.setdefault(transformation(placed), []).append(placed)
            continue
        if placed.sequence not in drawn:
            drawn[placed.sequence] = list(_edges_of(placed))
        yield from drawn[placed.sequence]
    for group in joined.values():
        inputs = [part for placed in group for part in placed.portions("inputEPCList")]
        for placed in group:
            yield from _transformed(placed, inputs, placed.portions("outputEPCList"))


def transformation(placed: Placed) -> tuple[UUID | None, str]:
    """What an event's quantities are one with: its transformation as its recorder names it, or itself alone.

    A stranger who uses the name of somebody's transformation adds nothing to it.
    """
    name = placed.body.get("transformationID")
    if name is None:
        return None, f"event {placed.sequence}"
    return placed.recorder, comparable(name, placed.event.namespaces)


def _time(placed: Placed) -> str:
    written: str = placed.body["eventTime"]
    return utc_milliseconds(written) or written


def _transformed(placed: Placed, inputs: Iterable[Portion], outputs: Sequence[Portion]) -> Iterator[Edge]:
    time = _time(placed)
    for source in inputs:
        for target in outputs:
            yield Edge(source.item, target.item, EdgeKind.TRANSFORMED, placed.sequence, time, source)


def _edges_of(placed: Placed) -> Iterator[Edge]:
    event, body = placed.event, placed.body
    if event.kind == "TransformationEvent":
        yield from _transformed(placed, placed.portions("inputEPCList"), placed.portions("outputEPCList"))
    elif event.kind in {"AggregationEvent", "AssociationEvent"} and "parentID" in body:
        parent, time = comparable(body["parentID"], event.namespaces), _time(placed)
        packed = event.kind == "AggregationEvent"
        leaves = body["action"] == "DELETE"
        children = placed.portions("childEPCs")
        if leaves and not children:
            children = [Portion(EVERYTHING, None, None)]
        for child in children:
            if leaves:
                kind = EdgeKind.UNPACKED if packed else EdgeKind.SEPARATED
                yield Edge(parent, child.item, kind, placed.sequence, time, child)
            else:
                kind = EdgeKind.PACKED if packed else EdgeKind.ASSOCIATED
                yield Edge(child.item, parent, kind, placed.sequence, time, child)


def effective(events: Iterable[Placed]) -> list[Placed]:
    """The events that stand: those declared wrong, and their declarations, left out.

    A declaration repeats its event, so it has the same eventID or, where there is none, the same CBV hash;
    and only whoever recorded an event can declare it wrong.
    """
    ordered = list(events)
    wrong = {_name(placed) for placed in ordered if "errorDeclaration" in placed.body}
    if not wrong:
        return ordered
    return [placed for placed in ordered if _name(placed) not in wrong]


def _name(placed: Placed) -> tuple[UUID | None, str]:
    name = comparable(str(placed.body.get("eventID") or placed.event.cbv_hash()), placed.event.namespaces)
    return placed.recorder, name


@dataclass(slots=True)
class Graph:
    """The part of the graph reached from one item."""

    start: str
    edges: list[Edge] = field(default_factory=list)
    items: dict[str, int] = field(default_factory=dict)
    """Each item with how many edges away it is."""
    complete: bool = True
    """False when the search stopped at its limit."""

    def cycles(self) -> list[tuple[str, ...]]:
        """Loops in which goods became their own origin: each impossible, and so a sign of a false event.

        Packing and unpacking the same item back and forth is ordinary and no loop.
        """
        onward: dict[str, set[str]] = {}
        for edge in self.edges:
            if edge.kind is EdgeKind.TRANSFORMED:
                onward.setdefault(edge.source, set()).add(edge.target)
        return list(_loops(onward))

    def ends(self, *, back: bool) -> list[str]:
        """Items nothing leads further from: where the trace begins (back) or ends (forward)."""
        leading = {edge.target if back else edge.source for edge in self.edges}
        return sorted(item for item in self.items if item not in leading)


def _loops(onward: Mapping[str, set[str]]) -> Iterator[tuple[str, ...]]:
    """The strongly connected components of more than one item, and items that lead to themselves (Tarjan)."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    on_stack: set[str] = set()
    for root in sorted(onward):
        if root in index:
            continue
        work = [(root, iter(sorted(onward.get(root, ()))))]
        index[root] = low[root] = len(index)
        stack.append(root)
        on_stack.add(root)
        while work:
            item, following = work[-1]
            step = next(following, None)
            if step is None:
                work.pop()
                if work:
                    low[work[-1][0]] = min(low[work[-1][0]], low[item])
                if low[item] == index[item]:
                    cut = stack.index(item)
                    found, stack[cut:] = stack[cut:], []
                    on_stack.difference_update(found)
                    if len(found) > 1 or item in onward.get(item, ()):
                        yield tuple(sorted(found))
            elif step not in index:
                index[step] = low[step] = len(index)
                stack.append(step)
                on_stack.add(step)
                work.append((step, iter(sorted(onward.get(step, ())))))
            elif step in on_stack:
                low[item] = min(low[item], index[step])


def balances(events: Sequence[Placed]) -> list[Balance]:
    """The mass balance of each transformation; several events of one transformationID count together."""
    groups: dict[tuple[UUID | None, str], list[Placed]] = {}
    for placed in events:
        if placed.event.kind == "TransformationEvent" and "errorDeclaration" not in placed.body:
            groups.setdefault(transformation(placed), []).append(placed)
    return [
        _balance(group[0].body.get("transformationID", name), group) for (_, name), group in groups.items()
    ]


def _balance(name: str, group: Sequence[Placed]) -> Balance:
    inputs = tuple(part for placed in group for part in placed.portions("inputEPCList"))
    outputs = tuple(part for placed in group for part in placed.portions("outputEPCList"))
    unit = next((part.unit for part in (*inputs, *outputs) if part.unit), None)
    put_in, came_out = total(inputs, unit), total(outputs, unit)
    sequences = tuple(placed.sequence for placed in group)
    return Balance(name, sequences, inputs, outputs, unit, put_in, came_out)


def total(parts: Iterable[Portion], unit: str | None) -> Decimal | None:
    """The sum in one unit; None when a part has no amount or is of another kind, or there is no part."""
    whole: Decimal | None = None
    for part in parts:
        amount = None if part.amount is None else convert(part.amount, part.unit, unit)
        if amount is None:
            return None
        whole = amount if whole is None else whole + amount
    return whole


@dataclass(frozen=True, slots=True)
class Breach:
    """A reading outside the limits of the goods."""

    sequence: int
    time: str
    value: Decimal
    unit: str


def cold_chain(events: Iterable[Placed], lowest: Decimal, highest: Decimal) -> tuple[int, list[Breach]]:
    """How many temperature readings there are, and those outside the limits (degrees Celsius).

    An interval's extremes count as readings of their own; so does a single value.
    """
    count = 0
    breaches: list[Breach] = []
    for placed in events:
        if "errorDeclaration" in placed.body:
            continue
        for element in placed.body.get("sensorElementList", ()):
            metadata = element.get("sensorMetadata", {})
            for report in element["sensorReport"]:
                if not str(report.get("type", "")).endswith("Temperature"):
                    continue
                time = report.get("time") or metadata.get("time") or metadata.get("endTime")
                for name in ("value", "minValue", "maxValue"):
                    reading = report.get(name)
                    if not isinstance(reading, Number):
                        continue
                    celsius = convert(Decimal(reading.text), report.get("uom"), "CEL")
                    if celsius is None:
                        continue
                    count += 1
                    if not lowest <= celsius <= highest:
                        when = str(time or placed.body["eventTime"])
                        breaches.append(Breach(placed.sequence, when, celsius, "CEL"))
    return count, breaches
