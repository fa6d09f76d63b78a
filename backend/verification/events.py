"""Which events stand behind an invoice: those that name its documents, and others about the same things."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from backend.kit.recent import Recent
from backend.provenance import evidence as proofs
from backend.provenance import keys, repository
from backend.provenance.log import repository as log_rows
from backend.provenance.query.search import event_of
from backend.provenance.references import keys_of_references
from backend.provenance.tables import RecordedEvent
from backend.verifier import evidence
from backend.verifier.checks.goods import MADE

MOST_EVENTS = 1000
_HOPS = 4
_STORIES = 32
"""Kept by a process; one of a thousand events takes a few megabytes."""


@dataclass(frozen=True)
class Story:
    """The log's part of the evidence, and the keys of the event index under which more of it may come."""

    log: evidence.Log
    keys: tuple[tuple[str, str], ...]


class Stories:
    """Stories made lately. One stays true while the log's head on the chain, its witnesses and the bodies it
    shows are what they were: then only that is asked for."""

    def __init__(self) -> None:
        self._kept: Recent[_Asked, _Kept] = Recent(_STORIES)

    async def gather(
        self,
        session: AsyncSession,
        ledger_id: UUID,
        references: Mapping[str, Iterable[str]],
        *,
        seller: UUID,
        buyer: UUID,
        origin: str,
    ) -> Story:
        """Everything the log holds of the documents an invoice names, with proofs under the newest head."""
        named = await keys_of_references(session, references, seller_party_id=seller, buyer_party_id=buyer)
        asked = (ledger_id, frozenset(named.items()), seller, origin)
        kept = self._kept.get(asked)
        if kept is None or not await _is_true(session, ledger_id, kept):
            kept = self._kept.keep(asked, await _make(session, ledger_id, named, seller, origin))
        return kept.story


_Asked: TypeAlias = tuple[UUID, frozenset[tuple[tuple[str, str], str]], UUID, str]


@dataclass(frozen=True)
class _Kept:
    """A story, the places of the events it shows, and the head and witnesses it was made under."""

    story: Story
    shown: tuple[int, ...]
    under: tuple[object, ...]


async def _is_true(session: AsyncSession, ledger_id: UUID, kept: _Kept) -> bool:
    return kept.under == await _head(session, ledger_id) and await repository.are_whole(
        session, ledger_id, kept.shown
    )


async def _head(session: AsyncSession, ledger_id: UUID) -> tuple[object, ...]:
    head = await log_rows.newest_anchored(session, ledger_id)
    if head is None:
        return ()
    witnessed = await log_rows.cosignatures(session, ledger_id, head.size)
    return (head.size, head.history, *witnessed)


async def _make(
    session: AsyncSession, ledger_id: UUID, named: Mapping[tuple[str, str], str], seller: UUID, origin: str
) -> _Kept:
    under = await _head(session, ledger_id)
    linked = await repository.events_under(session, ledger_id, named)
    rows = await _with_their_own(session, ledger_id, [row for row in linked if row.body is not None], seller)
    log = await proofs.gather(session, ledger_id, rows[:MOST_EVENTS], origin=origin)
    story = Story(log, tuple(sorted(named.keys() | _same_things(rows))))
    return _Kept(story, tuple(each.leaf.sequence for each in log.events), under)


async def covered_under(
    session: AsyncSession, ledger_id: UUID, under: Iterable[Sequence[str]]
) -> tuple[int, int]:
    """How many events under these keys stand under the newest head on the chain, and the place of the last.

    Where there are too many to count, the size of the log itself.
    """
    head = await log_rows.newest_anchored(session, ledger_id)
    by_name: dict[str, list[str]] = {}
    for name, value in under:
        by_name.setdefault(name, []).append(value)
    places: set[int] = set()
    for name, values in by_name.items():
        found = await repository.sequences_under(session, ledger_id, [name], values, MOST_EVENTS)
        if found is None:
            return head.size if head else 0, -1
        places.update(found)
    covered = [place for place in places if head is not None and place < head.size]
    return len(covered), max(covered, default=-1)


async def _with_their_own(
    session: AsyncSession, ledger_id: UUID, rows: Sequence[RecordedEvent], seller: UUID
) -> list[RecordedEvent]:
    """The events, others about the same documents, items and events, and the seller's making of the goods."""
    found = {row.sequence: row for row in rows}
    classes = sorted({value for name, value in _keys(rows) if name in keys.CLASS_NAMES})
    made = await repository.made_by(session, ledger_id, seller, classes, MADE)
    found |= {row.sequence: row for row in made}
    for _ in range(_HOPS):
        size = len(found)
        more = await repository.events_under(session, ledger_id, _same_things(found.values()))
        found |= {row.sequence: row for row in more}
        if len(found) == size or len(found) > MOST_EVENTS:
            break
    return [found[sequence] for sequence in sorted(found)]


def _same_things(rows: Iterable[RecordedEvent]) -> set[tuple[str, str]]:
    """Index keys that mean one thing in the world: event, item, document; a lot or a place is many."""
    things: set[tuple[str, str]] = set()
    for name, value in _keys(rows):
        if name in keys.EPC_NAMES:
            things |= {(other, value) for other in keys.EPC_NAMES}
        elif name == "eventID" or name.startswith("bizTransaction:"):
            things.add((name, value))
    return things


def _keys(rows: Iterable[RecordedEvent]) -> Iterable[tuple[str, str]]:
    return (key for row in rows if row.body is not None for key in keys.keys_of(event_of(row)))
