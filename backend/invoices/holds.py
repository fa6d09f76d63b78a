"""Reasons for a person to look: tokens that meet another invoice's, and rules only a person can settle."""

from collections.abc import Mapping, Sequence
from decimal import Decimal

from sqlalchemy.ext.asyncio import AsyncSession

from backend.invoices import repository, uniqueness
from backend.invoices.problems import HoldUnknown
from backend.invoices.repository import InvoiceHold, InvoiceRecord, InvoiceToken
from backend.invoices.uniqueness import Kind
from backend.kit.access import Caller, Role

UNDER_REVIEW = "under-review"


def rule_of(kind: str) -> str:
    """The name under which an invoice is held for a token of this kind."""
    return f"same-{kind.lower()}"


def shown(caller: Caller, held: InvoiceHold) -> str:
    """The rule as the caller may know it: another party's invoice is nobody else's business."""
    own = held.party_id == caller.party_id and not held.foreign
    return held.rule if own or caller.sees_everything else UNDER_REVIEW


def hold(
    session: AsyncSession,
    record: InvoiceRecord,
    rule: str,
    *,
    against: InvoiceRecord | None = None,
    params: Mapping[str, object] | None = None,
) -> None:
    """Holds an invoice for a rule."""
    session.add(
        InvoiceHold(
            ledger_id=record.ledger_id,
            party_id=record.party_id,
            invoice_id=record.id,
            rule=rule,
            against=str(against.id) if against else "",
            foreign=against is not None and against.party_id != record.party_id,
            params={name: str(value) for name, value in (params or {}).items()},
        )
    )


async def compare(session: AsyncSession, record: InvoiceRecord) -> Sequence[InvoiceHold]:
    """Compares an invoice with all others of the ledger, and gives what holds it.

    Called when it arrives, and again in the transaction that is about to rely on it.
    """
    known = {(each.rule, each.against) for each in await repository.holds_of(session, record.id)}
    for kind, other in await _meetings(session, record):
        if (rule_of(kind), str(other.id)) not in known:
            hold(session, record, rule_of(kind), against=other)
    await session.flush()
    return [each for each in await repository.holds_of(session, record.id) if each.released_at is None]


async def release(
    session: AsyncSession, caller: Caller, record: InvoiceRecord, rule: str, reason: str
) -> None:
    """Lets an invoice go that was held for `rule`. By the operator, who sees what it met. HoldUnknown."""
    caller.require(Role.OPERATOR)
    held = [
        each
        for each in await repository.holds_of(session, record.id)
        if each.rule == rule and each.released_at is None
    ]
    if not held:
        raise HoldUnknown(rule=rule)
    for each in held:
        repository.release_hold(each, caller.user_id, reason)
    await session.flush()


async def _meetings(session: AsyncSession, record: InvoiceRecord) -> list[tuple[str, InvoiceRecord]]:
    """Kind and other invoice of every token that meets.

    An invoice that came later counts only once somebody has let it go: otherwise anybody could hold up an
    invoice by bringing one like it.
    """
    own = {token.value: token for token in await repository.tokens_of(session, record.id)}
    met = await repository.meeting(session, record.ledger_id, own, besides=record.id)
    held = await repository.unreleased(session, {other.id for _, other in met})
    counting = [(token, other) for token, other in met if other.id < record.id or other.id not in held]
    found = {(token.kind, other.id): other for token, other in counting if token.kind != Kind.D}
    for value, token in own.items():
        rivals = [(each, other) for each, other in counting if each.value == value]
        if token.kind == Kind.D and uniqueness.exceeds(_items(token), [_items(each) for each, _ in rivals]):
            found |= {(token.kind, other.id): other for _, other in rivals}
    return [(kind, other) for (kind, _), other in sorted(found.items(), key=lambda entry: entry[0])]


def _items(token: InvoiceToken) -> dict[str, Decimal]:
    return {item: Decimal(quantity) for item, quantity in token.items.items()}
