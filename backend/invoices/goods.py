"""What the buyer sees of a delivery before it answers: what it brought, and what of that is accepted.

Received is what the buyer itself recorded, where the room that knows was registered (`holds.Deliveries`);
accepted is what its other accepted invoices bill of the same delivery. What nobody can tell is None.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from sqlalchemy.ext.asyncio import AsyncSession

from backend.invoices import holds, repository
from backend.invoices.tables import InvoiceRecord, InvoiceToken
from backend.invoices.uniqueness import Kind

_ACCEPTED = {"AP", "CA", "PD"}


@dataclass(frozen=True, slots=True)
class Goods:
    """One item of one delivery. `kind` is `despatch` or `receipt`; quantities in the invoice's own unit."""

    kind: str
    number: str
    item: str
    unit: str | None
    billed: Decimal
    received: Decimal | None
    accepted: Decimal | None

    @property
    def enough(self) -> bool | None:
        """Whether what is left of the delivery covers what is billed."""
        if self.received is None or self.accepted is None:
            return None
        return self.received - self.accepted >= self.billed


async def behind(session: AsyncSession, record: InvoiceRecord) -> list[Goods]:
    """Every item the invoice bills, delivery by delivery."""
    own = {token.value: token for token in await repository.tokens_of(session, record.id) if token.delivery}
    met = await repository.meeting(session, record.ledger_id, own.values(), besides=record.id)
    found: dict[tuple[str, str], Goods] = {}
    for value, token in own.items():
        if token.kind != Kind.D:
            continue
        rivals = [each for each, other in met if each.value == value and other.answer in _ACCEPTED]
        received = await holds.delivered(session, record, token, rivals) or {}
        kind, _, number = token.delivery.partition(":")
        for item, quantity in token.items.items():
            found[(token.delivery, item)] = Goods(
                kind,
                number,
                item,
                token.units.get(item),
                Decimal(quantity),
                received.get(item),
                _accepted(token, item, rivals),
            )
    return list(found.values())


def _accepted(own: InvoiceToken, item: str, rivals: Sequence[InvoiceToken]) -> Decimal | None:
    """None where another accepted invoice does not say what it bills, or counts in another unit."""
    total = Decimal(0)
    for each in rivals:
        if not each.items or (item in each.items and each.units.get(item) != own.units.get(item)):
            return None
        total += Decimal(each.items.get(item, 0))
    return total
