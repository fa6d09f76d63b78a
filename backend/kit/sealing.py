"""Contents at rest: each under a key of its own, which lies beside it wrapped under a master key.

A column of type `SealedBytes` or `SealedText` is encrypted on its way into the database and opened on its way
out; whoever has the database or a backup of it, and not the master key, has nothing. Emptying the column
destroys the only copy of its key with it.
"""

import os
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, partial
from hashlib import sha256
from pathlib import Path
from typing import Any, Final, Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap, aes_key_wrap
from sqlalchemy import Dialect, LargeBinary, func, select, type_coerce
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute
from sqlalchemy.orm.attributes import flag_modified
from sqlalchemy.types import TypeDecorator

from backend.kit.settings import Settings

MAGIC: Final = b"tallystick sealed 1\x00"
_ID_BYTES: Final = 8
_WRAPPED_BYTES: Final = 40
_NONCE_BYTES: Final = 12
_HEAD: Final = len(MAGIC) + _ID_BYTES + _WRAPPED_BYTES + _NONCE_BYTES


DEVELOPMENT_KEY: Final = "document.key"


class SecretsError(Exception):
    """A key file is missing or malformed, or a content was sealed under a key not here, or was changed."""


@dataclass(frozen=True, slots=True)
class _Master:
    id: bytes
    wrapping: bytes

    @classmethod
    def of(cls, secret: bytes) -> Self:
        wrapping = HKDF(SHA256(), 32, salt=None, info=b"tallystick column wrapping 1").derive(secret)
        return cls(sha256(b"tallystick column key id" + wrapping).digest()[:_ID_BYTES], wrapping)


class Keyring:
    """Master keys of 32 bytes: the first seals what is new, all open what they sealed."""

    def __init__(self, masters: Sequence[bytes]) -> None:
        if not masters or any(len(secret) != 32 for secret in masters):
            raise ValueError("a keyring has at least one master key, each of 32 bytes")
        self._masters = [_Master.of(secret) for secret in masters]
        self._by_id = {master.id: master.wrapping for master in self._masters}

    @classmethod
    def load(cls, settings: Settings) -> Self:
        """The document keys the settings name. Raises SecretsError."""
        return cls([read_key(file) for file in document_key_files(settings)])

    def seal(self, content: bytes) -> bytes:
        """magic · master key's id 8 · wrapped key 40 · nonce 12 · AES-256-GCM of the content with its tag."""
        drawn = secrets.token_bytes(32 + _NONCE_BYTES)
        master, key, nonce = self._masters[0], drawn[:32], drawn[32:]
        head = MAGIC + master.id + aes_key_wrap(master.wrapping, key) + nonce
        return head + AESGCM(key).encrypt(nonce, content, MAGIC)

    def open(self, box: bytes) -> bytes:
        """The content of `seal`. Raises SecretsError."""
        start = len(MAGIC)
        wrapping = self._by_id.get(box[start : start + _ID_BYTES])
        if wrapping is None:
            raise SecretsError("a column was sealed under a master key that is not here")
        wrapped = box[start + _ID_BYTES : start + _ID_BYTES + _WRAPPED_BYTES]
        try:
            key = aes_key_unwrap(wrapping, wrapped)
            return AESGCM(key).decrypt(box[_HEAD - _NONCE_BYTES : _HEAD], box[_HEAD:], MAGIC)
        except (InvalidTag, InvalidUnwrap, ValueError):
            raise SecretsError("a sealed column was changed: its authentication fails") from None


class SealedBytes(TypeDecorator[bytes]):
    """Bytes sealed at rest. What was written before columns were sealed is read as it lies."""

    impl = LargeBinary
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> Any:
        return None if value is None else _keyring(dialect).seal(bytes(value))

    def process_result_value(self, value: Any, dialect: Dialect) -> bytes | None:
        if value is None:
            return None
        raw = value.encode() if isinstance(value, str) else bytes(value)
        return _keyring(dialect).open(raw) if raw.startswith(MAGIC) else raw


class SealedText(TypeDecorator[str]):
    """Text sealed at rest, as `SealedBytes`."""

    impl = LargeBinary
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> Any:
        return None if value is None else _keyring(dialect).seal(str(value).encode())

    def process_result_value(self, value: Any, dialect: Dialect) -> str | None:
        if value is None or isinstance(value, str):
            return value
        raw = bytes(value)
        return (_keyring(dialect).open(raw) if raw.startswith(MAGIC) else raw).decode()


async def seal_what_lies_open(session: AsyncSession, column: InstrumentedAttribute[Any]) -> int:
    """Seals what was written to a sealed column before it was one; how many rows."""
    lies = func.substr(type_coerce(column, LargeBinary), 1, len(MAGIC)) != MAGIC
    rows = (await session.scalars(select(column.class_).where(column.is_not(None), lies).limit(500))).all()
    for row in rows:
        flag_modified(row, column.key)
    await session.flush()
    return len(rows)


def hand_over(dialect: Dialect, settings: Settings) -> None:
    """Gives an engine's dialect the keys of its sealed columns; they are read when the first is met."""
    dialect.tallystick_keyring = cache(partial(Keyring.load, settings))  # type: ignore[attr-defined]


def _keyring(dialect: Dialect) -> Keyring:
    load: Callable[[], Keyring] | None = getattr(dialect, "tallystick_keyring", None)
    if load is None:
        raise SecretsError("the database has sealed columns, and this process was given no key to open them")
    return load()


def document_key_files(settings: Settings) -> tuple[Path, ...]:
    """The files of the master keys, newest first. Without any, development makes one for itself.

    Raises SecretsError in production: a key there is a guarded one.
    """
    return settings.document_key_files or (_development_key(settings),)


def read_key(file: Path) -> bytes:
    """A key of 32 bytes from its file in hex. Raises SecretsError."""
    try:
        secret = bytes.fromhex(file.read_text(encoding="ascii").strip())
    except OSError as error:
        raise SecretsError(f"the key file {file} cannot be read: {error.strerror}") from None
    except ValueError:
        raise SecretsError(f"the key file {file} must hold 64 hex digits") from None
    if len(secret) != 32:
        raise SecretsError(f"the key file {file} must hold 32 bytes in hex, not {len(secret)}")
    return secret


def _development_key(settings: Settings) -> Path:
    """A document key in the data directory, made on first use. Refused in production: name a guarded one."""
    if settings.environment == "production":
        raise SecretsError("production needs document_key_files: files of 32 bytes in hex, the newest first")
    file = settings.data_directory / DEVELOPMENT_KEY
    file.parent.mkdir(parents=True, exist_ok=True)
    try:
        handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return file
    with os.fdopen(handle, "w", encoding="ascii") as output:
        output.write(secrets.token_hex(32) + "\n")
    return file
