"""What is signed of typed data (EIP-712), and who signed it."""

from collections.abc import Mapping
from typing import Any

from coincurve import PublicKey
from eth_account.messages import encode_typed_data
from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak

ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141


class SignatureFormError(ValueError):
    """The text is not a signature of the one form that is taken; the message says what differs."""


def digest(document: Mapping[str, Any]) -> bytes:
    """The 32 bytes that are signed: keccak256("\\x19\\x01" ‖ domain separator ‖ hash of the message)."""
    signable = encode_typed_data(full_message=dict(document))
    return bytes(keccak(b"\x19" + signable.version + signable.header + signable.body))


def recover(digest_: bytes, signature: str) -> str:
    """The address that signed. Raises SignatureFormError unless it is 65 bytes r ‖ s ‖ v, v 27 or 28, s low.

    Contracts of ours and wallets take no other form, so a signature that passes here passes there.
    """
    if not signature.startswith("0x"):
        raise SignatureFormError("a signature is hex text that begins with 0x")
    try:
        raw = bytes.fromhex(signature[2:])
    except ValueError:
        raise SignatureFormError("a signature is hex text") from None
    if len(raw) != 65:
        raise SignatureFormError(f"a signature has 65 bytes (r, s, v); this has {len(raw)}")
    if raw[64] not in (27, 28):
        raise SignatureFormError(f"the last byte of a signature (v) is 27 or 28; here it is {raw[64]}")
    r, s = int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:64], "big")
    if not (0 < r < ORDER and 0 < s <= ORDER // 2):
        raise SignatureFormError("the signature's numbers are out of range, or its s is not the lower one")
    try:
        key = PublicKey.from_signature_and_message(raw[:64] + bytes([raw[64] - 27]), digest_, hasher=None)
    except Exception as error:  # coincurve raises bare Exception for a point that is none
        raise SignatureFormError("the signature belongs to no key") from error
    return str(to_checksum_address(keccak(key.format(compressed=False)[1:])[-20:]))
