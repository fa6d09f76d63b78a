"""Who seller and buyer are among the admitted parties: found by their numbers, never believed by their name.

A name counts only where the file gives no number at all that could contradict it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from backend.invoices.model import Identifier, Party
from backend.kit.spelling import MalformedError, canonical_tax_number, spelling
from backend.parties import service as parties

# VAT prefixes that are not the country's ISO 3166-1 code.
_PREFIX_COUNTRY = {"EL": "GR", "XI": "GB", "CHE": "CH"}
_GLN_SCHEMES = {"0088", "GLN", "EAN", ""}


@dataclass(frozen=True, slots=True)
class Admitted:
    """A party as it was admitted: what invoices are compared and identified by."""

    id: UUID
    name: str
    names: tuple[str, ...]
    country: str
    tax_number: str
    others: tuple[tuple[str, str], ...]
    """Scheme and value of every further identifier."""

    @property
    def identifiers(self) -> tuple[str, ...]:
        """What the identity of an invoice is made over, the tax number first."""
        others = (f"{scheme.upper()}:{spelling(value)}" for scheme, value in self.others)
        return (f"TAX:{self.country}:{spelling(self.tax_number)}", *others)


async def admitted(session: AsyncSession, ledger_id: UUID, party_id: UUID) -> Admitted:
    """The admitted record of a party. Raises NotFound."""
    party = await parties.get_party(session, ledger_id, party_id)
    others = await parties.identifiers(session, party_id)
    return Admitted(
        id=party.id,
        name=party.name,
        names=tuple(party.names),
        country=party.country,
        tax_number=party.tax_number,
        others=tuple((each.scheme, each.value) for each in others),
    )


def is_party(stated: Party, party: Admitted) -> bool:
    """Whether the party a file names is this admitted one."""
    for identifier in stated.tax:
        try:
            if canonical_tax_number(party.country, identifier.value) == party.tax_number:
                return True
        except MalformedError:
            continue
    known = {spelling(value) for _, value in party.others}
    if any(spelling(identifier.value) in known for identifier in stated.identifiers):
        return True
    return not stated.tax and _same_name(stated, party.name, *party.names)


async def find(session: AsyncSession, ledger_id: UUID, stated: Party) -> Admitted | None:
    """The admitted party a file names, by tax number, then GLN and other identifiers, then name."""
    for country, number in _tax_candidates(stated):
        if party := await parties.find_by_tax_number(session, ledger_id, country, number):
            return await admitted(session, ledger_id, party.id)
    glns = [
        each.value for each in stated.identifiers if each.scheme.upper() in _GLN_SCHEMES or not each.scheme
    ]
    for gln in glns:
        if party := await parties.find_by_gln(session, ledger_id, gln):
            return await admitted(session, ledger_id, party.id)
    if stated.tax or stated.name is None:
        return None
    named = await parties.find_by_name(session, ledger_id, stated.name)
    return await admitted(session, ledger_id, named.id) if named else None


def _tax_candidates(stated: Party) -> Iterator[tuple[str, str]]:
    """Country and number of each tax identifier: by its own prefix, else by the party's address."""
    for identifier in stated.tax:
        yield from ((country, identifier.value) for country in _countries(identifier, stated.country))


def _countries(identifier: Identifier, address: str | None) -> Sequence[str]:
    prefix = identifier.value.strip()[:2].upper()
    own = _PREFIX_COUNTRY.get(identifier.value.strip()[:3].upper()) or _PREFIX_COUNTRY.get(prefix)
    candidates = [own or (prefix if prefix.isalpha() and len(prefix) == 2 else None), address]
    return [country for country in dict.fromkeys(candidates) if country]


def _same_name(stated: Party, *names: str) -> bool:
    known = {spelling(name) for name in names}
    return any(name and spelling(name) in known for name in (stated.name, stated.trading_name))
