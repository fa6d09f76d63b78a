"""Events that stand behind an invoice: found by the numbers of the documents it refers to."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, TypeAlias
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from backend.parties import repository as parties
from backend.provenance import keys, repository
from backend.provenance.epcis.document import Event
from backend.provenance.query.search import event_of
from backend.provenance.tables import RecordedEvent
from backend.verifier.references import transactions_meant
from backend.verifier.vocabulary import BIZ_TRANSACTION_TYPE

Reference: TypeAlias = Literal["po", "poc", "desadv", "recadv", "inv", "bol"]


@dataclass(frozen=True, slots=True)
class LinkedEvent:
    """An event with who recorded it and where it stands in the log."""

    row: RecordedEvent
    event: Event
    references: frozenset[str]
    """The types of the references it was found by."""
    recorder: UUID
    account: str | None
    key_id: str | None
    """The key that signed it; None when nobody did, and then it is the word of whoever was logged in."""
    recorded_at: datetime

    @property
    def signed(self) -> bool:
        """Whether the recorder's key signed it."""
        return self.key_id is not None


async def events_for_references(
    session: AsyncSession,
    ledger_id: UUID,
    references: Mapping[str, Iterable[str]],
    *,
    seller_party_id: UUID,
    buyer_party_id: UUID,
) -> list[LinkedEvent]:
    """The events that name documents of these types and numbers, in the order of the log.

    `references` maps a type (`po`, `poc`, `desadv`, `recadv`, `inv`, `bol`) to numbers as they stand on the
    invoice. A number means a document only with the GLN of the party that issues such documents; a number
    that is a URI already is taken as it is. Bodies that were erased are left out. It looks at all events of
    the ledger: whoever calls it decides who is shown what.
    """
    wanted = await _wanted(session, references, seller_party_id, buyer_party_id)
    rows = await repository.events_under(session, ledger_id, wanted)
    documents = await repository.documents(session, ledger_id, (row.document_id for row in rows))
    linked = []
    for row in rows:
        if row.body is None:
            continue
        event = event_of(row)
        document = documents[row.document_id]
        found = frozenset(wanted[key] for key in keys.keys_of(event) if key in wanted)
        linked.append(
            LinkedEvent(row, event, found, row.party_id, document.account, document.key_id, row.record_time)
        )
    return linked


async def keys_of_references(
    session: AsyncSession,
    references: Mapping[str, Iterable[str]],
    *,
    seller_party_id: UUID,
    buyer_party_id: UUID,
) -> dict[tuple[str, str], str]:
    """Under which (name, value) keys events that name these documents are found, and the reference's type."""
    return await _wanted(session, references, seller_party_id, buyer_party_id)


async def _wanted(
    session: AsyncSession, references: Mapping[str, Iterable[str]], seller: UUID, buyer: UUID
) -> dict[tuple[str, str], str]:
    """Key of the event index → type of the reference it comes from."""
    known = await parties.identifiers_of_each(session, {seller, buyer})
    glns = {
        side: [each.value for each in known[party] if each.scheme == "gln"]
        for side, party in (("seller", seller), ("buyer", buyer))
    }
    wanted: dict[tuple[str, str], str] = {}
    for kind, numbers in references.items():
        name = f"bizTransaction:{BIZ_TRANSACTION_TYPE.expand(kind)}"
        for number in numbers:
            for identifier in transactions_meant(kind, number, glns):
                wanted[(name, identifier)] = kind
    return wanted
