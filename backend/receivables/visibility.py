"""Which receivables a party sees, newest first, in a time that does not grow with the ledger.

One condition with `or` (`concerns`) is right for one receivable and reads the whole table for a page. A page
is put together from what the party supplied, owes, was shown and holds instead: each part is read from an
index that ends in the id, and no further than the page.
"""

from collections.abc import Mapping, Sequence
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, exists, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from backend.receivables.repository import Holding, Invitation, ReceivableRecord, ReceivableState

_MANY = 2_000
"""Holdings above which it is faster to walk from the newest receivable down until a page is full."""


async def parts(
    session: AsyncSession, ledger_id: UUID, party_id: UUID, accounts: Sequence[str]
) -> list[Select[UUID]]:
    """Statements for the ids of the receivables the party sees; together they are all, some twice."""
    own = select(ReceivableRecord.id).where(ReceivableRecord.ledger_id == ledger_id)
    shown = select(Invitation.receivable_id).where(Invitation.guest_party_id == party_id)
    found = [
        own.where(ReceivableRecord.party_id == party_id),
        # A draft is the supplier's own business until it has signed.
        own.where(ReceivableRecord.debtor_party_id == party_id, ReceivableRecord.issue.is_not(None)),
        own.where(ReceivableRecord.id.in_(shown)),
    ]
    if accounts:
        held = (
            Holding.ledger_id == ReceivableRecord.ledger_id,
            Holding.receivable == ReceivableRecord.chain_id,
            Holding.account.in_(accounts),
            ReceivableRecord.supplier_account.not_in(accounts),  # those are there already
        )
        if await _holds_many(session, ledger_id, accounts):
            found.append(own.where(select(Holding.account).where(*held).exists()))
        else:
            found.append(
                own.join(Holding, held[0] & held[1]).where(*held[2:], Holding.ledger_id == ledger_id)
            )
    return found


async def _holds_many(session: AsyncSession, ledger_id: UUID, accounts: Sequence[str]) -> bool:
    some = select(Holding.account).where(Holding.ledger_id == ledger_id, Holding.account.in_(accounts))
    counted = select(func.count()).select_from(some.limit(_MANY + 1).subquery())
    return (await session.scalar(counted) or 0) > _MANY


def concerns(accounts: Sequence[str], party_id: UUID) -> ColumnElement[bool]:
    """The tenant filter: the caller's party is supplier or debtor, or one of its accounts holds or held
    units."""
    held = exists().where(
        Holding.ledger_id == ReceivableRecord.ledger_id,
        Holding.receivable == ReceivableRecord.chain_id,
        Holding.account.in_(accounts),
    )
    # A draft is the supplier's own business until it has signed.
    owes = and_(ReceivableRecord.debtor_party_id == party_id, ReceivableRecord.issue.is_not(None))
    invited = exists().where(
        Invitation.receivable_id == ReceivableRecord.id, Invitation.guest_party_id == party_id
    )
    return or_(ReceivableRecord.party_id == party_id, owes, held, invited)


async def holdings_of_all(
    session: AsyncSession, ledger_id: UUID, keys: Sequence[str], accounts: Sequence[str] | None
) -> Mapping[str, Sequence[Holding]]:
    """Who has, or had, what of each of these receivables; only these accounts, if any are named."""
    statement = select(Holding).where(Holding.ledger_id == ledger_id, Holding.receivable.in_(keys))
    if accounts is not None:
        statement = statement.where(Holding.account.in_(accounts))
    found: dict[str, list[Holding]] = {}
    for each in await session.scalars(statement.order_by(Holding.account)):
        found.setdefault(each.receivable, []).append(each)
    return found


async def states(
    session: AsyncSession, ledger_id: UUID, keys: Sequence[str]
) -> Mapping[str, ReceivableState]:
    """What the chain says of each of these receivables."""
    statement = select(ReceivableState).where(
        ReceivableState.ledger_id == ledger_id, ReceivableState.id.in_(keys)
    )
    return {each.id: each for each in await session.scalars(statement)}
