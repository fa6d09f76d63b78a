"""Each syntax gives the same invoice, and what a file is shows in its content."""

from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest

from backend.invoices.formats.errors import Unreadable
from backend.invoices.model import DueDateSource, Format, Identifier, Preceding
from backend.invoices.reading import read
from tests.backend.invoices import samples

SBDH = (
    b'<StandardBusinessDocument xmlns="http://www.unece.org/cefact/namespaces/StandardBusinessDocumentHeader">'
    b"<StandardBusinessDocumentHeader/>%s</StandardBusinessDocument>"
)


def test_ubl_gives_every_business_term() -> None:
    invoice = read(samples.UBL)

    assert invoice.format is Format.UBL_INVOICE
    assert (invoice.number, invoice.type, invoice.currency) == ("ET-2026/0117", "380", "EUR")
    assert (invoice.issue_date, invoice.delivery_date) == (date(2026, 11, 2), date(2026, 10, 30))
    assert (invoice.due.day, invoice.due.source) == (date(2027, 1, 31), DueDateSource.STATED)
    assert (invoice.totals.net, invoice.totals.tax, invoice.totals.gross) == (499950, 94991, 594941)
    assert invoice.totals.payable == 594941
    assert (invoice.references.order, invoice.references.despatch, invoice.references.receipt) == (
        "PO-88120",
        "DN-5530",
        "GR-70418",
    )
    assert invoice.seller.name == "Example Tools GmbH"
    assert invoice.seller.legal == Identifier("HRB 999001")
    assert invoice.buyer.vat == "DE888888885"
    assert [line.gtin for line in invoice.lines] == ["4000000000013", "4000000000020"]
    assert invoice.lines[0].quantity == Decimal(40)
    assert invoice.accounts == ("DE23100000001234567890",)
    assert invoice.issues == ()


def test_the_same_invoice_as_ubl_and_as_cii_is_the_same() -> None:
    ubl, cii = read(samples.UBL), read(samples.CII)

    assert replace(cii, format=ubl.format, notes=ubl.notes) == ubl


def test_the_vat_number_is_chosen_by_its_scheme_not_by_its_place() -> None:
    invoice = read(samples.UBL)

    assert [identifier.scheme for identifier in invoice.seller.tax] == ["FC", "VAT"]
    assert invoice.seller.vat == "DE999999911"


def test_an_envelope_is_taken_off() -> None:
    body = samples.UBL.split(b"?>", 1)[1]

    assert read(SBDH % body) == read(samples.UBL)


@pytest.mark.parametrize("count", [0, 2])
def test_an_envelope_needs_one_document(count: int) -> None:
    with pytest.raises(Unreadable, match=f"holds {count}"):
        read(SBDH % (b"<a/>" * count))


def test_credit_note() -> None:
    preceding = (
        "<cac:BillingReference><cac:InvoiceDocumentReference><cbc:ID>ET-1</cbc:ID>"
        "<cbc:IssueDate>2026-10-01</cbc:IssueDate></cac:InvoiceDocumentReference></cac:BillingReference>"
    )
    document = samples.changed(
        samples.UBL,
        ("schema:xsd:Invoice-2", "schema:xsd:CreditNote-2"),
        ("<Invoice ", "<CreditNote "),
        ("</Invoice>", "</CreditNote>"),
        ("InvoiceLine>", "CreditNoteLine>"),
        ("InvoicedQuantity", "CreditedQuantity"),
        (
            "<cbc:InvoiceTypeCode>380</cbc:InvoiceTypeCode>",
            "<cbc:CreditNoteTypeCode>381</cbc:CreditNoteTypeCode>",
        ),
        ("<cbc:DueDate>2027-01-31</cbc:DueDate>", ""),
        (
            "58</cbc:PaymentMeansCode>",
            "58</cbc:PaymentMeansCode><cbc:PaymentDueDate>2027-01-15</cbc:PaymentDueDate>",
        ),
        ("<cac:DespatchDocumentReference>", f"{preceding}<cac:DespatchDocumentReference>"),
    )
    note = read(document)

    assert (note.format, note.type, note.totals.payable) == (Format.UBL_CREDIT_NOTE, "381", 594941)
    assert note.due.day == date(2027, 1, 15)
    assert note.references.preceding == (Preceding(number="ET-1", issue_date=date(2026, 10, 1)),)
    assert note.lines[0].quantity == Decimal(40)


def zugferd_1(namespace: str, root: str) -> bytes:
    return samples.changed(
        samples.CII,
        (
            "urn:un:unece:uncefact:data:standard:CrossIndustryInvoice:100",
            namespace,
        ),
        ("rsm:CrossIndustryInvoice", f"rsm:{root}"),
        ("rsm:ExchangedDocument>", "rsm:HeaderExchangedDocument>"),
        ("rsm:ExchangedDocumentContext", "rsm:SpecifiedExchangedDocumentContext"),
        ("rsm:SupplyChainTradeTransaction", "rsm:SpecifiedSupplyChainTradeTransaction"),
        ("ram:ApplicableHeaderTrade", "ram:ApplicableSupplyChainTrade"),
        ("ram:SpecifiedLineTrade", "ram:SpecifiedSupplyChainTrade"),
        ("SettlementHeaderMonetary", "SettlementMonetary"),
        ("SettlementLineMonetary", "SettlementMonetary"),
        ("ram:IssuerAssignedID", "ram:ID"),
        ("ram:RateApplicablePercent", "ram:ApplicablePercent"),
    )


@pytest.mark.parametrize(
    ("namespace", "root"),
    [
        ("urn:ferd:CrossIndustryDocument:invoice:1p0", "CrossIndustryDocument"),
        ("urn:un:unece:uncefact:data:standard:CBFBUY:5", "Invoice"),  # its release candidate
    ],
)
def test_zugferd_1_has_other_names_for_the_same_things(namespace: str, root: str) -> None:
    old = read(zugferd_1(namespace, root))

    assert old.format is Format.ZUGFERD_1
    assert replace(old, format=Format.CII) == read(samples.CII)


@pytest.mark.parametrize("name", ["factur-x.xml", "ZUGFeRD-invoice.xml", "xrechnung.xml", "rechnung-117.xml"])
def test_a_pdf_is_read_by_the_xml_it_carries(name: str) -> None:
    document = samples.pdf({"terms.txt": b"all sales are final", name: samples.CII})

    assert replace(read(document), format=Format.CII) == read(samples.CII)
    assert read(document).format is Format.FACTUR_X


def test_of_several_xml_files_in_a_pdf_the_prescribed_one_wins() -> None:
    other = samples.changed(samples.CII, ("ET-2026/0117", "ANOTHER"))

    assert read(samples.pdf({"a.xml": other, "factur-x.xml": samples.CII})).number == "ET-2026/0117"


@pytest.mark.parametrize(
    ("currency", "stated", "minor"),
    [
        ("JPY", "5949", 5949),
        ("OMR", "5949.410", 5949410),
        ("CLF", "5949.4100", 59494100),
        ("HRK", "5949.41", 594941),
    ],
)
def test_amounts_are_integers_of_the_currencys_own_minor_unit(currency: str, stated: str, minor: int) -> None:
    document = samples.changed(samples.UBL, ("EUR", currency), ("5949.41", stated))

    assert read(document).totals.payable == minor


def test_an_amount_finer_than_its_currency_is_not_rounded() -> None:
    invoice = read(samples.changed(samples.UBL, ("5949.41</cbc:Pay", "5949.415</cbc:Pay")))

    assert invoice.totals.payable is None
    assert [(issue.code, issue.place) for issue in invoice.issues] == [("amount-not-exact", "BT-115")]


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ("2026-11-02", "2026-02-30", "not-a-date"),
        ("949.91", "949,91", "not-a-number"),
        ("949.91", "NaN", "not-a-number"),
        ("DocumentCurrencyCode>EUR", "DocumentCurrencyCode>EURO", "currency-unknown"),
        ("DocumentCurrencyCode>EUR", "DocumentCurrencyCode>XAU", "currency-unknown"),
    ],
)
def test_a_value_that_is_none_becomes_an_issue_and_not_a_guess(old: str, new: str, code: str) -> None:
    assert code in {issue.code for issue in read(samples.changed(samples.UBL, (old, new))).issues}


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "file-is-empty"),
        (b" \n", "file-is-empty"),
        (b"PK\x03\x04rest", "zip-broken"),
        (b'{"a": 1}', "file-is-json"),
        (b"just words", "file-is-text"),
        (b"\x89PNG\r\n\x1a\n\0\0", "file-is-unknown"),
        (b"<html><body/></html>", "xml-is-no-invoice"),
    ],
)
def test_what_is_no_invoice_says_what_it_is(data: bytes, code: str) -> None:
    with pytest.raises(Unreadable) as refusal:
        read(data)
    assert refusal.value.code == code
    assert refusal.value.sentence("en") != refusal.value.sentence("zh")


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le"])
def test_any_encoding_xml_can_declare(encoding: str) -> None:
    text = samples.UBL.decode().replace("UTF-8", "UTF-16" if "16" in encoding else "UTF-8")

    assert read(text.encode(encoding)) == read(samples.UBL)
