"""Files that hold many invoices: zips of files, sheets with one invoice a row, and JSON lists."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

from backend.invoices import reading
from backend.invoices.formats import archive, bounds, fapiao, sheets
from backend.invoices.formats import json as json_format
from backend.invoices.formats.errors import Unreadable
from backend.invoices.model import Format, Invoice
from backend.kit import canonical

FILE = "application/octet-stream"
ROW = "application/vnd.tallystick.row+json"


@dataclass(frozen=True, slots=True)
class Entry:
    """One invoice of many: a file, or a row as canonical JSON of its columns."""

    name: str
    kind: str
    content: bytes


def is_bundle(data: bytes) -> bool:
    """Whether the file holds several things rather than one invoice."""
    kind = reading.sniff(data)
    if kind == "zip":
        container = archive.open_archive(data)
        return sheets.is_workbook(container) or not fapiao.is_ofd(container)
    if kind == "json":
        return json_format.many(data) is not None
    return kind == "text" and sheets.looks_like_one(data)


def unpack(data: bytes) -> Iterator[Entry]:
    """Everything in the bundle, in order. Raises Unreadable: `batch-is-no-archive`, and as the readers do."""
    if not is_bundle(data):
        raise Unreadable("batch-is-no-archive")
    kind = reading.sniff(data)
    if kind == "text":
        yield from _rows(sheets.csv_rows(data))
        return
    if kind == "json":
        for position, content in enumerate(json_format.many(data) or (), start=1):
            yield Entry(f"{position}.json", FILE, content)
        return
    container = archive.open_archive(data)
    if sheets.is_workbook(container):
        yield from _rows(sheets.workbook(data))
        return
    for info in archive.files(container):
        yield Entry(PurePosixPath(info.filename).name, FILE, archive.member(container, info))


def row_invoice(position: int, content: bytes) -> Invoice:
    """The invoice of a row entry. Raises Unreadable for a row that lacks something."""
    row = sheets.row(position, json.loads(content), Format.CSV)
    if row.invoice is None:
        raise row.refusal or Unreadable("sheet-is-empty")
    return bounds.within(row.invoice)


def refuse_nested(content: bytes) -> None:
    """An archive in an archive is not opened, unless it is a document itself: Unreadable, `zip-in-zip`."""
    if reading.sniff(content) == "zip":
        container = archive.open_archive(content)
        if not (fapiao.is_ofd(container) or sheets.is_workbook(container)):
            raise Unreadable("zip-in-zip")


def _rows(rows: Iterator[sheets.Row]) -> Iterator[Entry]:
    for row in rows:
        yield Entry(f"row {row.position}", ROW, canonical.encode(dict(row.values)))
