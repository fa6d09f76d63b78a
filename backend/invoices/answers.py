"""The buyer's answer to an invoice, as Peppol Invoice Response 3 has it (UNCL4343 subset), with four eyes.

AB received, IP in process, UQ query, CA accepted with conditions, RE rejected, AP accepted, PD paid. The
conditions of CA (another amount, another date) are the terms a receivable is made on; RE and UQ stop it. An
acceptance above the buyer's own limit waits for a second person.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from backend.invoices import codec, deputies, repository
from backend.invoices.problems import (
    AnswerIncomplete,
    AnswerNotOpen,
    AnswerOutOfTurn,
    NotTheBuyer,
    SecondPersonNeeded,
)
from backend.invoices.tables import AnswerLimit, InvoiceAnswer, InvoiceRecord
from backend.kit.access import Caller, Role
from backend.kit.problems import NotFound


class Code(StrEnum):
    """UNCL4343 as Peppol Invoice Response uses it."""

    AB = "AB"
    IP = "IP"
    UQ = "UQ"
    CA = "CA"
    RE = "RE"
    AP = "AP"
    PD = "PD"


class ReasonCode(StrEnum):
    """Peppol code list OPStatusReason."""

    NON = "NON"
    REF = "REF"
    LEG = "LEG"
    REC = "REC"
    QUA = "QUA"
    DEL = "DEL"
    PRI = "PRI"
    QTY = "QTY"
    ITM = "ITM"
    PAY = "PAY"
    UNR = "UNR"
    FIN = "FIN"
    PPD = "PPD"
    OTH = "OTH"


_AFTER: dict[str | None, set[Code]] = {
    None: set(Code) - {Code.PD},
    Code.AB: set(Code) - {Code.AB, Code.PD},
    Code.IP: {Code.UQ, Code.CA, Code.RE, Code.AP},
    Code.UQ: {Code.IP, Code.UQ, Code.CA, Code.RE, Code.AP},
    Code.CA: {Code.PD},
    Code.AP: {Code.PD},
    Code.RE: set(),
    Code.PD: set(),
}
_ACCEPTING = {Code.AP, Code.CA}


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the buyer says. `amount` (minor units) and `due_date` are the conditions of CA."""

    code: Code
    reasons: Sequence[ReasonCode] = ()
    amount: int | None = None
    due_date: date | None = None
    note: str | None = None


async def give(session: AsyncSession, caller: Caller, record: InvoiceRecord, answer: Answer) -> InvoiceAnswer:
    """Records the buyer's answer; an acceptance above its limit waits for `approve`.

    Raises NotTheBuyer, AnswerOutOfTurn (an accepted invoice cannot be rejected), AnswerIncomplete.
    """
    _as_buyer(caller, record)
    await repository.lock(session, record)
    payable = codec.load(record.fields).totals.payable or 0
    _check(answer, record, payable)
    row = InvoiceAnswer(
        ledger_id=record.ledger_id,
        party_id=caller.party_id,
        invoice_id=record.id,
        code=answer.code.value,
        reasons=[reason.value for reason in answer.reasons],
        amount=answer.amount,
        due_date=answer.due_date.isoformat() if answer.due_date else None,
        note=answer.note,
        given_by=caller.user_id,
        state="given",
    )
    limit = await repository.answer_limit(session, record.ledger_id, caller.party_id, record.currency)
    asked = answer.amount if answer.amount is not None else payable
    if answer.code in _ACCEPTING and limit is not None and asked > limit.amount:
        row.state = "proposed"
    else:
        record.answer = answer.code.value
    session.add(row)
    await session.flush()
    return row


async def approve(
    session: AsyncSession, caller: Caller, record: InvoiceRecord, answer_id: UUID
) -> InvoiceAnswer:
    """The second person's yes: a checker's, or that of whoever stands in for one.

    Raises SecondPersonNeeded for the one who proposed it, AnswerNotOpen.
    """
    _as_buyer(caller, record)
    await repository.lock(session, record)
    row = await repository.answer(session, record.id, answer_id)
    if row is None:
        raise NotFound()
    if Role.CHECKER not in caller.roles:
        row.approved_for = await deputies.place_of(session, caller, row)
        if row.approved_for is None:
            caller.require(Role.CHECKER)
    if row.state != "proposed" or Code(row.code) not in _AFTER[record.answer]:
        raise AnswerNotOpen()
    if row.given_by == caller.user_id:
        raise SecondPersonNeeded()
    row.state, row.approved_by, record.answer = "given", caller.user_id, row.code
    await session.flush()
    return row


async def signed(
    session: AsyncSession, ledger_id: UUID, invoice_id: UUID, user_id: UUID, amount: int, due: date
) -> None:
    """The debtor's signature on a claim is its answer to the invoice too: AP, or CA with what it signed.

    So nobody reminds it of what it confirmed, and what it has to pay stands in its pay run.
    """
    record = await repository.get(session, ledger_id, invoice_id, lock=True)
    if record is None or record.buyer_party_id is None or record.answer in {Code.AP, Code.CA, Code.PD}:
        return
    invoice = codec.load(record.fields)
    is_as_it_stands = (amount, due) == (invoice.totals.payable, invoice.due.day)
    row = InvoiceAnswer(
        ledger_id=ledger_id,
        party_id=record.buyer_party_id,
        invoice_id=invoice_id,
        code=Code.AP.value if is_as_it_stands else Code.CA.value,
        reasons=[],
        amount=None if is_as_it_stands else amount,
        due_date=None if is_as_it_stands else due.isoformat(),
        given_by=user_id,
        state="given",
    )
    record.answer = row.code
    session.add(row)
    await session.flush()


async def set_limit(session: AsyncSession, caller: Caller, currency: str, amount: int | None) -> None:
    """Above `amount` (minor units) the caller's party accepts with two people; None ends the limit."""
    caller.require(Role.CHECKER)
    row = await repository.answer_limit(session, caller.ledger_id, caller.party_id, currency)
    if row is not None:
        await session.delete(row)
        await session.flush()
    if amount is not None:
        session.add(
            AnswerLimit(
                ledger_id=caller.ledger_id, party_id=caller.party_id, currency=currency, amount=amount
            )
        )
        await session.flush()


def _as_buyer(caller: Caller, record: InvoiceRecord) -> None:
    caller.require(Role.MAKER, Role.CHECKER)
    if record.buyer_party_id != caller.party_id:
        raise NotTheBuyer()


def _check(answer: Answer, record: InvoiceRecord, payable: int) -> None:
    if answer.code not in _AFTER[record.answer]:
        raise AnswerOutOfTurn(code=answer.code.value, before=record.answer or "-")
    conditions = answer.amount is not None or answer.due_date is not None
    if answer.code is Code.CA and not conditions:
        raise AnswerIncomplete(code="CA")
    if answer.code in {Code.RE, Code.UQ} and not answer.reasons:
        raise AnswerIncomplete(code=answer.code.value)
    if conditions and answer.code is not Code.CA:
        raise AnswerIncomplete(code=answer.code.value)
    if answer.amount is not None and not 0 < answer.amount <= payable:
        raise AnswerIncomplete(code="CA")
