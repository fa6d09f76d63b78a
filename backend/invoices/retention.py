"""How long originals and what was read from them are kept, and erasing them when the time is over.

Years are counted from the end of the year of issue, by the invoice's profile; settings may change them. What
a receivable rests on stays until that is over, and a legal hold keeps everything.
"""

from collections.abc import Awaitable, Callable, Mapping
from datetime import date
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from backend.invoices import repository, service
from backend.invoices.tables import InvoiceRecord
from backend.kit.access import Caller, Role
from backend.kit.clock import now
from backend.kit.database import Database
from backend.kit.notices import Notice

YEARS: Mapping[str, int] = {"default": 10, "eu": 10, "cn": 30, "in": 8}
"""eu: ten years, the longest usual term of the member states, to whom Directive 2006/112/EC art. 247 leaves
it. cn: 会计档案管理办法 (2015), vouchers 30 years. in: CGST Act s. 36, 72 months after the annual return."""
_AT_ONCE = 20

StillNeeded = Callable[[AsyncSession, UUID, UUID], Awaitable[bool]]
"""Whether something still rests on an invoice (ledger, invoice); `app.py` hands it in."""


async def keep(session: AsyncSession, caller: Caller, record: InvoiceRecord, reason: str | None) -> None:
    """Keeps an invoice from being erased for a reason, or ends that (None). By the operator."""
    caller.require(Role.OPERATOR)
    await repository.lock(session, record)
    record.legal_hold = reason
    await session.flush()


def last_day(profile: str, today: date, years: Mapping[str, int] = YEARS) -> str:
    """The latest day of issue of which invoices of this profile may be erased `today` (ISO 8601)."""
    return f"{today.year - 1 - years.get(profile, years['default']):04d}-12-31"


class Retention:
    """Erases what was kept long enough. Several may run: the invoices are locked first."""

    def __init__(
        self, database: Database, ledger_id: UUID, years: Mapping[str, int], still_needed: StillNeeded
    ) -> None:
        self.database, self.ledger_id, self.still_needed = database, ledger_id, still_needed
        self.years = {**YEARS, **years}
        self._after: UUID | None = None

    async def step(self) -> bool:
        """Erases the next few; True if there may be more."""
        async with self.database.reading() as session:
            found = (await session.scalars(self._over().limit(_AT_ONCE))).all()
        self._after = found[-1].id if found else None
        for each in found:
            await self._erase(each.id)
        return bool(found)

    async def _erase(self, invoice_id: UUID) -> None:
        async with self.database.transaction() as session:
            record = await repository.get(session, self.ledger_id, invoice_id, lock=True)
            if record is None or record.state == "erased" or record.legal_hold:
                return
            if await self.still_needed(session, self.ledger_id, invoice_id):
                return
            await service.destroy(session, record)
            session.add(
                Notice(
                    ledger_id=record.ledger_id,
                    party_id=record.party_id,
                    type="invoice.erased",
                    subject=f"invoice:{record.id}",
                    data={"invoice": str(record.id), "issue_date": record.issue_date},
                )
            )

    def _over(self) -> repository.Invoices:
        today = now().date()
        ends = {profile: last_day(profile, today, self.years) for profile in self.years}
        return repository.issued_until(self.ledger_id, ends, self._after)
