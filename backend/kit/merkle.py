"""The append-only Merkle tree of RFC 6962 section 2.1 (unchanged in RFC 9162 section 2.1), over SHA-256.

A complete subtree is addressed by `(level, index)`: it covers leaves `index * 2^level` up to
`(index + 1) * 2^level - 1`. Such nodes never change once complete, so a log stores exactly those
(`Frontier.append` returns the new ones) and any proof for any past size is made from them: ask
`inclusion_nodes` or `consistency_nodes` which are needed, fetch them in one go, then build the proof.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import TypeAlias

NodeId: TypeAlias = tuple[int, int]
Nodes: TypeAlias = Mapping[NodeId, bytes]

EMPTY_ROOT = sha256(b"").digest()
HASH_BYTES = 32


class ProofError(ValueError):
    """A proof was asked for that cannot exist, such as of a leaf beyond the size of the tree."""


def leaf_hash(leaf: bytes) -> bytes:
    """Hash of one entry (RFC 6962 section 2.1, prefix 0x00)."""
    return sha256(b"\x00" + leaf).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Hash of an inner node (RFC 6962 section 2.1, prefix 0x01)."""
    return sha256(b"\x01" + left + right).digest()


@dataclass
class Frontier:
    """The right edge of a growing tree: its size and the roots of its maximal complete subtrees.

    Enough to append and to give the root, at 32 bytes for each one-bit of `size`, left to right.
    """

    size: int = 0
    peaks: list[bytes] = field(default_factory=list)

    def __post_init__(self) -> None:
        if self.size < 0 or len(self.peaks) != self.size.bit_count():
            raise ValueError(f"a tree of {self.size} leaves cannot have {len(self.peaks)} peaks")

    def append(self, leaf: bytes) -> list[tuple[NodeId, bytes]]:
        """Add a leaf *hash*; return the nodes this completed, the leaf itself first."""
        index, level, node = self.size, 0, leaf
        completed = [((0, index), leaf)]
        while index & 1:
            node = node_hash(self.peaks.pop(), node)
            index, level = index >> 1, level + 1
            completed.append(((level, index), node))
        self.peaks.append(node)
        self.size += 1
        return completed

    def root(self) -> bytes:
        """Root of the tree of `size` leaves."""
        if not self.peaks:
            return EMPTY_ROOT
        root = self.peaks[-1]
        for peak in reversed(self.peaks[:-1]):
            root = node_hash(peak, root)
        return root


def root_of(leaves: Iterable[bytes]) -> bytes:
    """Root of a list of leaf hashes."""
    frontier = Frontier()
    for leaf in leaves:
        frontier.append(leaf)
    return frontier.root()


def frontier_nodes(size: int) -> list[NodeId]:
    """The complete subtrees whose roots are the peaks of a tree of `size` leaves, left to right."""
    return _cover(0, size)


def inclusion_nodes(index: int, size: int) -> list[NodeId]:
    """Which stored nodes the proof that leaf `index` is in the tree of `size` leaves needs."""
    return [node for span in _inclusion_spans(index, size) for node in _cover(*span)]


def inclusion_proof(index: int, size: int, nodes: Nodes) -> list[bytes]:
    """The audit path PATH(index, D[size]) of RFC 6962 section 2.1.1."""
    return [_span_root(start, end, nodes) for start, end in _inclusion_spans(index, size)]


def consistency_nodes(old: int, new: int) -> list[NodeId]:
    """Which stored nodes the proof that the tree of `new` leaves extends that of `old` needs."""
    return [node for span in _consistency_spans(old, new) for node in _cover(*span)]


def consistency_proof(old: int, new: int, nodes: Nodes) -> list[bytes]:
    """PROOF(old, D[new]) of RFC 6962 section 2.1.2. `old` must not be 0: every tree extends the empty one."""
    return [_span_root(start, end, nodes) for start, end in _consistency_spans(old, new)]


def inclusion_root(leaf: bytes, index: int, size: int, proof: list[bytes]) -> bytes | None:
    """The root that `proof` leads to (RFC 9162 section 2.1.3.2), or None if its shape is wrong."""
    if not 0 <= index < size or not _all_hashes([leaf, *proof]):
        return None
    position, last, root = index, size - 1, leaf
    for sibling in proof:
        if last == 0:
            return None
        if position & 1 or position == last:
            root = node_hash(sibling, root)
            while position and not position & 1:
                position, last = position >> 1, last >> 1
        else:
            root = node_hash(root, sibling)
        position, last = position >> 1, last >> 1
    return root if last == 0 else None


def verify_inclusion(leaf: bytes, index: int, size: int, proof: list[bytes], root: bytes) -> bool:
    """Whether `proof` shows the leaf hash at `index` of the tree of `size` leaves with this root."""
    return inclusion_root(leaf, index, size, proof) == root


def verify_consistency(old: int, new: int, old_root: bytes, new_root: bytes, proof: list[bytes]) -> bool:
    """Whether `proof` shows the new tree to extend the old (RFC 9162 section 2.1.4.2).

    False for `old` = 0 as well: that the empty tree was extended says nothing, so no proof of it is one.
    """
    if not 0 < old <= new or not _all_hashes([old_root, new_root, *proof]):
        return False
    if old == new:
        return not proof and old_root == new_root
    path = list(proof)
    if old & (old - 1) == 0:
        path.insert(0, old_root)
    if not path:
        return False
    position, last = old - 1, new - 1
    while position & 1:
        position, last = position >> 1, last >> 1
    old_found = new_found = path[0]
    for sibling in path[1:]:
        if last == 0:
            return False
        if position & 1 or position == last:
            old_found, new_found = node_hash(sibling, old_found), node_hash(sibling, new_found)
            while position and not position & 1:
                position, last = position >> 1, last >> 1
        else:
            new_found = node_hash(new_found, sibling)
        position, last = position >> 1, last >> 1
    return last == 0 and old_found == old_root and new_found == new_root


def _inclusion_spans(index: int, size: int) -> list[tuple[int, int]]:
    if not 0 <= index < size:
        raise ProofError(f"leaf {index} is not in a tree of {size} leaves")
    start, end = 0, size
    spans = []
    while end - start > 1:
        middle = start + _split(end - start)
        if index < middle:
            spans.append((middle, end))
            end = middle
        else:
            spans.append((start, middle))
            start = middle
    return spans[::-1]


def _consistency_spans(old: int, new: int) -> list[tuple[int, int]]:
    if not 0 < old <= new:
        raise ProofError(f"no proof that a tree of {new} leaves extends one of {old}")
    start, end = 0, new
    spans = []
    while end != old:
        middle = start + _split(end - start)
        if old <= middle:
            spans.append((middle, end))
            end = middle
        else:
            spans.append((start, middle))
            start = middle
    if start:  # otherwise the old root itself is the first hash, and the verifier has it
        spans.append((start, end))
    return spans[::-1]


def _split(size: int) -> int:
    """The largest power of two smaller than `size` (RFC 6962's k)."""
    return int(1 << ((size - 1).bit_length() - 1))


def _cover(start: int, end: int) -> list[NodeId]:
    """The complete subtrees that make up leaves `start` to `end`, where `start` begins a subtree."""
    nodes = []
    while start < end:
        level = (end - start).bit_length() - 1
        nodes.append((level, start >> level))
        start += 1 << level
    return nodes


def _span_root(start: int, end: int, nodes: Nodes) -> bytes:
    hashes = [nodes[node] for node in _cover(start, end)]
    root = hashes.pop()
    while hashes:
        root = node_hash(hashes.pop(), root)
    return root


def _all_hashes(values: Iterable[bytes]) -> bool:
    return all(len(value) == HASH_BYTES for value in values)
