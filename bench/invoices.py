"""Measures the invoice readers on real files and on hostile ones: `CORPORA=folder python -m bench.invoices`.

The comparison is not with the readers' own code but with plain XPath, written from the binding tables of
CEN/TS 16931-3-2 (UBL) and 3-3 (CII). Files that are no invoices are counted apart. Figures stand in
bench/invoices.json; times are CPU time, since the machine is shared. What differs is told.
"""

import io
import os
import re
import statistics
import sys
import time
import zipfile
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
from backend.invoices.validation import schematron
from backend.invoices.validation.check import validate
from bench.figures import keep

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

    def tell(self) -> None:
        """Keeps the figures; what differs goes to standard error."""
        exact = {
            f"{kind} {what}": f"{sum(results)} of {len(results)}"
            for (kind, what), results in sorted(self.fields.items())
        }
        keep(
            "real files",
            {
                "read": dict(self.formats.most_common()),
                "refused": dict(self.refused.most_common()),
                "crashed": len(self.crashed),
                "exact": exact,
            },
        )
        sys.stderr.write("\n".join([*self.crashed, *self.differing, ""]))


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
    figures.tell()
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
    keep(
        "speed",
        {
            "files": len(seconds),
            "median CPU ms with rules and verdict": round(1000 * statistics.median(seconds), 1),
            "files a minute on one core": round(60 / statistics.mean(seconds)),
            "outcomes": dict(outcomes.most_common()),
        },
    )


def units(folder: Path) -> tuple[int, int]:
    """How many assertions of CEN's UBL unit tests below the folder agree with our run, and of how many."""
    counted, agreed, ns = 0, 0, "{http://difi.no/xsd/vefa/validator/1.0}"
    for path in sorted(folder.glob("**/*-unit-UBL/*.xml")):
        for test in etree.parse(path, etree.XMLParser(remove_comments=True)).getroot().iter(f"{ns}test"):
            document = next(element for element in test if element.tag != f"{ns}assert")
            failed = Counter(
                (item.rule, item.is_warning) for item in schematron.run(schematron.UBL, document).failed
            )
            for claim in (entry for part in test.iter(f"{ns}assert") for entry in part):
                kind, rule = etree.QName(claim).localname, (claim.text or "").strip()
                if kind in {"error", "warning", "success"}:
                    seen = failed[rule, False], failed[rule, True]
                    agreed += {"error": seen[0] > 0, "warning": seen[1] > 0, "success": seen == (0, 0)}[kind]
                    counted += 1
    return agreed, counted


def hostile() -> None:
    """What files that mean harm cost, from the bytes to the verdict."""
    sample = (Path(__file__).parents[1] / "tests" / "samples" / "invoices" / "tools-ubl.xml").read_bytes()
    judged(sample)  # compiles the rules
    head = sample.split(b"  <cac:InvoiceLine>", 1)[0]
    line = (
        b"<cac:InvoiceLine><cbc:ID>%d</cbc:ID><cac:DespatchLineReference><cac:DocumentReference>"
        b"<cbc:ID>D%d</cbc:ID></cac:DocumentReference></cac:DespatchLineReference></cac:InvoiceLine>"
    )
    tax = sample[sample.index(b"<cac:TaxSubtotal>") : sample.index(b"</cac:TaxSubtotal>") + 18]
    zeros = io.BytesIO()
    with zipfile.ZipFile(zeros, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("a.xml", "w") as member:
        for _ in range(1_000):
            member.write(bytes(1_000_000))
    files = {
        "4,999 lines that break four rules each": head
        + b"".join(line % (n, n) for n in range(4_999))
        + b"</Invoice>",
        "199 tax rates": sample.replace(tax, tax * 199),
        "100,000 lines": head + b"<cac:InvoiceLine/>" * 100_000 + b"</Invoice>",
        "900,000 attributes": b"<a " + b" ".join(b'a%d="x"' % n for n in range(900_000)) + b"/>",
        "249,000 empty elements": head + b"<cbc:Note/>" * 249_000 + b"</Invoice>",
        "a gigabyte of zeros in a zip": zeros.getvalue(),
        "a number of nine million characters": sample.replace(b"ET-2026/0117", b"A1" * 4_500_000),
        "JSON two million deep": b"[" * 2_000_000,
        "900,000 rows": b"invoice_no,invoice_date,currency,gross\n" + b"A,2026-11-02,EUR,1\n" * 900_000,
    }
    found = {}
    for name, data in files.items():
        started = time.process_time()
        answer = judged(data)
        found[name] = {"answer": answer, "CPU s": round(time.process_time() - started, 2)}
    keep("hostile files", found)


def judged(data: bytes) -> str:
    """The outcome, or the code of the refusal."""
    try:
        invoice, root = read_with_xml(data)
    except Unreadable as refusal:
        return refusal.code
    validation = validate(invoice, root)
    judge(invoice, validation, Facts(today=date(2026, 11, 20)))
    return validation.outcome.value


if __name__ == "__main__":
    if "CORPORA" not in os.environ:
        sys.exit("CORPORA is not set: name a folder with invoice files (XML, PDF)")
    corpora = Path(os.environ["CORPORA"])
    speed(accuracy(corpora))
    agreed, counted = units(corpora)
    keep("CEN's UBL unit tests", {"agree": agreed, "of": counted})
    hostile()
