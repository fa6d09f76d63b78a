"""What ties an account on the chain to a party: a salted commitment, opened only in a bundle."""

from hashlib import sha256

from backend.kit.canonical import encode

SALT_BYTES = 32
_DOMAIN = b"tallystick party account v1\x00"


def account_commitment(salt: bytes, country: str, tax_number: str) -> bytes:
    """The 32 bytes under which `Participants.admit` records an account of the party.

    `country` (ISO 3166-1 alpha-2) and `tax_number` in canonical form (parties/model.py). Every account has a
    salt of its own: nobody can tell that two accounts are one party's, nor find a party by trying numbers.
    Raises ValueError if the salt has not 32 bytes.
    """
    if len(salt) != SALT_BYTES:
        raise ValueError(f"a salt has {SALT_BYTES} bytes, not {len(salt)}")
    return sha256(_DOMAIN + salt + encode({"country": country, "tax_number": tax_number})).digest()
