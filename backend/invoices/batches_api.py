"""Routes of many invoices at once: upload, progress, report, the template, and invoices out again."""

import asyncio
import csv
import io
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import Field

from backend.invoices import batches, codec, exports, repository
from backend.invoices.api import read_file, secrets_of
from backend.invoices.bundles import Entry
from backend.invoices.formats import sheets
from backend.invoices.gates.judge import Profile
from backend.invoices.tables import InvoiceBatch, InvoiceRecord
from backend.invoices.views import ID, View
from backend.kit.problems import NotFound
from backend.kit.web import CurrentCaller, CurrentLocale, Route, Session, audit_subject, prepared, prepared_by

router = APIRouter(prefix="/v1", route_class=Route, tags=["invoices"])
BatchId = Annotated[UUID, Path(examples=[ID])]
_MAX_EXPORT = 5_000
_XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


class BatchView(View):
    """How far a batch has come."""

    id: UUID = Field(examples=[ID])
    total: int = Field(examples=[1000])
    waiting: int = Field(examples=[980])
    taken: int = Field(examples=[19])
    refused: int = Field(examples=[1])
    links: dict[str, str]


class EntryView(View):
    """What became of one file or row."""

    position: int = Field(examples=[1])
    name: str = Field(examples=["july/ET-117.xml"])
    state: str = Field(examples=["taken"])
    invoice_id: UUID | None = Field(examples=[ID])
    problem: str | None = Field(examples=["invoice-known"])
    detail: str | None


async def _view(session: Session, batch: InvoiceBatch) -> BatchView:
    counts, place = await repository.batch_counts(session, batch.id), f"/v1/invoice-batches/{batch.id}"
    return BatchView(
        id=batch.id,
        total=batch.total,
        waiting=counts.get("waiting", 0),
        taken=counts.get("taken", 0),
        refused=counts.get("refused", 0),
        links={"self": place, "report": f"{place}/report"},
    )


async def _batch(session: Session, caller: CurrentCaller, batch_id: UUID) -> InvoiceBatch:
    if (batch := await repository.batch(session, caller, batch_id)) is None:
        raise NotFound()
    return batch


async def _unpacked(request: Request) -> tuple[list[Entry], str | None]:
    data, file_name, _, _ = await read_file(request)
    return await batches.unpack(data), file_name


@router.post("/invoice-batches", status_code=202, summary="Bring many invoices")
@prepared_by(_unpacked)
async def open_batch(
    request: Request,
    caller: CurrentCaller,
    session: Session,
    profile: Annotated[Profile, Query(description="Rules of the place.")] = "default",
) -> BatchView:
    """A zip of invoice files, or a CSV or XLSX sheet, one invoice a row. They are taken in one by one; the
    batch shows how far that is, and a notice (`invoice-batch.finished`) says when it is done."""
    entries, file_name = prepared(request)
    batch = await batches.open_batch(
        session, caller, secrets_of(request), entries, file_name=file_name, profile=profile
    )
    audit_subject(request, f"invoice-batch:{batch.id}")
    return await _view(session, batch)


@router.get("/invoice-batches/{batch_id}", summary="See how far a batch has come")
async def get_batch(batch_id: BatchId, caller: CurrentCaller, session: Session) -> BatchView:
    """Counts of what waits, was taken and was refused."""
    return await _view(session, await _batch(session, caller, batch_id))


@router.get("/invoice-batches/{batch_id}/report", summary="Read what became of each entry")
async def report(
    batch_id: BatchId,
    caller: CurrentCaller,
    session: Session,
    locale: CurrentLocale,
    form: Annotated[Literal["json", "csv"], Query(alias="format")] = "json",
) -> Response:
    """Row by row, with the sentence that says why one was refused; JSON or CSV."""
    await _batch(session, caller, batch_id)
    rows = [
        EntryView(
            position=entry.position,
            name=entry.name,
            state=entry.state,
            invoice_id=entry.invoice_id,
            problem=entry.problem,
            detail=entry.detail.get(locale),
        )
        for entry in await repository.batch_entries(session, batch_id)
    ]
    if form == "json":
        body = "[" + ",".join(row.model_dump_json() for row in rows) + "]"
        return Response(body, media_type="application/json")
    target = io.StringIO()
    writer = csv.writer(target)
    writer.writerow(EntryView.model_fields)
    writer.writerows([exports.safe_cell(cell) for cell in row.model_dump().values()] for row in rows)
    return _download(target.getvalue().encode(), "text/csv; charset=utf-8", "report.csv")


@router.get("/invoice-template", summary="Download the sheet to fill in", response_class=Response)
async def template(form: Annotated[Literal["csv", "xlsx"], Query(alias="format")] = "csv") -> Response:
    """A sheet with one heading for each column that is read, as CSV or as an XLSX workbook."""
    if form == "xlsx":
        return _download(await asyncio.to_thread(sheets.template_workbook), _XLSX, "invoices.xlsx")
    return _download(sheets.template().encode(), "text/csv; charset=utf-8", "invoices.csv")


@router.get("/invoice-export", summary="Download invoices", response_class=Response)
async def export(
    caller: CurrentCaller,
    session: Session,
    form: Annotated[Literal["json", "csv", "xlsx", "journal"], Query(alias="format")] = "csv",
) -> Response:
    """Your invoices, newest first, at most 5,000: as data, as a sheet, or as the seller's journal entries."""
    statement = repository.visible(caller)
    if form == "journal":
        statement = statement.where(InvoiceRecord.party_id == caller.party_id)
    statement = statement.where(InvoiceRecord.state != "erased")
    rows = await session.scalars(statement.order_by(InvoiceRecord.id.desc()).limit(_MAX_EXPORT))
    invoices = [codec.load(row.fields) for row in rows]
    if form == "json":
        return _download(codec.to_json(invoices), "application/json", "invoices.json")
    if form == "xlsx":
        return _download(exports.as_workbook(invoices), _XLSX, "invoices.xlsx")
    text = exports.journal(invoices) if form == "journal" else exports.as_csv(invoices)
    name = "journal.csv" if form == "journal" else "invoices.csv"
    return _download(text.encode(), "text/csv; charset=utf-8", name)


def _download(content: bytes, media_type: str, name: str) -> Response:
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "X-Content-Type-Options": "nosniff"}
    return Response(content, media_type=media_type, headers=headers)
