"""Routes of the buyer's answer: one by one, in bulk, the second person's yes, and the list to pay from."""

import csv
import io
from datetime import date
from typing import Annotated, Self
from uuid import UUID

from fastapi import APIRouter, Path, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from backend.invoices import amounts, answers, codec, repository, service
from backend.invoices.answers import Answer, Code, ReasonCode
from backend.invoices.exports import safe_cell
from backend.invoices.repository import InvoiceAnswer
from backend.invoices.views import ID, View
from backend.kit.problems import Problem
from backend.kit.web import CurrentCaller, CurrentLocale, Route, Session, audit_subject

router = APIRouter(prefix="/v1", route_class=Route, tags=["answers"])
_PAY_RUN = ("due_date", "seller", "amount", "currency", "account", "remittance_reference", "invoice_id")
InvoiceId = Annotated[UUID, Path(examples=[ID])]


class AnswerBody(BaseModel):
    """The buyer's answer. `amount` and `due_date` belong to CA, `reasons` to RE and UQ."""

    model_config = ConfigDict(extra="forbid")
    code: Code = Field(examples=["AP"])
    reasons: list[ReasonCode] = Field(default=[], max_length=10, examples=[["QTY"]])
    amount: int | None = Field(default=None, description="Minor units.", examples=[550000])
    due_date: date | None = None
    note: str | None = Field(default=None, max_length=1000)

    def answer(self) -> Answer:
        return Answer(
            code=self.code, reasons=self.reasons, amount=self.amount, due_date=self.due_date, note=self.note
        )


class AnswerView(View):
    """An answer, `given` or `proposed` and waiting for a second person."""

    id: UUID = Field(examples=[ID])
    invoice_id: UUID = Field(examples=[ID])
    code: str = Field(examples=["AP"])
    state: str = Field(examples=["given"])
    reasons: list[str]
    amount: int | None
    due_date: str | None
    note: str | None

    @classmethod
    def of(cls, row: InvoiceAnswer) -> Self:
        return cls(**{name: getattr(row, name) for name in cls.model_fields})


class BulkItem(AnswerBody):
    """One answer of many."""

    invoice_id: UUID = Field(examples=[ID])


class BulkBody(BaseModel):
    """Up to 500 answers; each stands for itself."""

    model_config = ConfigDict(extra="forbid")
    answers: list[BulkItem] = Field(min_length=1, max_length=500)


class BulkResult(View):
    """What became of one answer: its state, or the problem's code and sentence."""

    invoice_id: UUID = Field(examples=[ID])
    state: str | None = Field(examples=["given"])
    problem: str | None = Field(examples=["invoice-answer-out-of-turn"])
    detail: str | None


class LimitBody(BaseModel):
    """Above this amount two people accept; null ends the limit."""

    model_config = ConfigDict(extra="forbid")
    amount: int | None = Field(ge=0, description="Minor units.", examples=[1000000])


@router.post("/invoices/{invoice_id}/answers", status_code=201, summary="Answer an invoice as its buyer")
async def give(
    invoice_id: InvoiceId, body: AnswerBody, request: Request, caller: CurrentCaller, session: Session
) -> AnswerView:
    """Peppol Invoice Response: AB, IP, UQ, CA, RE, AP, PD."""
    record = await service.get(session, caller, invoice_id)
    audit_subject(request, f"invoice:{record.id}")
    return AnswerView.of(await answers.give(session, caller, record, body.answer()))


@router.get("/invoices/{invoice_id}/answers", summary="Read the answers to an invoice")
async def list_answers(invoice_id: InvoiceId, caller: CurrentCaller, session: Session) -> list[AnswerView]:
    """All of them, oldest first."""
    record = await service.get(session, caller, invoice_id)
    return [AnswerView.of(row) for row in await repository.answers_of(session, record.id)]


@router.post("/invoices/{invoice_id}/answers/{answer_id}/approval", summary="Agree as the second person")
async def approve(
    invoice_id: InvoiceId,
    answer_id: Annotated[UUID, Path(examples=[ID])],
    request: Request,
    caller: CurrentCaller,
    session: Session,
) -> AnswerView:
    """By a checker of the buyer other than the one who proposed it."""
    record = await service.get(session, caller, invoice_id)
    audit_subject(request, f"invoice:{record.id}")
    return AnswerView.of(await answers.approve(session, caller, record, answer_id))


@router.post("/invoice-answers", summary="Answer many invoices at once")
async def give_many(
    body: BulkBody, caller: CurrentCaller, session: Session, locale: CurrentLocale
) -> list[BulkResult]:
    """Each answer stands for itself: one that is refused changes nothing for the others."""
    results = []
    for item in body.answers:
        try:
            async with session.begin_nested():
                record = await service.get(session, caller, item.invoice_id)
                row = await answers.give(session, caller, record, item.answer())
            results.append(BulkResult(invoice_id=item.invoice_id, state=row.state, problem=None, detail=None))
        except Problem as problem:
            detail = problem.detail(locale)
            refusal = BulkResult(invoice_id=item.invoice_id, state=None, problem=problem.code, detail=detail)
            results.append(refusal)
    return results


@router.put("/answer-limits/{currency}", status_code=204, summary="Ask for two people above an amount")
async def set_limit(
    currency: Annotated[str, Path(pattern="^[A-Z]{3}$", examples=["EUR"])],
    body: LimitBody,
    caller: CurrentCaller,
    session: Session,
) -> Response:
    """Of the caller's own party."""
    await answers.set_limit(session, caller, currency, body.amount)
    return Response(status_code=204)


@router.get("/pay-run", summary="Download what is accepted and due", response_class=Response)
async def pay_run(caller: CurrentCaller, session: Session, until: date) -> Response:
    """CSV for the buyer's payment program: whom to pay what and when, with a reference to give back.

    An invoice financed on this ledger is paid into the ledger; the reference says which one it is.
    """
    target = io.StringIO()
    writer = csv.writer(target)
    writer.writerow(_PAY_RUN)
    for record in await session.scalars(repository.accepted_by(caller.ledger_id, caller.party_id)):
        invoice = codec.load(record.fields)
        given = [row for row in await repository.answers_of(session, record.id) if row.state == "given"]
        due = given[-1].due_date or (invoice.due.day.isoformat() if invoice.due.day else "")
        if due and due > until.isoformat():
            continue
        amount = given[-1].amount if given[-1].amount is not None else invoice.totals.payable or 0
        cells = (
            due,
            invoice.seller.name,
            amounts.text(amount, record.currency),
            record.currency,
            invoice.accounts[0] if invoice.accounts else "",
            f"{record.number} {record.issue_date}",
            str(record.id),
        )
        writer.writerow([safe_cell(cell) for cell in cells])
    return Response(
        target.getvalue(),
        media_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="pay-run-{until.isoformat()}.csv"'},
    )
