"""Invoices in bulk, as banks' upload sheets have them: CSV and XLSX, one row an invoice.

Columns are found by their heading, in English, Chinese or as Oracle Banking Supply Chain Finance writes them.
The template to download has one heading for each. A row that cannot be read says so and spares the others.
"""

import csv
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from zipfile import BadZipFile, ZipFile

from backend.invoices.formats import archive
from backend.invoices.formats.collect import Collector, due_date
from backend.invoices.formats.errors import Unreadable
from backend.invoices.model import (
    Format,
    Identifier,
    Invoice,
    Party,
    References,
    Totals,
)

MAX_ROWS = 10_000
MAX_BYTES = 20_000_000
_MAX_COLUMNS = 100
_MAX_POSITIONS = 20_000
"""Rows looked at, empty ones too: a workbook of one kilobyte may say that its last row is the millionth."""

COLUMNS: Mapping[str, tuple[str, ...]] = {
    "invoice_no": ("invoice number", "number", "发票号码", "发票编号"),
    "invoice_date": ("issue date", "date", "开票日期", "发票日期"),
    "due_date": ("invoice_due_date", "due", "payment due date", "到期日", "付款到期日"),
    "currency": ("ccy", "币种", "币别"),
    "gross_amount": ("gross", "total", "base_inv_amount", "invoice amount", "价税合计", "含税金额"),
    "payable_amount": ("payable", "net_inv_amount", "outstanding", "应付金额"),
    "tax_amount": ("tax", "vat", "税额"),
    "type": ("invoice type", "type code", "发票类型"),
    "seller_name": ("supplier name", "supplier", "销售方名称", "卖方"),
    "seller_tax_no": ("supplier_id", "seller vat", "seller tax id", "销售方纳税人识别号", "销售方税号"),
    "buyer_name": ("customer name", "buyer", "customer", "购买方名称", "买方"),
    "buyer_tax_no": ("buyer_id", "buyer vat", "buyer tax id", "购买方纳税人识别号", "购买方税号"),
    "order_no": ("po_number", "po number", "purchase order", "order", "订单号", "采购订单号"),
    "despatch_no": ("delivery note", "despatch", "发货单号", "送货单号"),
    "receipt_no": ("goods receipt", "receipt", "收货单号", "入库单号"),
    "payment_terms": ("terms", "付款条件"),
}
_NEEDED = ("invoice_no", "invoice_date", "currency")
_HEADINGS = {
    alias.replace("_", " "): column for column, aliases in COLUMNS.items() for alias in (column, *aliases)
}
_TAX_PREFIX = re.compile(r"[A-Za-z]{2}(?=[0-9A-Za-z]*[0-9])")
_DAY_FIRST = re.compile(r"(\d{1,2})[./-](\d{1,2})[./-](\d{4})")
_DECIMAL_COMMA = re.compile(r"(-?\d+(?:\.\d{3})*),(\d{1,2})")
# What openpyxl raises when a workbook is not what it should be.
_WORKBOOK_FAULTS = (BadZipFile, KeyError, ValueError, TypeError, IndexError, OSError, SyntaxError)
_GROUPED = re.compile(r"-?\d{1,3}(?:,\d{3})+(?:\.\d+)?")


@dataclass(frozen=True, slots=True)
class Row:
    """One row: its number in the sheet (the heading is 1), and the invoice in it or why there is none."""

    position: int
    values: Mapping[str, str]
    invoice: Invoice | None
    refusal: Unreadable | None = None


def looks_like_one(data: bytes) -> bool:
    """Whether the text begins with a line of headings we know."""
    try:
        first = _decode(data[:4_096]).lstrip().splitlines()[0]
    except (Unreadable, IndexError):
        return False
    return len(_columns(_split(first, _delimiter(first)))) >= len(_NEEDED)


def is_workbook(container: ZipFile) -> bool:
    """Whether the archive is an XLSX workbook (ISO/IEC 29500)."""
    return "xl/workbook.xml" in container.namelist()


def csv_rows(data: bytes) -> Iterator[Row]:
    """The rows of a CSV text. Raises Unreadable: `sheet-too-large`, `sheet-encoding`, `sheet-headings`."""
    return _rows(_csv_cells(data), Format.CSV)


def workbook(data: bytes) -> Iterator[Row]:
    """The rows of the first sheet of a workbook. Formulas count as last computed, never computed here.

    Raises Unreadable: `sheet-broken`, `xml-has-doctype`, and as `archive` does.
    """
    return _rows(_workbook_cells(data), Format.XLSX)


def table(data: bytes) -> Iterator[list[str]]:
    """The cells of a CSV text or a workbook's first sheet, row by row. Raises Unreadable as above."""
    cells = _workbook_cells(data) if data.startswith(b"PK") else _csv_cells(data)
    for number, row in enumerate(cells):
        if number > MAX_ROWS:
            raise Unreadable("sheet-too-many-rows", limit=MAX_ROWS)
        yield [_text(cell) for cell in row]


def _csv_cells(data: bytes) -> Iterator[Sequence[Any]]:
    if len(data) > MAX_BYTES:
        raise Unreadable("sheet-too-large", limit=MAX_BYTES)
    text = _decode(data)
    heading = text.lstrip().splitlines()[0] if text.strip() else ""
    try:
        yield from csv.reader(io.StringIO(text), delimiter=_delimiter(heading))
    except csv.Error as error:
        raise Unreadable("sheet-broken", reason=str(error)[:200]) from None


def _workbook_cells(data: bytes) -> Iterator[Sequence[Any]]:
    import openpyxl  # slow to load, and most files are no workbooks

    container = archive.open_archive(data)
    for name in container.namelist():
        if b"<!DOCTYPE" in archive.member(container, name).replace(b"\0", b""):
            raise Unreadable("xml-has-doctype")
    try:
        book = openpyxl.load_workbook(io.BytesIO(data), read_only=True, data_only=True, keep_links=False)
        rows = book.worksheets[0].iter_rows(values_only=True, max_col=_MAX_COLUMNS)
        for position, row in enumerate(rows):
            if position > _MAX_POSITIONS:
                raise Unreadable("sheet-too-many-rows", limit=MAX_ROWS)
            yield row
    except _WORKBOOK_FAULTS as error:
        raise Unreadable("sheet-broken", reason=str(error)[:200] or type(error).__name__) from None


def only_row(rows: Iterator[Row]) -> Invoice:
    """The invoice of a sheet with one row. Raises Unreadable where it has none or several."""
    first, second = next(rows, None), next(rows, None)
    if first is None or second is not None:
        raise Unreadable("sheet-has-many" if second else "sheet-is-empty")
    if first.invoice is None:
        raise first.refusal or Unreadable("sheet-is-empty")
    return first.invoice


def template() -> str:
    """The headings, as a CSV file to fill in."""
    target = io.StringIO()
    csv.writer(target).writerow(COLUMNS)
    return target.getvalue()


def template_workbook() -> bytes:
    """The headings, as a workbook to fill in, with a second sheet that says what else each may be called.

    Its cells are text: a spreadsheet would take 00117 for the number 117 and 3/4 for a day.
    """
    import openpyxl
    from openpyxl.utils import get_column_letter

    book = openpyxl.Workbook()
    sheet = book.worksheets[0]
    sheet.title = "invoices"
    sheet.append(list(COLUMNS))
    sheet.freeze_panes = "A2"
    for place in range(1, len(COLUMNS) + 1):
        column = sheet.column_dimensions[get_column_letter(place)]
        column.number_format, column.width = "@", 18
    names = book.create_sheet("columns")
    for name, others in COLUMNS.items():
        names.append([name, "needed" if name in _NEEDED else "", *others])
    target = io.BytesIO()
    book.save(target)
    return target.getvalue()


def _rows(cells: Iterator[Any], kind: Format) -> Iterator[Row]:
    columns: Mapping[int, str] = {}
    count = 0
    for position, cells_of_row in enumerate(cells, start=1):
        texts = [_text(cell) for cell in cells_of_row]
        if not any(texts):
            continue
        if not columns:
            columns = _columns(texts)
            if missing := [name for name in _NEEDED if name not in columns.values()]:
                raise Unreadable("sheet-headings", missing=", ".join(missing))
            continue
        count += 1
        if count > MAX_ROWS:
            raise Unreadable("sheet-too-many-rows", limit=MAX_ROWS)
        filled = {columns[place]: text for place, text in enumerate(texts) if place in columns and text}
        yield row(position, filled, kind)


def row(position: int, values: Mapping[str, str], kind: Format) -> Row:
    """The invoice in one row, given by the names of the columns, or why there is none."""
    missing = [name for name in _NEEDED if name not in values]
    if not ("gross_amount" in values or "payable_amount" in values):
        missing.append("gross_amount")
    if missing:
        return Row(position, values, None, Unreadable("row-incomplete", missing=", ".join(missing)))
    return Row(position, values, _invoice(values, kind))


def _invoice(values: Mapping[str, str], kind: Format) -> Invoice:
    collect = Collector()
    currency = collect.set_currency(values.get("currency"))
    gross = collect.amount(plain_number(values.get("gross_amount")), "BT-112")
    payable = collect.amount(plain_number(values.get("payable_amount")), "BT-115")
    issued = collect.day(iso_day(values.get("invoice_date")), "BT-2")
    stated = collect.day(iso_day(values.get("due_date")), "BT-9")
    return Invoice(
        format=kind,
        number=values.get("invoice_no"),
        type=values.get("type", "380"),
        issue_date=issued,
        due=due_date([stated] if stated else [], values.get("payment_terms"), issued),
        currency=currency,
        totals=Totals(
            tax=collect.amount(plain_number(values.get("tax_amount")), "BT-110"),
            gross=gross,
            payable=payable if "payable_amount" in values else gross,
        ),
        seller=_party(values, "seller"),
        buyer=_party(values, "buyer"),
        references=References(
            order=values.get("order_no"), despatch=values.get("despatch_no"), receipt=values.get("receipt_no")
        ),
        terms=values.get("payment_terms"),
        issues=tuple(collect.issues),
    )


def _party(values: Mapping[str, str], who: str) -> Party:
    number = values.get(f"{who}_tax_no")
    prefix = _TAX_PREFIX.match(number or "")
    return Party(
        name=values.get(f"{who}_name"),
        tax=(Identifier(number, "VAT" if prefix else ""),) if number else (),
        country=prefix[0].upper() if prefix else None,
    )


def _columns(headings: list[str]) -> Mapping[int, str]:
    return {
        place: _HEADINGS[key]
        for place, heading in enumerate(headings)
        if (key := " ".join(heading.lower().replace("_", " ").split())) in _HEADINGS
    }


def _text(cell: Any) -> str:
    """A cell as text. A spreadsheet's binary fraction becomes the shortest decimal, as the sheet shows it."""
    if isinstance(cell, datetime | date):
        return cell.isoformat()[:10]
    if isinstance(cell, float):
        return format(Decimal(repr(cell)).normalize(), "f")
    return "" if cell is None else str(cell).strip()


def plain_number(text: str | None) -> str | None:
    """Plain decimal text: 1,234.50 loses its commas, 1.234,50 becomes 1234.50; 1,234 stays a riddle."""
    if text is None:
        return None
    plain = text.replace(" ", "").replace("\u00a0", "").replace("'", "")
    if _GROUPED.fullmatch(plain) and ("." in plain or plain.count(",") > 1):
        return plain.replace(",", "")
    if match := _DECIMAL_COMMA.fullmatch(plain):
        return match[1].replace(".", "") + "." + match[2]
    return plain


def iso_day(text: str | None) -> str | None:
    """Day first with dots, or with a day above 12; 03/04/2026 could be two days, so it is refused."""
    if match := _DAY_FIRST.fullmatch(text or ""):
        day, month = int(match[1]), int(match[2])
        if "." in (text or "") or day > 12:
            return f"{match[3]}-{month:02d}-{day:02d}"
    return text.replace("/", "-") if text and re.fullmatch(r"\d{4}/\d{2}/\d{2}", text) else text


def _decode(data: bytes) -> str:
    for encoding in ("utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig", "gb18030"):
        try:
            return data.decode(encoding)
        except UnicodeDecodeError as error:
            if error.start >= len(data) - 4:  # the sample was cut inside a character
                return data[: error.start].decode(encoding)
    raise Unreadable("sheet-encoding")


def _delimiter(heading: str) -> str:
    return max((",", ";", "\t"), key=heading.count)


def _split(line: str, delimiter: str) -> list[str]:
    return next(csv.reader([line], delimiter=delimiter), [])
