"""Check digits and shapes of identifiers, as warnings: of real seller VAT numbers only a third pass.

An identifier that fails may still be the right one; it is for the eye of whoever admits the party.
"""

from collections.abc import Iterator
from functools import cache
from types import ModuleType

from stdnum import ean, iban, lei
from stdnum.au import abn
from stdnum.cn import uscc
from stdnum.eu import vat as eu_vat
from stdnum.exceptions import ValidationError
from stdnum.in_ import gstin

from backend.invoices.model import Identifier, Invoice, Party
from backend.invoices.validation.result import Finding

# ISO/IEC 6523 scheme codes of identifiers that carry a check digit.
_BY_SCHEME = {"0088": ean, "0199": lei, "0151": abn, "USCC": uscc, "GSTIN": gstin}
_EU = {
    "AT", "BE", "BG", "CY", "CZ", "DE", "DK", "EE", "EL", "ES", "FI", "FR", "HR", "HU", "IE", "IT", "LT",
    "LU", "LV", "MT", "NL", "PL", "PT", "RO", "SE", "SI", "SK",
}  # fmt: skip


def check(invoice: Invoice) -> Iterator[Finding]:
    """A warning for each identifier whose check digit or shape is wrong."""
    parties = ((invoice.seller, "BG-4"), (invoice.buyer, "BG-7"), (invoice.payee, "BG-10"))
    for party, place in parties:
        if party is not None:
            yield from _party(party, place)
    for account in invoice.accounts:
        if account[:2].isalpha() and account[2:4].isdigit() and not _passes(iban, account):
            yield _wrong("BT-84", account)
    for line in invoice.lines:
        if line.gtin is not None and not _passes(
            ean, line.gtin.removeprefix("0" if len(line.gtin) == 14 else "")
        ):
            yield _wrong("BT-157", line.gtin)


def _party(party: Party, place: str) -> Iterator[Finding]:
    for identifier in party.identifiers:
        module = _module(identifier)
        if module is not None and not _passes(module, identifier.value):
            yield _wrong(place, identifier.value)


def _module(identifier: Identifier) -> ModuleType | None:
    if identifier.scheme in _BY_SCHEME:
        return _BY_SCHEME[identifier.scheme]
    return eu_vat if identifier.scheme == "VAT" and identifier.value[:2].upper() in _EU else None


@cache
def _passes(module: ModuleType, number: str) -> bool:
    try:
        module.validate(number)
    except ValidationError:
        return False
    return True


def _wrong(place: str, number: str) -> Finding:
    return Finding(
        rule="TS-ID",
        is_error=False,
        place=place,
        code="identifier-check-digit",
        params={"number": number[:60]},
    )
