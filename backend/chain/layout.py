"""Values that stand at fixed places, read straight from the bytes of a log.

eth-abi reads every type and takes a sixth of a millisecond for an event. Most of our events hold static
types only, whose places follow from the ABI alone; reading those takes some microseconds. What comes out,
and what is refused, is the same (tests/backend/chain/test_layout.py compares).
"""

import re
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from eth_utils.address import to_checksum_address

WORD = 32
Reader = Callable[[bytes, int], Any]
"""Reads the value that begins at a place. Raises LayoutError for bytes no encoder writes."""
_ZERO, _ONE = bytes(WORD), bytes(WORD - 1) + b"\1"
_ARRAY = re.compile(r"(.*)\[(\d*)\]")
_SIZED = re.compile(r"(u?int|bytes)(\d+)")


class LayoutError(ValueError):
    """Bytes that are no value of the type."""


def reader(shape: Mapping[str, Any]) -> tuple[Reader, int] | None:
    """How a value of this shape (an ABI entry) is read, and its size in bytes; None for a dynamic type."""
    kind = shape["type"]
    if (array := _ARRAY.fullmatch(kind)) is not None:
        return _array({**shape, "type": array[1]}, array[2])
    if kind == "tuple":
        return _struct(shape["components"])
    if kind == "address":
        return _address, WORD
    if kind == "bool":
        return _bool, WORD
    if (sized := _SIZED.fullmatch(kind)) is None:
        return None
    number = int(sized[2])
    made = {"uint": _unsigned, "int": _signed, "bytes": _fixed}[sized[1]]
    return made(number), WORD


@lru_cache(maxsize=100_000)
def _checksummed(raw: bytes) -> str:
    return str(to_checksum_address(raw))


def _address(data: bytes, at: int) -> str:
    if not data.startswith(_ZERO[:12], at):
        raise LayoutError("an address with more than 20 bytes")
    return _checksummed(data[at + 12 : at + WORD])


def _bool(data: bytes, at: int) -> bool:
    word = data[at : at + WORD]
    if word != _ZERO and word != _ONE:
        raise LayoutError("a truth value that is neither 0 nor 1")
    return word == _ONE


def _unsigned(bits: int) -> Reader:
    before = _ZERO[: WORD - bits // 8]
    skipped = len(before)

    def read(data: bytes, at: int) -> int:
        if not data.startswith(before, at):
            raise LayoutError(f"a number of more than {bits} bits")
        return int.from_bytes(data[at + skipped : at + WORD], "big")

    return read


def _signed(bits: int) -> Reader:
    least, most = -(1 << bits - 1), 1 << bits - 1

    def read(data: bytes, at: int) -> int:
        value = int.from_bytes(data[at : at + WORD], "big", signed=True)
        if not least <= value < most:
            raise LayoutError(f"a number of more than {bits} bits")
        return value

    return read


def _fixed(size: int) -> Reader:
    after = _ZERO[size:]

    def read(data: bytes, at: int) -> str:
        if not data.startswith(after, at + size):
            raise LayoutError(f"more than {size} bytes")
        return "0x" + data[at : at + size].hex()

    return read


def _struct(members: Sequence[Mapping[str, Any]]) -> tuple[Reader, int] | None:
    placed: list[tuple[str, Reader, int]] = []
    size = 0
    for member in members:
        if (found := reader(member)) is None:
            return None
        placed.append((member["name"], found[0], size))
        size += found[1]

    def read(data: bytes, at: int) -> dict[str, Any]:
        return {name: read_member(data, at + offset) for name, read_member, offset in placed}

    return read, size


def _array(element: Mapping[str, Any], length: str) -> tuple[Reader, int] | None:
    if not length or (found := reader(element)) is None:
        return None
    read_element, size = found
    places = [number * size for number in range(int(length))]

    def read(data: bytes, at: int) -> list[Any]:
        return [read_element(data, at + place) for place in places]

    return read, size * len(places)
