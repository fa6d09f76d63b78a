"""Version 1 of a leaf of the provenance log: what is committed to when an EPCIS event is accepted.

The CBV 2.0 event hash identifies an event but leaves out its `eventID`, `recordTime` and
`errorDeclaration` and joins fields without separators, so different events share it. The leaf therefore
commits to the bytes as received, to every field, and to who recorded it, where in the log and when.
Every part has a fixed length: two different leaves never have the same encoding. Erasing a body and its
salts leaves the leaf, and all proofs about it, valid.
"""

import hmac
import re
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256

from backend.kit import merkle

VERSION = 1
FILLER = 0
"""The version of a leaf that records nothing: it hides how many do."""
ERASURE = 2
"""The version of a leaf that records that an event was forgotten."""
ENCODED_BYTES = 201
SALT_BYTES = 32

_KEYS_DOMAIN = b"tallystick keys of erased event v1\x00"
_BODY_DOMAIN = b"tallystick received body v1\x00"
_CBV_HASH = re.compile(r"ni:///sha-256;([0-9a-f]{64})\?ver=CBV2\.0")


class LeafError(ValueError):
    """A value that does not fit the leaf, or bytes that are no leaf of a version known here."""


@dataclass(frozen=True)
class Leaf:
    """One recorded event. Hashes and ids are 32 bytes.

    `recorder` is the account (20 bytes) for which the event was recorded, `key_id` the key that
    authenticated it; `received_at` is milliseconds since 1970-01-01T00:00:00Z by the log's clock;
    `body_hash` is `body_hash()` of the document as received and `place` the event's position in it.
    """

    log_id: bytes
    sequence: int
    recorder: bytes
    key_id: bytes
    received_at: int
    cbv_hash: bytes
    body_hash: bytes
    place: int
    fields_root: bytes

    def __post_init__(self) -> None:
        lengths = {
            "log_id": 32,
            "recorder": 20,
            "key_id": 32,
            "cbv_hash": 32,
            "body_hash": 32,
            "fields_root": 32,
        }
        for name, length in lengths.items():
            if len(getattr(self, name)) != length:
                raise LeafError(f"{name} of a leaf has {length} bytes, not {len(getattr(self, name))}")
        for name, bits in {"sequence": 64, "received_at": 64, "place": 32}.items():
            if not 0 <= getattr(self, name) < 2**bits:
                raise LeafError(f"{name} of a leaf must fit {bits} bits")

    def encode(self) -> bytes:
        """version 1 · log id 32 · sequence 8 · recorder 20 · key id 32 · received 8 · CBV hash 32 ·
        body hash 32 · place 4 · fields root 32; integers big-endian; 201 bytes."""
        return b"".join(
            (
                bytes([VERSION]),
                self.log_id,
                self.sequence.to_bytes(8),
                self.recorder,
                self.key_id,
                self.received_at.to_bytes(8),
                self.cbv_hash,
                self.body_hash,
                self.place.to_bytes(4),
                self.fields_root,
            )
        )

    def hash(self) -> bytes:
        """The leaf's hash in the log's tree (RFC 6962)."""
        return merkle.leaf_hash(self.encode())


def decode(encoded: bytes) -> Leaf:
    """The leaf behind its 201 bytes. `LeafError` for anything else."""
    if len(encoded) != ENCODED_BYTES or encoded[0] != VERSION:
        raise LeafError(f"not a leaf of version {VERSION}: {len(encoded)} bytes")
    return Leaf(
        log_id=encoded[1:33],
        sequence=int.from_bytes(encoded[33:41]),
        recorder=encoded[41:61],
        key_id=encoded[61:93],
        received_at=int.from_bytes(encoded[93:101]),
        cbv_hash=encoded[101:133],
        body_hash=encoded[133:165],
        place=int.from_bytes(encoded[165:169]),
        fields_root=encoded[169:201],
    )


@dataclass(frozen=True)
class Erasure:
    """That the event at the place `erased` was forgotten, at `received_at` milliseconds by the log's clock.

    `keys` is `keys_hash` of where it stands in the map, which is still recomputed from there.
    """

    log_id: bytes
    sequence: int
    received_at: int
    erased: int
    keys: bytes

    def encode(self) -> bytes:
        """version 1 · log id 32 · sequence 8 · received 8 · erased place 8 · hash of keys 32; 89 bytes."""
        numbers = (self.sequence, self.received_at, self.erased)
        return bytes([ERASURE]) + self.log_id + b"".join(n.to_bytes(8) for n in numbers) + self.keys

    def hash(self) -> bytes:
        """The leaf's hash in the log's tree (RFC 6962)."""
        return merkle.leaf_hash(self.encode())


def decode_erasure(encoded: bytes) -> Erasure:
    """The record behind its 89 bytes. `LeafError` for anything else."""
    if len(encoded) != 89 or encoded[0] != ERASURE:
        raise LeafError(f"not a leaf of version {ERASURE}: {len(encoded)} bytes")
    sequence, received_at, erased = (int.from_bytes(encoded[start : start + 8]) for start in (33, 41, 49))
    return Erasure(encoded[1:33], sequence, received_at, erased, encoded[57:])


def keys_hash(keys: Iterable[bytes]) -> bytes:
    """What an erasure's leaf says of the places in the map of what was forgotten."""
    return sha256(_KEYS_DOMAIN + b"".join(sorted(keys))).digest()


def filler(secret: bytes, log_id: bytes, sequence: int) -> bytes:
    """The leaf at a place where nothing was recorded, so that the size of the log does not show how much is.

    version 0 · log id 32 · sequence 8 · HMAC-SHA-256 of the place under the map's secret 32. Its hash looks
    like any other; who may read the log recomputes it, so nothing can hide behind it.
    """
    place = sequence.to_bytes(8, "big")
    mask = hmac.new(secret, b"tallystick filler v0\x00" + log_id + place, sha256).digest()
    return bytes([FILLER]) + log_id + place + mask


def body_hash(salt: bytes, body: bytes) -> bytes:
    """Commitment to a document exactly as it was received."""
    if len(salt) != SALT_BYTES:
        raise LeafError(f"the salt of a body has {SALT_BYTES} bytes")
    return sha256(_BODY_DOMAIN + salt + body).digest()


def cbv_name(digest: bytes) -> str:
    """The CBV 2.0 event hash id with these 32 bytes."""
    return f"ni:///sha-256;{digest.hex()}?ver=CBV2.0"


def cbv_digest(event_hash: str) -> bytes:
    """The 32 bytes inside a CBV 2.0 event hash id, `ni:///sha-256;<hex>?ver=CBV2.0`."""
    match = _CBV_HASH.fullmatch(event_hash)
    if match is None:
        raise LeafError(f"not a CBV 2.0 event hash: {event_hash[:80]!r}")
    return bytes.fromhex(match[1])
