"""Out again: invoices as JSON, CSV and XLSX, and journal entries for the bookkeeper.

Text that a spreadsheet would run as a formula is made harmless (OWASP, CSV injection): what a stranger wrote
into an invoice must not act on the reader's machine.
"""

import csv
import io
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from backend.invoices import amounts
from backend.invoices.identity import document_class
from backend.invoices.model import Invoice

HEADINGS = (
    "number", "type", "issue_date", "due_date", "due_date_source", "currency", "net", "tax", "gross",
    "payable", "seller", "seller_tax_no", "buyer", "buyer_tax_no", "order", "despatch", "receipt",
)  # fmt: skip
_JOURNAL = ("date", "document", "account", "debit", "credit", "currency", "text")
# What starts a formula at the start of a cell, also in the full width of East Asian keyboards; and where a
# cell starts: a program that takes another separator than ours sees one behind every semicolon and line end.
_FORMULA = re.compile(r"(^|[;,\t\r\n|])(\s*)(?=[=+\-@\uff1d\uff0b\uff0d\uff20])")
_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?")
# What XML cannot carry (XML 1.0, 2.2), and so no workbook.
_UNPRINTABLE = re.compile(r"[\0-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")


def safe_cell(value: object) -> str:
    """A cell as text that no spreadsheet runs and every one can hold. Numbers stay numbers."""
    text = "" if value is None else _UNPRINTABLE.sub("", str(value))
    if _NUMBER.fullmatch(text):
        return text
    return ("'" if text.startswith(("\t", "\r", "\n")) else "") + _FORMULA.sub(r"\1\2'", text)


def as_csv(invoices: Iterable[Invoice]) -> str:
    """One row an invoice; amounts are decimal text in the invoice's currency."""
    target = io.StringIO()
    writer = csv.writer(target)
    writer.writerow(HEADINGS)
    writer.writerows([safe_cell(cell) for cell in row] for row in _rows(invoices))
    return target.getvalue()


def as_workbook(invoices: Iterable[Invoice]) -> bytes:
    """The same rows as an XLSX workbook. Every cell is text: nothing is rounded and nothing is run."""
    import openpyxl  # an eighth of a second, which only those who ask for a workbook wait for

    book = openpyxl.Workbook(write_only=True)
    sheet = book.create_sheet("invoices")
    sheet.append(list(HEADINGS))
    for row in _rows(invoices):
        sheet.append([safe_cell(cell) for cell in row])
    target = io.BytesIO()
    book.save(target)
    return target.getvalue()


@dataclass(frozen=True, slots=True)
class Accounts:
    """The bookkeeper's account numbers; these are SKR 03's and stand in for any chart of accounts."""

    receivables: str = "1400"
    revenue: str = "8400"
    vat: str = "1776"


def journal(invoices: Iterable[Invoice], accounts: Accounts = Accounts()) -> str:
    """Journal entries of the seller as CSV: receivable against revenue and VAT, credit notes the other way.

    Debit and credit of each document are equal.
    """
    target = io.StringIO()
    writer = csv.writer(target)
    writer.writerow(_JOURNAL)
    for invoice in invoices:
        writer.writerows([safe_cell(cell) for cell in entry] for entry in _entries(invoice, accounts))
    return target.getvalue()


def _entries(invoice: Invoice, accounts: Accounts) -> Iterator[tuple[object, ...]]:
    currency, totals = invoice.currency or "", invoice.totals
    gross, tax = totals.gross or totals.payable or 0, totals.tax or 0
    # A credit note has positive amounts in most formats, negative ones in some: the class carries the sign.
    is_credit = document_class(invoice) == "CN"
    sign = -1 if is_credit and gross < 0 else 1
    for account, amount, is_debit in (
        (accounts.receivables, sign * gross, True),
        (accounts.revenue, sign * (gross - tax), False),
        (accounts.vat, sign * tax, False),
    ):
        if amount:
            text = amounts.text(amount, currency)
            debit, credit = (text, "") if is_debit != is_credit else ("", text)
            yield invoice.issue_date, invoice.number, account, debit, credit, currency, invoice.buyer.name


def _rows(invoices: Iterable[Invoice]) -> Iterator[tuple[object, ...]]:
    for invoice in invoices:
        currency, totals, references = invoice.currency or "", invoice.totals, invoice.references
        sums = (totals.net, totals.tax, totals.gross, totals.payable)
        yield (
            invoice.number,
            invoice.type,
            invoice.issue_date,
            invoice.due.day,
            invoice.due.source.value,
            currency,
            *(amounts.text(amount, currency) if amount is not None else "" for amount in sums),
            invoice.seller.name,
            invoice.seller.vat,
            invoice.buyer.name,
            invoice.buyer.vat,
            references.order,
            references.despatch,
            references.receipt,
        )
