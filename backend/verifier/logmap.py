"""What the log says of an identifier: the sparse map beside the log, and so the proof of absence.

The map goes from keyed identifiers to a commitment to (how many leaves, the last one). A reader who is
shown k events of an identifier, and the map's entry with count k and the last of them, knows that there is
no other: no return, recall or error declaration that somebody left out. Anybody who has the log can
recompute the map; `identifiers` says which entries an event counts for.

Identifiers are keyed with a secret of the log, so that who sees neighbours in a proof cannot guess them.
A wrong key would make everything look absent, and so also what the reader has before its eyes.
"""

import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256

from backend.kit.canonical import Json
from backend.verifier import epcis
from backend.verifier.identifiers import comparable
from backend.verifier.leaf import Leaf, cbv_name
from backend.verifier.names import namespaces_in
from backend.verifier.vocabulary import BIZ_TRANSACTION_TYPE

_ENTRY_DOMAIN = b"tallystick map entry v1\x00"
_KEY_DOMAIN = b"tallystick map key v1\x00"


@dataclass(frozen=True, order=True)
class Identifier:
    """`event` (its eventID or CBV hash), `item`, `class` (lot and all) or `bt-…`; a value in its one form."""

    kind: str
    value: str


@dataclass(frozen=True)
class Entry:
    """What the map holds of an identifier: `count` leaves mention it, the last has this sequence and hash."""

    count: int
    last_sequence: int
    last_leaf: bytes

    def value(self) -> bytes:
        """The 32 bytes in the map."""
        return sha256(
            _ENTRY_DOMAIN
            + self.count.to_bytes(8, "big")
            + self.last_sequence.to_bytes(8, "big")
            + self.last_leaf
        ).digest()


def key(secret: bytes, identifier: Identifier) -> bytes:
    """Where the identifier stands in the map."""
    text = f"{identifier.kind}\x00{identifier.value}".encode()
    return hmac.new(secret, text, sha256).digest()


def commitment(secret: bytes) -> bytes:
    """What a checkpoint says of the secret, so that the log cannot give two readers two of them."""
    return sha256(_KEY_DOMAIN + secret).digest()


def identifier(kind: str, value: str) -> Identifier:
    """What somebody asks for, in the one form in which it is counted."""
    prefix, dash, type_ = kind.partition("-")
    return Identifier(prefix + dash + epcis.word(BIZ_TRANSACTION_TYPE, type_), comparable(value))


def identifiers(event: Mapping[str, Json], context: Json, leaf: Leaf) -> frozenset[Identifier]:
    """Everything an event counts for in the map: its id, its items and classes, its business transactions.

    `context` is the JSON-LD context of its document. An error declaration has the eventID of what it declares
    wrong, or where that has none its CBV hash, so it counts there too. Takes any JSON: what one party could
    record must never keep the map of all from being made.
    """
    namespaces = namespaces_in(event, context)
    parent, event_id = event.get("parentID"), event.get("eventID") or cbv_name(leaf.cbv_hash)
    found = {Identifier("item", item) for item in epcis.items(event, namespaces)}
    found |= {Identifier("class", comparable(name, namespaces)) for name in _classes(event)}
    found |= {
        Identifier(f"bt-{kind}" if kind else "bt", value)
        for kind, value in epcis.transactions(event, namespaces)
    }
    if parent:
        found.add(Identifier("item", comparable(str(parent), namespaces)))
    found.add(Identifier("event", comparable(str(event_id), namespaces)))
    return frozenset(found)


def _classes(event: Mapping[str, Json]) -> list[str]:
    lists = [event.get(name) for name in epcis.QUANTITY_LISTS]
    return [
        str(item.get("epcClass"))
        for items in lists
        if isinstance(items, list | tuple)
        for item in items
        if isinstance(item, Mapping)
    ]
