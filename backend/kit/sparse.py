"""A sparse Merkle map over SHA-256: from 32-byte keys to 32-byte values, one root, proofs both ways.

The tree is the binary trie of the keys, first bit first, in which a subtree that holds one key is that
key's leaf and a subtree that holds none is 32 zero bytes (the form of Jellyfish and Celestia's trees).
So a proof has about log2(n) siblings, the root depends on the content alone and not on the order of
insertion, and *absence* is provable: the path of the key ends in nothing, or in another key's leaf.

Nodes are addressed by their hash; old roots stay readable as long as their nodes are kept.
"""

from bisect import bisect_left
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from typing import TypeAlias

EMPTY = bytes(32)
HASH_BYTES = 32
KEY_BITS = 256

Nodes: TypeAlias = Mapping[bytes, tuple[bytes, bytes]]
NodeStore: TypeAlias = MutableMapping[bytes, tuple[bytes, bytes]]
"""Hash of a node → (left, right) of an inner node, or (key, value) of a leaf. Hashes tell which is which."""


def leaf_hash(key: bytes, value: bytes) -> bytes:
    """Hash of one entry (prefix 0x02, apart from the prefixes of the log's tree)."""
    return sha256(b"\x02" + key + value).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Hash of an inner node (prefix 0x03)."""
    return sha256(b"\x03" + left + right).digest()


@dataclass(frozen=True)
class MapProof:
    """What the map says of one key: `siblings` from the root down, and the leaf where the path ends.

    `other` is the (key, value) of the foreign leaf that stands there, or None where nothing stands.
    """

    siblings: tuple[bytes, ...]
    other: tuple[bytes, bytes] | None = None


def root_of(entries: Mapping[bytes, bytes]) -> bytes:
    """Root of a whole map, from nothing but its entries."""
    _require_hashes(entries)
    keys = tuple(sorted(entries))
    # Events and invoices have the same fields again and again, so the shapes of small maps are remembered.
    joins = (_joins_of_few if len(keys) <= _FEW else _joins)(keys)
    nodes = [EMPTY, *(leaf_hash(key, entries[key]) for key in keys)]
    for left, right in joins:
        nodes.append(node_hash(nodes[left], nodes[right]))
    return nodes[-1]


def _joins(keys: tuple[bytes, ...]) -> tuple[tuple[int, int], ...]:
    """Which nodes are joined, in order, to make the root of a map with these sorted keys.

    Node 0 is the empty one, then come the leaves, then what each join makes.
    """
    joins: list[tuple[int, int]] = []

    def join(first: int, last: int, depth: int) -> int:
        if last - first <= 1:
            return first + 1 if first < last else 0
        middle = bisect_left(keys, 1, first, last, key=lambda key: _bit(key, depth))
        joins.append((join(first, middle, depth + 1), join(middle, last, depth + 1)))
        return len(keys) + len(joins)

    join(0, len(keys), 0)
    return tuple(joins)


_FEW = 64
_joins_of_few = lru_cache(maxsize=1_000)(_joins)


def build(store: NodeStore, entries: Mapping[bytes, bytes]) -> bytes:
    """Put the nodes of a whole map into `store` and return its root."""
    return update(store, EMPTY, entries)


def update(store: NodeStore, root: bytes, changes: Mapping[bytes, bytes]) -> bytes:
    """Set `changes` in the map with this root; new nodes go into `store`; the new root is returned."""
    amended = amend(store, root, changes)
    store.update(amended.fresh)
    return amended.root


@dataclass(frozen=True)
class Amended:
    """A map after changes: its root, the nodes it needs besides the old ones, and those it needs no more."""

    root: bytes
    fresh: Mapping[bytes, tuple[bytes, bytes]]
    replaced: frozenset[bytes]


def amend(store: Nodes, root: bytes, changes: Mapping[bytes, bytes]) -> Amended:
    """What becomes of the map with this root when `changes` are set in it; `store` stays as it is."""
    _require_hashes(changes)
    work = _Amending(store)
    new = _update(work, root, sorted(changes.items()), 0)
    return Amended(new, work.fresh, frozenset(work.read - work.fresh.keys()))


def _require_hashes(entries: Mapping[bytes, bytes]) -> None:
    for key, value in entries.items():
        if len(key) != HASH_BYTES or len(value) != HASH_BYTES:
            raise ValueError("keys and values of the map are 32 bytes each")


class _Amending:
    """The nodes read from a store, each on the path of a change, and those made."""

    def __init__(self, store: Nodes) -> None:
        self._store = store
        self.fresh: dict[bytes, tuple[bytes, bytes]] = {}
        self.read: set[bytes] = set()

    def __getitem__(self, node: bytes) -> tuple[bytes, bytes]:
        self.read.add(node)
        return self._store[node]

    def __setitem__(self, node: bytes, parts: tuple[bytes, bytes]) -> None:
        self.fresh[node] = parts


def lookup(store: Nodes, root: bytes, key: bytes) -> bytes | None:
    """The value of `key` in the map with this root, or None."""
    _, end = _walk(store, root, key)
    return end[1] if end is not None and end[0] == key else None


def prove(store: Nodes, root: bytes, key: bytes) -> MapProof:
    """Proof of what the map with this root says of `key`, be it a value or nothing."""
    siblings, end = _walk(store, root, key)
    return MapProof(tuple(siblings), end if end is not None and end[0] != key else None)


def verify(root: bytes, key: bytes, value: bytes | None, proof: MapProof) -> bool:
    """Whether `proof` shows that `key` has `value` (None: is absent) in the map with this root."""
    depth = len(proof.siblings)
    if depth > KEY_BITS or not _well_formed(root, key, value, proof):
        return False
    if value is not None:
        node = leaf_hash(key, value)
        if proof.other is not None:
            return False
    elif proof.other is None:
        node = EMPTY
    else:
        other_key, other_value = proof.other
        if other_key == key or _prefix(other_key, depth) != _prefix(key, depth):
            return False
        node = leaf_hash(other_key, other_value)
    for level in reversed(range(depth)):
        sibling = proof.siblings[level]
        node = node_hash(sibling, node) if _bit(key, level) else node_hash(node, sibling)
    return node == root


def _update(store: _Amending, node: bytes, changes: list[tuple[bytes, bytes]], depth: int) -> bytes:
    if not changes:
        return node
    if node == EMPTY and len(changes) == 1:
        return _put_leaf(store, *changes[0])
    left, right = EMPTY, EMPTY
    if node != EMPTY:
        first, second = store[node]
        if leaf_hash(first, second) == node:
            if len(changes) == 1 and changes[0][0] == first:
                return _put_leaf(store, *changes[0])
            # The leaf moves down together with what is new here, unless a change replaces it.
            changes = sorted({first: second, **dict(changes)}.items())
        else:
            left, right = first, second
    lower = [change for change in changes if not _bit(change[0], depth)]
    left = _update(store, left, lower, depth + 1)
    right = _update(store, right, changes[len(lower) :], depth + 1)
    parent = node_hash(left, right)
    store[parent] = (left, right)
    return parent


def _put_leaf(store: _Amending, key: bytes, value: bytes) -> bytes:
    node = leaf_hash(key, value)
    store[node] = (key, value)
    return node


def _walk(store: Nodes, root: bytes, key: bytes) -> tuple[list[bytes], tuple[bytes, bytes] | None]:
    siblings: list[bytes] = []
    node = root
    while node != EMPTY:
        first, second = store[node]
        if leaf_hash(first, second) == node:
            return siblings, (first, second)
        go_right = _bit(key, len(siblings))
        siblings.append(first if go_right else second)
        node = second if go_right else first
    return siblings, None


def _bit(key: bytes, depth: int) -> int:
    return key[depth >> 3] >> (7 - (depth & 7)) & 1


def _prefix(key: bytes, bits: int) -> int:
    return int.from_bytes(key) >> (KEY_BITS - bits)


def _well_formed(root: bytes, key: bytes, value: bytes | None, proof: MapProof) -> bool:
    hashes = [root, key, *proof.siblings, *(proof.other or ())]
    if value is not None:
        hashes.append(value)
    return all(len(item) == HASH_BYTES for item in hashes)
