"""Signed notes, checkpoints and cosignatures in the formats of the transparency logs' world.

C2SP signed-note (text, then a line of `— name base64(key id ‖ signature)` for each signer), tlog-checkpoint
(the text: origin, size, root) and tlog-cosignature (a witness's signature with its time).
"""

import base64
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

_DASH: Final = "— "
_ED25519: Final = b"\x01"
_COSIGNATURE: Final = b"\x04"
_KEY_ID: Final = 4


class NoteError(ValueError):
    """The text is no signed note, or no checkpoint, or its signature is not good. The message says which."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The head of a log: after `size` leaves its root is `root`."""

    origin: str
    size: int
    root: bytes
    extensions: tuple[str, ...] = ()

    def text(self) -> str:
        """The note's text (C2SP tlog-checkpoint)."""
        lines = (self.origin, str(self.size), base64.b64encode(self.root).decode(), *self.extensions)
        return "".join(f"{line}\n" for line in lines)


def read_checkpoint(text: str) -> Checkpoint:
    """The checkpoint in a note's text. Raises NoteError."""
    lines = text.split("\n")
    if len(lines) < 4 or lines[-1] or not lines[0]:
        raise NoteError("a checkpoint has an origin, a size and a root, a line each")
    size = lines[1]
    if not size.isascii() or not size.isdigit() or (size != "0" and size.startswith("0")) or len(size) > 19:
        raise NoteError(f"{size[:30]!r} is no size of a log")
    try:
        root = base64.b64decode(lines[2], validate=True)
    except ValueError as error:
        raise NoteError("the root is not base64") from error
    if len(root) != 32:
        raise NoteError(f"the root has {len(root)} bytes, not 32")
    return Checkpoint(lines[0], int(size), root, tuple(lines[3:-1]))


def _key_id(name: str, algorithm: bytes, public: bytes) -> bytes:
    return sha256(name.encode() + b"\n" + algorithm + public).digest()[:_KEY_ID]


@dataclass(frozen=True, slots=True)
class Signer:
    """A name and its Ed25519 key: the log's own, or a witness's."""

    name: str
    key: Ed25519PrivateKey

    @property
    def public(self) -> bytes:
        """The 32 bytes of the public key."""
        return self.key.public_key().public_bytes_raw()

    @property
    def verifier_key(self) -> str:
        """The key as others configure it: `name+hex(key id)+base64(algorithm ‖ key)`."""
        key_id = _key_id(self.name, _ED25519, self.public)
        return f"{self.name}+{key_id.hex()}+{base64.b64encode(_ED25519 + self.public).decode()}"

    def sign(self, text: str) -> str:
        """The text with this signer's line under it."""
        return append_signature(f"{text}\n", self.name, self._line_bytes(text))

    def _line_bytes(self, text: str) -> bytes:
        return _key_id(self.name, _ED25519, self.public) + self.key.sign(text.encode())

    def cosign(self, note: str, seconds: int) -> str:
        """The note with a witness's line: it saw this checkpoint, consistent with all before, at `seconds`.

        Raises NoteError for what is no note.
        """
        text, _ = split_note(note)
        time = str(seconds)
        signed = f"cosignature/v1\ntime {time}\n{text}".encode()
        payload = seconds.to_bytes(8, "big") + self.key.sign(signed)
        return append_signature(note, self.name, _key_id(self.name, _COSIGNATURE, self.public) + payload)


def append_signature(note: str, name: str, payload: bytes) -> str:
    """The note with one more line of signature."""
    return f"{note}{_DASH}{name} {base64.b64encode(payload).decode()}\n"


def split_note(note: str) -> tuple[str, list[tuple[str, bytes]]]:
    """A note's text (its last newline kept) and its lines of signature as (name, bytes). Raises NoteError."""
    text, blank, signatures = note.rpartition("\n\n")
    if not blank or not signatures.endswith("\n"):
        raise NoteError("a signed note has a blank line between its text and its signatures")
    lines = []
    for line in signatures[:-1].split("\n"):
        name, space, encoded = line.removeprefix(_DASH).partition(" ")
        try:
            payload = base64.b64decode(encoded, validate=True)
        except ValueError as error:
            raise NoteError("a signature line is not base64") from error
        if not line.startswith(_DASH) or not space or not name or len(payload) <= _KEY_ID:
            raise NoteError("a signature line is: dash, name, base64")
        lines.append((name, payload))
    return f"{text}\n", lines


def open_note(note: str, name: str, public: bytes) -> str:
    """The text of a note that `name`'s key signed. Raises NoteError when it did not."""
    text, lines = split_note(note)
    wanted = _key_id(name, _ED25519, public)
    for signer, payload in lines:
        if signer == name and payload[:_KEY_ID] == wanted and _good(public, payload[_KEY_ID:], text.encode()):
            return text
    raise NoteError(f"the note has no good signature of {name}")


def cosigned_at(note: str, name: str, public: bytes) -> int:
    """When the witness `name` co-signed the note, in Unix seconds. Raises NoteError when it did not."""
    payload = _cosignature(note, name, public)
    return int.from_bytes(payload[_KEY_ID : _KEY_ID + 8], "big")


def cosignature_line(note: str, name: str, public: bytes) -> tuple[str, str]:
    """The line that this key of the witness signed the note with, after the witness's name with the key's id.

    A name alone is anybody's: two keys that sign under one name are two witnesses. Raises NoteError when the
    key signed nothing.
    """
    payload = _cosignature(note, name, public)
    line = f"{_DASH}{name} {base64.b64encode(payload).decode()}"
    return f"{name}+{payload[:_KEY_ID].hex()}", line


def _cosignature(note: str, name: str, public: bytes) -> bytes:
    text, lines = split_note(note)
    wanted = _key_id(name, _COSIGNATURE, public)
    for signer, payload in lines:
        if signer == name and payload[:_KEY_ID] == wanted and len(payload) == _KEY_ID + 8 + 64:
            seconds = int.from_bytes(payload[_KEY_ID : _KEY_ID + 8], "big")
            signed = f"cosignature/v1\ntime {seconds}\n{text}".encode()
            if _good(public, payload[_KEY_ID + 8 :], signed):
                return payload
    raise NoteError(f"the note has no good cosignature of {name}")


def cosignature_of(line: str) -> tuple[str, bytes]:
    """A witness's line: its name, and its time (8 bytes) with its signature. Raises NoteError."""
    _, ((name, payload), *_) = split_note(f"\n\n{line}\n")
    return name, payload[_KEY_ID:]


def _good(public: bytes, signature: bytes, signed: bytes) -> bool:
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, signed)
    except (InvalidSignature, ValueError):
        return False
    return True


def load_key(path: Path) -> Ed25519PrivateKey:
    """The key in a file of 64 hex digits, made on first use, readable by its owner only.

    Raises ValueError for a file that holds something else.
    """
    try:
        seed = bytes.fromhex(path.read_text(encoding="ascii").strip())
    except FileNotFoundError:
        path.parent.mkdir(parents=True, exist_ok=True)
        key = Ed25519PrivateKey.generate()
        try:
            path.touch(mode=0o600, exist_ok=False)
        except FileExistsError:  # another process was faster; its key is the one
            return load_key(path)
        path.write_text(key.private_bytes_raw().hex() + "\n", encoding="ascii")
        return key
    if len(seed) != 32:
        raise ValueError(f"{path} holds no Ed25519 key: 64 hex digits are expected")
    return Ed25519PrivateKey.from_private_bytes(seed)
