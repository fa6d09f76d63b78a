"""Named queries and their subscriptions: kept for a party, run in its name, told of each event once."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, cast
from uuid import UUID

from sqlalchemy import Select, select, union
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from backend.kit.access import Caller, Role, visible_to
from backend.kit.clock import now
from backend.kit.database import Database
from backend.kit.ids import uuid7
from backend.kit.loops import Loop
from backend.kit.outgoing import DeliveryError, deliver
from backend.parties import repository as parties
from backend.provenance.discovery import DEFAULT_FORMAT
from backend.provenance.epcis.translation import EpcFormat
from backend.provenance.epcis.values import dumps, loads
from backend.provenance.epcis.writer import CbvFormat
from backend.provenance.grants import ways
from backend.provenance.log import repository as log
from backend.provenance.problems import QueryExists, QueryUnknown, SubscriptionUnknown
from backend.provenance.query.language import Query, read_query
from backend.provenance.query.predicate import passes
from backend.provenance.query.schedule import Schedule
from backend.provenance.query.search import conditions_of, event_of
from backend.provenance.rendering import query_document
from backend.provenance.tables import NamedQuery, RecordedEvent, Subscription
from backend.verifier.names import namespaces_of

BATCH: Final = 200
"""Events in one delivery at most."""

AT_ONCE: Final = 8
"""Deliveries under way at a time."""

LOOKED_AT: Final = 2000
STREAM_PAUSE: Final = timedelta(seconds=1)
MOST_FAILURES: Final = 20
"""Deliveries that fail in a row until a subscription is given up: about two days."""


def parse(values: dict[str, Any]) -> Query:
    """The query of a JSON object of parameters. Raises QueryInvalid."""
    parameters = {
        name: value if isinstance(value, list) else [value]
        for name, value in values.items()
        if name != "@context"
    }
    return read_query(parameters, namespaces_of(values.get("@context")))


async def create(session: AsyncSession, caller: Caller, name: str, values: dict[str, Any]) -> NamedQuery:
    """Keeps a query under a name. Raises QueryInvalid, QueryExists."""
    parse(values)
    row = NamedQuery(ledger_id=caller.ledger_id, party_id=caller.party_id, name=name, query=dumps(values))
    session.add(row)
    try:
        await session.flush()
    except IntegrityError as error:
        raise QueryExists(name=name) from error
    return row


async def named(session: AsyncSession, caller: Caller, name: str) -> NamedQuery:
    """The caller's party's query of this name. Raises QueryUnknown."""
    row = await session.scalar(
        select(NamedQuery).where(
            NamedQuery.ledger_id == caller.ledger_id,
            NamedQuery.party_id == caller.party_id,
            NamedQuery.name == name,
        )
    )
    if row is None:
        raise QueryUnknown(name=name)
    return row


def queries(caller: Caller) -> Select[NamedQuery]:
    """The named queries the caller may see."""
    return select(NamedQuery).where(visible_to(caller, NamedQuery))


async def remove(session: AsyncSession, row: NamedQuery) -> None:
    """Forgets a query and its subscriptions."""
    for subscription in await session.scalars(select(Subscription).where(Subscription.query_id == row.id)):
        await session.delete(subscription)
    await session.flush()
    await session.delete(row)
    await session.flush()


async def place_at(session: AsyncSession, caller: Caller, since: datetime | None) -> int:
    """The place in the log from which on nothing was recorded before `since`; without it, the log's end."""
    if since is not None:
        first = await session.scalar(
            select(RecordedEvent.sequence)
            .where(RecordedEvent.ledger_id == caller.ledger_id, RecordedEvent.record_time >= since)
            .order_by(RecordedEvent.sequence)
            .limit(1)
        )
        if first is not None:
            return first
    state = await log.state(session, caller.ledger_id)
    return state.size if state else 0


async def subscribe(
    session: AsyncSession,
    caller: Caller,
    row: NamedQuery,
    *,
    destination: str,
    secret: str | None,
    schedule: dict[str, str] | None,
    report_if_empty: bool,
    since: datetime | None,
    epc_format: EpcFormat = DEFAULT_FORMAT,
    cbv_format: CbvFormat = "No_Preference",
) -> Subscription:
    """Subscribes to a query. Events recorded before now count only with `since`. Raises QueryInvalid."""
    moment = now()
    told = await place_at(session, caller, since)
    subscription = Subscription(
        ledger_id=caller.ledger_id,
        party_id=caller.party_id,
        user_id=caller.user_id,
        query_id=row.id,
        destination=destination,
        secret=secret,
        schedule=schedule,
        report_if_empty=report_if_empty,
        initial_record_time=since,
        epc_format=epc_format,
        cbv_format=cbv_format,
        next_at=moment if schedule is None else Schedule.read(schedule).after(moment),
        told=told,
    )
    session.add(subscription)
    await session.flush()
    return subscription


def subscriptions(caller: Caller, query_id: UUID) -> Select[Subscription]:
    """The subscriptions of a query."""
    return select(Subscription).where(visible_to(caller, Subscription), Subscription.query_id == query_id)


async def subscription(session: AsyncSession, caller: Caller, query_id: UUID, text: str) -> Subscription:
    """One subscription of a query. Raises SubscriptionUnknown."""
    try:
        wanted = UUID(text)
    except ValueError:
        raise SubscriptionUnknown() from None
    row = await session.scalar(subscriptions(caller, query_id).where(Subscription.id == wanted))
    if row is None:
        raise SubscriptionUnknown()
    return row


def min_record_time(row: Subscription) -> datetime:
    """Before this moment nothing was recorded of which the subscriber is still to be told."""
    return row.last_at or row.initial_record_time or row.created_at


async def since(
    session: AsyncSession, caller: Caller, query: Query, start: int, end: int | None = None
) -> tuple[list[RecordedEvent], int]:
    """What answers the query from place `start` on, in the log's order, and the place to go on from.

    The log's order is the order of commits, so an event is never recorded before a place already passed.
    """
    state = await log.state(session, caller.ledger_id)
    stop = min(end if end is not None else start + LOOKED_AT, state.size if state else 0)
    rows: list[RecordedEvent] = []
    stretch = (RecordedEvent.sequence >= start, RecordedEvent.sequence < stop)
    # Way by way: asked for all at once, the database goes through the log outside the stretch too.
    parts = [select(RecordedEvent.sequence).where(way, *stretch) for way in await ways(session, caller)]
    statement = (
        select(RecordedEvent)
        .where(
            RecordedEvent.ledger_id == caller.ledger_id,
            RecordedEvent.sequence.in_(union(*parts) if len(parts) > 1 else parts[0]),
            *conditions_of(query),
            *stretch,
        )
        .order_by(RecordedEvent.sequence)
    )
    for row in await session.scalars(statement):
        if row.body is not None and all(passes(event_of(row), test) for test in query.body_tests):
            rows.append(row)
            if len(rows) == BATCH and end is None:
                return rows, row.sequence + 1
    return rows, max(stop, start)


@dataclass(frozen=True, slots=True)
class Batch:
    """One delivery: what to send, where, and how it is signed."""

    subscription_id: UUID
    delivery_id: UUID
    destination: str
    secret: str | None
    body: bytes


async def due(session: AsyncSession, ledger_id: UUID, moment: datetime) -> Sequence[UUID]:
    """The subscriptions whose turn it is."""
    statement = select(Subscription.id).where(
        Subscription.ledger_id == ledger_id, Subscription.active, Subscription.next_at <= moment
    )
    return (await session.scalars(statement.order_by(Subscription.next_at).limit(100))).all()


async def prepare(session: AsyncSession, subscription_id: UUID, moment: datetime) -> Batch | None:
    """The next delivery of a subscription, noted before it is sent; None when there is nothing to tell.

    Once noted it covers the same stretch of the log whenever it is prepared again.
    """
    row = await session.scalar(
        select(Subscription).where(Subscription.id == subscription_id).with_for_update(skip_locked=True)
    )
    if row is None or not row.active or row.next_at > moment:
        return None
    query_row = await session.get(NamedQuery, row.query_id)
    user = await parties.user(session, row.ledger_id, row.user_id)
    if query_row is None or user is None or not user.active:
        row.active, row.last_error = False, "the query or the user is gone"
        return None
    caller = Caller(user.id, row.party_id, row.ledger_id, frozenset(Role(role) for role in user.roles))
    query = parse(loads(query_row.query))
    rows, end = await since(session, caller, query, row.told, row.delivery_end)
    if not rows and not (row.report_if_empty and row.schedule is not None):
        row.told, row.delivery_id, row.delivery_end = end, None, None
        row.next_at = _next(row, moment)
        return None
    row.delivery_id = row.delivery_id or uuid7()
    row.delivery_end = end
    row.next_at = moment + timedelta(seconds=30)  # nobody else takes it up while it is under way
    body = query_document(
        rows,
        query_name=query_row.name,
        subscription_id=str(row.id),
        epc_format=cast("EpcFormat", row.epc_format),
        cbv_format=cast("CbvFormat", row.cbv_format),
    )
    return Batch(row.id, row.delivery_id, row.destination, row.secret, body)


def _next(row: Subscription, moment: datetime) -> datetime:
    return moment + STREAM_PAUSE if row.schedule is None else Schedule.read(row.schedule).after(moment)


async def finish(session: AsyncSession, batch: Batch, moment: datetime, error: DeliveryError | None) -> None:
    """Notes how a delivery went: the place to go on from, or when to try again (each time twice as late)."""
    row = await session.get(Subscription, batch.subscription_id, with_for_update=True)
    if row is None or row.delivery_id != batch.delivery_id or row.delivery_end is None:
        return
    row.last_at = moment
    if error is None:
        row.told, row.failures, row.last_error = row.delivery_end, 0, None
        row.delivery_id = row.delivery_end = None
        row.next_at = _next(row, moment)
        return
    row.failures += 1
    row.last_error = str(error)[:300]
    row.active = row.failures < MOST_FAILURES
    row.next_at = moment + timedelta(seconds=min(2.0**row.failures, 6 * 3600))


async def step(database: Database, ledger_id: UUID, *, allow_private: bool = False) -> bool:
    """Delivers what is due. No transaction is open while a receiver is waited for."""
    moment = now()
    async with database.reading() as session:
        waiting = await due(session, ledger_id, moment)
    turns = asyncio.Semaphore(AT_ONCE)

    async def tell(subscription_id: UUID) -> None:
        async with turns:
            await _tell(database, subscription_id, moment, allow_private=allow_private)

    # Together, so that a receiver that lets us wait does not let all others wait.
    await asyncio.gather(*map(tell, waiting))
    return False


async def _tell(database: Database, subscription_id: UUID, moment: datetime, *, allow_private: bool) -> None:
    async with database.transaction() as session:
        batch = await prepare(session, subscription_id, moment)
    if batch is None:
        return
    failed: DeliveryError | None = None
    try:
        await deliver(
            batch.destination,
            batch.body,
            delivery_id=str(batch.delivery_id),
            timestamp=int(now().timestamp()),
            secret=batch.secret,
            allow_private=allow_private,
        )
    except DeliveryError as error:
        failed = error
    async with database.transaction() as session:
        await finish(session, batch, now(), failed)


def subscription_loop(database: Database, ledger_id: UUID, *, allow_private: bool = False) -> Loop:
    """The worker's loop of subscriptions."""

    async def one() -> bool:
        return await step(database, ledger_id, allow_private=allow_private)

    return Loop("subscriptions", one, idle=1.0, rest=3.0)
