"""A projection for tests: what each account counted."""

from collections.abc import Iterable, Mapping, Sequence
from uuid import UUID

from sqlalchemy import delete
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from backend.chain.projections import Event
from backend.kit import bulk
from backend.kit.database import Address, Base


class Total(Base):
    __tablename__ = "test_totals"

    ledger_id: Mapped[UUID] = mapped_column(primary_key=True)
    who: Mapped[str] = mapped_column(Address, primary_key=True)
    total: Mapped[int]
    times: Mapped[int]


class Totals:
    name = "totals"

    def subjects(self, event: Event) -> Iterable[str]:
        return [event.args["who"]] if event.name == "Counted" else []

    async def rebuild(
        self, session: AsyncSession, ledger_id: UUID, events: Mapping[str, Sequence[Event]]
    ) -> None:
        concerned = bulk.among(session, Total.who, events)
        await session.execute(delete(Total).where(Total.ledger_id == ledger_id, concerned))
        for key, own in events.items():
            if own:
                values = [event.args["value"] for event in own]
                session.add(Total(ledger_id=ledger_id, who=key, total=sum(values), times=len(values)))
        await session.flush()
