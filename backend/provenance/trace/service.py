"""Following goods through the log: level by level, one query for each level, never more than asked for."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from sqlalchemy import ColumnElement, select
from sqlalchemy.ext.asyncio import AsyncSession

from backend.kit import bulk
from backend.kit.access import Caller
from backend.provenance.grants import readable
from backend.provenance.keys import CLASS_NAMES, EPC_NAMES, keys_of
from backend.provenance.problems import QueryTooComplex
from backend.provenance.query.search import event_from
from backend.provenance.repository import has_key, sequences_under
from backend.provenance.tables import RecordedEvent
from backend.provenance.trace.model import (
    EVERYTHING,
    Edge,
    EdgeKind,
    Graph,
    Placed,
    draw,
    effective,
    transformation,
)
from backend.verifier.identifiers import comparable

Direction: TypeAlias = Literal["back", "forward"]
MOST_ITEMS: Final = 5000
"""Items a trace goes through at most."""

_IN_LIST: Final = 2000
_MOST_EVENTS: Final = 50_000
_LINKING: Final = ("TransformationEvent", "AggregationEvent", "AssociationEvent")


@dataclass(frozen=True, slots=True)
class Trace:
    """A graph and the events it was drawn from."""

    graph: Graph
    events: tuple[Placed, ...]


@dataclass(frozen=True, slots=True)
class _Stay:
    """An item on the way, and the time in which what happens to it concerns the goods traced.

    A crate carries other goods before and after; only what it does while ours are inside counts.
    """

    item: str
    since: str
    until: str


_EVER: Final = ("", "~")
"""Sorts before and after every time."""


async def trace(
    session: AsyncSession,
    caller: Caller,
    item: str,
    direction: Direction,
    *,
    most: int = 1000,
    depth: int = 100,
) -> Trace:
    """Everything the item came from (back) or went into (forward), as far as the caller may read.

    Back, a container leads to what was packed into it; forward, goods lead to the containers they were in.
    From a container never on to its other contents, which are neither origin nor destination. What the caller
    may not read leaves a gap that looks like the beginning: a trace says what is known to its reader.
    """
    start = comparable(item)
    graph = Graph(start, items={start: 0})
    seen: dict[int, Placed] = {}
    edges: dict[Edge, None] = {}
    frontier = [_Stay(start, *_EVER)]
    drawn: dict[int, list[Edge]] = {}
    may_read = await readable(session, caller)
    for distance in range(1, depth + 1):
        if not frontier:
            break
        level = await _linking(session, caller, may_read, [stay.item for stay in frontier], seen)
        reached: list[_Stay] = []
        for edge, stay in _steps(list(draw(effective(level), drawn)), frontier, direction):
            edges[edge] = None
            if stay.item in graph.items:
                continue
            if len(graph.items) >= min(most, MOST_ITEMS):
                graph.complete, reached = False, []
                break
            graph.items[stay.item] = distance
            reached.append(stay)
        frontier = reached
    graph.complete = graph.complete and not frontier
    graph.edges = list(edges)
    linking = (seen[sequence] for sequence in sorted(seen) if seen[sequence].event.kind in _LINKING)
    return Trace(graph, tuple(linking))


def _steps(
    edges: Sequence[Edge], frontier: Sequence[_Stay], direction: Direction
) -> Iterator[tuple[Edge, _Stay]]:
    """The edges that lead on from the frontier, each with where it leads."""
    onward: dict[str, list[Edge]] = {}
    exits: dict[str, list[Edge]] = {}
    for edge in edges:
        if edge.kind in _EXITS:
            exits.setdefault(edge.source, []).append(edge)
        else:
            onward.setdefault(edge.target if direction == "back" else edge.source, []).append(edge)
    for stay in frontier:
        until = min([stay.until, *(out.time for out in exits.get(stay.item, ()) if _empties(out, stay))])
        for edge in onward.get(stay.item, ()):
            if direction == "back":
                if edge.time <= stay.until and not _left(edge, exits, stay.until):
                    yield edge, _Stay(edge.source, "", edge.time)
            elif stay.since <= edge.time <= until:
                end = "~" if edge.kind is EdgeKind.TRANSFORMED else min(until, _exit(edge, exits))
                yield edge, _Stay(edge.target, edge.time, end)


def _empties(exit_: Edge, stay: _Stay) -> bool:
    """Whether the container was emptied while the goods were inside."""
    return exit_.target == EVERYTHING and exit_.time > stay.since != ""


def _exit(edge: Edge, exits: dict[str, list[Edge]]) -> str:
    """When the child of a packing left the container again."""
    times = [
        out.time
        for out in exits.get(edge.target, ())
        if out.time >= edge.time and out.target in {edge.source, EVERYTHING}
    ]
    return min(times, default="~")


def _left(edge: Edge, exits: dict[str, list[Edge]], moment: str) -> bool:
    """Whether what was packed had left the container before the moment that matters."""
    return edge.kind is not EdgeKind.TRANSFORMED and moment != "~" and _exit(edge, exits) < moment


_EXITS: Final = frozenset({EdgeKind.UNPACKED, EdgeKind.SEPARATED})


async def _linking(
    session: AsyncSession,
    caller: Caller,
    may_read: ColumnElement[bool],
    items: Sequence[str],
    seen: dict[int, Placed],
) -> list[Placed]:
    """The readable events that link any of the items to others, each transformation with all its events.

    Those in `seen` are not read again; what is read goes there.
    """
    naming_items = await _under(session, caller, may_read, (*EPC_NAMES, *CLASS_NAMES), items, seen)
    linking = [placed for placed in naming_items if placed.event.kind in _LINKING]
    names = {transformation(placed)[1] for placed in linking if "transformationID" in placed.body}
    if not names:
        return linking
    joined = await _under(session, caller, may_read, ("transformationID",), sorted(names), seen)
    together = {each.sequence: each for each in (*linking, *joined)}
    return [together[sequence] for sequence in sorted(together)]


async def naming(session: AsyncSession, caller: Caller, items: Sequence[str]) -> list[Placed]:
    """The readable events that name any of the items, in the order of the log."""
    may_read = await readable(session, caller)
    return await _under(session, caller, may_read, (*EPC_NAMES, *CLASS_NAMES), items, {})


async def _under(
    session: AsyncSession,
    caller: Caller,
    may_read: ColumnElement[bool],
    names: Sequence[str],
    values: Sequence[str],
    seen: dict[int, Placed],
) -> list[Placed]:
    found: set[int] = set()
    for start in range(0, len(values), _IN_LIST):
        asked = values[start : start + _IN_LIST]
        places = await sequences_under(session, caller.ledger_id, names, asked, _MOST_EVENTS)
        if places is None:  # how many there are that the caller may not read must not show
            mine = select(RecordedEvent.sequence).where(may_read, has_key(names, asked))
            places = (await session.scalars(mine.limit(_MOST_EVENTS + 1))).all()
            if len(places) > _MOST_EVENTS:
                raise QueryTooComplex(limit=_MOST_EVENTS)
        found.update(places)
        fresh = [place for place in places if place not in seen]
        for first in range(0, len(fresh), _IN_LIST):
            part = fresh[first : first + _IN_LIST]
            statement = select(
                RecordedEvent.sequence, RecordedEvent.body, RecordedEvent.context, RecordedEvent.party_id
            ).where(may_read, bulk.among_numbers(session, RecordedEvent.sequence, part))
            for place, body, context, recorder in await session.execute(statement):
                if body is not None:
                    seen[place] = Placed(place, event_from(body, context), recorder)
    return [seen[sequence] for sequence in sorted(found & seen.keys())]


@dataclass(frozen=True, slots=True)
class Recall:
    """What a lot went into, and the business transactions that name any of it."""

    trace: Trace
    transactions: tuple[tuple[str, str], ...]
    """(type, identifier): `inv`, `desadv` and so on, whose claims rest on the goods."""


async def recall(session: AsyncSession, caller: Caller, item: str, *, most: int = 1000) -> Recall:
    """Everything the lot reached, and the documents behind it. Claims rest on those documents."""
    found = await trace(session, caller, item, "forward", most=most)
    transactions = {
        (name.partition(":")[2].rpartition("-")[2], value)
        for placed in await naming(session, caller, list(found.graph.items))
        for name, value in keys_of(placed.event)
        if name.startswith("bizTransaction:")
    }
    return Recall(found, tuple(sorted(transactions)))
