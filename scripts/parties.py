"""The description of parties to admit, and what is kept of each once it is.

A description is TOML, `[[parties]]` with the members of `Description`. What is kept lies in one folder a
party: `party.json` (account, salt, API keys; readable by its owner only) and, if the key was made here, the
encrypted keystore with its password beside it. Only for sample parties of a chain of one's own: real ones
bring the address of a key that nobody else has seen.
"""

import json
import os
import re
import tomllib
from dataclasses import asdict, dataclass, field
from datetime import UTC, date, datetime, time
from hashlib import sha256
from pathlib import Path
from typing import Any

from backend.kit.access import Role
from backend.kit.spelling import MalformedError, canonical_tax_number
from backend.parties.model import canonical_country

CHAIN_ROLES = {"supplier": 1, "debtor": 2, "funder": 4, "recorder": 8}
"""Role bits of an account (contracts/types/Account.sol)."""

_ID = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")


class DescriptionError(Exception):
    """The description has problems; the text lists every one."""


@dataclass(frozen=True)
class Description:
    """A party to admit."""

    id: str
    """Names its folder: lower-case letters, digits and hyphens."""
    name: str
    country: str
    tax_number: str
    roles: tuple[str, ...]
    """Of its account on the chain: supplier, debtor, funder, recorder. None: it gets no account."""
    valid_until: date
    """The last day (UTC) of its admission."""
    evidence: Path
    """The file that was looked at; its SHA-256 goes on the chain, the file nowhere."""
    users: dict[str, tuple[str, ...]]
    """Users and their roles in the application; each gets an API key."""
    key: str | None = None
    """Address of its first key. Without it one is made here."""
    payout: str | None = None
    """Where its cash is paid out; without it, to the address of the key."""
    names: tuple[str, ...] = ()
    glns: tuple[str, ...] = ()
    test_money: dict[str, int] = field(default_factory=dict)
    """Minor units of each currency minted to the key, where the currency is a test one."""

    @property
    def role_bits(self) -> int:
        return sum(CHAIN_ROLES[role] for role in self.roles)

    @property
    def valid_until_second(self) -> int:
        """The last second of its admission, Unix time."""
        return int(datetime.combine(self.valid_until, time(23, 59, 59), UTC).timestamp())

    @property
    def evidence_hash(self) -> bytes:
        return sha256(self.evidence.read_bytes()).digest()


def read_description(file: Path) -> list[Description]:
    """The parties in a file. Raises DescriptionError with all problems at once."""
    try:
        entries = tomllib.loads(file.read_text(encoding="utf-8")).get("parties", [])
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise DescriptionError(f"{file} cannot be read: {error}") from error
    problems: list[str] = []
    found = [
        _description(entry, f"{file}, party {place}", file.parent, problems)
        for place, entry in enumerate(entries, 1)
    ]
    if not entries:
        problems.append(f"{file} has no [[parties]]")
    if problems:
        raise DescriptionError("\n".join(problems))
    return [each for each in found if each is not None]


def _description(entry: dict[str, Any], where: str, folder: Path, problems: list[str]) -> Description | None:
    before = len(problems)
    fields = Description.__dataclass_fields__
    required = ("id", "name", "country", "tax_number", "roles", "valid_until", "evidence", "users")
    problems += [f"{where}: {name} is missing" for name in required if name not in entry]
    problems += [f"{where}: {name!r} is not known" for name in entry if name not in fields]
    if len(problems) > before:
        return None
    try:
        country = canonical_country(entry["country"])
        tax_number = canonical_tax_number(country, entry["tax_number"])
    except MalformedError as error:
        problems.append(f"{where}: {error}")
        return None
    if not _ID.fullmatch(entry["id"]):
        problems.append(f"{where}: id {entry['id']!r} may hold lower-case letters, digits and hyphens only")
    unknown = [role for role in entry["roles"] if role not in CHAIN_ROLES]
    unknown += [role for roles in entry["users"].values() for role in roles if role not in set(Role)]
    problems += [f"{where}: role {role!r} is not known" for role in unknown]
    if type(entry["valid_until"]) is not date:
        problems.append(f"{where}: valid_until must be a date, such as 2030-12-31")
    evidence = folder / entry["evidence"]
    if not evidence.is_file():
        problems.append(f"{where}: there is no evidence at {evidence}")
    if len(problems) > before:
        return None
    return Description(
        **entry
        | {
            "country": country,
            "tax_number": tax_number,
            "roles": tuple(entry["roles"]),
            "evidence": evidence,
            "users": {user: tuple(roles) for user, roles in entry["users"].items()},
            "names": tuple(entry.get("names", ())),
            "glns": tuple(entry.get("glns", ())),
        }
    )


@dataclass
class Kept:
    """What is kept of a party that was admitted, or is being admitted: filled in as it goes."""

    id: str
    ledger: str
    """Which deployment it belongs to; another one begins anew."""
    salt: str
    """Opens the commitment of its account; 32 bytes, hex."""
    signer: str = ""
    account: str = ""
    party_id: str = ""
    users: dict[str, dict[str, str]] = field(default_factory=dict)
    """User → `id` and `api_key`."""


class PartyFolder:
    """The folder of one party below `data/<network>/parties/`."""

    def __init__(self, parties: Path, party_id: str) -> None:
        self.folder = parties / party_id
        self.file = self.folder / "party.json"
        self.keystore = self.folder / "keystore"
        self.password = self.folder / "password"

    def load(self) -> Kept | None:
        return Kept(**json.loads(self.file.read_text())) if self.file.exists() else None

    def save(self, kept: Kept) -> None:
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        scratch = self.file.with_suffix(".writing")
        handle = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "w") as output:
            json.dump(asdict(kept), output, indent=2)
            output.flush()
            os.fsync(output.fileno())
        scratch.replace(self.file)
