"""A party's signature under the events it reports: the difference between its word and the operator's.

Signed is EIP-712 typed data for the log's contract, over the SHA-256 of the document exactly as sent. The
key is an Ethereum key, or a machine's P-256 or Ed25519 key, whose id is the RFC 7638 thumbprint of its
JWK; a machine signs the 32 bytes of the same digest (ES256: r and s in 64 bytes).
"""

import base64
import json
from collections.abc import Mapping
from hashlib import sha256

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from backend.verifier import evm, typed_data

CAPTURE_TYPE = "Capture(bytes32 logId,address account,bytes32 document)"
DOMAIN_NAME = "Tallystick ProvenanceLog"


def digest(chain_id: int, contract: bytes, log_id: bytes, account: bytes, body: bytes) -> bytes:
    """What the recorder signs: that `account` reports the document `body` to this log."""
    values = {"logId": log_id, "account": account, "document": sha256(body).digest()}
    return typed_data.Domain(DOMAIN_NAME, chain_id, contract).digest(
        typed_data.hash_struct(CAPTURE_TYPE, values)
    )


def signer_key(signed: bytes, signature: bytes, jwk: Mapping[str, str] | None) -> bytes | None:
    """The id of the key whose signature of the digest this is, or None if it is not one.

    Without a JWK the signature is Ethereum's and the id is the address, padded to 32 bytes.
    """
    if jwk is None:
        address = typed_data.recover(signed, signature)
        return None if address is None else evm.word(address)
    return thumbprint(jwk) if _machine_signed(signed, signature, jwk) else None


def thumbprint(jwk: Mapping[str, str]) -> bytes:
    """RFC 7638: SHA-256 over the required members of the key, sorted. KeyError if one is missing."""
    members = ("crv", "kty", "x", "y") if jwk["kty"] == "EC" else ("crv", "kty", "x")
    return sha256(json.dumps({name: jwk[name] for name in members}, separators=(",", ":")).encode()).digest()


def _machine_signed(signed: bytes, signature: bytes, jwk: Mapping[str, str]) -> bool:
    try:
        if (jwk["kty"], jwk["crv"]) == ("OKP", "Ed25519"):
            ed25519.Ed25519PublicKey.from_public_bytes(_base64url(jwk["x"])).verify(signature, signed)
            return True
        if (jwk["kty"], jwk["crv"]) == ("EC", "P-256") and len(signature) == 64:
            x, y = (int.from_bytes(_base64url(jwk[name]), "big") for name in ("x", "y"))
            key = ec.EllipticCurvePublicNumbers(x, y, ec.SECP256R1()).public_key()
            r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
            key.verify(encode_dss_signature(r, s), signed, ec.ECDSA(hashes.SHA256()))
            return True
    except (InvalidSignature, KeyError, ValueError):
        return False
    return False


def _base64url(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
