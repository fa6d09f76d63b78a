"""The contracts of one ledger: where they are, how to call them, and what their errors mean in words.

`scripts/deploy.py` writes the deployment record (JSON) and beside it the ABI files:

    {"chain_id": 31337, "block": 7, "block_hash": "0x…",
     "contracts": {"Receivables": {"address": "0x…", "abi": "abi/Receivables.json",
                                   "eip712": {"name": "…", "version": "1"}}, …}}
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from backend.chain.abi import Abi, AbiError, Item
from backend.kit import messages
from backend.kit.columns import address
from backend.kit.messages import Locale

# Solidity's own errors; see "Panic via assert and Error via require" in its documentation.
_ERROR = Item("Error", ({"name": "message", "type": "string"},))
_PANIC = Item("Panic", ({"name": "code", "type": "uint256"},))


class DeploymentError(Exception):
    """The deployment record or an ABI file is missing or malformed; the text says which and what to do."""


@dataclass(frozen=True, slots=True)
class Relay:
    """A signed action (ISignedActions.SignedAction): a call its signer signed and anybody may send."""

    signer: str
    nonce: int
    deadline: int
    gas_floor: int
    signature: str
    cosignature: str = "0x"

    def to_json(self) -> dict[str, Any]:
        """As it is stored; the nonce as text, being larger than other readers' numbers."""
        return {
            "signer": self.signer,
            "nonce": str(self.nonce),
            "deadline": self.deadline,
            "gas_floor": self.gas_floor,
            "signature": self.signature,
            "cosignature": self.cosignature,
        }

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> "Relay":
        return cls(**{**stored, "nonce": int(stored["nonce"])})

    def struct(self, data: bytes) -> dict[str, Any]:
        """The Solidity struct, for the call `data`."""
        return {
            "signer": self.signer,
            "nonce": self.nonce,
            "deadline": self.deadline,
            "gasFloor": self.gas_floor,
            "callData": data,
            "signature": self.signature,
            "cosignature": self.cosignature,
        }


@dataclass(frozen=True, slots=True)
class Call:
    """One call of one contract, by the relayer itself or relayed for whoever signed it."""

    contract: str
    target: str
    data: bytes
    relay: Relay | None = None


@dataclass(frozen=True, slots=True)
class Revert:
    """Why a call fails: a contract's error with its arguments."""

    name: str
    args: Mapping[str, Any]
    raw: str

    def to_json(self) -> dict[str, Any]:
        return {"name": self.name, "args": dict(self.args), "raw": self.raw}

    def detail(self, locale: Locale) -> str:
        """The error as a sentence; one without a text of its own is shown by name, never as hex alone."""
        return explain(self.name, self.args, locale)


def explain(name: str, args: Mapping[str, Any], locale: Locale) -> str:
    """The sentence for a contract's error: catalogue entry `error.<Name>`, else its name and arguments."""
    code = f"error.{name}"
    if messages.has(code):
        return messages.text(code, locale, **args)
    shown = ", ".join(f"{key} = {value}" for key, value in args.items())
    return messages.text("error.other", locale, name=name, args=shown)


@dataclass(frozen=True, slots=True)
class Contract:
    """A deployed contract."""

    name: str
    address: str
    abi: Abi
    eip712: Mapping[str, str] | None = None
    """Name and version of its EIP-712 domain, if it checks signatures."""


class Contracts:
    """The contracts of one deployment on one chain."""

    def __init__(
        self, chain_id: int, first_block: int, first_hash: str, contracts: Sequence[Contract]
    ) -> None:
        self.chain_id = chain_id
        self.first_block = first_block
        """The first block that can hold one of our events."""
        self.first_hash = first_hash
        self._by_name = {contract.name: contract for contract in contracts}
        anchor = self._by_name["Participants"].address
        self.ledger_id = uuid5(NAMESPACE_URL, f"tallystick:{chain_id}:{first_hash}:{anchor}")
        """The same for everybody who reads this deployment, and another after a local chain began anew."""
        self._by_address = {contract.address.lower(): contract for contract in contracts}

    def __getitem__(self, name: str) -> Contract:
        """The contract called `name`; KeyError if this deployment has none."""
        return self._by_name[name]

    def __contains__(self, name: str) -> bool:
        return name in self._by_name

    @property
    def addresses(self) -> list[str]:
        """Where events may come from."""
        return [contract.address for contract in self._by_name.values()]

    def at(self, place: str) -> Contract | None:
        """The contract at an address as a node writes it, if it is one of ours."""
        return self._by_address.get(place.lower())

    def domain(self, name: str) -> dict[str, Any]:
        """The EIP-712 domain of a contract. Raises ValueError if it checks no signatures."""
        contract = self[name]
        if contract.eip712 is None:
            raise ValueError(f"{name} has no EIP-712 domain")
        return {
            "name": contract.eip712["name"],
            "version": contract.eip712["version"],
            "chainId": self.chain_id,
            "verifyingContract": contract.address,
        }

    def call(self, contract: str, function: str, *args: Any, **named: Any) -> Call:
        """A call by the relayer. Raises AbiError when the arguments do not fit."""
        target = self[contract]
        data = target.abi.function(function).encode(named or args)
        return Call(contract, target.address, data)

    def calldata(self, call: Call) -> bytes:
        """What is sent for a single call."""
        if call.relay is None:
            return call.data
        return self[call.contract].abi.function("relay").encode([call.relay.struct(call.data)])

    def pack(self, calls: Sequence[Call]) -> bytes:
        """What is sent for several signed actions of one contract at once; one that fails stops no other."""
        contract = self[calls[0].contract]
        structs = [call.relay.struct(call.data) for call in calls if call.relay is not None]
        if len(structs) != len(calls) or any(call.target != contract.address for call in calls):
            raise ValueError("only signed actions of one contract can be packed")
        return contract.abi.function("relayMany").encode([structs])

    def decode_revert(self, data: bytes) -> Revert:
        """What went wrong, from the bytes a call reverted with. Any of our contracts may have raised it."""
        raw = "0x" + data.hex()
        known = [_ERROR, _PANIC]
        known += [found for each in self._by_name.values() if (found := each.abi.errors.get(data[:4]))]
        for item in known:
            if item.selector == data[:4]:
                try:
                    return Revert(item.name, item.decode_input(data), raw)
                except AbiError:
                    continue
        return Revert("Unknown" if data else "Empty", {"data": raw}, raw)


def load(path: Path) -> Contracts:
    """The contracts of a deployment record. Raises DeploymentError."""
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        contracts = [
            Contract(
                name,
                address(entry["address"]),
                Abi(_abi(path.parent / entry["abi"])),
                entry.get("eip712"),
            )
            for name, entry in record["contracts"].items()
        ]
        return Contracts(int(record["chain_id"]), int(record["block"]), str(record["block_hash"]), contracts)
    except FileNotFoundError as error:
        raise DeploymentError(
            f"{error.filename} is missing. Deploy the contracts first (make run)."
        ) from error
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise DeploymentError(f"{path} is not a deployment record: {error!r}") from error


def _abi(path: Path) -> list[Mapping[str, Any]]:
    content = json.loads(path.read_text(encoding="utf-8"))
    entries: list[Mapping[str, Any]] = content["abi"] if isinstance(content, dict) else content
    return entries
