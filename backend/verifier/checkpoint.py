"""A head of the log as the transparency world writes it, and witnesses' signatures under it.

C2SP tlog-checkpoint: origin, size, root in Base64, one per line; the map's root is an extension line. C2SP
tlog-cosignature v1: Ed25519 over a header with the witness's time, then the checkpoint's body.
"""

import base64

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from backend.verifier.ledger import Head

COSIGNATURE_BYTES = 72
"""Eight bytes of Unix time, then the signature."""


def body(log_id: bytes, head: Head) -> str:
    """The checkpoint's body: what is signed is this text, line ends and all."""
    roots = (base64.b64encode(root).decode() for root in (head.log_root, head.map_root))
    root, map_root = roots
    return f"tallystick/{log_id.hex()}\n{head.size}\n{root}\nmap {map_root}\n"


def signed_text(time: int, checkpoint: str) -> bytes:
    """What a witness signs at its Unix time."""
    return f"cosignature/v1\ntime {time}\n{checkpoint}".encode()


def cosigned(key: bytes, cosignature: bytes, checkpoint: str) -> int | None:
    """The Unix time at which the witness with this Ed25519 key signed the checkpoint, None if it did not."""
    if len(cosignature) != COSIGNATURE_BYTES or len(key) != 32:
        return None
    time = int.from_bytes(cosignature[:8], "big")
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(cosignature[8:], signed_text(time, checkpoint))
    except InvalidSignature:
        return None
    return time
