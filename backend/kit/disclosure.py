"""A document as fields that can be shown one by one, each proved to belong to the same root.

Every field has its own random salt, so a shown field says nothing about a hidden one, and a guessable
value (an amount, an invoice number) cannot be found by trying. The commitments stand in a sparse Merkle
map keyed by the field's name: a root can hold one value for a name and no more, so nobody can show
"amount 10" to one reader and "amount 100" to another, and that a field is *not there* is provable.

Names are JSON pointers (RFC 6901) of a JSON document or business terms of EN 16931 with their place
(`BT-1`, `BG-25/0/BT-129`). What the shape of a proof reveals is how many fields there are, roughly.
"""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from hashlib import sha256

from backend.kit import sparse
from backend.kit.canonical import Json, encode

SALT_BYTES = 16

_NAME_DOMAIN = b"tallystick field name v1\x00"
_VALUE_DOMAIN = b"tallystick field value v1\x00"


@dataclass(frozen=True)
class Disclosure:
    """One field shown: its name, value and salt, and its proof against the document's root."""

    name: str
    value: Json
    salt: bytes
    proof: sparse.MapProof


@dataclass(frozen=True)
class SaltedFields:
    """All fields of a document with their salts. Whoever has this can disclose; erase it and nobody can."""

    values: Mapping[str, Json]
    salts: Mapping[str, bytes]

    def __post_init__(self) -> None:
        if set(self.values) != set(self.salts):
            raise ValueError("every field needs exactly one salt")
        if any(len(salt) != SALT_BYTES for salt in self.salts.values()):
            raise ValueError(f"a salt has {SALT_BYTES} bytes")
        if len(set(self.salts.values())) != len(self.salts):
            raise ValueError("two fields share a salt; each needs its own")

    @classmethod
    def of(cls, values: Mapping[str, Json]) -> "SaltedFields":
        """Salt the fields freshly."""
        return cls(dict(values), {name: secrets.token_bytes(SALT_BYTES) for name in values})

    def root(self) -> bytes:
        """The 32 bytes that commit to every field."""
        return sparse.root_of(self._entries())

    def disclose(self, name: str) -> Disclosure:
        """Show the field `name`. KeyError if there is none; see `prove_absent`."""
        return self.disclose_all([name])[0]

    def disclose_all(self, names: list[str]) -> list[Disclosure]:
        """Show several fields."""
        store, root = self._tree
        return [
            Disclosure(name, self.values[name], self.salts[name], sparse.prove(store, root, name_key(name)))
            for name in names
        ]

    def prove_absent(self, name: str) -> sparse.MapProof:
        """Proof that the document has no field `name`."""
        if name in self.values:
            raise ValueError(f"the document has a field {name!r}")
        store, root = self._tree
        return sparse.prove(store, root, name_key(name))

    @cached_property
    def _tree(self) -> tuple[sparse.NodeStore, bytes]:
        """The map of all fields, and its root."""
        store: sparse.NodeStore = {}
        return store, sparse.build(store, self._entries())

    def _entries(self) -> dict[bytes, bytes]:
        return {name_key(name): commitment(self.salts[name], value) for name, value in self.values.items()}


@lru_cache(maxsize=5_000)
def name_key(name: str) -> bytes:
    """Where the field stands in the map."""
    return sha256(_NAME_DOMAIN + name.encode("utf-8")).digest()


def commitment(salt: bytes, value: Json) -> bytes:
    """What the map holds for a field: its value, hidden by the salt of fixed length."""
    return sha256(_VALUE_DOMAIN + salt + encode(value)).digest()


def verify(root: bytes, disclosure: Disclosure) -> bool:
    """Whether the shown field belongs to the document with this root."""
    if len(disclosure.salt) != SALT_BYTES:
        return False
    value = commitment(disclosure.salt, disclosure.value)
    return sparse.verify(root, name_key(disclosure.name), value, disclosure.proof)


def verify_absent(root: bytes, name: str, proof: sparse.MapProof) -> bool:
    """Whether the document with this root is shown to have no field `name`."""
    return sparse.verify(root, name_key(name), None, proof)


def flatten(document: Json) -> dict[str, Json]:
    """The leaves of a JSON document by JSON pointer; empty objects and lists are leaves too."""
    found: dict[str, Json] = {}
    _gather(document, "", found)
    return found


def _gather(value: Json, pointer: str, found: dict[str, Json]) -> None:
    if isinstance(value, str):
        found[pointer] = value
    elif isinstance(value, Mapping) and value:
        for name, item in value.items():
            escaped = name.replace("~", "~0").replace("/", "~1")
            _gather(item, f"{pointer}/{escaped}", found)
    elif isinstance(value, list | tuple) and value:
        for position, item in enumerate(value):
            _gather(item, f"{pointer}/{position}", found)
    else:
        found[pointer] = value
