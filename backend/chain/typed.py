"""EIP-712 typed data of signed actions, and the forms of signatures.

The typed data of an action follows from the ABI of the function it calls (ISignedActions.SignedAction):
primary type = the function's name with a capital letter; members = its arguments, those of a struct in its
place; then nonce, deadline, gasFloor.
"""

from collections.abc import Mapping
from typing import Any

from coincurve import PublicKey
from eth_account.messages import encode_typed_data
from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak

from backend.chain.abi import Item

ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
_DOMAIN = [
    {"name": "name", "type": "string"},
    {"name": "version", "type": "string"},
    {"name": "chainId", "type": "uint256"},
    {"name": "verifyingContract", "type": "address"},
]


class SignatureFormError(ValueError):
    """The text is not a signature of the one form that is taken; the message says what differs."""


def action_typed_data(
    function: Item,
    args: Mapping[str, Any],
    domain: Mapping[str, Any],
    nonce: int,
    deadline: int,
    gas_floor: int,
) -> dict[str, Any]:
    """What is signed so that anybody may send this call. Integers are decimal text."""
    members: list[dict[str, str]] = []
    message: dict[str, Any] = {}
    for shape in function.inputs:
        if shape["type"] == "tuple":
            for member in shape["components"]:
                members.append({"name": member["name"], "type": member["type"]})
                message[member["name"]] = _plain(member["type"], args[shape["name"]][member["name"]])
        else:
            members.append({"name": shape["name"], "type": shape["type"]})
            message[shape["name"]] = _plain(shape["type"], args[shape["name"]])
    for name, value in (("nonce", nonce), ("deadline", deadline), ("gasFloor", gas_floor)):
        members.append({"name": name, "type": "uint256"})
        message[name] = str(value)
    return typed_data(function.name[0].upper() + function.name[1:], {}, members, domain, message)


def typed_data(
    primary: str,
    types: Mapping[str, list[dict[str, str]]],
    members: list[dict[str, str]],
    domain: Mapping[str, Any],
    message: Mapping[str, Any],
) -> dict[str, Any]:
    """An EIP-712 document in the JSON form of `eth_signTypedData_v4`."""
    return {
        "types": {"EIP712Domain": _DOMAIN, primary: members, **types},
        "primaryType": primary,
        "domain": dict(domain),
        "message": dict(message),
    }


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


def _plain(kind: str, value: Any) -> Any:
    """JSON readers lose digits of large integers, so those are text."""
    if isinstance(value, list):
        return [_plain(kind.rpartition("[")[0], each) for each in value]
    if isinstance(value, bytes):
        return "0x" + value.hex()
    if isinstance(value, int) and not isinstance(value, bool) and ("int" in kind):
        return str(value)
    return value
