"""The three encodings of Ethereum a verifier needs: Keccak-256, RLP, and 32-byte words.

RLP (Yellow Paper appendix B) is read strictly: one value has one encoding, so bytes that decode are the
bytes that were hashed. Own code rather than the `rlp` and `trie` packages because those take most of a
second to import; the tests compare with both.
"""

from functools import lru_cache
from typing import TypeAlias

from eth_hash.auto import keccak

Rlp: TypeAlias = bytes | list["Rlp"]

WORD_BYTES = 32
ADDRESS_BYTES = 20
MAX_DEPTH = 16

__all__ = [
    "ADDRESS_BYTES",
    "WORD_BYTES",
    "Rlp",
    "RlpError",
    "decode",
    "encode",
    "integer",
    "keccak",
    "remembered",
    "word",
]


class RlpError(ValueError):
    """Bytes that are not the RLP encoding of anything."""


def encode(item: Rlp) -> bytes:
    """RLP of a byte string or of a list of such, nested."""
    if isinstance(item, bytes):
        if len(item) == 1 and item[0] < 0x80:
            return item
        return _length(len(item), 0x80) + item
    body = b"".join(encode(part) for part in item)
    return _length(len(body), 0xC0) + body


def decode(encoded: bytes) -> Rlp:
    """The value behind canonical RLP. `RlpError` for anything else, trailing bytes included."""
    item, end = _decode(encoded, 0, 0)
    if end != len(encoded):
        raise RlpError(f"{len(encoded) - end} bytes after the end of the value")
    return item


@lru_cache(maxsize=50_000)
def remembered(data: bytes) -> bytes:
    """Keccak-256 of data that is asked for again and again: where slots are, the contracts' code."""
    return keccak(data)


def integer(value: int) -> bytes:
    """A number as RLP wants it: big-endian without leading zeros, nothing for 0."""
    return value.to_bytes((value.bit_length() + 7) // 8, "big")


def word(value: int | bytes) -> bytes:
    """A 32-byte word: a number big-endian, an address or shorter bytes padded on the left."""
    return value.to_bytes(WORD_BYTES, "big") if isinstance(value, int) else value.rjust(WORD_BYTES, b"\x00")


def _length(length: int, offset: int) -> bytes:
    if length < 56:
        return bytes([offset + length])
    size = integer(length)
    return bytes([offset + 55 + len(size)]) + size


def _decode(data: bytes, start: int, depth: int) -> tuple[Rlp, int]:
    if start >= len(data):
        raise RlpError("cut off")
    if depth > MAX_DEPTH:
        raise RlpError(f"nested deeper than {MAX_DEPTH} levels")
    first = data[start]
    if first < 0x80:
        return data[start : start + 1], start + 1
    body, end = _body(data, start, first)
    if first < 0xC0:
        value = data[body:end]
        if len(value) == 1 and value[0] < 0x80:
            raise RlpError("a byte below 0x80 stands for itself")
        return value, end
    items: list[Rlp] = []
    while body < end:
        item, body = _decode(data, body, depth + 1)
        items.append(item)
    if body != end:
        raise RlpError("an item reaches beyond its list")
    return items, end


def _body(data: bytes, start: int, first: int) -> tuple[int, int]:
    """Where the body of the item at `start` begins and ends."""
    size = first - (0x80 if first < 0xC0 else 0xC0)
    body = start + 1
    if size > 55:
        body += size - 55
        digits = data[start + 1 : body]
        size = int.from_bytes(digits, "big")
        if size < 56 or digits[:1] == b"\x00":
            raise RlpError("a length that has a shorter form")
    if body + size > len(data):
        raise RlpError("cut off")
    return body, body + size
