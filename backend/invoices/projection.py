"""The keys of fingerprints as the chain says they are."""

from collections.abc import Iterable, Mapping, Sequence
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from backend.chain.projections import Event
from backend.invoices import repository

_ALL = "key-sets"


class FingerprintKeys:
    """The projection: one key for all sets of a ledger."""

    name = "fingerprint-keys"

    def subjects(self, event: Event) -> Iterable[str]:
        """All changes of the key set belong together."""
        return [_ALL] if (event.contract, event.name) == ("Fingerprints", "KeySetChanged") else []

    async def rebuild(
        self, session: AsyncSession, ledger_id: UUID, events: Mapping[str, Sequence[Event]]
    ) -> None:
        """Writes every set anew; there is one key for all of them."""
        (own,) = events.values()
        sets = {event.args["keySet"]: event.args["keys"] for event in own}
        await repository.replace_key_sets(session, ledger_id, sets.items())
