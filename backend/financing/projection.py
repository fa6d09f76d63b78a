"""Keeps sales equal to the chain (see `chain/projections.py`)."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from backend.chain.projections import Event
from backend.financing import repository
from backend.receivables.model import ZERO_ADDRESS

_LATER = {"CashAcknowledged": "done", "SaleLapsed": "lapsed"}
TERMS = (
    "token",
    "price",
    "reserve",
    "recourse",
    "repurchasePrice",
    "acceptDispute",
    "agreement",
    "law",
    "lockTime",
)
"""What of an offer the event of its acceptance repeats."""


class Sales:
    """Folds the events of a sale into its row."""

    name = "sales"

    def subjects(self, event: Event) -> Iterable[str]:
        """The sale an event is about."""
        if event.contract == "Financing" and "sale" in event.args:
            yield event.args["sale"]

    async def rebuild(
        self, session: AsyncSession, ledger_id: UUID, events: Mapping[str, Sequence[Event]]
    ) -> None:
        """Makes each sale's row what its events say."""
        folded = [_fold(ledger_id, key, own) for key, own in events.items()]
        rows = [row for row in folded if row is not None]
        await repository.replace_sales(session, ledger_id, list(events), rows)


def _fold(ledger_id: UUID, key: str, events: Sequence[Event]) -> dict[str, Any] | None:
    row: dict[str, Any] | None = None
    facts: dict[str, Any] = {}
    for event in events:
        if event.name == "FactsRecorded":  # comes before the acceptance, or with the cash of a lock
            facts["facts"] = event.args["facts"]
        elif event.name == "OfferCancelled":
            row = {
                "ledger_id": ledger_id,
                "sale": key,
                "seller": ZERO_ADDRESS,
                "buyer": event.args["buyer"],
                "offer": {},
                "status": "cancelled",
                "time": event.block_time,
                "tx_hash": event.tx_hash,
            }
        elif event.name == "OfferAccepted":
            row = {
                "ledger_id": ledger_id,
                "sale": key,
                "seller": event.args["seller"],
                "buyer": event.args["buyer"],
                "offer": {name: event.args[name] for name in TERMS},
                "status": "locked" if event.args["lockTime"] else "done",
                "time": event.block_time,
                "tx_hash": event.tx_hash,
            }
        elif row is not None and event.name in _LATER:
            row["status"] = _LATER[event.name]
    if row is not None:
        row["offer"] |= facts
    return row
