"""Receivables as a caller may see them."""

from collections.abc import Sequence
from typing import Literal
from uuid import UUID

from sqlalchemy import Select
from sqlalchemy.ext.asyncio import AsyncSession

from backend.kit.access import Caller
from backend.kit.problems import NotFound, Problem
from backend.kit.web import PageQuery, page
from backend.parties.service import accounts_of, names_of_accounts
from backend.receivables import deliveries, repository, service, visibility
from backend.receivables.desk import Desk
from backend.receivables.repository import ReceivableRecord, TimelineEntry
from backend.receivables.views import HoldingView, ReceivableView, goods_view, holding_view, receivable_view


class AccountNotYours(Problem):
    """The account is not the caller's, or it has several and named none."""

    status, code = 422, "account-not-yours"


async def listing(
    session: AsyncSession,
    caller: Caller,
    paging: PageQuery,
    *,
    stage: str | None = None,
    invoice_id: UUID | None = None,
) -> tuple[list[ReceivableView], str | None]:
    """One page of the receivables the caller may see, newest first, and the cursor of the next."""
    accounts = await _accounts(session, caller)
    parts: list[Select[UUID]] = []
    if not caller.sees_everything:
        parts = await visibility.parts(session, caller.ledger_id, caller.party_id, accounts)
    statement = repository.records(caller.ledger_id)
    for column, wanted in ((ReceivableRecord.stage, stage), (ReceivableRecord.invoice_id, invoice_id)):
        if wanted is not None:
            statement = statement.where(column == wanted)
            parts = [each.where(column == wanted) for each in parts]
    rows, following = await page(session, statement, ReceivableRecord.id, paging, parts)
    return await show_many(session, caller, rows, accounts), following


async def everything(session: AsyncSession, caller: Caller) -> Select[ReceivableRecord]:
    """A statement for all receivables the caller may see; a page of them is faster by `listing`."""
    statement = repository.records(caller.ledger_id)
    if caller.sees_everything:
        return statement
    accounts = await _accounts(session, caller)
    return statement.where(visibility.concerns(accounts, caller.party_id))


async def get(session: AsyncSession, caller: Caller, receivable_id: UUID) -> ReceivableRecord:
    """A receivable the caller may see, or NotFound."""
    record = await visibility.one(session, caller, await _accounts(session, caller), receivable_id)
    if record is None:
        raise NotFound()
    return record


async def _accounts(session: AsyncSession, caller: Caller) -> Sequence[str]:
    """The caller's accounts; that it has one alone is known from its key."""
    if caller.account is not None:
        return [caller.account]
    return await accounts_of(session, caller.party_id)


async def own(desk: Desk, receivable_id: UUID, *, side: Literal["supplier", "debtor"]) -> ReceivableRecord:
    """A receivable the caller is supplier or debtor of, held until the transaction ends; or NotFound."""
    record = await repository.record(desk.session, desk.ledger_id, receivable_id, lock=True)
    party = None if record is None else record.party_id if side == "supplier" else record.debtor_party_id
    # The debtor sees nothing of a draft the supplier has not signed.
    if record is None or party != desk.caller.party_id or (side == "debtor" and record.stage == "draft"):
        raise NotFound()
    await service.revive(desk.session, record)
    return record


async def show(session: AsyncSession, caller: Caller, record: ReceivableRecord) -> ReceivableView:
    """One receivable with what the chain says of it and what the caller has of it."""
    accounts = await _accounts(session, caller)
    (view,) = await show_many(session, caller, [record], accounts)
    return view


async def show_many(
    session: AsyncSession, caller: Caller, records: Sequence[ReceivableRecord], accounts: Sequence[str]
) -> list[ReceivableView]:
    """Receivables as they are shown to the caller, who has `accounts`."""
    keys = [each.chain_id for each in records]
    states = await visibility.states(session, caller.ledger_id, keys)
    whose = None if caller.sees_everything else accounts
    held = await visibility.holdings_of_all(session, caller.ledger_id, keys, whose)
    sides = {side for each in records for side in (each.supplier_account, each.debtor_account)}
    names = await names_of_accounts(session, caller.ledger_id, sorted(sides))
    return [
        receivable_view(each, states.get(each.chain_id), held.get(each.chain_id, []), names, caller)
        for each in records
    ]


async def show_with_goods(session: AsyncSession, caller: Caller, record: ReceivableRecord) -> ReceivableView:
    """The same, and for a debtor about to confirm, its deliveries."""
    view = await show(session, caller, record)
    if record.stage != "put_forward":
        return view
    if not (caller.sees_everything or caller.party_id == record.debtor_party_id):
        return view
    found = [goods_view(each) for each in await deliveries.behind(session, record)]
    return view.model_copy(update={"goods": found})


async def timeline(
    session: AsyncSession, caller: Caller, record: ReceivableRecord
) -> Sequence[TimelineEntry]:
    """The events of a receivable the caller may see, oldest first."""
    return await repository.timeline(session, caller.ledger_id, record.chain_id)


async def holdings(session: AsyncSession, caller: Caller) -> list[HoldingView]:
    """Everything the caller's accounts have of any receivable."""
    accounts = await _accounts(session, caller)
    shown = []
    for each in await repository.held_by(session, caller.ledger_id, accounts):
        state = await repository.state(session, caller.ledger_id, each.receivable)
        if state is not None:
            shown.append(holding_view(each, state.currency))
    return shown


async def account(desk: Desk, named: str | None) -> str:
    """The caller's account that is meant. Raises AccountNotYours."""
    accounts = await accounts_of(desk.session, desk.caller.party_id)
    if named is None and len(accounts) == 1:
        return accounts[0]
    if named is None or named not in accounts:
        raise AccountNotYours(account=named or "?", accounts=", ".join(accounts) or "-")
    return named
