"""What was read beside the original: each value with its place in the document, and the document readable.

The place of a value is the element its reader takes it from, and is shown only where that element says the
same; a value that was added up or derived has none.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lxml import etree

from backend.invoices import amounts, reading
from backend.invoices.formats import archive, cii, fapiao, ubl, xml
from backend.invoices.formats.errors import Unreadable
from backend.invoices.model import Invoice

_MOST = 4_000
"""Elements shown; an invoice of thousands of lines shows its beginning and says so."""
_LONGEST = 300


@dataclass(frozen=True, slots=True)
class Field:
    """A value as it was read. `place` is the number of the element it stands in, None if in none."""

    term: str
    value: str
    place: int | None = None
    currency: str = ""
    """Of an amount."""


@dataclass(frozen=True, slots=True)
class Element:
    """One element of the original: its number, how deep it lies, its name, attributes and text."""

    number: int
    depth: int
    name: str
    attributes: str
    text: str


@dataclass(frozen=True, slots=True)
class Facsimile:
    """Both sides. `elements` where the original is XML, `text` where it is not; `left_out` elements more."""

    fields: Sequence[Field]
    elements: Sequence[Element] = ()
    text: str = ""
    left_out: int = 0
    is_picture: bool = False
    """Whether the original is a PDF, whose picture can be shown besides."""


_UBL: Mapping[str, tuple[str, ...]] = {
    "BT-1": ("ID",),
    "BT-3": ("InvoiceTypeCode", "CreditNoteTypeCode"),
    "BT-2": ("IssueDate",),
    "BT-9": ("DueDate", "PaymentMeans/PaymentDueDate", "PaymentTerms/PaymentDueDate"),
    "BT-20": ("PaymentTerms/Note",),
    "BT-5": ("DocumentCurrencyCode",),
    "BT-109": ("LegalMonetaryTotal/TaxExclusiveAmount",),
    "BT-110": ("TaxTotal/TaxAmount",),
    "BT-112": ("LegalMonetaryTotal/TaxInclusiveAmount",),
    "BT-113": ("LegalMonetaryTotal/PrepaidAmount",),
    "BT-115": ("LegalMonetaryTotal/PayableAmount",),
    "BT-27": ("AccountingSupplierParty/Party/PartyLegalEntity/RegistrationName",
              "AccountingSupplierParty/Party/PartyName/Name"),
    "BT-31": ("AccountingSupplierParty/Party/PartyTaxScheme/CompanyID",),
    "BT-44": ("AccountingCustomerParty/Party/PartyLegalEntity/RegistrationName",
              "AccountingCustomerParty/Party/PartyName/Name"),
    "BT-48": ("AccountingCustomerParty/Party/PartyTaxScheme/CompanyID",),
    "BT-59": ("PayeeParty/PartyName/Name",),
    "BT-84": ("PaymentMeans/PayeeFinancialAccount/ID",),
    "BT-13": ("OrderReference/ID",),
    "BT-16": ("DespatchDocumentReference/ID", "InvoiceLine/DespatchLineReference/DocumentReference/ID"),
    "BT-15": ("ReceiptDocumentReference/ID", "InvoiceLine/ReceiptLineReference/DocumentReference/ID"),
    "BT-25": ("BillingReference/InvoiceDocumentReference/ID",
              "BillingReference/CreditNoteDocumentReference/ID"),
}  # fmt: skip
_SETTLEMENT = "SupplyChainTradeTransaction/ApplicableHeaderTradeSettlement"
_ACCOUNT = "SpecifiedTradeSettlementPaymentMeans/PayeePartyCreditorFinancialAccount"
_SUM = f"{_SETTLEMENT}/SpecifiedTradeSettlementHeaderMonetarySummation"
_AGREEMENT = "SupplyChainTradeTransaction/ApplicableHeaderTradeAgreement"
_DELIVERY = "SupplyChainTradeTransaction/ApplicableHeaderTradeDelivery"
_CII: Mapping[str, tuple[str, ...]] = {
    "BT-1": ("ExchangedDocument/ID",),
    "BT-3": ("ExchangedDocument/TypeCode",),
    "BT-2": ("ExchangedDocument/IssueDateTime/DateTimeString", "ExchangedDocument/IssueDateTime"),
    "BT-9": (f"{_SETTLEMENT}/SpecifiedTradePaymentTerms/DueDateDateTime/DateTimeString",
             f"{_SETTLEMENT}/SpecifiedTradePaymentTerms/DueDateDateTime"),
    "BT-20": (f"{_SETTLEMENT}/SpecifiedTradePaymentTerms/Description",),
    "BT-5": (f"{_SETTLEMENT}/InvoiceCurrencyCode",),
    "BT-109": (f"{_SUM}/TaxBasisTotalAmount",),
    "BT-110": (f"{_SUM}/TaxTotalAmount",),
    "BT-112": (f"{_SUM}/GrandTotalAmount",),
    "BT-113": (f"{_SUM}/TotalPrepaidAmount",),
    "BT-115": (f"{_SUM}/DuePayableAmount",),
    "BT-27": (f"{_AGREEMENT}/SellerTradeParty/Name",),
    "BT-31": (f"{_AGREEMENT}/SellerTradeParty/SpecifiedTaxRegistration/ID",),
    "BT-44": (f"{_AGREEMENT}/BuyerTradeParty/Name",),
    "BT-48": (f"{_AGREEMENT}/BuyerTradeParty/SpecifiedTaxRegistration/ID",),
    "BT-59": (f"{_SETTLEMENT}/PayeeTradeParty/Name",),
    "BT-84": (f"{_SETTLEMENT}/{_ACCOUNT}/IBANID", f"{_SETTLEMENT}/{_ACCOUNT}/ProprietaryID"),
    "BT-13": (f"{_AGREEMENT}/BuyerOrderReferencedDocument/IssuerAssignedID",),
    "BT-16": (f"{_DELIVERY}/DespatchAdviceReferencedDocument/IssuerAssignedID",),
    "BT-15": (f"{_DELIVERY}/ReceivingAdviceReferencedDocument/IssuerAssignedID",),
    "BT-25": (f"{_SETTLEMENT}/InvoiceReferencedDocument/IssuerAssignedID",),
}  # fmt: skip
_FAPIAO: Mapping[str, tuple[str, ...]] = {
    "BT-1": ("TaxSupervisionInfo/InvoiceNumber", "Header/EIid"),
    "BT-2": ("TaxSupervisionInfo/IssueTime", "EInvoiceData/BasicInformation/RequestTime"),
    "BT-109": ("EInvoiceData/BasicInformation/TotalAmWithoutTax",),
    "BT-110": ("EInvoiceData/BasicInformation/TotalTaxAm",),
    "BT-112": ("EInvoiceData/BasicInformation/TotalTax-includedAmount",),
    "BT-115": ("EInvoiceData/BasicInformation/TotalTax-includedAmount",),
    "BT-27": ("EInvoiceData/SellerInformation/SellerName",),
    "BT-31": ("EInvoiceData/SellerInformation/SellerIdNum",),
    "BT-44": ("EInvoiceData/BuyerInformation/BuyerName",),
    "BT-48": ("EInvoiceData/BuyerInformation/BuyerIdNum",),
    "BT-84": ("EInvoiceData/SellerInformation/SellerBankAccNum",),
}
_AMOUNTS = frozenset({"BT-109", "BT-110", "BT-112", "BT-113", "BT-115"})
_OLDER = (
    ("ExchangedDocument/", "HeaderExchangedDocument/"),
    ("SupplyChainTradeTransaction", "SpecifiedSupplyChainTradeTransaction"),
    ("ApplicableHeaderTrade", "ApplicableSupplyChainTrade"),
    ("HeaderMonetarySummation", "MonetarySummation"),
    ("IssuerAssignedID", "ID"),
)


def make(data: bytes, invoice: Invoice) -> Facsimile:
    """Both sides of an original that was read before; one that cannot be shown leaves its side empty."""
    is_picture = reading.sniff(data) == "pdf"
    try:
        root = _root(data)
    except Unreadable:
        root = None
    if root is None:
        text = "" if is_picture else _plain(data)
        return Facsimile(list(_fields(invoice, {})), text=text, is_picture=is_picture)
    shown, left_out = _elements(root)
    numbers = {element: number for number, element in shown.items()}
    return Facsimile(
        list(_fields(invoice, _places(root, numbers))),
        [_element(number, element) for number, element in shown.items()],
        left_out=left_out,
        is_picture=is_picture,
    )


def _root(data: bytes) -> etree._Element | None:
    """The XML an invoice stands in, wherever that is; None where it stands in none."""
    kind = reading.sniff(data)
    if kind == "pdf":
        return reading.xml_of_pdf(data)
    if kind == "zip":
        container = archive.open_archive(data)
        names = [info.filename for info in archive.files(container)]
        names = [name for name in names if name.lower().endswith((".xml", ".xbrl"))]
        attached = [name for name in names if "attach" in name.lower()] or names
        data = archive.member(container, attached[0]) if attached else b""
    elif kind != "xml":
        return None
    return xml.unwrap(xml.parse(data)) if data else None


def _plain(data: bytes) -> str:
    """A text original as a person reads it: JSON indented, a row as it stands."""
    text = data[:200_000].decode("utf-8", "replace")
    try:
        return json.dumps(json.loads(text), ensure_ascii=False, indent=2)
    except (ValueError, RecursionError):
        return text if text.isprintable() or "\n" in text else ""


def _elements(root: etree._Element) -> tuple[dict[int, etree._Element], int]:
    """The elements by number, and how many more there are."""
    shown: dict[int, etree._Element] = {}
    more = 0
    for number, element in enumerate(root.iter(etree.Element)):
        if number < _MOST:
            shown[number] = element
        else:
            more += 1
    return shown, more


def _element(number: int, element: etree._Element) -> Element:
    depth = sum(1 for _ in element.iterancestors())
    said = ((etree.QName(name).localname, str(value)) for name, value in element.attrib.items())
    attributes = " ".join(f"{name}={value}" for name, value in said)
    text = " ".join((element.text or "").split())
    if len(text) > _LONGEST:
        text = f"{text[:_LONGEST]}… ({len(text)})"
    return Element(number, depth, xml.local(element), attributes[:_LONGEST], text)


def _table(root: etree._Element) -> Mapping[str, tuple[str, ...]]:
    if root.tag in (ubl.INVOICE, ubl.CREDIT_NOTE):
        return _UBL
    if xml.local(root) == fapiao.ROOT:
        return _FAPIAO
    if xml.local(root) == "CrossIndustryInvoice":
        return _CII
    if xml.local(root) in cii.ROOTS or root.tag == cii.RELEASE_CANDIDATE:
        return {term: tuple(map(_older, paths)) for term, paths in _CII.items()}
    return {}


def _older(path: str) -> str:
    for new, old in _OLDER:
        path = path.replace(new, old)
    return path


def _places(
    root: etree._Element, numbers: Mapping[etree._Element, int]
) -> Mapping[str, Sequence[tuple[int, str]]]:
    """For each term the numbers and texts of the elements it may stand in."""
    return {
        term: [
            (numbers[element], " ".join((element.text or "").split()))
            for element in xml.find_all(root, *paths)
            if element in numbers
        ]
        for term, paths in _table(root).items()
    }


def _fields(invoice: Invoice, places: Mapping[str, Sequence[tuple[int, str]]]) -> Iterator[Field]:
    for term, value in _values(invoice):
        if value is None or value == "":
            continue
        wanted = _comparable(term, str(value))
        found = (
            number
            for number, text in places.get(term, ())
            if _comparable(term, text) == wanted or (term == "BT-20" and text and text in wanted)
        )  # the terms are several notes put together
        currency = invoice.currency if term in _AMOUNTS else None
        yield Field(term, str(value), next(found, None), currency or "")


def _comparable(term: str, text: str) -> str:
    """Dates without their separators and clock, amounts without trailing zeros, words as they stand."""
    if term in {"BT-2", "BT-9"}:
        return re.sub(r"\D", "", text)[:8]
    if term in _AMOUNTS:
        try:
            return format(value.normalize(), "f") if (value := amounts.decimal(text)) is not None else ""
        except ValueError:
            return text
    return text.upper() if term == "BT-5" else " ".join(text.split())


def _values(invoice: Invoice) -> Iterator[tuple[str, Any]]:
    totals, references, currency = invoice.totals, invoice.references, invoice.currency
    yield "BT-1", invoice.number
    yield "BT-3", invoice.type
    yield "BT-2", invoice.issue_date
    yield "BT-9", invoice.due.day
    yield "BT-20", invoice.terms
    yield "BT-5", currency
    for term, amount in (
        ("BT-109", totals.net),
        ("BT-110", totals.tax),
        ("BT-112", totals.gross),
        ("BT-113", totals.prepaid),
        ("BT-115", totals.payable),
    ):
        yield term, amounts.text(amount, currency) if amount is not None and currency else None
    yield "BT-27", invoice.seller.name
    yield "BT-31", invoice.seller.vat
    yield "BT-44", invoice.buyer.name
    yield "BT-48", invoice.buyer.vat
    yield "BT-59", invoice.payee.name if invoice.payee else None
    yield "BT-84", invoice.accounts[0] if invoice.accounts else None
    yield "BT-13", references.order
    yield "BT-16", references.despatch or next(iter(invoice.documents["desadv"]), None)
    yield "BT-15", references.receipt or next(iter(invoice.documents["recadv"]), None)
    for preceding in references.preceding:
        yield "BT-25", preceding.number
