"""Where the contracts keep what in storage, from the compiler's own `storageLayout` (`contracts.json`).

Solidity documentation, "Layout of State Variables in Storage": mappings at keccak(key ‖ slot), dynamic
arrays from keccak(slot), small values packed from the low end of a word.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

from backend.verifier import evm

_FILE = Path(__file__).parent / "contracts.json"

LINKS = {
    (name, variable): other
    for name in ("Receivables", "ReceivablesExtension", "ReceivablesRemedies")
    for variable, other in (("PARTICIPANTS", "Participants"), ("FINGERPRINTS", "Fingerprints"))
} | {
    ("Receivables", "EXTENSION"): "ReceivablesExtension",
    ("ReceivablesExtension", "EXTENSION"): "ReceivablesRemedies",
}
"""(contract, immutable) → the contract whose address it holds."""

LENGTH = "length"
"""The step from a dynamic array to its number of items."""


@dataclass(frozen=True)
class Place:
    """Part of a storage word: `size` bytes, `offset` bytes from its low end."""

    slot: int
    offset: int
    size: int

    def of(self, word: int) -> int:
        """The value in the word of that slot, as an unsigned number."""
        return word >> 8 * self.offset & (1 << 8 * self.size) - 1


@dataclass(frozen=True, eq=False)
class Contract:
    """What is known of a compiled contract: its storage, and its code with the immutables' places zeroed."""

    storage: Mapping[str, Mapping[str, Any]]
    types: Mapping[str, Mapping[str, Any]]
    code_hash: bytes
    code_size: int
    immutables: Mapping[str, list[int]]

    def place(self, variable: str, *steps: str | int | bytes) -> Place:
        """Where a state variable, or a part of it, is: mapping keys, array indexes, struct members, `LENGTH`.

        KeyError where there is no such variable or member.
        """
        entry = self.storage[variable]
        slot, offset, kind = entry["slot"], entry["offset"], self.types[entry["type"]]
        for step in steps:
            slot, offset, kind = self._step(slot, kind, step)
        return Place(slot, offset, int(kind["size"]))

    def _step(
        self, slot: int, kind: Mapping[str, Any], step: str | int | bytes
    ) -> tuple[int, int, Mapping[str, Any]]:
        if "members" in kind and isinstance(step, str):
            member = kind["members"][step]
            return slot + member["slot"], member["offset"], self.types[member["type"]]
        if "value" in kind and not isinstance(step, str):
            key = evm.word(step)
            return int.from_bytes(evm.remembered(key + evm.word(slot)), "big"), 0, self.types[kind["value"]]
        if "base" in kind and step == LENGTH:
            return slot, 0, {"size": evm.WORD_BYTES}
        if "base" in kind and isinstance(step, int):
            return self._item(int.from_bytes(evm.remembered(evm.word(slot)), "big"), kind, step)
        raise KeyError(f"{step!r} is no step into {kind}")

    def _item(self, start: int, kind: Mapping[str, Any], index: int) -> tuple[int, int, Mapping[str, Any]]:
        base = self.types[kind["base"]]
        size = int(base["size"])
        if size > evm.WORD_BYTES // 2:
            return start + index * -(-size // evm.WORD_BYTES), 0, base
        per_word = evm.WORD_BYTES // size
        return start + index // per_word, index % per_word * size, base


@cache
def contracts() -> Mapping[str, Contract]:
    """The contracts of this release by name."""
    known = json.loads(_FILE.read_text(encoding="utf-8"))
    return {
        name: Contract(
            storage=entry["storage"],
            types=entry["types"],
            code_hash=bytes.fromhex(entry["code_hash"][2:]),
            code_size=entry["code_size"],
            immutables=entry["immutables"],
        )
        for name, entry in known.items()
    }


@lru_cache(maxsize=32)
def code_hash(code: bytes, contract: Contract) -> bytes:
    """Keccak-256 of the code as `normalised`: equal for every deployment of the same source."""
    return evm.keccak(normalised(code, contract))


def links(code: Mapping[str, bytes]) -> Mapping[tuple[str, str], frozenset[bytes]]:
    """(contract, other contract) → the words that stand in the contract's code for the other's address.

    An immutable stands wherever it is used; code that was not made by the compiler may differ in them.
    """
    return {
        (name, other): frozenset(
            code[name][start : start + evm.WORD_BYTES]
            for start in contracts()[name].immutables.get(variable, ())
        )
        for (name, variable), other in LINKS.items()
        if name in code
    }


def normalised(code: bytes, contract: Contract) -> bytes:
    """Runtime code without the compiler's metadata, and with zeros where immutables stand.

    The last two bytes of code give the length of the metadata (Solidity documentation, "Contract Metadata").
    """
    metadata = int.from_bytes(code[-2:], "big") + 2
    stripped = bytearray(code[: max(0, len(code) - metadata)])
    for places in contract.immutables.values():
        for start in places:
            stripped[start : start + evm.WORD_BYTES] = bytes(evm.WORD_BYTES)
    return bytes(stripped)
