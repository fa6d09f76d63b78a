"""The one spelling of what an invoice's fingerprint is made over: number, class, tax number of the seller.

Whoever makes fingerprints and whoever checks them ends here: another spelling would be a second fingerprint.
"""

import re
import unicodedata

IDENTITY_VERSION = "tallystick-invoice-1"

_SEPARATORS = re.compile(r"[\s.\-/_·]+")
_BETWEEN_DIGITS = re.compile(r"(?<=[0-9]) +(?=[0-9])")
# The prefix of a VAT number is the country's code, but for Greece, Northern Ireland and Switzerland.
_VAT_PREFIXES = {"GR": ("EL", "GR"), "GB": ("GB", "XI"), "CH": ("CHE",)}

# UNTDID 1001. Whatever is neither a credit note nor a prepayment invoice claims money: INV.
_CREDIT_NOTES = {"381", "261", "396", "532", "83", "81", "420", "458", "296", "308"}
_PREPAYMENT = {"386"}


class MalformedError(ValueError):
    """A value that cannot be what it is said to be; the text names the value and the reason."""


def spelling(text: str) -> str:
    """A number in its one spelling: NFKC, upper case, letters and digits of any script, digits as 0 to 9.

    A separator between two digits stays as `-`, whatever it was: 1-11 and 11-1 are two invoices. Invisible
    characters are no separators.
    """
    letters = []
    for character in unicodedata.normalize("NFKC", text).upper():
        if character.isdecimal():
            letters.append(str(unicodedata.decimal(character)))
        elif character.isalnum():
            letters.append(character)
        elif unicodedata.category(character) not in {"Cf", "Cc", "Mn"}:
            letters.append(" ")
    return _BETWEEN_DIGITS.sub("-", "".join(letters)).replace(" ", "")


def class_of_type(code: str | None) -> str:
    """INV, CN (credit note) or PRE (prepayment invoice) for a type of invoice, BT-3 (UNTDID 1001)."""
    if code in _CREDIT_NOTES:
        return "CN"
    return "PRE" if code in _PREPAYMENT else "INV"


def canonical_tax_number(country: str, text: str) -> str:
    """A tax number in its one form: capitals and digits, without separators and without the VAT prefix.

    So "DE 123 456 789", "de123456789" and "123456789" are one number in Germany. Compatibility forms are
    folded (NFKC); a letter that only looks Latin is refused, because it would make a second identity.
    Raises MalformedError.
    """
    number = _SEPARATORS.sub("", unicodedata.normalize("NFKC", text)).upper()
    if not (number.isascii() and number.isalnum() and any(character.isdigit() for character in number)):
        raise MalformedError(f"{text!r} is no tax number: only Latin letters and digits are expected")
    for prefix in _VAT_PREFIXES.get(country, (country,)):
        bare = number.removeprefix(prefix)
        if bare != number and any(character.isdigit() for character in bare):
            number = bare
            break
    if not 4 <= len(number) <= 32:
        raise MalformedError(f"{text!r} is no tax number: it has {len(number)} characters, not 4 to 32")
    return number
