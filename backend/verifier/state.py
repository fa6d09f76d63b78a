"""Proofs of Ethereum's state: what an account or a storage slot held at a block (EIP-1186).

The proofs are paths through Merkle Patricia tries (Yellow Paper appendix D) whose root stands in the
block header. A proof either shows a value, or shows that there is none, or is no proof at all.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from backend.verifier import evm

EMPTY_TRIE = bytes.fromhex("56e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421")
EMPTY_CODE = bytes.fromhex("c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470")


class ProofInvalid(ValueError):
    """A node under the root is not what Ethereum puts there: the root is not that of a state."""


class NodeMissing(ValueError):
    """The evidence ends before an answer."""


@dataclass(frozen=True)
class Account:
    """An account's record in the state trie."""

    nonce: int
    balance: int
    storage_root: bytes
    code_hash: bytes


NO_ACCOUNT = Account(0, 0, EMPTY_TRIE, EMPTY_CODE)


def node_table(nodes: Sequence[bytes]) -> Mapping[bytes, bytes]:
    """Trie nodes by their hash. Proofs of many slots share most of theirs, so a bundle holds one table."""
    return {evm.keccak(node): node for node in nodes}


def account(state_root: bytes, address: bytes, nodes: Mapping[bytes, bytes]) -> Account:
    """The account at `address` under a state root; `NO_ACCOUNT` if the nodes show there is none."""
    found = trie_value(state_root, evm.remembered(address), nodes)
    if found is None:
        return NO_ACCOUNT
    fields = _decode(found)
    if (
        not isinstance(fields, list)
        or len(fields) != 4
        or not all(isinstance(field, bytes) for field in fields)
    ):
        raise ProofInvalid("the leaf is no account")
    nonce, balance, storage_root, code_hash = (bytes(field) for field in fields if isinstance(field, bytes))
    if len(storage_root) != 32 or len(code_hash) != 32:
        raise ProofInvalid("the leaf is no account")
    return Account(int.from_bytes(nonce, "big"), int.from_bytes(balance, "big"), storage_root, code_hash)


def slot(storage_root: bytes, position: int, nodes: Mapping[bytes, bytes]) -> int:
    """The word in a storage slot under an account's storage root; 0 if the nodes show it is unset."""
    found = trie_value(storage_root, evm.remembered(evm.word(position)), nodes)
    if found is None:
        return 0
    value = _decode(found)
    if not isinstance(value, bytes) or len(value) > evm.WORD_BYTES or value[:1] == b"\x00":
        raise ProofInvalid("the leaf is no storage word")
    return int.from_bytes(value, "big")


def trie_value(root: bytes, key: bytes, nodes: Mapping[bytes, bytes]) -> bytes | None:
    """Follow `key` from `root` through nodes found by their hash: its value, or None where the path ends.

    Raises `NodeMissing` if the path leads to a node that is not there. A node cannot be forged: another
    content has another hash, and then the path does not lead to it.
    """
    nibbles = [nibble for byte in key for nibble in (byte >> 4, byte & 15)]
    reference: evm.Rlp = root
    if root == EMPTY_TRIE:
        return None
    while True:
        if isinstance(reference, bytes):
            encoded = nodes.get(reference)
            if encoded is None:
                raise NodeMissing("a node on the path is not among the evidence")
            node = _decode(encoded)
        else:
            node = reference  # shorter than a hash, so it stands inside its parent
        following, nibbles, value = _step(node, nibbles)
        if following is None:
            return value
        reference = following


def _step(node: evm.Rlp, nibbles: list[int]) -> tuple[evm.Rlp | None, list[int], bytes | None]:
    """One node further: (next reference, nibbles left, None), or (None, …, the value or None) at the end."""
    if not isinstance(node, list) or len(node) not in (2, 17):
        raise ProofInvalid("a node is neither branch, extension nor leaf")
    if len(node) == 17:
        if not nibbles:
            return None, [], _bytes(node[16]) or None
        return (node[nibbles[0]] or None), nibbles[1:], None
    is_leaf, path = _path(_bytes(node[0]))
    if is_leaf:
        return None, [], _bytes(node[1]) if path == nibbles else None
    if nibbles[: len(path)] != path:
        return None, [], None
    return node[1], nibbles[len(path) :], None


def _path(encoded: bytes) -> tuple[bool, list[int]]:
    """Hex-prefix encoding (Yellow Paper appendix C): whether it is a leaf, and its nibbles."""
    if not encoded or encoded[0] >> 4 > 3:
        raise ProofInvalid("a node's path is malformed")
    nibbles = [nibble for byte in encoded for nibble in (byte >> 4, byte & 15)]
    flag = nibbles[0]
    if not flag & 1 and nibbles[1]:
        raise ProofInvalid("a node's path is malformed")
    return bool(flag & 2), nibbles[1 if flag & 1 else 2 :]


@lru_cache(maxsize=8192)  # some 10 MB; the nodes near a root are on every path
def _decode(encoded: bytes) -> evm.Rlp:
    try:
        return evm.decode(encoded)
    except evm.RlpError as error:
        raise ProofInvalid(f"a node is not RLP: {error}") from error


def _bytes(item: evm.Rlp) -> bytes:
    if not isinstance(item, bytes):
        raise ProofInvalid("a node holds a list where bytes belong")
    return item
