"""Watching: the report on a receivable is made again when what it rests on moved, and its changes are told.

What a report rests on is summed up in a digest, three indexed queries: the receivable's events on the chain
and the accounts of its parties, so that a dispute, a suspension or a reorganised block shows, and the events
of the log about its goods that a head on the chain covers, so that a correction, return or recall shows. Only
where the digest moved, and once a day for what ages, is the report made. A look costs some milliseconds: a
hundred thousand watched receivables are gone round in minutes by one worker, and several share the work.

A change is a notice, written in the transaction that notes it: told once, however often a worker dies.
"""

import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from backend.kit.access import Caller, Role
from backend.kit.clock import now
from backend.kit.database import Database
from backend.kit.loops import Loop
from backend.kit.notices import Notice
from backend.kit.problems import NotFound, Problem
from backend.parties import repository as parties
from backend.parties.repository import AccountRecord
from backend.receivables import repository as receivables
from backend.receivables.repository import ReceivableRecord
from backend.verification import events
from backend.verification.service import Gathered
from backend.verification.tables import Watch, Watched
from backend.verifier import report

log = logging.getLogger("tallystick.watching")

CHANGED = "verification.changed"
_AT_ONCE = 20
_LOOK_AGAIN = timedelta(seconds=10)
_MAKE_AGAIN = timedelta(days=1)
_PUT_OFF = timedelta(seconds=60)

Gather = Callable[[AsyncSession, Caller, UUID], Awaitable[Gathered]]
"""Evidence and report about a receivable that the caller may see; `app.py` hands it in."""


@dataclass(frozen=True, slots=True)
class Change:
    """One check that answers otherwise than before."""

    check: str
    before: str
    after: str
    code: str


async def step(database: Database, ledger_id: UUID, gather: Gather) -> bool:
    """Looks at what is due; True if there may be more."""
    await _follow_holdings(database, ledger_id)
    claimed = await _claim(database, ledger_id)
    for watch, watched in claimed:
        await _look(database, gather, watch, watched)
    return len(claimed) == _AT_ONCE


async def _follow_holdings(database: Database, ledger_id: UUID) -> None:
    """Whatever a party holds is watched where it asked for that; what it holds no longer is not."""
    async with database.reading() as session:
        wanted = (
            await session.scalars(
                select(Watch).where(Watch.ledger_id == ledger_id, Watch.receivable_id.is_(None))
            )
        ).all()
        changes = [(watch, *await _holdings_of(session, watch)) for watch in wanted]
    if not any(new or gone for _, new, gone in changes):
        return
    async with database.transaction() as session:
        for watch, _, _ in changes:
            if await session.get(Watch, watch.id, with_for_update=True) is None:
                continue
            new, gone = await _holdings_of(session, watch)
            for each in new:
                session.add(Watched(watch_id=watch.id, receivable_id=each, ledger_id=ledger_id))
            for each in gone:
                await session.delete(await session.get_one(Watched, (watch.id, each)))


async def _holdings_of(session: AsyncSession, watch: Watch) -> tuple[set[UUID], set[UUID]]:
    """Receivables that came to a watch of everything held, and those that left."""
    accounts = await parties.accounts_of(session, watch.party_id)
    held = set(await receivables.held_records(session, watch.ledger_id, accounts))
    known = set(await session.scalars(select(Watched.receivable_id).where(Watched.watch_id == watch.id)))
    return held - known, known - held


async def _claim(database: Database, ledger_id: UUID) -> Sequence[tuple[Watch, Watched]]:
    """The next that are due, put off for every other worker."""
    moment = now()
    due = (
        select(Watch, Watched)
        .join(Watch, Watch.id == Watched.watch_id)
        .where(Watched.ledger_id == ledger_id, Watched.next_at <= moment)
        .order_by(Watched.next_at)
        .limit(_AT_ONCE)
    )
    async with database.reading() as session:
        if (await session.execute(due.limit(1))).first() is None:
            return []
    async with database.transaction() as session:
        rows = (await session.execute(due.with_for_update(of=Watched, skip_locked=True))).all()
        for _, watched in rows:
            watched.next_at = moment + _PUT_OFF
        return [(row[0], row[1]) for row in rows]


async def _look(database: Database, gather: Gather, watch: Watch, watched: Watched) -> None:
    """Makes the report where what it rests on moved, and notes what it says."""
    gathered: Gathered | None = None
    async with database.reading() as session:
        caller = await _caller(session, watch)
        row = await receivables.record(session, watch.ledger_id, watched.receivable_id)
        seen = watched.seen
        if caller is not None and row is not None:
            seen = await _digest(session, row, watched.keys)
            old = watched.made_at is None or now() - watched.made_at > _MAKE_AGAIN
            if seen != watched.seen or old:
                try:
                    gathered = await gather(session, caller, watched.receivable_id)
                    seen = await _digest(session, row, gathered.keys)
                except NotFound:
                    caller = None
                except Problem as problem:  # the node is behind or away: later
                    log.info("the report on %s cannot be made now: %s", watched.receivable_id, problem.code)
                    return
    async with database.transaction() as session:
        kept = await session.get(Watched, (watched.watch_id, watched.receivable_id), with_for_update=True)
        if kept is None or kept.made_at != watched.made_at:
            return  # the watch ended, or another worker was faster
        if caller is None or row is None:
            await session.delete(kept)
            return
        kept.next_at = now() + _LOOK_AGAIN
        if gathered is not None:
            _note(session, watch, kept, gathered)
            kept.seen, kept.keys = seen, [list(key) for key in gathered.keys]


def _note(session: AsyncSession, watch: Watch, kept: Watched, gathered: Gathered) -> None:
    """What the report says now, and a notice if it said something else before."""
    found = gathered.report
    outcomes = {each.check: [each.outcome.value, each.finding.code] for each in found.results}
    changes = changes_between(kept.outcomes, outcomes) if kept.made_at is not None else []
    block = found.evidence.header
    kept.outcomes, kept.made_at, kept.block_hash = outcomes, now(), "0x" + block.hash.hex()
    if changes:
        session.add(
            Notice(
                ledger_id=watch.ledger_id,
                party_id=watch.party_id,
                type=CHANGED,
                subject=f"receivable:{kept.receivable_id}",
                data={
                    "receivable_id": str(kept.receivable_id),
                    "watch_id": str(watch.id),
                    "block": {
                        "number": block.number,
                        "hash": kept.block_hash,
                        "time": report.when(block.time),
                    },
                    "changes": [
                        {"check": each.check, "before": each.before, "after": each.after, "code": each.code}
                        for each in changes
                    ],
                },
            )
        )


def changes_between(before: Mapping[str, Sequence[str]], after: Mapping[str, Sequence[str]]) -> list[Change]:
    """Checks whose answer, or whose reason for a bad one, is another."""
    return [
        Change(check, before[check][0], outcome, code)
        for check, (outcome, code) in after.items()
        if check in before
        and (before[check][0] != outcome or (outcome == "fail" and before[check][1] != code))
    ]


async def _digest(session: AsyncSession, row: ReceivableRecord, keys: Sequence[Sequence[str]]) -> str:
    """What the report rests on, in 64 digits that move when it does."""
    timeline = await receivables.last_of_timeline(session, row.ledger_id, row.chain_id)
    accounts = {row.supplier_account, row.debtor_account}
    accounts |= {
        each.account
        for each in await receivables.holdings(session, row.ledger_id, row.chain_id)
        if each.units
    }
    records = await session.scalars(
        select(AccountRecord)
        .where(AccountRecord.ledger_id == row.ledger_id, AccountRecord.account.in_(accounts))
        .order_by(AccountRecord.account)
    )
    told = [
        repr(timeline),
        *(
            repr((each.account, each.roles, each.valid_until, each.suspended, each.epoch, each.payout))
            for each in records
        ),
        repr(await events.covered_under(session, row.ledger_id, keys)),
    ]
    return sha256("\n".join(told).encode()).hexdigest()


async def _caller(session: AsyncSession, watch: Watch) -> Caller | None:
    """The user in whose name the watch looks, None if it may no longer."""
    user = await parties.user(session, watch.ledger_id, watch.user_id)
    party = await parties.party(session, watch.ledger_id, watch.party_id)
    if user is None or party is None or not (user.active and party.active):
        return None
    return Caller(user.id, watch.party_id, watch.ledger_id, frozenset(Role(role) for role in user.roles))


def watch_loop(database: Database, ledger_id: UUID, gather: Gather) -> Loop:
    """The worker's loop of watches."""

    async def one() -> bool:
        return await step(database, ledger_id, gather)

    return Loop("watches", one, idle=2.0)


async def start(session: AsyncSession, caller: Caller, receivable_id: UUID | None) -> Watch:
    """Begins to watch; the same watch again is the one there is. The first report is what changes are told
    from."""
    same = Watch.receivable_id == receivable_id if receivable_id else Watch.receivable_id.is_(None)
    found = await session.scalar(
        select(Watch).where(Watch.ledger_id == caller.ledger_id, Watch.party_id == caller.party_id, same)
    )
    if found is not None:
        return found
    watch = Watch(
        ledger_id=caller.ledger_id,
        party_id=caller.party_id,
        user_id=caller.user_id,
        receivable_id=receivable_id,
    )
    session.add(watch)
    await session.flush()
    if receivable_id is not None:
        session.add(Watched(watch_id=watch.id, receivable_id=receivable_id, ledger_id=caller.ledger_id))
    await session.flush()
    return watch


async def stop(session: AsyncSession, watch: Watch) -> None:
    """Ends a watch and forgets what it saw."""
    for each in await session.scalars(select(Watched).where(Watched.watch_id == watch.id)):
        await session.delete(each)
    await session.flush()
    await session.delete(watch)
    await session.flush()


def last_change(outcomes: Mapping[str, Any]) -> dict[str, int]:
    """How many checks said what when the report was last made."""
    counts: dict[str, int] = {}
    for outcome, _ in outcomes.values():
        counts[outcome] = counts.get(outcome, 0) + 1
    return counts
