"""The bloom filter of a block's header (Yellow Paper, 4.4.3): what a block has logs of, in 2,048 bits.

It never says "not there" of what is there, and now and then "there" of what is not.
"""

from collections.abc import Iterable
from functools import lru_cache

from eth_utils.crypto import keccak


def may_hold(bloom: str | None, addresses: Iterable[str]) -> bool:
    """Whether a block may have logs of one of the addresses; False too where a node gives no filter."""
    if not bloom:
        return False
    bits = int(bloom, 16)
    return any(bits & mask == mask for mask in map(_mask, addresses))


@lru_cache(maxsize=64)
def _mask(address: str) -> int:
    digest = keccak(bytes.fromhex(address[2:]))
    return sum({1 << (int.from_bytes(digest[place : place + 2], "big") & 2047) for place in (0, 2, 4)})
