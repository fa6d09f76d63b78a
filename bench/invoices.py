"""Measures the invoice readers on real files: `CORPORA=folder python -m bench.invoices`.

The comparison is not with the readers' own code but with plain XPath, written from the binding tables of
CEN/TS 16931-3-2 (UBL) and 3-3 (CII). Files that are no invoices are counted apart. Prints one line a figure.
"""

import os
import re
import statistics
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from pathlib import Path

from iso4217 import Currency
from lxml import etree

from backend.invoices.formats import pdf
from backend.invoices.formats.errors import Unreadable
from backend.invoices.gates.judge import Facts, judge
from backend.invoices.model import DueDateSource, Invoice
from backend.invoices.reading import read, read_with_xml, sniff
from backend.invoices.validation.check import validate

UBL = {
    "number": "ID",
    "issue_date": "IssueDate",
    "due_date": "DueDate|PaymentMeans/PaymentDueDate",
    "currency": "DocumentCurrencyCode|LegalMonetaryTotal/PayableAmount/@currencyID",
    "payable": "LegalMonetaryTotal/PayableAmount",
    "seller_tax": "AccountingSupplierParty/Party/PartyTaxScheme[TaxScheme/ID='VAT']/CompanyID",
}
SETTLEMENT = "SupplyChainTradeTransaction/ApplicableHeaderTradeSettlement"
CII = {
    "number": "ExchangedDocument/ID",
    "issue_date": "ExchangedDocument/IssueDateTime",
    "due_date": f"{SETTLEMENT}/SpecifiedTradePaymentTerms/DueDateDateTime",
    "currency": f"{SETTLEMENT}/InvoiceCurrencyCode",
    "payable": f"{SETTLEMENT}/SpecifiedTradeSettlementHeaderMonetarySummation/DuePayableAmount",
    "seller_tax": "SupplyChainTradeTransaction/ApplicableHeaderTradeAgreement/SellerTradeParty/"
    "SpecifiedTaxRegistration/ID[@schemeID='VA']",
}
# The older syntax: the same tree under other names.
_OLDER = {
    "ExchangedDocument/": "HeaderExchangedDocument/",
    "SupplyChainTradeTransaction": "SpecifiedSupplyChainTradeTransaction",
    "ApplicableHeaderTrade": "ApplicableSupplyChainTrade",
    "HeaderMonetarySummation": "MonetarySummation",
}
_STEP = re.compile(r"(?<![@'\w])([A-Z]\w+)(?!['\w])")


def _older(path: str) -> str:
    for new, old in _OLDER.items():
        path = path.replace(new, old)
    return path


SYNTAXES = {
    "Invoice": UBL,
    "CreditNote": UBL,
    "CrossIndustryInvoice": CII,
    "CrossIndustryDocument": {what: _older(path) for what, path in CII.items()},
}


def expected(root: etree._Element) -> dict[str, str | None] | None:
    """The fields by XPath over local names, or None for what is neither UBL nor CII."""
    name = etree.QName(root).localname
    if name == "StandardBusinessDocument":
        root, name = root[-1], etree.QName(root[-1]).localname
    paths = SYNTAXES.get(name)
    if paths is None:
        return None
    found: dict[str, str | None] = {}
    for what, path in paths.items():
        nodes = root.xpath(_STEP.sub(r"*[local-name()='\1']", path))
        values = (node if isinstance(node, str) else "".join(node.itertext()) for node in nodes)
        texts = [text for value in values if (text := value.strip())]
        if what == "due_date" and paths is not UBL:
            texts.sort(reverse=True)  # of several, the last is when everything is due
        found[what] = texts[0] if texts else None
    return found


def compare(invoice: Invoice, wanted: dict[str, str | None]) -> dict[str, bool]:
    """Whether each field was read exactly. Fields the file does not state are not counted."""
    due = invoice.due.day if invoice.due.source is DueDateSource.STATED else None
    got = {
        "number": invoice.number,
        "issue_date": _plain(invoice.issue_date),
        "due_date": _plain(due),
        "currency": invoice.currency,
        "payable": invoice.totals.payable,
        "seller_tax": invoice.seller.vat,
    }
    result = {}
    for what, text in wanted.items():
        if text is None:
            continue
        value: str | int | None = text
        if what.endswith("_date"):
            value = text.replace("-", "")[:8]
        elif what == "payable":
            value = _minor(text, wanted["currency"])
        result[what] = got[what] == value
    return result


def _plain(day: date | None) -> str | None:
    return day.strftime("%Y%m%d") if day else None


def _minor(text: str, currency: str | None) -> int | None:
    try:
        places = Currency(currency or "").exponent
        scaled = Decimal(text).scaleb(places or 0)
        return int(scaled) if places is not None and scaled == int(scaled) else None
    except (ValueError, ArithmeticError):
        return None


@dataclass
class Figures:
    """What is counted while reading."""

    formats: Counter[str] = field(default_factory=Counter)
    crashed: list[str] = field(default_factory=list)
    refused: Counter[str] = field(default_factory=Counter)
    fields: dict[tuple[str, str], list[bool]] = field(default_factory=dict)
    differing: list[str] = field(default_factory=list)

    def add(self, kind: str, invoice: Invoice, data: bytes, name: str) -> None:
        """Compares one invoice that was read."""
        self.formats[invoice.format] += 1
        content = pdf.xml_files(pdf.files(data))[0].content if kind == "pdf" else data
        wanted = expected(etree.fromstring((content or b"").lstrip()))
        if wanted is None:
            return
        results = compare(invoice, wanted)
        for what, is_right in (*results.items(), ("all-fields", all(results.values()))):
            self.fields.setdefault((kind, what), []).append(is_right)
        if not all(results.values()):
            wrong = " ".join(what for what, is_right in results.items() if not is_right)
            self.differing.append(f"differs {wrong}: {name}")

    def show(self) -> None:
        """One line a figure; what differs goes to standard error."""
        for name, count in self.formats.most_common():
            print(f"read {name} {count}")
        for name, count in self.refused.most_common():
            print(f"refused {name} {count}")
        print(f"crashed {len(self.crashed)}")
        for (kind, what), results in sorted(self.fields.items()):
            print(f"exact {kind} {what} {100 * sum(results) / len(results):.2f} % of {len(results)}")
        print("\n".join([*self.crashed, *self.differing]), file=sys.stderr)


def accuracy(folder: Path) -> list[Path]:
    """Reads every file once; gives those that are invoices."""
    figures, invoices = Figures(), []
    for file in sorted(folder.rglob("*")):
        if not file.is_file() or file.suffix.lower() not in {".xml", ".pdf"}:
            continue
        data = file.read_bytes()
        try:
            invoice = read(data)
        except Unreadable as refusal:
            figures.refused[refusal.code] += 1
            continue
        except Exception as error:  # noqa: BLE001 - a crash is what is being looked for
            figures.crashed.append(f"crashed {type(error).__name__}: {file.relative_to(folder)}")
            continue
        invoices.append(file)
        figures.add(sniff(data), invoice, data, str(file.relative_to(folder)))
    figures.show()
    return invoices


def speed(invoices: list[Path]) -> None:
    """Reads, validates and judges up to 1,000 of the files, evenly chosen, one after the other."""
    seconds, outcomes = [], Counter[str]()
    for file in invoices[:: max(1, len(invoices) // 1000)][:1000]:
        data, started = file.read_bytes(), time.process_time()
        invoice, root = read_with_xml(data)
        validation = validate(invoice, root)
        judge(invoice, validation, Facts(today=date(2026, 11, 20)))
        seconds.append(time.process_time() - started)
        outcomes[validation.outcome] += 1
    for name, count in outcomes.most_common():
        print(f"validation {name} {count}")
    if seconds:
        print(f"with validation: median CPU {1000 * statistics.median(seconds):.1f} ms a file")
        print(f"with validation: {60 / statistics.mean(seconds):.0f} files a minute of CPU on one core")


if __name__ == "__main__":
    if "CORPORA" not in os.environ:
        sys.exit("CORPORA is not set: name a folder with invoice files (XML, PDF)")
    speed(accuracy(Path(os.environ["CORPORA"])))
