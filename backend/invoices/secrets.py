"""The secrets of this room: the key that wraps documents, the one that makes tokens, those of fingerprints.

Each lies in a file of 32 bytes in hex. Document keys are a list: the first wraps what is new, the others
still open what is old. What else is needed is derived from them (HKDF, RFC 5869): one file to guard.
"""

import hashlib
import secrets as random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap, aes_key_wrap

from backend.kit import vrf
from backend.kit.sealing import SecretsError, document_key_files, read_key
from backend.kit.settings import Settings

__all__ = ["MasterKey", "Sealed", "Secrets", "SecretsError"]

_NONCE_BYTES = 12


@dataclass(frozen=True, slots=True)
class MasterKey:
    """A document key and what is derived from it."""

    id: str
    wrapping: bytes
    tokens: bytes

    @classmethod
    def of(cls, secret: bytes) -> Self:
        return cls(
            id=hashlib.sha256(b"tallystick master key id" + secret).hexdigest()[:16],
            wrapping=_derive(secret, b"tallystick document wrapping 1"),
            tokens=_derive(secret, b"tallystick invoice tokens 1"),
        )


@dataclass(frozen=True, slots=True)
class Sealed:
    """A document at rest: AES-256-GCM under its own key, which is wrapped (RFC 3394) under the master's."""

    ciphertext: bytes
    wrapped_key: bytes
    master_key: str


@dataclass(frozen=True, slots=True)
class Secrets:
    """All keys of a process. `fingerprint` maps each VRF public key to its secret."""

    masters: tuple[MasterKey, ...]
    fingerprint: Mapping[bytes, bytes]

    @classmethod
    def load(cls, settings: Settings) -> Self:
        """The keys the settings name. Without any, development makes a document key for itself.

        Raises SecretsError with the file and what is wrong with it.
        """
        files = document_key_files(settings)
        return cls(
            masters=tuple(MasterKey.of(read_key(file)) for file in files),
            fingerprint={
                vrf.public_key(secret): secret for secret in map(read_key, settings.fingerprint_key_files)
            },
        )

    def seal(self, content: bytes, about: bytes) -> Sealed:
        """Encrypts `content`; it opens only together with the same `about` (the record's id)."""
        master, key, nonce = self.masters[0], AESGCM.generate_key(256), random.token_bytes(_NONCE_BYTES)
        return Sealed(
            ciphertext=nonce + AESGCM(key).encrypt(nonce, content, about),
            wrapped_key=aes_key_wrap(master.wrapping, key),
            master_key=master.id,
        )

    def open(self, sealed: Sealed, about: bytes) -> bytes:
        """The content. Raises SecretsError for a key that is not here, or a record that was tampered with."""
        master = next((key for key in self.masters if key.id == sealed.master_key), None)
        if master is None:
            raise SecretsError(
                f"the document was sealed under the key {sealed.master_key}, which is not here"
            )
        try:
            key = aes_key_unwrap(master.wrapping, sealed.wrapped_key)
            nonce, body = sealed.ciphertext[:_NONCE_BYTES], sealed.ciphertext[_NONCE_BYTES:]
            return AESGCM(key).decrypt(nonce, body, about)
        except (InvalidTag, InvalidUnwrap, ValueError):
            raise SecretsError("the document at rest was changed: its authentication fails") from None


def _derive(secret: bytes, purpose: bytes) -> bytes:
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=purpose).derive(secret)
