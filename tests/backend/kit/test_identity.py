"""The commitment that ties an account to a party."""

from hashlib import sha256

import pytest

from backend.kit.identity import SALT_BYTES, account_commitment

SALT = bytes(range(SALT_BYTES))


def test_it_is_what_the_docs_say() -> None:
    text = b'{"country":"DE","tax_number":"123456788"}'
    expected = sha256(b"tallystick party account v1\x00" + SALT + text).digest()
    assert account_commitment(SALT, "DE", "123456788") == expected


def test_country_and_number_cannot_run_together() -> None:
    assert account_commitment(SALT, "DE", "1") != account_commitment(SALT, "D", "E1")


def test_every_salt_gives_another() -> None:
    assert account_commitment(SALT, "DE", "1") != account_commitment(SALT[::-1], "DE", "1")


def test_a_short_salt_is_refused() -> None:
    with pytest.raises(ValueError, match="32 bytes, not 16"):
        account_commitment(SALT[:16], "DE", "1")
