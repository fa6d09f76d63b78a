"""Which receivables a party sees, newest first, in a time that does not grow with the ledger.

One condition with `or` (`concerns`) is right for one receivable and reads the whole table for a page. A page
is put together from what the party supplied, owes, was shown and holds instead: each part is read from an
index that ends in the id, and no further than the page.
"""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import BindParameter, ColumnElement, Select, Uuid, and_, bindparam, exists, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import defer

from backend.kit.access import Caller
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
    given = {"ledger_id": ledger_id, "accounts": accounts}
    return (await session.scalar(_COUNTED, given) or 0) > _MANY


def concerns(accounts: Any, party_id: Any) -> ColumnElement[bool]:
    """The tenant filter: the caller's party is supplier or debtor, or one of its accounts holds or held
    units. Of values, or of parameters of a statement that is made once."""
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


# Made once: to put a statement together and to find what it compiles to takes longer than to ask it.
_LEDGER = bindparam("ledger_id", type_=Uuid())
_KEYS: BindParameter[Any] = bindparam("keys", expanding=True)
_ACCOUNTS: BindParameter[Any] = bindparam("accounts", expanding=True)
_ONE = select(ReceivableRecord).where(
    ReceivableRecord.ledger_id == _LEDGER, ReceivableRecord.id == bindparam("id", type_=Uuid())
)
_ONE_SEEN = _ONE.where(concerns(_ACCOUNTS, bindparam("party_id", type_=Uuid())))
_STATES = (
    select(ReceivableState)
    .where(ReceivableState.ledger_id == _LEDGER, ReceivableState.id.in_(_KEYS))
    .options(defer(ReceivableState.terms, raiseload=True))
)
_HOLDINGS = (
    select(Holding)
    .where(Holding.ledger_id == _LEDGER, Holding.receivable.in_(_KEYS))
    .order_by(Holding.account)
)
_COUNTED = select(func.count()).select_from(
    select(Holding.account)
    .where(Holding.ledger_id == _LEDGER, Holding.account.in_(_ACCOUNTS))
    .limit(_MANY + 1)
    .subquery()
)
_OWN_HOLDINGS = _HOLDINGS.where(Holding.account.in_(_ACCOUNTS))


async def one(
    session: AsyncSession, caller: Caller, accounts: Sequence[str], receivable_id: UUID
) -> ReceivableRecord | None:
    """A receivable, if the caller, who has `accounts`, may see it."""
    given: dict[str, Any] = {"ledger_id": caller.ledger_id, "id": receivable_id}
    if caller.sees_everything:
        return await session.scalar(_ONE, given)
    return await session.scalar(_ONE_SEEN, given | {"accounts": accounts, "party_id": caller.party_id})


async def holdings_of_all(
    session: AsyncSession, ledger_id: UUID, keys: Sequence[str], accounts: Sequence[str] | None
) -> Mapping[str, Sequence[Holding]]:
    """Who has, or had, what of each of these receivables; only these accounts, if any are named."""
    given: dict[str, Any] = {"ledger_id": ledger_id, "keys": keys}
    if accounts is None:
        rows = await session.scalars(_HOLDINGS, given)
    else:
        rows = await session.scalars(_OWN_HOLDINGS, given | {"accounts": accounts})
    found: dict[str, list[Holding]] = {}
    for each in rows:
        found.setdefault(each.receivable, []).append(each)
    return found


async def states(
    session: AsyncSession, ledger_id: UUID, keys: Sequence[str]
) -> Mapping[str, ReceivableState]:
    """What the chain says of each of these receivables, but for its terms."""
    rows = await session.scalars(_STATES, {"ledger_id": ledger_id, "keys": keys})
    return {each.id: each for each in rows}
