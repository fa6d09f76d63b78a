"""A verifiable random function: ECVRF-EDWARDS25519-SHA512-TAI of RFC 9381 (suite 0x03).

The holder of the secret key computes, for any input, one output nobody else can guess and a proof that
it is the only output possible under the public key. That is what a fingerprint on a public chain needs:
a plain hash of an invoice number is guessed in a second, and a keyed hash lets its holder make two.
"""

from hashlib import sha512

from nacl.bindings import (
    crypto_core_ed25519_add,
    crypto_core_ed25519_is_valid_point,
    crypto_core_ed25519_scalar_add,
    crypto_core_ed25519_scalar_mul,
    crypto_core_ed25519_scalar_reduce,
    crypto_core_ed25519_sub,
    crypto_scalarmult_ed25519_base_noclamp,
    crypto_scalarmult_ed25519_noclamp,
)
from nacl.exceptions import CryptoError

PROOF_BYTES = 80
KEY_BYTES = 32
OUTPUT_BYTES = 64

_SUITE = b"\x03"
_IDENTITY = b"\x01" + bytes(31)
_GROUP_ORDER = 2**252 + 27742317777372353535851937790883648493


class VrfError(ValueError):
    """The key is not a key of this suite."""


def public_key(secret_key: bytes) -> bytes:
    """The public key (RFC 9381 section 5.5; as in RFC 8032 section 5.1.5) of a 32-byte secret key."""
    scalar, _ = _expand(secret_key)
    return crypto_scalarmult_ed25519_base_noclamp(scalar)


def prove(secret_key: bytes, alpha: bytes) -> bytes:
    """The 80-byte proof pi for the input `alpha` (RFC 9381 section 5.1)."""
    scalar, prefix = _expand(secret_key)
    key = crypto_scalarmult_ed25519_base_noclamp(scalar)
    point = _encode_to_curve(key, alpha)
    gamma = crypto_scalarmult_ed25519_noclamp(scalar, point)
    nonce = crypto_core_ed25519_scalar_reduce(sha512(prefix + point).digest())  # section 5.4.2.2
    challenge = _challenge(
        key,
        point,
        gamma,
        crypto_scalarmult_ed25519_base_noclamp(nonce),
        crypto_scalarmult_ed25519_noclamp(nonce, point),
    )
    answer = crypto_core_ed25519_scalar_add(
        nonce, crypto_core_ed25519_scalar_mul(challenge + bytes(16), scalar)
    )
    return gamma + challenge + answer


def output(proof: bytes) -> bytes:
    """The 64-byte output beta of a proof (section 5.2). Believe it only after `verify`."""
    if len(proof) != PROOF_BYTES or not _is_point(proof[:32]):
        raise VrfError("not a proof of this suite")
    return _proof_to_hash(proof[:32])


def verify(key: bytes, alpha: bytes, proof: bytes) -> bytes | None:
    """The output beta if `proof` is valid for `alpha` under the public key (section 5.3), otherwise None.

    Stricter than the RFC demands: key and Gamma must lie in the subgroup of prime order, which every
    honest key and proof does. So the output is unique even for a key made to cheat (section 5.6.1).
    """
    if len(key) != KEY_BYTES or len(proof) != PROOF_BYTES:
        return None
    gamma, challenge, answer = proof[:32], proof[32:48], proof[48:]
    if int.from_bytes(answer, "little") >= _GROUP_ORDER:
        return None
    if not crypto_core_ed25519_is_valid_point(key) or not crypto_core_ed25519_is_valid_point(gamma):
        return None
    try:
        point = _encode_to_curve(key, alpha)
        padded = challenge + bytes(16)
        left = crypto_core_ed25519_sub(
            crypto_scalarmult_ed25519_base_noclamp(answer), crypto_scalarmult_ed25519_noclamp(padded, key)
        )
        right = crypto_core_ed25519_sub(
            crypto_scalarmult_ed25519_noclamp(answer, point), crypto_scalarmult_ed25519_noclamp(padded, gamma)
        )
    except (CryptoError, RuntimeError):  # a product is the identity: never so for an honest proof
        return None
    return _proof_to_hash(gamma) if _challenge(key, point, gamma, left, right) == challenge else None


def fingerprint(beta: bytes) -> bytes:
    """What stands on the chain for an output: its first 32 bytes."""
    return beta[:32]


def _expand(secret_key: bytes) -> tuple[bytes, bytes]:
    """Secret scalar and nonce prefix (RFC 8032 section 5.1.5)."""
    if len(secret_key) != KEY_BYTES:
        raise VrfError(f"a secret key has {KEY_BYTES} bytes, not {len(secret_key)}")
    digest = bytearray(sha512(secret_key).digest())
    digest[0] &= 248
    digest[31] = digest[31] & 127 | 64
    return bytes(digest[:32]), bytes(digest[32:])


def _encode_to_curve(salt: bytes, alpha: bytes) -> bytes:
    """Try and increment (section 5.4.1.1)."""
    for counter in range(256):
        digest = sha512(_SUITE + b"\x01" + salt + alpha + bytes([counter]) + b"\x00").digest()
        if _is_point(digest[:32]):
            cleared = _times_eight(digest[:32])
            if cleared != _IDENTITY:
                return cleared
    raise VrfError("no point found for this input")  # probability 2^-256


def _challenge(*points: bytes) -> bytes:
    """Section 5.4.3, cLen = 16."""
    return sha512(_SUITE + b"\x02" + b"".join(points) + b"\x00").digest()[:16]


def _proof_to_hash(gamma: bytes) -> bytes:
    return sha512(_SUITE + b"\x03" + _times_eight(gamma) + b"\x00").digest()


def _is_point(encoded: bytes) -> bool:
    """Whether this is the canonical encoding of a point of the curve (RFC 8032 section 5.1.3)."""
    try:
        return crypto_core_ed25519_add(encoded, _IDENTITY) == encoded
    except (CryptoError, RuntimeError):
        return False


def _times_eight(point: bytes) -> bytes:
    for _ in range(3):
        point = crypto_core_ed25519_add(point, point)
    return point
