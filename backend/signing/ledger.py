"""Which ledger a keystore signs for: chain, contracts and tokens, pinned once on the party's machine.

The pin is taken from a deployment record the party got from a source it trusts; afterwards no server can make
the signer sign for another chain, another contract or an unknown token.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from eth_utils.address import is_address, to_checksum_address

FILE = "ledger.json"
NAMES_FILE = "names.json"


class LedgerError(Exception):
    """No ledger is pinned, or the record cannot be used; the text says what to do."""


@dataclass(frozen=True)
class Token:
    """A settlement token: what people call it, and the ISO 4217 currency it stands for.

    One minor unit of `currency` is `10 ** exponent` of the token's own units.
    """

    symbol: str
    decimals: int
    currency: str
    exponent: int
    name: str
    """The name in its EIP-712 domain (EIP-2612); the version is "1"."""

    def amount(self, minor: int) -> str:
        """`minor` units of the currency in the way people write them: `EUR 1,234.50`."""
        return f"{self.currency} {_grouped(minor, self.decimals - self.exponent)}"

    def raw(self, value: int) -> str:
        """`value` of the token's own units: `tEUR 1,234.500000`."""
        return f"{self.symbol} {_grouped(value, self.decimals)}"


@dataclass(frozen=True)
class Ledger:
    """One deployment: `contracts` from name to address, `tokens` from address to `Token`."""

    chain_id: int
    contracts: Mapping[str, str]
    tokens: Mapping[str, Token]

    def contract_at(self, address: str) -> str | None:
        """The name of the contract at `address`, if it is one of this ledger's."""
        return next((name for name, at in self.contracts.items() if at == address), None)

    def save(self, folder: Path) -> None:
        """Pins this ledger in the keystore folder. Raises LedgerError when another one is pinned there."""
        path = folder / FILE
        if path.exists() and read(folder) != self:
            raise LedgerError(
                f"{path} pins another ledger; use another folder for this one, or remove that file"
            )
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        tokens = {address: asdict(token) for address, token in self.tokens.items()}
        record = {"chain_id": self.chain_id, "contracts": dict(self.contracts), "tokens": tokens}
        path.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")


def read(folder: Path) -> Ledger:
    """The ledger pinned in `folder`. Raises LedgerError when there is none."""
    path = folder / FILE
    if not path.is_file():
        raise LedgerError(
            f"{folder} is not set up for a ledger: run `tallystick keys trust DEPLOYMENT.json` first"
        )
    return parse(path)


def parse(path: Path) -> Ledger:
    """The ledger a pin or a deployment record describes. Raises LedgerError naming what is wrong with the
    file."""
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        contracts = {name: _address(entry) for name, entry in record["contracts"].items()}
        domains = {_address(entry): _domain_name(entry) for entry in record["contracts"].values()}
        tokens = {
            _address(at): _token(entry, domains.get(_address(at))) for at, entry in record["tokens"].items()
        }
        return Ledger(
            chain_id=_positive(record["chain_id"]),
            contracts={name: at for name, at in contracts.items() if at not in tokens},
            tokens=tokens,
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise LedgerError(f"{path} is not a deployment record ({type(error).__name__}: {error})") from error


def names(folder: Path) -> dict[str, str]:
    """The keystore owner's own names for addresses."""
    path = folder / NAMES_FILE
    try:
        return {_address(at): str(name) for at, name in json.loads(path.read_text(encoding="utf-8")).items()}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, AttributeError) as error:
        raise LedgerError(f"{path} is not a list of names ({error}); mend or remove it") from error


def remember(folder: Path, address: str, name: str) -> None:
    """Gives `address` a name of the owner's own. Raises LedgerError when either could mislead the reader."""
    if not is_address(address):
        raise LedgerError(f"{address!r} is not an address, or its checksum is wrong")
    if not name.strip() or not name.isprintable() or "0x" in name.lower():
        raise LedgerError(f"{name!r} cannot be a name: it must be printable and hold no address")
    known = names(folder) | {_address(address): name.strip()}
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    (folder / NAMES_FILE).write_text(json.dumps(known, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _positive(value: Any) -> int:
    if type(value) is not int or value <= 0:
        raise ValueError(f"chain id {value!r}")
    return value


def _domain_name(entry: Any) -> str | None:
    domain = entry.get("eip712") if isinstance(entry, Mapping) else None
    return str(domain["name"]) if domain else None


def _token(entry: Any, domain_name: str | None) -> Token:
    decimals, exponent = entry["decimals"], entry["exponent"]
    if type(decimals) is not int or type(exponent) is not int or not 0 <= exponent <= decimals <= 36:
        raise ValueError(f"token decimals {decimals!r}, exponent {exponent!r}")
    name = entry.get("name") or domain_name or entry["symbol"]
    return Token(str(entry["symbol"]), decimals, str(entry["currency"]), exponent, str(name))


def _grouped(value: int, places: int) -> str:
    whole, fraction = divmod(value, 10**places)
    return f"{whole:,}.{fraction:0{places}d}" if places else f"{whole:,}"


def _address(entry: Any) -> str:
    value = entry["address"] if isinstance(entry, Mapping) else entry
    if not is_address(value):
        raise ValueError(f"address {value!r}")
    return str(to_checksum_address(value))
