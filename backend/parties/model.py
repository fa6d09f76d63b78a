"""Pure rules about parties: canonical tax numbers, GLNs, API keys, which roles go together."""

import hashlib
import re
import secrets
from dataclasses import dataclass
from datetime import datetime

from backend.kit.access import Role
from backend.kit.spelling import MalformedError

KEY_START = "tsk_"
_SHOWN = len(KEY_START) + 8
_COUNTRY = re.compile(r"[A-Z]{2}")


def canonical_country(text: str) -> str:
    """An ISO 3166-1 alpha-2 code in upper case. Raises MalformedError."""
    country = text.strip().upper()
    if not _COUNTRY.fullmatch(country):
        raise MalformedError(f"{text!r} is no two-letter country code")
    return country


def canonical_gln(text: str) -> str:
    """A GS1 Global Location Number: 13 digits with a valid check digit (GS1 General Specifications 7.9)."""
    gln = text.strip()
    if not (gln.isascii() and gln.isdigit() and len(gln) == 13):
        raise MalformedError(f"{text!r} is no GLN: 13 digits are expected")
    total = sum(int(digit) * (3 if place % 2 else 1) for place, digit in enumerate(gln[:12]))
    if (10 - total % 10) % 10 != int(gln[12]):
        raise MalformedError(f"{text!r} is no GLN: its check digit is wrong")
    return gln


def contradictory_roles(roles: frozenset[Role]) -> bool:
    """Whether a user would read everything as an auditor and could also change something."""
    return Role.AUDITOR in roles and bool(roles - {Role.AUDITOR, Role.VIEWER})


@dataclass(frozen=True, slots=True)
class NewKey:
    """An API key at the one moment its secret is known."""

    secret: str
    prefix: str
    digest: str

    @classmethod
    def generate(cls) -> "NewKey":
        """256 random bits: nothing a dictionary could hold, so one round of SHA-256 protects it at rest."""
        secret = KEY_START + secrets.token_urlsafe(32)
        return cls(secret, secret[:_SHOWN], digest(secret))


def digest(secret: str) -> str:
    """What is stored of an API key: SHA-256, hex."""
    return hashlib.sha256(secret.encode()).hexdigest()


def key_is_valid(revoked_at: datetime | None, expires_at: datetime | None, moment: datetime) -> bool:
    """Whether a key may be used at `moment`."""
    return revoked_at is None and (expires_at is None or moment < expires_at)
