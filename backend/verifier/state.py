"""Proofs of Ethereum's state: what an account or a storage slot held at a block (EIP-1186).

The proofs are paths through Merkle Patricia tries (Yellow Paper appendix D) whose root stands in the
block header. A proof either shows a value, or shows that there is none, or is no proof at all.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from backend.verifier import evm

EMPTY_TRIE = bytes.fromhex("56e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421")
EMPTY_CODE = bytes.fromhex("c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470")


class ProofInvalid(ValueError):
    """The proof does not lead from the root to an answer."""


@dataclass(frozen=True)
class Account:
    """An account's record in the state trie."""

    nonce: int
    balance: int
    storage_root: bytes
    code_hash: bytes


NO_ACCOUNT = Account(0, 0, EMPTY_TRIE, EMPTY_CODE)


def account(state_root: bytes, address: bytes, proof: Sequence[bytes]) -> Account:
    """The account at `address` under a state root; `NO_ACCOUNT` if the proof shows there is none."""
    found = trie_value(state_root, evm.keccak(address), proof)
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


def slot(storage_root: bytes, position: int, proof: Sequence[bytes]) -> int:
    """The word in a storage slot under an account's storage root; 0 if the proof shows it is unset."""
    found = trie_value(storage_root, evm.keccak(evm.word(position)), proof)
    if found is None:
        return 0
    value = _decode(found)
    if not isinstance(value, bytes) or len(value) > evm.WORD_BYTES or value[:1] == b"\x00":
        raise ProofInvalid("the leaf is no storage word")
    return int.from_bytes(value, "big")


def trie_value(root: bytes, key: bytes, proof: Sequence[bytes]) -> bytes | None:
    """Follow `key` from `root` through the nodes of `proof`: its value, or None where the path ends.

    Raises `ProofInvalid` if a node on the path is missing or malformed, or if the proof holds a node
    that is not on the path: a proof is exactly its path.
    """
    nodes = {evm.keccak(node): node for node in proof}
    nibbles = [nibble for byte in key for nibble in (byte >> 4, byte & 15)]
    used = 0
    reference: evm.Rlp = root
    value: bytes | None = None
    if root == EMPTY_TRIE and (not proof or list(proof) == [b"\x80"]):
        return None
    while True:
        if isinstance(reference, bytes):
            encoded = nodes.get(reference)
            if encoded is None:
                raise ProofInvalid("a node on the path is missing from the proof")
            used += 1
            node = _decode(encoded)
        else:
            node = reference  # shorter than a hash, so it stands inside its parent
        following, nibbles, value = _step(node, nibbles)
        if following is None:
            break
        reference = following
    if used != len(proof):
        raise ProofInvalid("the proof holds nodes that are not on the path")
    return value


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


def _decode(encoded: bytes) -> evm.Rlp:
    try:
        return evm.decode(encoded)
    except evm.RlpError as error:
        raise ProofInvalid(f"a node is not RLP: {error}") from error


def _bytes(item: evm.Rlp) -> bytes:
    if not isinstance(item, bytes):
        raise ProofInvalid("a node holds a list where bytes belong")
    return item
