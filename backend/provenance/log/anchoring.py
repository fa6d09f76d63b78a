"""Heads of the log on their way to the chain, and back as the chain has them.

At most one head is under way. It is made by the clock, so that volume does not show in when heads appear, or
earlier when many leaves wait. A crash at any point leaves either no head or one with its operation: they are
written in one transaction, and the next head starts from what the chain confirmed.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from backend.chain import outbox
from backend.chain.contracts import Contracts
from backend.chain.projections import Event
from backend.chain.repository import Operation
from backend.kit import sparse
from backend.kit.clock import now
from backend.kit.merkle import leaf_hash
from backend.provenance.config import CONTRACT, LogConfig
from backend.provenance.epcis.values import loads
from backend.provenance.log import repository, service
from backend.provenance.tables import AnchoredHead, LogHead, LogState
from backend.verifier import logmap
from backend.verifier.leaf import decode

KEPT = timedelta(days=1)
"""How long the maps of past heads can be read."""

BATCH = 5000
"""Leaves whose identifiers are put into the map at once; bounds the memory a head takes."""


async def anchor_if_due(
    session: AsyncSession,
    contracts: Contracts,
    config: LogConfig,
    *,
    moment: datetime | None = None,
) -> Operation | None:
    """Makes the next head and writes its anchoring into the outbox, if one is due and none is under way.

    The operation belongs to no party: operators and auditors see it.
    """
    ledger_id = contracts.ledger_id
    moment = moment or now()
    state = await repository.state(session, ledger_id)
    if state is None or not await _is_due(session, state, config, moment):
        return None
    state = await service.lock(session, ledger_id, config)
    start = await _start(session, ledger_id)
    if start is None:
        return None
    await _fill_up(session, state, config, start)
    if state.size <= start:
        return None
    head = await make_head(session, state, start, moment)
    proof = await service.consistency(session, ledger_id, start, head.size) if start else []
    call = contracts.call(
        CONTRACT,
        "anchor",
        logRoot=bytes.fromhex(head.log_root[2:]),
        size=head.size,
        consistencyProof=proof,
        mapRoot=bytes.fromhex(head.map_root[2:]),
    )
    operation = await outbox.enqueue(
        session,
        call,
        ledger_id=ledger_id,
        party_id=ledger_id,
        kind="log.anchor",
        subject=f"log:{config.log_id.hex()}",
    )
    head.operation_id = operation.id
    await session.flush()
    return operation


async def is_due(session: AsyncSession, ledger_id: UUID, config: LogConfig) -> bool:
    """Whether a head is due, for those who would not lock anything to find that out."""
    state = await repository.state(session, ledger_id)
    return state is not None and await _is_due(session, state, config, now())


async def _is_due(session: AsyncSession, state: LogState, config: LogConfig, moment: datetime) -> bool:
    last = await repository.newest_head(session, state.ledger_id)
    covered = last.size if last else 0
    waiting = state.size - covered
    due = last is None or moment - last.made_at >= config.anchor_every
    if config.block > 1:
        return due
    if last is not None and waiting == 0:
        return await _failed(session, last)
    if waiting == 0:
        return False
    return due or waiting >= config.anchor_at


async def _fill_up(session: AsyncSession, state: LogState, config: LogConfig, start: int) -> None:
    """So many leaves that record nothing that the head to come ends a block, one block beyond the last."""
    if config.block > 1:
        blocks = -(-max(state.size, start + 1) // config.block)
        await service.fill(session, state, blocks * config.block - state.size)


async def _failed(session: AsyncSession, head: LogHead) -> bool:
    operation = await session.get(Operation, head.operation_id) if head.operation_id else None
    return operation is None or operation.status in {outbox.FAILED, outbox.CANCELLED}


async def _start(session: AsyncSession, ledger_id: UUID) -> int | None:
    """The size the next head extends: that of the newest on the chain. None while one is under way."""
    on_chain = await repository.newest_anchored(session, ledger_id)
    size = on_chain.size if on_chain else 0
    last = await repository.newest_head(session, ledger_id)
    if last is None or last.size <= size or await _failed(session, last):
        return size
    return None


async def make_head(session: AsyncSession, state: LogState, start: int, moment: datetime) -> LogHead:
    """The head of the log as it is: brings the map up to it and notes both roots."""
    await bring_map_up(session, state)
    root = await service.root(session, state.ledger_id, state.size)
    head = await repository.head(session, state.ledger_id, state.size)
    if head is None:
        head = LogHead(ledger_id=state.ledger_id, size=state.size)
        session.add(head)
    head.previous_size = start
    head.log_root = "0x" + root.hex()
    head.map_root = state.map_root
    head.made_at = moment
    await session.flush()
    return head


async def bring_map_up(session: AsyncSession, state: LogState) -> None:
    """Puts the identifiers of leaves that the map does not tell of yet into it."""
    kept = await _kept_from(session, state.ledger_id, now())
    while state.map_size < state.size:
        end = min(state.map_size + BATCH, state.size)
        secret = bytes.fromhex(state.map_secret[2:])
        mentions: dict[bytes, list[tuple[int, bytes]]] = {}
        rows = await repository.leaves(session, state.ledger_id, state.map_size, end)
        for sequence, leaf, body, context in rows:
            if body is None:
                continue
            for identifier in logmap.identifiers(loads(body), context, decode(leaf)):
                mentions.setdefault(logmap.key(secret, identifier), []).append((sequence, leaf_hash(leaf)))
        before = await repository.map_entries(session, state.ledger_id, mentions, state.map_size)
        entries = {
            key: (before.get(key, (0, 0))[0] + len(places), places[-1][0]) for key, places in mentions.items()
        }
        values = {
            key: logmap.Entry(count, last, mentions[key][-1][1]).value()
            for key, (count, last) in entries.items()
        }
        state.map_root = "0x" + (await _update(session, state, values, end)).hex()
        await repository.put_map_entries(session, state.ledger_id, end, entries)
        await repository.prune_entries(session, state.ledger_id, before, kept)
        state.map_size = end
        await session.flush()


async def _update(session: AsyncSession, state: LogState, values: dict[bytes, bytes], size: int) -> bytes:
    root = bytes.fromhex(state.map_root[2:])
    store = await service.load_paths(session, state.ledger_id, root, list(values))
    amended = sparse.amend(store, root, values)
    await repository.put_map_nodes(session, state.ledger_id, amended.fresh)
    await repository.mark_replaced(session, state.ledger_id, amended.replaced, size)
    return amended.root


async def prune(session: AsyncSession, ledger_id: UUID, *, moment: datetime | None = None) -> bool:
    """Removes some of what only maps of heads long past needed; whether there may be more.

    Proofs are given against the newest head on the chain. A reorganisation may bring an older one back, so
    what heads of the last `KEPT` needed stays.
    """
    size = await _kept_from(session, ledger_id, moment or now())
    return await repository.prune_nodes(session, ledger_id, size, BATCH)


async def _kept_from(session: AsyncSession, ledger_id: UUID, moment: datetime) -> int:
    """The size of the oldest head whose map can still be read. By our clock: the chain's may be another."""
    head = await repository.newest_anchored(session, ledger_id, made_before=moment - KEPT)
    return head.size if head else 0


class Heads:
    """The projection of `ProvenanceLog`: one key a head, by its size."""

    name = "log_heads"

    def subjects(self, event: Event) -> Iterable[str]:
        """The size of the head an event anchors."""
        return [str(event.args["size"])] if (event.contract, event.name) == (CONTRACT, "Anchored") else []

    async def rebuild(
        self, session: AsyncSession, ledger_id: UUID, events: Mapping[str, Sequence[Event]]
    ) -> None:
        """Replaces the rows of the heads with what the chain says of them now."""
        for key, own in events.items():
            row = _anchored(ledger_id, int(key), own[-1]) if own else None
            await repository.replace_anchored(session, ledger_id, int(key), row)


def _anchored(ledger_id: UUID, size: int, event: Event) -> AnchoredHead:
    return AnchoredHead(
        ledger_id=ledger_id,
        size=size,
        previous_size=event.args["previousSize"],
        log_root=event.args["logRoot"],
        map_root=event.args["mapRoot"],
        history=event.args["history"],
        anchored_at=event.block_time,
        block_number=event.block_number,
        block_hash=event.block_hash,
        tx_hash=event.tx_hash,
    )
