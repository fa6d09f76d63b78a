"""Papers for the file: the record of a claim's assignments, and the notice of them to its debtor."""

from collections.abc import Iterable, Mapping
from datetime import UTC
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Request, Response
from sqlalchemy.ext.asyncio import AsyncSession

from backend.chain import history
from backend.console.web import PREFIX, PageLocale, PageRoute, render
from backend.kit import messages, money
from backend.kit.access import Caller
from backend.kit.problems import NotFound
from backend.kit.web import CurrentCaller, Session
from backend.parties.service import accounts_of, names_of_accounts
from backend.receivables import reading, repository
from backend.receivables.repository import ReceivableRecord, TimelineEntry
from backend.verifier.terms import STATEMENTS

router = APIRouter(prefix=PREFIX, route_class=PageRoute, include_in_schema=False)

_NOBODY = "0x" + "00" * 20


@router.get("/receivables/{receivable_id}/assignment")
async def assignment(
    request: Request, receivable_id: UUID, session: Session, caller: CurrentCaller, locale: PageLocale
) -> Response:
    """How title to the claim passed, as far as the caller took part in it."""
    paper = await _paper(session, caller, receivable_id)
    title = messages.text("console.paper.assignment", locale)
    return render(request, "assignment.html", locale, title=title, is_notice=False, **paper)


@router.get("/receivables/{receivable_id}/notice")
async def notice(
    request: Request, receivable_id: UUID, session: Session, caller: CurrentCaller, locale: PageLocale
) -> Response:
    """The notice to the debtor that the claim was assigned."""
    paper = await _paper(session, caller, receivable_id)
    title = messages.text("console.paper.notice", locale)
    return render(request, "assignment.html", locale, title=title, is_notice=True, **paper)


async def _paper(session: AsyncSession, caller: Caller, receivable_id: UUID) -> Mapping[str, Any]:
    record = await reading.get(session, caller, receivable_id)
    state = await repository.state(session, record.ledger_id, record.chain_id)
    position = await history.position(session, record.ledger_id)
    if state is None or position is None:
        raise NotFound()
    entries = await repository.timeline(session, record.ledger_id, record.chain_id)
    moves = [move for entry in entries for move in _moves(entry, record.chain_id)]
    held = await repository.holdings(session, record.ledger_id, record.chain_id)
    own = set(await accounts_of(session, caller.party_id))
    concerned = caller.sees_everything or caller.party_id == record.debtor_party_id
    shown = [each for each in moves if concerned or {each[0], each[1]} & own or each[0] == _NOBODY]
    accounts = {record.supplier_account, record.debtor_account, *(a for m in moves for a in m[:2])}
    names = await names_of_accounts(session, record.ledger_id, sorted(accounts))

    def amount(minor: int) -> str:
        return f"{state.currency} {money.text(minor, state.currency)}"

    def name(account: str) -> str:
        return f"{names[account]} ({account})" if account in names else account

    return {
        "claim": record,
        "supplier": name(record.supplier_account),
        "debtor": name(record.debtor_account),
        "face": amount(state.face),
        "unpaid": amount(state.unpaid),
        "due": record.due_date,
        "statement": STATEMENTS[_undertaking(record)],
        "holders": [
            {"name": name(each.account), "amount": amount(each.unpaid)}
            for each in held
            if each.units and (concerned or each.account in own)
        ],
        "transfers": [
            {
                "giver": None if giver == _NOBODY else name(giver),
                "taker": name(taker),
                "amount": amount(units),
                "time": entry.time.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC"),
                "tx": entry.tx_hash,
            }
            for giver, taker, units, entry in shown
        ],
        "hidden": len(shown) < len(moves),
        "block": position.number,
    }


def _undertaking(record: ReceivableRecord) -> int:
    return int(record.terms["undertaking"])


def _moves(entry: TimelineEntry, key: str) -> Iterable[tuple[str, str, int, TimelineEntry]]:
    """Giver, taker and units of each transfer of this receivable in an event."""
    args = entry.args
    if entry.name == "TransferSingle":
        yield args["from"], args["to"], int(args["value"]), entry
    elif entry.name == "TransferBatch":
        for number, value in zip(args["ids"], args["values"], strict=True):
            if f"0x{int(number):064x}" == key:
                yield args["from"], args["to"], int(value), entry
