"""Carrying out a query: what the index can answer in SQL, the rest on the events it leaves, page by page."""

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, or_, select, union
from sqlalchemy.ext.asyncio import AsyncSession

from backend.kit.access import Caller
from backend.kit.bulk import among_numbers
from backend.kit.canonical import reread
from backend.kit.problems import InvalidCursor
from backend.provenance.epcis.document import Event
from backend.provenance.grants import few_places, readable_of_few, ways
from backend.provenance.problems import QueryTooComplex, QueryTooLarge
from backend.provenance.query.language import KeyTest, Query
from backend.provenance.query.predicate import passes, place_in_order
from backend.provenance.repository import sequences_under, under_keys
from backend.provenance.tables import EventKey, RecordedEvent
from backend.verifier.names import namespaces_in

MOST_LOOKED_AT: Final = 5000
"""Events read for one page. A page may so come short; its next-page token goes on from where it ended."""

_BATCH: Final = 500
_FEW: Final = 500
_LONGEST: Final = 1 << 62
_NO_EARLIER, _NO_LATER = datetime(1, 1, 3, tzinfo=UTC), datetime(9999, 12, 29, tzinfo=UTC)
"""What a token of ours lies between; beyond, the database or the calendar ends."""
_ORDERS: Final = {"eventTime": RecordedEvent.event_time, "recordTime": RecordedEvent.record_time}


@dataclass(frozen=True, slots=True)
class Found:
    """One page of events in the query's order, and the token of the next."""

    rows: tuple[RecordedEvent, ...]
    next_token: str | None


def event_of(row: RecordedEvent) -> Event:
    """A stored event as it was read. Only for rows that still have their body."""
    return event_from(row.body or "{}", row.context)


def event_from(text: str, context: list[Any]) -> Event:
    """An event as it was read, from its text and its document's context."""
    body: Any = reread(text)
    return Event(body, namespaces_in(body, context), "")


async def search(
    session: AsyncSession,
    caller: Caller,
    query: Query,
    *,
    per_page: int,
    token: str | None = None,
    after_sequence: int | None = None,
) -> Found:
    """The events that answer the query and that the caller may read.

    `after_sequence` leaves out what stood in the log before: subscriptions never see an event twice. Raises
    InvalidCursor for a token of another query, QueryTooLarge when more events than `maxEventCount` answer.
    """
    places, answered = await _places(session, caller, query)
    if places:
        may_read, who = readable_of_few(caller)
        open_ways: Sequence[ColumnElement[bool]] = [may_read]
    elif (few := await _readable_few(session, caller, query.key_tests)) is not None:
        open_ways, who, answered = [few], {}, query.key_tests
    else:
        open_ways, who = await ways(session, caller), {}
    statement = select(RecordedEvent).where(*conditions_of(query, answered), *places)
    if after_sequence is not None:
        statement = statement.where(RecordedEvent.sequence > after_sequence)
    column = _ORDERS.get(query.order_by)
    if column is None:
        statement = statement.where(or_(*open_ways))
        return await ordered_by_extension(session, query, statement, who=who, per_page=per_page, token=token)
    given, place = _read_token(token)
    limit = query.event_count_limit if query.event_count_limit is not None else query.max_event_count
    wanted = per_page if limit is None else min(per_page, limit - given + (query.max_event_count is not None))
    size = min(_BATCH, 2 * wanted + 1)
    rows: list[RecordedEvent] = []
    looked_at = 0
    while wanted > 0:
        batch = await _batch(
            session, statement, caller.ledger_id, open_ways, who, column, query.descending, place, size
        )
        for index, row in enumerate(batch):
            place = (getattr(row, column.key), row.sequence)
            if row.body is not None and all(passes(event_of(row), test) for test in query.body_tests):
                rows.append(row)
            if len(rows) == wanted:
                more = index + 1 < len(batch) or len(batch) == size
                return _page(query, rows, given, place if more else None)
        looked_at += len(batch)
        if len(batch) < size:
            return _page(query, rows, given, None)
        if looked_at >= MOST_LOOKED_AT:
            break
    return _page(query, rows, given, place if wanted > 0 else None)


async def ordered_by_extension(
    session: AsyncSession,
    query: Query,
    statement: Select[RecordedEvent],
    *,
    who: dict[str, Any],
    per_page: int,
    token: str | None,
) -> Found:
    """A page of events in the order of an extension field: numbers by value, then times, then texts.

    Those without the field come last. No index knows it, so all that answer are read: raises QueryTooComplex
    when they are too many to do that for one page.
    """
    in_order = statement.order_by(RecordedEvent.sequence).limit(MOST_LOOKED_AT + 1)
    found = (await session.scalars(in_order, who)).all()
    if len(found) > MOST_LOOKED_AT:
        raise QueryTooComplex(limit=MOST_LOOKED_AT)
    rows = [(event_of(row), row) for row in found if row.body is not None]
    rows = [(event, row) for event, row in rows if all(passes(event, test) for test in query.body_tests)]
    if query.max_event_count is not None and len(rows) > query.max_event_count:
        raise QueryTooLarge(limit=query.max_event_count)
    keyed = [(place_in_order(event, query.order_by), row) for event, row in rows]
    present = [(key, row) for key, row in keyed if key is not None]
    present.sort(key=lambda each: (each[0], each[1].sequence), reverse=query.descending)
    ordered = [row for _, row in present] + [row for key, row in keyed if key is None]
    given, _ = _read_token(token)
    page = ordered[given : given + per_page] if query.event_count_limit is None else (
        ordered[: query.event_count_limit][given : given + per_page]
    )  # fmt: skip
    end = given + len(page)
    last = min(len(ordered), query.event_count_limit or len(ordered))
    return Found(tuple(page), _write_token(end, (page[-1].event_time, end)) if page and end < last else None)


async def _readable_few(
    session: AsyncSession, caller: Caller, tests: Sequence[KeyTest]
) -> ColumnElement[bool] | None:
    """Of a caller who may read little of the log: which events of that little pass the tests."""
    few = await few_places(session, caller)
    for test in tests if few is not None else ():
        # Asked by itself: at once, the database may go through all events that have a key to find those few.
        within = among_numbers(session, EventKey.sequence, few or ())
        named = and_(EventKey.ledger_id == caller.ledger_id, EventKey.name.in_(test.names), _valued(test))
        few = (await session.scalars(select(EventKey.sequence).where(named, within).distinct())).all()
    if few is None:
        return None
    among = among_numbers(session, RecordedEvent.sequence, few)
    return and_(RecordedEvent.ledger_id == caller.ledger_id, among)


async def _places(
    session: AsyncSession, caller: Caller, query: Query
) -> tuple[list[ColumnElement[bool]], list[KeyTest]]:
    """Where the index names few events, exactly those, and the tests that are answered so.

    The database could work that out in one statement and, without fresh figures, does not.
    """
    conditions: list[ColumnElement[bool]] = []
    answered: list[KeyTest] = []
    for test in query.key_tests:
        if test.values and not test.patterns:
            found = await sequences_under(session, caller.ledger_id, test.names, test.values, _FEW)
            if found is not None:
                conditions.append(RecordedEvent.sequence.in_(found))
                answered.append(test)
    return conditions, answered


def _page(query: Query, rows: list[RecordedEvent], given: int, place: tuple[datetime, int] | None) -> Found:
    total = given + len(rows)
    if query.max_event_count is not None and total > query.max_event_count:
        raise QueryTooLarge(limit=query.max_event_count)
    full = query.event_count_limit is not None and total >= query.event_count_limit
    return Found(tuple(rows), None if place is None or full else _write_token(total, place))


async def _batch(
    session: AsyncSession,
    statement: Select[RecordedEvent],
    ledger_id: UUID,
    open_ways: Sequence[ColumnElement[bool]],
    who: dict[str, Any],
    column: Any,
    descending: bool,
    place: tuple[datetime, int] | None,
    size: int,
) -> Sequence[RecordedEvent]:
    if place is not None:
        moment, sequence = place
        beyond = column < moment if descending else column > moment
        further = RecordedEvent.sequence < sequence if descending else RecordedEvent.sequence > sequence
        statement = statement.where(or_(beyond, and_(column == moment, further)))
    order = [part.desc() if descending else part.asc() for part in (column, RecordedEvent.sequence)]
    if len(open_ways) > 1:  # each way is read no further than the page
        ends = [
            select(
                statement.with_only_columns(RecordedEvent.sequence)
                .where(way)
                .order_by(*order)
                .limit(size)
                .subquery()
            )
            for way in open_ways
        ]
        of_ledger = RecordedEvent.ledger_id == ledger_id
        statement = select(RecordedEvent).where(of_ledger, RecordedEvent.sequence.in_(union(*ends)))
    else:
        statement = statement.where(*open_ways)
    return (await session.scalars(statement.order_by(*order).limit(size), who)).all()


def conditions_of(query: Query, answered: Sequence[KeyTest] = ()) -> list[ColumnElement[bool]]:
    """What of a query SQL can answer, but for tests that were answered already."""
    conditions: list[ColumnElement[bool]] = []
    if query.kinds:
        conditions.append(RecordedEvent.kind.in_(query.kinds))
    if query.event_ids:
        conditions.append(RecordedEvent.event_id.in_(query.event_ids))
    for name, moment in query.since.items():
        conditions.append(_ORDERS[name] >= moment)
    for name, moment in query.before.items():
        conditions.append(_ORDERS[name] < moment)
    conditions += [_indexed(test) for test in query.key_tests if test not in answered]
    return conditions


def _indexed(test: KeyTest) -> ColumnElement[bool]:
    return under_keys(EventKey.name.in_(test.names), _valued(test))


def _valued(test: KeyTest) -> ColumnElement[bool]:
    alternatives: list[ColumnElement[bool]] = []
    if test.values:
        alternatives.append(EventKey.value.in_(test.values))
    alternatives += [EventKey.value.like(pattern, escape="\\") for pattern in test.patterns]
    return or_(*alternatives)


def _write_token(given: int, place: tuple[datetime, int]) -> str:
    moment, sequence = place
    packed = json.dumps([given, moment.isoformat(), sequence]).encode()
    return base64.urlsafe_b64encode(packed).rstrip(b"=").decode()


def _read_token(token: str | None) -> tuple[int, tuple[datetime, int] | None]:
    if token is None:
        return 0, None
    try:
        given, moment, sequence = json.loads(base64.urlsafe_b64decode(token + "==="))
        place = datetime.fromisoformat(moment), sequence
    except (ValueError, TypeError) as error:
        raise InvalidCursor() from error
    counts = type(given) is int and type(sequence) is int and 0 <= given < _LONGEST > sequence >= 0
    if not counts or not _NO_EARLIER <= place[0].replace(tzinfo=UTC) <= _NO_LATER or place[0].tzinfo is None:
        raise InvalidCursor()
    return given, place
