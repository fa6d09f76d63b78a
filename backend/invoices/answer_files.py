"""The buyer's answers by file: the open invoices down as a sheet, the filled-in sheet up, a report by row.

A row names its invoice by id, or by number and the seller's tax number. A row without a code is left alone.
"""

import csv
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from backend.invoices import amounts, answers, codec, repository, service
from backend.invoices.answers import Answer, Code, ReasonCode
from backend.invoices.exports import safe_cell
from backend.invoices.formats import sheets
from backend.invoices.formats.errors import Unreadable
from backend.invoices.problems import AnswerRowUnclear, InvoiceUnreadable
from backend.invoices.tables import InvoiceRecord
from backend.kit.access import Caller
from backend.kit.messages import Locale
from backend.kit.problems import NotFound, Problem
from backend.kit.spelling import spelling

COLUMNS = (
    "invoice_id", "seller", "seller_tax_no", "invoice_no", "invoice_date", "due_date", "currency", "payable",
    "code", "reasons", "amount", "agreed_due_date", "note",
)  # fmt: skip
_TO_FILL_IN = ("code", "reasons", "amount", "agreed_due_date", "note")
MAX_ROWS = 1_000


@dataclass(frozen=True, slots=True)
class Filled:
    """A row somebody filled in: its number in the sheet (the heading is 1) and its cells by column."""

    position: int
    cells: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a row: the state of the answer, or the problem's code and sentence."""

    position: int
    invoice: str
    state: str | None = None
    problem: str | None = None
    detail: str | None = None


def rows(data: bytes) -> list[Filled]:
    """The filled-in rows of a CSV or XLSX sheet. Raises InvoiceUnreadable for what is none, or too long."""
    try:
        found = list(_rows(data))
    except Unreadable as refusal:
        raise InvoiceUnreadable(refusal) from None
    if len(found) > MAX_ROWS:
        raise InvoiceUnreadable(Unreadable("sheet-too-many-rows", limit=MAX_ROWS))
    return found


def _rows(data: bytes) -> Iterator[Filled]:
    headings: list[str] = []
    for position, cells in enumerate(sheets.table(data), start=1):
        if not headings:
            headings = ["_".join(cell.lower().replace("_", " ").split()) for cell in cells]
            if "code" not in headings or not {"invoice_id", "invoice_no"} & set(headings):
                raise Unreadable("sheet-headings", missing="code, invoice_id")
            continue
        row = {name: cell.removeprefix("'") for name, cell in zip(headings, cells, strict=False) if cell}
        if "code" in row:
            yield Filled(position, row)
    if not headings:
        raise Unreadable("sheet-is-empty")


async def give_all(
    session: AsyncSession, caller: Caller, filled: Sequence[Filled], locale: Locale
) -> list[Outcome]:
    """Gives each answer for itself: one that is refused changes nothing for the others."""
    outcomes = []
    for row in filled:
        named = row.cells.get("invoice_no") or row.cells.get("invoice_id", "")
        try:
            async with session.begin_nested():
                record = await _invoice(session, caller, row.cells)
                given = await answers.give(session, caller, record, _answer(row.cells, record.currency))
            outcomes.append(Outcome(row.position, named, state=given.state))
        except Problem as problem:
            detail = problem.detail(locale)
            outcomes.append(Outcome(row.position, named, problem=problem.code, detail=detail))
    return outcomes


async def _invoice(session: AsyncSession, caller: Caller, cells: Mapping[str, str]) -> InvoiceRecord:
    """The invoice a row names. Raises NotFound, AnswerRowUnclear where it could be several."""
    if text := cells.get("invoice_id"):
        try:
            return await service.get(session, caller, UUID(text))
        except ValueError:
            raise AnswerRowUnclear(column="invoice_id", value=text[:60]) from None
    statement = repository.visible(caller).where(
        InvoiceRecord.number == cells["invoice_no"], InvoiceRecord.buyer_party_id == caller.party_id
    )
    wanted = _bare(cells.get("seller_tax_no"))
    found = [
        record
        for record in await session.scalars(statement.limit(50))
        if not wanted or _bare(codec.load(record.fields).seller.vat) == wanted
    ]
    if not found:
        raise NotFound()
    if len(found) > 1:
        raise AnswerRowUnclear(column="invoice_no", value=cells["invoice_no"][:60])
    return found[0]


def _bare(number: str | None) -> str:
    return spelling(number or "").replace("-", "")


def _answer(cells: Mapping[str, str], currency: str) -> Answer:
    """Raises AnswerRowUnclear with the cell that cannot be read."""

    def unclear(column: str) -> AnswerRowUnclear:
        return AnswerRowUnclear(column=column, value=cells.get(column, "")[:60])

    try:
        code = Code(cells["code"].upper())
    except ValueError:
        raise unclear("code") from None
    try:
        reasons = [
            ReasonCode(word.upper()) for word in re.split(r"[\s,;]+", cells.get("reasons", "")) if word
        ]
    except ValueError:
        raise unclear("reasons") from None
    amount = due = None
    try:
        if value := amounts.decimal(sheets.plain_number(cells.get("amount"))):
            amount = amounts.minor_units(value, currency)
    except ValueError:
        raise unclear("amount") from None
    try:
        if text := sheets.iso_day(cells.get("agreed_due_date")):
            due = date.fromisoformat(text)
    except ValueError:
        raise unclear("agreed_due_date") from None
    return Answer(code=code, reasons=reasons, amount=amount, due_date=due, note=cells.get("note"))


async def open_invoices(session: AsyncSession, caller: Caller) -> list[list[str]]:
    """The sheet to fill in: the invoices that wait for an answer of the caller's party, oldest first."""
    found = await session.scalars(repository.unanswered(caller.ledger_id, caller.party_id).limit(MAX_ROWS))
    lines = [list(COLUMNS)]
    for record in found:
        invoice = codec.load(record.fields)
        known = (
            str(record.id),
            invoice.seller.name,
            invoice.seller.vat,
            record.number,
            record.issue_date,
            invoice.due.day,
            record.currency,
            amounts.text(invoice.totals.payable or 0, record.currency),
        )
        lines.append([*map(safe_cell, known), *("" for _ in _TO_FILL_IN)])
    return lines


def report(outcomes: Sequence[Outcome]) -> list[list[str]]:
    """The outcomes as a sheet."""
    heading = ["row", "invoice", "state", "problem", "detail"]
    body = ((each.position, each.invoice, each.state, each.problem, each.detail) for each in outcomes)
    return [heading, *([safe_cell(cell) for cell in row] for row in body)]


def as_csv(lines: Sequence[Sequence[str]]) -> bytes:
    """Lines as CSV, marked as UTF-8 for the spreadsheets that would guess otherwise."""
    target = io.StringIO()
    csv.writer(target).writerows(lines)
    return b"\xef\xbb\xbf" + target.getvalue().encode()


def as_workbook(lines: Sequence[Sequence[str]]) -> bytes:
    """Lines as an XLSX workbook of text cells."""
    import openpyxl  # an eighth of a second, which only those who ask for a workbook wait for

    book = openpyxl.Workbook(write_only=True)
    sheet = book.create_sheet("answers")
    for line in lines:
        sheet.append(list(line))
    target = io.BytesIO()
    book.save(target)
    return target.getvalue()
