"""Reasons for a person to look: tokens that meet another invoice's, and rules only a person can settle."""

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TypeAlias
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from backend.invoices import repository, uniqueness
from backend.invoices.problems import HoldUnknown
from backend.invoices.repository import Rival
from backend.invoices.tables import InvoiceHold, InvoiceRecord, InvoiceToken
from backend.invoices.uniqueness import Kind
from backend.kit.access import Caller, Role

UNDER_REVIEW = "under-review"
_SHOWN = 5


def rule_of(kind: str) -> str:
    """The name under which an invoice is held for a token of this kind."""
    return f"same-{kind.lower()}"


def shown(caller: Caller, held: InvoiceHold) -> str:
    """The rule as the caller may know it: another party's invoice is nobody else's business."""
    own = held.party_id == caller.party_id and not held.foreign
    return held.rule if own or caller.sees_everything else UNDER_REVIEW


@dataclass(frozen=True, slots=True)
class Delivery:
    """A delivery that an invoice stands on: `despatch` or `receipt`, its number, and what is billed of it."""

    kind: str
    number: str
    seller_party_id: UUID
    buyer_party_id: UUID
    items: Mapping[str, Decimal]
    units: Mapping[str, str]


Delivered: TypeAlias = Callable[[AsyncSession, UUID, Delivery], Awaitable[Mapping[str, Decimal] | None]]
"""How much of each item the buyer received in a delivery, in the units given; None if nobody can tell."""


class Deliveries:
    """Where this room asks what was delivered. `app.py` registers who knows; nobody does until then."""

    ask: Delivered | None = None


def hold(
    session: AsyncSession, record: InvoiceRecord, rule: str, *, params: Mapping[str, object] | None = None
) -> None:
    """Holds an invoice for a rule."""
    session.add(_hold(record, rule, params=params))


def _hold(
    record: InvoiceRecord,
    rule: str,
    *,
    against: Rival | None = None,
    params: Mapping[str, object] | None = None,
) -> InvoiceHold:
    return InvoiceHold(
        ledger_id=record.ledger_id,
        party_id=record.party_id,
        invoice_id=record.id,
        rule=rule,
        against=str(against.id) if against else "",
        foreign=against is not None and against.party_id != record.party_id,
        params={name: str(value) for name, value in (params or {}).items()},
    )


async def current(session: AsyncSession, record: InvoiceRecord) -> Sequence[InvoiceHold]:
    """All holds as of now, let go or not: those written down, and what a comparison would add to them."""
    kept = await repository.holds_of(session, record.id)
    known = {(each.rule, each.against) for each in kept}
    met = await _meetings(session, record) if record.state in {"open", "in-use"} else []
    fresh = [
        _hold(record, rule_of(kind), against=other)
        for kind, other in met
        if (rule_of(kind), str(other.id)) not in known
    ]
    return [*kept, *fresh]


async def compare(session: AsyncSession, record: InvoiceRecord) -> Sequence[InvoiceHold]:
    """Compares an invoice with all others of the ledger, writes down what it meets, gives what holds it.

    Called when it arrives, and again in the transaction that is about to rely on it.
    """
    found = await current(session, record)
    session.add_all(found)
    await session.flush()
    return [each for each in found if each.released_at is None]


async def to_be_compared(
    session: AsyncSession, ledger_id: UUID, invoice_ids: Collection[UUID]
) -> Collection[UUID]:
    """Those of these invoices of which a comparison could find anything: the others meet nothing."""
    return await repository.with_company(session, ledger_id, invoice_ids) if invoice_ids else ()


async def release(
    session: AsyncSession, caller: Caller, record: InvoiceRecord, rule: str, reason: str
) -> None:
    """Lets an invoice go that was held for `rule`. By the operator, who sees what it met. HoldUnknown."""
    caller.require(Role.OPERATOR)
    held = [each for each in await compare(session, record) if each.rule == rule]
    if not held:
        raise HoldUnknown(rule=rule)
    for each in held:
        repository.release_hold(each, caller.user_id, reason)
    await session.flush()


async def _meetings(session: AsyncSession, record: InvoiceRecord) -> list[tuple[str, Rival]]:
    """Kind and other invoice of every token that meets.

    An invoice that came later counts only once somebody has let it go: otherwise anybody could hold up an
    invoice by bringing one like it.
    """
    own = {token.value: token for token in await repository.tokens_of(session, record.id)}
    met = await repository.meeting(session, record.ledger_id, own.values(), besides=record.id)
    freed = await repository.let_go(session, {other.id for _, other in met}, against=record.id)
    counting = [(token, other) for token, other in met if other.id < record.id or other.id in freed]
    found = {(token.kind, other.id): other for token, other in counting if token.kind != Kind.D}
    alike: dict[str, list[tuple[InvoiceToken, Rival]]] = {}
    for each, other in counting:
        if each.kind == Kind.D:
            alike.setdefault(each.value, []).append((each, other))
    for value, rivals in alike.items():
        token = own[value]
        received = await delivered(session, record, token, [each for each, _ in rivals])
        too_many = len(rivals) >= repository.ENOUGH  # the sum of what stands on it is not known then
        if too_many or uniqueness.exceeds(_items(token), [_items(each) for each, _ in rivals], received):
            found |= {(token.kind, other.id): other for _, other in rivals}
    each_kind: dict[str, list[Rival]] = {}
    for (kind, _), other in sorted(found.items(), key=lambda entry: entry[0]):
        each_kind.setdefault(kind, []).append(other)
    # A person needs a few to decide: a thousand equal invoices must not make a million holds.
    return [(kind, other) for kind, others in each_kind.items() for other in others[:_SHOWN]]


async def delivered(
    session: AsyncSession, record: InvoiceRecord, own: InvoiceToken, rivals: Sequence[InvoiceToken]
) -> Mapping[str, Decimal] | None:
    """What the delivery brought, where all that stands on it counts in the same units."""
    ask = Deliveries.ask
    shared = [(each, item) for each in rivals for item in own.items if item in each.items]
    comparable = set(own.items) == set(own.units) and all(
        each.units.get(item) == own.units[item] for each, item in shared
    )
    if ask is None or not own.items or not own.delivery or not comparable or record.buyer_party_id is None:
        return None
    kind, _, number = own.delivery.partition(":")
    delivery = Delivery(kind, number, record.party_id, record.buyer_party_id, _items(own), own.units)
    return await ask(session, record.ledger_id, delivery)


def _items(token: InvoiceToken) -> dict[str, Decimal]:
    return {item: Decimal(quantity) for item, quantity in token.items.items()}
