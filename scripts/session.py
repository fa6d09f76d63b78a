"""What every Brownie script needs: the network it runs on, its settings, keys, and how it sends.

Nothing here uses accounts that a node has unlocked: what works on the local chains works on a public one.
"""

import os
import sys
import time
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import brownie
from eth_account.signers.local import LocalAccount

from backend.signing.keystore import Keystore, KeystoreError
from scripts import plan
from scripts.record import Record
from tasks.networks import Network, network_named


class ScriptError(Exception):
    """Something whoever runs the script can mend; the text says what."""


@dataclass
class Session:
    """One run of a script on one network."""

    network: Network
    settings: dict[str, Any]
    record: Record

    @classmethod
    def open(cls) -> "Session":
        """The session for the network in NETWORK, to which Brownie is connected already."""
        network = network_named(os.environ["NETWORK"])
        if brownie.chain.id != network.chain_id:
            raise ScriptError(
                f"The node is on chain {brownie.chain.id}, {network.name} is {network.chain_id}."
            )
        _forget_brownies_own_records()
        return cls(network, _settings(network.name), Record(network.deployment, network.chain_id))

    def key(self, name: str) -> Any:
        """Brownie's account for a key of the operator's, by name or address. Raises KeystoreError."""
        known = self._keystore.name_of(name) if name.startswith("0x") else name
        return _unlocked(self._keystore, known, self._password())

    def address(self, name: str) -> str:
        """The address of a key of the folder; an address is returned as it is. Raises ScriptError."""
        known = self._keystore.addresses()
        if not name.startswith("0x") and name not in known:
            raise ScriptError(f"There is no key {name!r} in {self.network.keys}.")
        return name if name.startswith("0x") else known[name]

    def wait_for_confirmations(self) -> None:
        """Waits until what was sent last lies as deep as the network asks for."""
        depth = brownie.chain.height + self.network.confirmations - 1
        while brownie.chain.height < depth:
            time.sleep(0.5)

    def contract(self, name: str, kind: str = "") -> Any:
        """A deployed contract by its name in the record, of a kind if that is another name.

        Raises ScriptError if the record has none of that name.
        """
        if name not in self.record.contracts:
            raise ScriptError(f"{self.record.path} has no {name}: run `make deploy` first.")
        address = self.record.contracts[name]["address"]
        if name in plan.PARTS:
            return brownie.Contract.from_abi(name, address, abi_of(name))
        return getattr(project(), kind or name).at(address)

    @property
    def _keystore(self) -> Keystore:
        return Keystore(self.network.keys)

    def _password(self) -> str:
        return self.network.password_file.read_text().strip()


def sent_by(account: Any) -> dict[str, Any]:
    """Brownie's transaction parameters."""
    return {"from": account}


def run(main: Callable[[Session], None]) -> None:
    """Opens a session and runs a script in it; what the person can mend ends it with one sentence."""
    try:
        main(Session.open())
    except (ScriptError, KeystoreError) as error:
        sys.exit(f"error: {error}")


def project() -> Any:
    """The compiled contracts."""
    return brownie.project.get_loaded_projects()[0]


def abi_of(name: str) -> list[Any]:
    """The ABI of a contract, with that of the parts it runs the code of."""
    abi: list[Any] = list(getattr(project(), name).abi)
    for part in plan.PARTS.get(name, ()):
        for item in getattr(project(), part).abi:
            if item["type"] not in ("constructor", "fallback") and item not in abi:
                abi.append(item)
    return abi


def _forget_brownies_own_records() -> None:
    """Brownie 1.22 keeps a book of its own of what it deployed on live networks, and fails while writing it:
    its compiled code takes a dict where it is handed a `Sources`. Ours is `record.py`."""
    brownie.network.contract._add_deployment = lambda *_: None
    brownie.network.contract.ProjectContract._save_deployment = lambda _: None


@cache
def _unlocked(keystore: Keystore, name: str, password: str) -> Any:
    key: LocalAccount = keystore.unlock(name, password)
    return brownie.accounts.add(key.key.hex())


def _settings(network: str) -> dict[str, Any]:
    file = Path(os.environ.get("DEPLOYMENT_SETTINGS") or Path(__file__).with_name("deployment.toml"))
    sections = tomllib.loads(file.read_text())
    settings: dict[str, Any] = sections["default"]
    for name, value in sections.get(network, {}).items():
        settings[name] = settings[name] | value if isinstance(value, dict) else value
    return settings
