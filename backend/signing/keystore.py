"""A folder of encrypted keys (Web3 Secret Storage Definition, version 3), one file a key, on the party's
machine.

The server never sees this folder. What a bank keeps in an HSM signs the same typed data; this is for everyone
else.
"""

import json
import os
from dataclasses import dataclass
from pathlib import Path

from eth_account import Account
from eth_account.signers.local import LocalAccount
from eth_utils.address import to_checksum_address

SCRYPT_N = 2**18
"""Work factor of the key derivation: about a second, which a person does not notice and a guesser does."""

_SUFFIX = ".key.json"


class KeystoreError(Exception):
    """The keystore cannot do that; the text says why and what to do."""


@dataclass(frozen=True)
class Keystore:
    """The keys in `folder`, each encrypted under its own password."""

    folder: Path

    def create(self, name: str, password: str, work_factor: int = SCRYPT_N) -> str:
        """A new key called `name`; returns its address. Raises KeystoreError when the name is taken or
        unusable."""
        if not name or not all(c.isalnum() or c in "-_." for c in name) or name.startswith("."):
            raise KeystoreError(f"{name!r} cannot name a key: use letters, digits, '-', '_' and '.'")
        if not password:
            raise KeystoreError("an empty password protects nothing; choose another")
        account = Account.create()
        encrypted = Account.encrypt(account.key, password, kdf="scrypt", iterations=work_factor)
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        path = self._path(name)
        try:
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            raise KeystoreError(f"there is a key called {name!r} in {self.folder} already") from None
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(encrypted, file)
            file.flush()
            os.fsync(file.fileno())
        return str(account.address)

    def addresses(self) -> dict[str, str]:
        """Name and address of every key here."""
        paths = sorted(self.folder.glob(f"*{_SUFFIX}"))
        return {path.name.removesuffix(_SUFFIX): _address(path) for path in paths}

    def name_of(self, address: str) -> str:
        """The name of the key with `address`; raises KeystoreError when it is not here."""
        for name, known in self.addresses().items():
            if known == to_checksum_address(address):
                return name
        raise KeystoreError(
            f"the key {address} is not in {self.folder}; another person may have to sign this"
        )

    def unlock(self, name: str, password: str) -> LocalAccount:
        """The key called `name`. Raises KeystoreError for an unknown name, a wrong password or a damaged
        file."""
        path = self._path(name)
        if not path.is_file():
            known = ", ".join(self.addresses()) or "none"
            raise KeystoreError(f"there is no key called {name!r} in {self.folder} (there: {known})")
        try:
            key = Account.decrypt(path.read_text(encoding="utf-8"), password)
        except (ValueError, KeyError, TypeError) as error:
            raise KeystoreError(
                f"the key {name!r} did not open: wrong password, or {path} is damaged"
            ) from error
        account: LocalAccount = Account.from_key(key)
        return account

    def _path(self, name: str) -> Path:
        return self.folder / f"{name}{_SUFFIX}"


def _address(path: Path) -> str:
    try:
        return str(
            to_checksum_address(
                "0x" + json.loads(path.read_text(encoding="utf-8"))["address"].removeprefix("0x")
            )
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise KeystoreError(f"{path} is not an encrypted key (Web3 Secret Storage, version 3)") from error
