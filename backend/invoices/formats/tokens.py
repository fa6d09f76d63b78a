"""Signed tokens of tax portals (JWS compact, RFC 7515): what they say, and whose signature they bear.

India's invoice registration portals sign what they registered with RS256. Which keys are theirs the operator
says; without one nobody has checked the signature, and the record says that and nothing better.
"""

import base64
import binascii
import hashlib
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key
from cryptography.x509 import load_pem_x509_certificate

NOT_CHECKED, WRONG = "not-checked", "wrong"
_TOKEN = re.compile(rb"\s*eyJ[\w-]+\.[\w-]+\.[\w-]*\s*")
_RS256 = re.compile(rb'"alg"\s*:\s*"RS256"')


class KeyFileError(ValueError):
    """A file that should hold a portal's public key or certificate (PEM, RSA) and does not."""


class Portals:
    """The keys an operator trusts to be the portals', by an id of ours. None until `trust` was called."""

    keys: ClassVar[Mapping[str, RSAPublicKey]] = {}


def trust(files: Sequence[Path]) -> None:
    """Takes the portals' keys from these files from now on. Raises KeyFileError."""
    Portals.keys = {_id(key): key for key in map(_load, files)}


def is_token(data: bytes) -> bool:
    """Whether the text is a signed token and nothing else."""
    return _TOKEN.fullmatch(data) is not None


def claims(token: bytes) -> bytes:
    """What the token says, as JSON text. Raises ValueError."""
    return _decoded(token.strip().split(b".")[1])


def signature(token: bytes) -> str:
    """`not-checked` where no key is known, `verified` with the id of the key, or `wrong`."""
    if not Portals.keys:
        return NOT_CHECKED
    signed, _, mark = token.strip().rpartition(b".")
    try:
        # Another algorithm is not looked at: "none" and those of shared secrets are how tokens are forged.
        if not _RS256.search(_decoded(signed.split(b".")[0])):
            return WRONG
        proof = _decoded(mark)
    except ValueError:
        return WRONG
    for name, key in Portals.keys.items():
        try:
            key.verify(proof, signed, PKCS1v15(), SHA256())
        except InvalidSignature:
            continue
        return f"verified {name}"
    return WRONG


def _decoded(part: bytes) -> bytes:
    try:
        return base64.urlsafe_b64decode(part + b"==")
    except binascii.Error as error:
        raise ValueError(str(error)) from None


def _load(file: Path) -> RSAPublicKey:
    try:
        content = file.read_bytes()
        is_certificate = b"BEGIN CERTIFICATE" in content
        key = (
            load_pem_x509_certificate(content).public_key()
            if is_certificate
            else load_pem_public_key(content)
        )
    except (OSError, ValueError) as error:
        raise KeyFileError(f"{file}: {error}") from None
    if not isinstance(key, RSAPublicKey):
        raise KeyFileError(f"{file}: not an RSA key, which the portals sign with")
    return key


def _id(key: RSAPublicKey) -> str:
    return hashlib.sha256(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).hexdigest()[:16]
