"""Reminders to the buyer: an invoice that waits for its answer, or an answer for its second person.

A reminder is a notice (`invoice.reminder`), which webhooks carry. It comes after so many days of waiting and
again after as many, five times at most.
"""

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from backend.invoices import repository
from backend.invoices.tables import InvoiceRecord
from backend.kit.clock import now
from backend.kit.database import Database
from backend.kit.notices import Notice

MOST = 5
_AT_ONCE = 100


class Reminders:
    """Sends what is due. Several may run: the invoices are locked first. `days` 0 reminds nobody."""

    def __init__(self, database: Database, ledger_id: UUID, days: int) -> None:
        self.database, self.ledger_id, self.days = database, ledger_id, days

    async def step(self) -> bool:
        """Reminds the buyers of the next invoices; True if there may be more."""
        if not self.days:
            return False
        async with self.database.reading() as session:
            if not await self._due(session):
                return False
        async with self.database.transaction() as session:
            due = await self._due(session, lock=True)
            for record in due:
                record.reminders, record.reminded_at = record.reminders + 1, now()
                session.add(await _notice(session, record))
        return len(due) == _AT_ONCE

    async def _due(self, session: AsyncSession, *, lock: bool = False) -> Sequence[InvoiceRecord]:
        before = now() - timedelta(days=self.days)
        statement = repository.waiting_since(self.ledger_id, before, MOST).limit(_AT_ONCE)
        if lock:
            statement = statement.with_for_update(of=InvoiceRecord, skip_locked=True)
        return (await session.scalars(statement)).all()


async def _notice(session: AsyncSession, record: InvoiceRecord) -> Notice:
    answers = await repository.answers_of(session, record.id)
    return Notice(
        ledger_id=record.ledger_id,
        party_id=record.buyer_party_id,
        type="invoice.reminder",
        subject=f"invoice:{record.id}",
        data={
            "invoice": str(record.id),
            "number": record.number,
            "issue_date": record.issue_date,
            "waits_for": "second-person" if answers and answers[-1].state == "proposed" else "answer",
            "reminder": record.reminders,
        },
    )
