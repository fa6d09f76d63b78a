"""Which business transaction an invoice means by the number of an order, a despatch, a receipt.

A number alone is anybody's: it means a document together with the GLN of the party that numbers such
documents (CBV 2.0, 8.5.2). The server links by this rule, and the offline checks by the same.
"""

from collections.abc import Iterable, Mapping
from typing import Final, Literal

from backend.verifier.identifiers import comparable, transaction_id

ISSUER: Final[Mapping[str, Literal["seller", "buyer"]]] = {
    "po": "buyer",
    "poc": "seller",
    "desadv": "seller",
    "recadv": "buyer",
    "inv": "seller",
    "bol": "seller",
}
"""Who numbers a document of this type."""


def transactions_meant(kind: str, number: str, glns: Mapping[str, Iterable[str]]) -> list[str]:
    """The business transactions, in their one form, that a number on an invoice may mean.

    `glns` are those of the `seller` and of the `buyer`. A number that is a URI already is taken as it is.
    """
    if number.startswith(("urn:", "https://", "http://")):
        return [comparable(number)]
    return [comparable(transaction_id(gln, number)) for gln in glns[ISSUER[kind]]]
