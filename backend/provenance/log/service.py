"""Appending to the log, and what it can prove of itself."""

import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from backend.kit import merkle, sparse
from backend.kit.clock import now
from backend.provenance import repository as events
from backend.provenance.config import LogConfig
from backend.provenance.log import repository, tiles
from backend.provenance.log.notes import Checkpoint
from backend.provenance.problems import NotInTree
from backend.provenance.tables import AnchoredHead, LogState
from backend.verifier.checkpoint import extensions
from backend.verifier.leaf import Erasure, Leaf, filler


async def lock(session: AsyncSession, ledger_id: UUID, config: LogConfig) -> LogState:
    """The log's edge, held until the transaction ends: whoever appends next waits for it."""
    found = await repository.state(session, ledger_id, lock=True)
    if found is None:
        await repository.open_log(session, ledger_id, config.log_id, secrets.token_bytes(32))
        found = await repository.state(session, ledger_id, lock=True)
    if found is None:
        raise RuntimeError("the log's first row was written and is not there")
    return found


def clock(state: LogState) -> int:
    """The log's clock in milliseconds since 1970. It does not go back, whatever the machine's clock does."""
    return max(int(now().timestamp() * 1000), state.last_received)


async def append(session: AsyncSession, state: LogState, leaves: Sequence[Leaf | Erasure]) -> None:
    """Appends leaves whose sequence numbers follow on; `state` is locked (`lock`)."""
    if [leaf.sequence for leaf in leaves] != list(range(state.size, state.size + len(leaves))):
        raise ValueError("leaves are appended in order, without a gap")
    await _extend(session, state, [leaf.hash() for leaf in leaves])
    state.last_received = max([state.last_received, *(leaf.received_at for leaf in leaves)])
    await session.flush()


async def fill(session: AsyncSession, state: LogState, count: int) -> None:
    """Appends so many leaves that record nothing; `state` is locked (`lock`)."""
    places = range(state.size, state.size + count)
    await _extend(session, state, [merkle.leaf_hash(filler_at(state, place)) for place in places])
    await session.flush()


def filler_at(state: LogState, sequence: int) -> bytes:
    """The encoded leaf of a place where nothing was recorded."""
    return filler(bytes.fromhex(state.map_secret[2:]), bytes.fromhex(state.log_id[2:]), sequence)


async def entries(session: AsyncSession, state: LogState, start: int, end: int) -> list[events.Entry]:
    """What stands at each place from `start` up to before `end`, whoever may read it."""
    recorded = await events.entries(session, state.ledger_id, start, end)
    records = await repository.erasures_at(session, state.ledger_id, start, end)
    return [
        recorded.get(place) or events.Entry(records.get(place) or filler_at(state, place))
        for place in range(start, end)
    ]


async def _extend(session: AsyncSession, state: LogState, hashes: list[bytes]) -> None:
    held = await repository.tiles(session, state.ledger_id, tiles.edge(state.size))
    changed = tiles.extend(held, state.size, hashes)
    await repository.put_tiles(session, state.ledger_id, changed)
    state.size += len(hashes)


async def _nodes(session: AsyncSession, ledger_id: UUID, wanted: list[merkle.NodeId]) -> merkle.Nodes:
    held = await repository.tiles(session, ledger_id, map(tiles.tile_of, wanted))
    return tiles.nodes_from(wanted, held)


async def root(session: AsyncSession, ledger_id: UUID, size: int) -> bytes:
    """The root of the log's first `size` leaves."""
    wanted = merkle.frontier_nodes(size)
    nodes = await _nodes(session, ledger_id, wanted)
    return merkle.Frontier(size, [nodes[node] for node in wanted]).root()


async def inclusion(session: AsyncSession, ledger_id: UUID, index: int, size: int) -> list[bytes]:
    """The audit path of a leaf in the tree of the first `size` leaves. Raises NotInTree."""
    await _require(session, ledger_id, size)
    if not 0 <= index < size:
        raise NotInTree(reason=f"leaf {index} is not among the first {size}")
    nodes = await _nodes(session, ledger_id, merkle.inclusion_nodes(index, size))
    return merkle.inclusion_proof(index, size, nodes)


async def inclusions(
    session: AsyncSession, ledger_id: UUID, indexes: Iterable[int], size: int
) -> dict[int, list[bytes]]:
    """The audit paths of several leaves, whose tiles are read once. Raises NotInTree."""
    await _require(session, ledger_id, size)
    wanted = sorted(set(indexes))
    if wanted and not 0 <= wanted[0] <= wanted[-1] < size:
        raise NotInTree(reason=f"not all of these leaves are among the first {size}")
    needed = {node for index in wanted for node in merkle.inclusion_nodes(index, size)}
    nodes = await _nodes(session, ledger_id, sorted(needed))
    return {index: merkle.inclusion_proof(index, size, nodes) for index in wanted}


async def consistency(session: AsyncSession, ledger_id: UUID, old: int, new: int) -> list[bytes]:
    """The proof that the first `new` leaves extend the first `old`. Raises NotInTree."""
    await _require(session, ledger_id, new)
    if not 0 < old <= new:
        raise NotInTree(reason=f"{new} leaves cannot be shown to extend {old}")
    nodes = await _nodes(session, ledger_id, merkle.consistency_nodes(old, new))
    return merkle.consistency_proof(old, new, nodes)


async def _require(session: AsyncSession, ledger_id: UUID, size: int) -> None:
    state = await repository.state(session, ledger_id)
    if state is None or not 0 < size <= state.size:
        raise NotInTree(reason=f"the log has no {size} leaves")


@dataclass(frozen=True, slots=True)
class MapAnswer:
    """What the map says of one key under one head, with its proof."""

    count: int
    last_sequence: int | None
    last_leaf: bytes | None
    proof: sparse.MapProof


async def map_answer(
    session: AsyncSession, ledger_id: UUID, key: bytes, size: int, root_: bytes
) -> MapAnswer:
    """What the map under the head of `size` leaves says of a key, be it a count or nothing."""
    store = await load_paths(session, ledger_id, root_, [key])
    proof = sparse.prove(store, root_, key)
    entry = (await repository.map_entries(session, ledger_id, [key], size)).get(key)
    if entry is None:
        return MapAnswer(0, None, None, proof)
    count, last = entry
    (_, leaf, *_), *_ = await repository.leaves(session, ledger_id, last, last + 1)
    return MapAnswer(count, last, merkle.leaf_hash(leaf), proof)


async def load_paths(
    session: AsyncSession, ledger_id: UUID, root_: bytes, keys: Sequence[bytes]
) -> dict[bytes, tuple[bytes, bytes]]:
    """The map's nodes on the paths of the keys, level by level: a query for each level, not for each node."""
    store: dict[bytes, tuple[bytes, bytes]] = {}
    level = {root_: list(keys)} if root_ != sparse.EMPTY else {}
    depth = 0
    while level:
        nodes = await repository.map_nodes(session, ledger_id, level)
        store |= nodes
        below: dict[bytes, list[bytes]] = {}
        for node, through in level.items():
            left, right = nodes[node]
            if sparse.leaf_hash(left, right) == node:
                continue
            for key in through:
                child = right if key[depth >> 3] >> (7 - (depth & 7)) & 1 else left
                if child != sparse.EMPTY:
                    below.setdefault(child, []).append(key)
        level, depth = below, depth + 1
    return store


def checkpoint_text(origin: str, state: LogState, head: AnchoredHead) -> str:
    """A head on the chain as the log and its witnesses sign it (C2SP tlog-checkpoint)."""
    lines = (
        *extensions(bytes.fromhex(head.map_root[2:]), bytes.fromhex(state.map_secret[2:])),
        f"history {head.history}",
        f"block {head.block_hash}",
    )
    return Checkpoint(origin, head.size, bytes.fromhex(head.log_root[2:]), lines).text()


async def checkpoint(session: AsyncSession, ledger_id: UUID, config: LogConfig) -> str:
    """The newest head that is on the chain, or before the first the present one, as a signed note."""
    head = await repository.newest_anchored(session, ledger_id)
    state = await repository.state(session, ledger_id)
    if head is not None and state is not None:
        text = checkpoint_text(config.origin, state, head)
        lines = await repository.cosignatures(session, ledger_id, head.size)
        return config.signer.sign(text) + "".join(f"{line}\n" for line in lines)
    size = state.size if state else 0
    return config.signer.sign(Checkpoint(config.origin, size, await root(session, ledger_id, size)).text())
