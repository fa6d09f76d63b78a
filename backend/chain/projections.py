"""How a room keeps rows that always equal the chain.

A projection names the keys an event concerns, and rebuilds the rows of a key from all its events. The
indexer calls it in the transaction that stores (or, in a reorganisation, removes) the events, so rows, events
and cursor never disagree; `reindex` does the same for every key.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession


@dataclass(frozen=True, slots=True)
class Event:
    """An event of one of our contracts. In `args` bytes are 0x-hex, addresses checksummed, integers int."""

    contract: str
    """The contract's name, such as "Receivables"."""
    name: str
    args: Mapping[str, Any]
    address: str
    block_number: int
    block_hash: str
    block_time: datetime
    tx_hash: str
    log_index: int


class Projection(Protocol):
    """A read model kept by folding events. `name` is stored and must not change."""

    name: str

    def subjects(self, event: Event) -> Iterable[str]:
        """The keys (at most 200 characters each) whose rows the event may change; none if it is not ours."""
        ...

    async def rebuild(
        self, session: AsyncSession, ledger_id: UUID, events: Mapping[str, Sequence[Event]]
    ) -> None:
        """Makes the rows of each key what its events, oldest first, say; with no events, as if it never was.

        Must not read the clock or anything else that could differ when it runs again. Far from the chain's
        head it is given thousands of keys at once (see `kit/bulk.py`).
        """
        ...
