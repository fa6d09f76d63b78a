"""Settlement currencies, as the chain admits them: which token pays which currency, and how finely it
divides."""

from collections.abc import Iterable, Mapping, Sequence
from uuid import UUID

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from backend.chain.projections import Event
from backend.kit.problems import Problem
from backend.receivables.repository import SettlementCurrency


class CurrencyNotSettled(Problem):
    """No token is admitted for the currency, or it is closed for new business."""

    status, code = 422, "currency-not-settled"


class Currencies:
    """Keeps `settlement_currencies` equal to the chain."""

    name = "currencies"

    def subjects(self, event: Event) -> Iterable[str]:
        """The currency an event admits or changes."""
        if event.contract == "Receivables" and event.name in {"CurrencyAdmitted", "CurrencyChanged"}:
            yield f"currency:{event.args['currency']}"

    async def rebuild(
        self, session: AsyncSession, ledger_id: UUID, events: Mapping[str, Sequence[Event]]
    ) -> None:
        """Makes the row of each currency what its events say."""
        for key, own in events.items():
            await self._rebuild(session, ledger_id, int(key.partition(":")[2]), own)

    async def _rebuild(
        self, session: AsyncSession, ledger_id: UUID, number: int, events: Sequence[Event]
    ) -> None:
        await session.execute(
            delete(SettlementCurrency).where(
                SettlementCurrency.ledger_id == ledger_id, SettlementCurrency.number == number
            )
        )
        row: SettlementCurrency | None = None
        for event in events:
            if event.name == "CurrencyAdmitted":
                row = SettlementCurrency(
                    ledger_id=ledger_id,
                    number=number,
                    token=event.args["token"],
                    code=bytes.fromhex(event.args["code"][2:8]).decode("ascii"),
                    exponent=event.args["exponent"],
                    minimum=event.args["minimum"],
                    is_open=True,
                )
            elif row is not None:
                row.is_open, row.minimum = event.args["open"], event.args["minimum"]
        if row is not None:
            session.add(row)
        await session.flush()


async def admitted(session: AsyncSession, ledger_id: UUID) -> Sequence[SettlementCurrency]:
    """All currencies of a ledger, in the order they were admitted."""
    statement = select(SettlementCurrency).where(SettlementCurrency.ledger_id == ledger_id)
    return (await session.scalars(statement.order_by(SettlementCurrency.number))).all()


async def for_new_business(session: AsyncSession, ledger_id: UUID, code: str) -> SettlementCurrency:
    """The currency new claims in `code` are paid in. Raises CurrencyNotSettled."""
    for row in await admitted(session, ledger_id):
        if row.code == code and row.is_open:
            return row
    raise CurrencyNotSettled(currency=code)
