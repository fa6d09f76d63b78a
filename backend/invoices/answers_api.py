"""Routes of the buyer's answer: one by one, in bulk, the second person's yes, and the list to pay from."""

import asyncio
import csv
import io
from dataclasses import asdict
from datetime import date, datetime
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from fastapi import APIRouter, Path, Query, Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field, StrictInt

from backend.invoices import amounts, answer_files, answers, codec, deputies, repository, service
from backend.invoices.answers import Answer, Code, ReasonCode
from backend.invoices.api import read_file
from backend.invoices.exports import safe_cell
from backend.invoices.tables import AnswerDeputy, InvoiceAnswer
from backend.invoices.views import ID, View
from backend.kit.problems import Problem
from backend.kit.strict import Day
from backend.kit.web import CurrentCaller, CurrentLocale, Route, Session, audit_subject, prepared, prepared_by

router = APIRouter(prefix="/v1", route_class=Route, tags=["answers"])
_PAY_RUN = (
    "due_date", "seller", "amount", "currency", "pay_into", "account", "remittance_reference", "invoice_id",
)  # fmt: skip
InvoiceId = Annotated[UUID, Path(examples=[ID])]


class AnswerBody(BaseModel):
    """The buyer's answer. `amount` and `due_date` belong to CA, `reasons` to RE and UQ."""

    model_config = ConfigDict(extra="forbid")
    code: Code = Field(examples=["AP"])
    reasons: list[ReasonCode] = Field(default=[], max_length=10, examples=[["QTY"]])
    amount: StrictInt | None = Field(default=None, description="Minor units.", examples=[550000])
    due_date: Day | None = None
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
    given_by: UUID = Field(examples=[ID])
    approved_by: UUID | None = Field(description="The second person, where there was one.", examples=[ID])
    approved_for: UUID | None = Field(description="Whose place it took, as a deputy.", examples=[ID])
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


class DeputyBody(BaseModel):
    """Who stands in for whom as the second person, both days included (UTC)."""

    model_config = ConfigDict(extra="forbid")
    absent_user_id: UUID = Field(examples=[ID])
    deputy_user_id: UUID = Field(examples=[ID])
    starts: Day = Field(examples=["2026-12-21"])
    ends: Day = Field(examples=["2027-01-06"])


class DeputyView(View):
    """A deputy, and whether somebody ended it before its last day."""

    id: UUID = Field(examples=[ID])
    absent_user_id: UUID = Field(examples=[ID])
    deputy_user_id: UUID = Field(examples=[ID])
    starts: str = Field(examples=["2026-12-21"])
    ends: str = Field(examples=["2027-01-06"])
    named_by: UUID = Field(examples=[ID])
    ended_at: datetime | None

    @classmethod
    def of(cls, row: AnswerDeputy) -> Self:
        return cls(**{name: getattr(row, name) for name in cls.model_fields})


class LimitBody(BaseModel):
    """Above this amount two people accept; null ends the limit."""

    model_config = ConfigDict(extra="forbid")
    amount: StrictInt | None = Field(ge=0, lt=10**40, description="Minor units.", examples=[1000000])


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


_CSV = "text/csv; charset=utf-8"
_XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
_FILE_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "description": "A CSV or XLSX sheet, or a form with it as `file`.",
        "content": {kind: {"schema": {"type": "string", "format": "binary"}} for kind in ("text/csv", _XLSX)},
    }
}


async def _filled(request: Request) -> list[answer_files.Filled]:
    data, _, _, _ = await read_file(request)
    return await asyncio.to_thread(answer_files.rows, data)


@router.get("/invoice-answers/sheet", summary="Download what waits for your answer", response_class=Response)
async def answer_sheet(
    caller: CurrentCaller,
    session: Session,
    form: Annotated[Literal["csv", "xlsx"], Query(alias="format")] = "csv",
) -> Response:
    """Your open invoices as a buyer, with empty columns to fill in and send back."""
    lines = await answer_files.open_invoices(session, caller)
    if form == "xlsx":
        return _download(answer_files.as_workbook(lines), _XLSX, "answers.xlsx")
    return _download(answer_files.as_csv(lines), _CSV, "answers.csv")


@router.post("/invoice-answers/file", summary="Answer by file", openapi_extra=_FILE_BODY)
@prepared_by(_filled)
async def give_by_file(
    request: Request,
    caller: CurrentCaller,
    session: Session,
    locale: CurrentLocale,
    form: Annotated[Literal["json", "csv"], Query(alias="format")] = "json",
) -> Response:
    """Up to 1,000 rows, each for itself; the report says row by row what became of it."""
    outcomes = await answer_files.give_all(session, caller, prepared(request), locale)
    if form == "csv":
        return _download(answer_files.as_csv(answer_files.report(outcomes)), _CSV, "report.csv")
    return JSONResponse([asdict(each) for each in outcomes])


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


@router.post("/answer-deputies", status_code=201, summary="Name a deputy")
async def name_deputy(body: DeputyBody, caller: CurrentCaller, session: Session) -> DeputyView:
    """For a checker of yours who is away. Whoever proposed an answer is never the one to agree to it."""
    row = await deputies.name(
        session, caller, body.absent_user_id, body.deputy_user_id, body.starts, body.ends
    )
    return DeputyView.of(row)


@router.get("/answer-deputies", summary="List deputies")
async def list_deputies(caller: CurrentCaller, session: Session) -> list[DeputyView]:
    """Of your party, past ones too, newest first."""
    return [DeputyView.of(row) for row in await deputies.named(session, caller)]


@router.delete("/answer-deputies/{deputy_id}", status_code=204, summary="End a deputyship")
async def end_deputy(
    deputy_id: Annotated[UUID, Path(examples=[ID])], caller: CurrentCaller, session: Session
) -> Response:
    """Before its last day; what was agreed under it stays."""
    await deputies.end(session, caller, deputy_id)
    return Response(status_code=204)


@router.get("/pay-run", summary="Download what is accepted and due", response_class=Response)
async def pay_run(caller: CurrentCaller, session: Session, until: date) -> Response:
    """CSV for the buyer's payment program: whom to pay what and when, with a reference to give back.

    What has become a claim on this ledger is paid into the ledger, and no account is named for it.
    """
    target = io.StringIO()
    writer = csv.writer(target)
    writer.writerow(_PAY_RUN)
    for record in await session.scalars(repository.accepted_by(caller.ledger_id, caller.party_id)):
        invoice = codec.load(record.fields)
        amount, day = await service.agreed(session, record, invoice)
        due = day.isoformat() if day else ""
        if not amount or (due and due > until.isoformat()):
            continue
        # Only what is paid into the ledger discharges the debtor of a claim on it.
        is_claim = record.state == "in-use"
        account = "" if is_claim or not invoice.accounts else invoice.accounts[0]
        cells = (
            due,
            invoice.seller.name,
            amounts.text(amount, record.currency),
            record.currency,
            "ledger" if is_claim else "account",
            account,
            f"{record.number} {record.issue_date}",
            str(record.id),
        )
        writer.writerow([safe_cell(cell) for cell in cells])
    return _download(target.getvalue().encode(), _CSV, f"pay-run-{until.isoformat()}.csv")


def _download(content: bytes, media_type: str, name: str) -> Response:
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "X-Content-Type-Options": "nosniff"}
    return Response(content, media_type=media_type, headers=headers)
