"""EIP-712 documents: built from a type string, and checked against the one ledger a signer was set up for.

What a statement looks like follows from its type string alone (`statements.py`); how actions' type strings
follow from the contracts' functions is said in `contracts/interfaces/ISignedActions.sol`.
"""

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from eth_account.messages import SignableMessage, encode_typed_data
from eth_utils.address import is_address, to_checksum_address
from eth_utils.crypto import keccak

from backend.signing.ledger import Ledger
from backend.signing.statements import STATEMENTS, TOKEN, Statement

DOMAIN = (("name", "string"), ("version", "string"), ("chainId", "uint256"), ("verifyingContract", "address"))
Structs = Mapping[str, tuple[tuple[str, str], ...]]
_INTEGER = re.compile(r"(u?)int(\d+)")
_ADDRESS = re.compile(r"0x[0-9a-fA-F]{40}")
_BYTES = re.compile(r"bytes(\d*)")


class Refused(Exception):
    """This must not be signed here. `code` and `params` name the sentence of `messages.toml` that says
    why."""

    def __init__(self, code: str, **params: object) -> None:
        self.code, self.params = code, params
        super().__init__(f"{code} {params}")


@dataclass(frozen=True)
class Document:
    """Typed data that passed every check: what `statement` says with `message`, for `contract` of
    `ledger`."""

    ledger: Ledger
    statement: Statement
    contract: str
    domain: Mapping[str, Any]
    message: Mapping[str, Any]

    def signable(self) -> SignableMessage:
        """What `eth_account` signs: the bytes of EIP-712's `encode`."""
        return encode_typed_data(
            domain_data=dict(self.domain),
            message_types=_types(self.statement),
            message_data=dict(self.message),
        )

    def digest(self) -> bytes:
        """The 32 bytes whose signature the contract checks."""
        signable = self.signable()
        return keccak(b"\x19" + signable.version + signable.header + signable.body)


def build(
    statement: Statement, *, chain_id: int, contract: str, name: str, message: Mapping[str, Any]
) -> dict[str, Any]:
    """The EIP-712 document of `statement` with `message`, as JSON: integers as decimal text, for JavaScript's
    sake.

    `contract` is the verifying contract's address, `name` its EIP-712 name. Raises ValueError when `message`
    has other members than the statement, or a value that does not fit its type.
    """
    domain = {
        "name": name,
        "version": "1",
        "chainId": chain_id,
        "verifyingContract": to_checksum_address(contract),
    }
    return {
        "types": {"EIP712Domain": [{"name": n, "type": t} for n, t in DOMAIN], **_types(statement)},
        "primaryType": statement.name,
        "domain": domain,
        "message": _json(value(message, statement.name, statement.structs)),
    }


def check(raw: object, ledger: Ledger, now: int | None = None) -> Document:
    """`raw` as a document that may be signed for `ledger`; raises `Refused` for anything it was not set up
    for.

    Nothing in `raw` is taken on trust: shape, chain, contract and every value are compared with what is
    pinned and with the statements this program can put into words.
    """
    if not isinstance(raw, Mapping) or not {"types", "primaryType", "domain", "message"} <= set(raw):
        raise Refused("sign-not-typed-data")
    types, primary, domain, message = raw["types"], raw["primaryType"], raw["domain"], raw["message"]
    if not all(isinstance(part, Mapping) for part in (types, domain, message)) or not isinstance(
        primary, str
    ):
        raise Refused("sign-not-typed-data")
    statement = _statement(types, primary)
    contract = _contract(domain, ledger, statement)
    try:
        values = value(message, statement.name, statement.structs)
    except ValueError as error:
        raise Refused("sign-bad-value", problem=str(error)[:200]) from error
    limit = values.get("deadline", values.get("expiry"))
    if limit is not None and limit < (int(time.time()) if now is None else now):
        raise Refused("sign-too-late")
    if statement.contract is TOKEN and ledger.contract_at(values["spender"]) is None:
        raise Refused("sign-unknown-spender", spender=values["spender"])
    return Document(
        ledger, statement, contract, {name: value(domain[name], kind) for name, kind in DOMAIN}, values
    )


def value(given: object, kind: str, structs: Structs = MappingProxyType({})) -> Any:
    """`given` as a value of the EIP-712 type `kind`; ValueError when it does not fit, or has members too
    many.

    Integers may come as decimal text, bytes as hex.
    """
    if kind.endswith("[]"):
        if not isinstance(given, list | tuple):
            raise ValueError(f"{given!r} is not a list")
        return [value(item, kind[:-2], structs) for item in given]
    if kind in structs:
        members = structs[kind]
        if not isinstance(given, Mapping) or set(given) != {name for name, _ in members}:
            found = ", ".join(map(str, given)) if isinstance(given, Mapping) else given
            raise ValueError(
                f"{kind} has the members {', '.join(name for name, _ in members)}; found: {found}"
            )
        return {name: value(given[name], of, structs) for name, of in members}
    if integer := _INTEGER.fullmatch(kind):
        return _integer(given, signed=not integer[1], bits=int(integer[2]))
    if kind == "bool":
        if not isinstance(given, bool):
            raise ValueError(f"{given!r} is neither true nor false")
        return given
    if kind == "address":
        if not isinstance(given, str) or not _ADDRESS.fullmatch(given) or not is_address(given):
            raise ValueError(f"{given!r} is not an address, or its checksum is wrong")
        return str(to_checksum_address(given))
    if size := _BYTES.fullmatch(kind):
        return _bytes(given, int(size[1]) if size[1] else None)
    if kind == "string" and isinstance(given, str):
        return given
    raise ValueError(f"{given!r} is no {kind}")


def _statement(types: Mapping[Any, Any], primary: str) -> Statement:
    statement = STATEMENTS.get(primary)
    domain = [{"name": name, "type": kind} for name, kind in DOMAIN]
    if statement is None or {"EIP712Domain": domain, **types} != {
        "EIP712Domain": domain,
        **_types(statement),
    }:
        raise Refused("sign-unknown-statement", statement=primary[:60])
    return statement


def _contract(domain: Mapping[Any, Any], ledger: Ledger, statement: Statement) -> str:
    if set(domain) != {name for name, _ in DOMAIN}:
        raise Refused("sign-not-typed-data")
    try:
        chain_id = _integer(domain["chainId"], signed=False, bits=256)
        address = value(domain["verifyingContract"], "address")
    except ValueError as error:
        raise Refused("sign-not-typed-data") from error
    if chain_id != ledger.chain_id:
        raise Refused("sign-other-chain", chain_id=chain_id, expected=ledger.chain_id)
    known = (
        address in ledger.tokens
        if statement.contract is TOKEN
        else ledger.contract_at(address) == statement.contract
    )
    if not known:
        raise Refused("sign-other-contract", address=address)
    return str(address)


def _types(statement: Statement) -> dict[str, list[dict[str, str]]]:
    return {
        struct: [{"name": n, "type": t} for n, t in members] for struct, members in statement.structs.items()
    }


def _integer(given: object, *, signed: bool, bits: int) -> int:
    if isinstance(given, bool) or not isinstance(given, int | str):
        raise ValueError(f"{given!r} is not an integer")
    if isinstance(given, str) and not re.fullmatch(r"-?(0|[1-9][0-9]{0,77})", given):
        raise ValueError(f"{given!r} is not an integer in decimal digits")
    number = int(given)
    low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1)) if signed else (0, 2**bits)
    if not low <= number < high:
        raise ValueError(f"{number} does not fit {bits} bits")
    return number


def _bytes(given: object, size: int | None) -> bytes:
    if isinstance(given, str) and re.fullmatch(r"0x([0-9a-fA-F]{2})*", given):
        given = bytes.fromhex(given[2:])
    if not isinstance(given, bytes) or (size is not None and len(given) != size):
        raise ValueError(f"{given!r} is not {size or 'any number of'} bytes in hex")
    return given


def _json(given: Any) -> Any:
    if isinstance(given, bool):
        return given
    if isinstance(given, int):
        return str(given)
    if isinstance(given, bytes):
        return "0x" + given.hex()
    if isinstance(given, list):
        return [_json(item) for item in given]
    if isinstance(given, dict):
        return {name: _json(item) for name, item in given.items()}
    return given
