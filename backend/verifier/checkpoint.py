"""A head of the log as the transparency world writes it, and witnesses' signatures under it.

C2SP tlog-checkpoint: origin, size, root in Base64, one per line, then extension lines; ours name the map's
root (`map 0x…`) and commit to the key of its identifiers (`map-key 0x…`). C2SP tlog-cosignature v1: Ed25519
over a header with the witness's time, then that text.
"""

import base64

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from backend.verifier import logmap
from backend.verifier.ledger import Head

COSIGNATURE_BYTES = 72
"""Eight bytes of Unix time, then the signature."""


def origin(chain_id: int, contract: bytes) -> str:
    """The log's name, its checkpoints' first line: unique, and the same for all who read this deployment."""
    return f"tallystick/{chain_id}/0x{contract.hex()}"


def is_of(text: str, head: Head) -> bool:
    """Whether the checkpoint is of this head: size, log root and map root."""
    _, size, root, *extensions = (*text.split("\n"), "", "", "")
    try:
        found = base64.b64decode(root, validate=True)
    except ValueError:
        return False
    return (size, found) == (str(head.size), head.log_root) and f"map 0x{head.map_root.hex()}" in extensions


def extensions(map_root: bytes, secret: bytes) -> tuple[str, str]:
    """The lines of a checkpoint that say which map is meant, and under which key things stand in it."""
    return f"map 0x{map_root.hex()}", key_line(secret)


def key_line(secret: bytes) -> str:
    """The line that commits to the key of the map's identifiers."""
    return f"map-key 0x{logmap.commitment(secret).hex()}"


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
