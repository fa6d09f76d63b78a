"""EIP-712: hashing typed data from its type string alone, and recovering who signed it.

Own code rather than `eth_account` because that takes half a second to import; the tests compare the two.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from coincurve import PublicKey

from backend.verifier import evm

_STRUCT = re.compile(r"(\w+)\(([^()]*)\)")
_DOMAIN_TYPE = "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141


@dataclass(frozen=True)
class Domain:
    """What a signature is for: this contract, on this chain."""

    name: str
    chain_id: int
    contract: bytes
    version: str = "1"

    def separator(self) -> bytes:
        """EIP-712 `domainSeparator`."""
        return hash_struct(
            _DOMAIN_TYPE,
            {
                "name": self.name,
                "version": self.version,
                "chainId": self.chain_id,
                "verifyingContract": self.contract,
            },
        )

    def digest(self, struct_hash: bytes) -> bytes:
        """What is signed for a struct of this hash."""
        return evm.keccak(b"\x19\x01" + self.separator() + struct_hash)


def hash_struct(type_string: str, values: Mapping[str, object]) -> bytes:
    """EIP-712 `hashStruct` of `values`; `type_string` is `encodeType`, primary type first.

    Values: int and bool for integers, bytes for `bytesN`, `address` and `bytes`, str for `string`, a mapping
    for a struct. Raises KeyError, TypeError or OverflowError for values that do not fit: a mistake of ours.
    """
    structs = dict(_STRUCT.findall(type_string))
    return _hash(type_string.partition("(")[0], values, structs)


def recover(digest: bytes, signature: bytes) -> bytes | None:
    """The address whose key made this signature of the digest, or None if nobody's did.

    Of 65 bytes (r, s, v), or of 64 with the parity in the top bit of s (ERC-2098). As OpenZeppelin's ECDSA:
    `s` in the lower half of the order and `v` of 27 or 28 only.
    """
    if len(signature) == 64:
        parity, s = divmod(int.from_bytes(signature[32:], "big"), 1 << 255)
        signature = signature[:32] + evm.word(s) + bytes([27 + parity])
    if len(signature) != 65 or len(digest) != 32 or signature[64] not in (27, 28):
        return None
    if int.from_bytes(signature[32:64], "big") > _ORDER // 2:
        return None
    try:
        key = PublicKey.from_signature_and_message(
            signature[:64] + bytes([signature[64] - 27]), digest, hasher=None
        )
    except Exception:  # noqa: BLE001  (coincurve raises bare Exception for what is no signature)
        return None
    return evm.keccak(key.format(compressed=False)[1:])[-evm.ADDRESS_BYTES :]


def _hash(name: str, values: Mapping[str, object], structs: Mapping[str, str]) -> bytes:
    encoded = [evm.keccak(_encode_type(name, structs).encode())]
    for member in structs[name].split(","):
        kind, _, field = member.partition(" ")
        encoded.append(_encode(kind, values[field], structs))
    return evm.keccak(b"".join(encoded))


def _encode_type(name: str, structs: Mapping[str, str]) -> str:
    """The type with those it refers to after it, sorted by name."""
    found = _references(name, structs) - {name}
    return "".join(f"{each}({structs[each]})" for each in [name, *sorted(found)])


def _references(name: str, structs: Mapping[str, str]) -> set[str]:
    kinds = {member.partition(" ")[0].removesuffix("[]") for member in structs[name].split(",")}
    return {name}.union(*(_references(kind, structs) for kind in kinds if kind in structs))


def _encode(kind: str, value: object, structs: Mapping[str, str]) -> bytes:
    if kind.endswith("[]"):
        if not isinstance(value, list | tuple):
            raise TypeError(f"{kind} takes a list")
        return evm.keccak(b"".join(_encode(kind[:-2], item, structs) for item in value))
    if kind in structs:
        if not isinstance(value, Mapping):
            raise TypeError(f"{kind} takes a mapping")
        return _hash(kind, value, structs)
    if isinstance(value, str) and kind == "string":
        return evm.keccak(value.encode("utf-8"))
    if isinstance(value, int) and kind.startswith("uint"):
        return evm.word(value)
    if isinstance(value, bool) and kind == "bool":
        return evm.word(int(value))
    if isinstance(value, bytes):
        if kind == "bytes":
            return evm.keccak(value)
        if kind == "address" and len(value) == evm.ADDRESS_BYTES:
            return evm.word(value)
        if kind == f"bytes{len(value)}":
            return value.ljust(evm.WORD_BYTES, b"\x00")
    raise TypeError(f"{value!r} is no {kind}")
