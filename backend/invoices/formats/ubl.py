"""UBL 2.1 Invoice and CreditNote (ISO/IEC 19845), bound to EN 16931 by CEN/TS 16931-3-2.

One reader for EN 16931, Peppol BIS Billing 3, XRechnung, the PINT countries and older UBL dialects: they
differ in rules, not in where a value stands.
"""

from datetime import date
from decimal import Decimal

from lxml import etree

from backend.invoices.formats.collect import Collector, due_date, gtin, identifier, unique
from backend.invoices.formats.xml import bounded, find, find_all, text
from backend.invoices.model import (
    Attachment,
    Format,
    Identifier,
    Invoice,
    Line,
    Party,
    Preceding,
    References,
    TaxLine,
    Totals,
)

INVOICE = "{urn:oasis:names:specification:ubl:schema:xsd:Invoice-2}Invoice"
CREDIT_NOTE = "{urn:oasis:names:specification:ubl:schema:xsd:CreditNote-2}CreditNote"

# Turkey states the tax number as a party identification (UBL-TR): VKN of companies, TCKN of persons.
_TAX_SCHEMES_OF_IDENTIFICATION = {"VKN", "TCKN"}
# UNTDID 1001 codes under which UBL hangs references that are not supporting documents: BT-18 and BT-17.
_NOT_SUPPORTING = {"130", "50"}


def parse(root: etree._Element) -> Invoice:
    """The invoice in a UBL document. Raises Unreadable for more lines or rates than can be judged."""
    is_credit = root.tag == CREDIT_NOTE
    line_elements = list(find_all(root, "CreditNoteLine" if is_credit else "InvoiceLine"))
    bounded(len(line_elements), sum(1 for _ in find_all(root, "TaxTotal/TaxSubtotal")))
    collect = Collector()
    total = find(root, "LegalMonetaryTotal")
    payable = find(total, "PayableAmount")
    currency = collect.set_currency(
        text(root, "DocumentCurrencyCode"), payable.get("currencyID") if payable is not None else None
    )
    issued = collect.day(text(root, "IssueDate"), "BT-2")
    words = "\n".join(note for term in find_all(root, "PaymentTerms/Note") if (note := text(term)))
    payee = find(root, "PayeeParty")
    return Invoice(
        format=Format.UBL_CREDIT_NOTE if is_credit else Format.UBL_INVOICE,
        number=text(root, "ID"),
        type=text(root, "CreditNoteTypeCode", "InvoiceTypeCode") or ("381" if is_credit else "380"),
        issue_date=issued,
        due=due_date(_due_days(root, collect), words or None, issued),
        currency=currency,
        totals=_totals(root, total, collect),
        seller=_party(find(root, "AccountingSupplierParty/Party")),
        buyer=_party(find(root, "AccountingCustomerParty/Party")),
        payee=_party(payee) if payee is not None else None,
        references=_references(root, collect),
        lines=tuple(_line(element, collect) for element in line_elements),
        taxes=tuple(_tax(element, collect) for element in _tax_subtotals(root, currency)),
        terms=words or None,
        notes=tuple(note for element in find_all(root, "Note") if (note := text(element))),
        specification=text(root, "CustomizationID"),
        process=text(root, "ProfileID"),
        delivery_date=collect.day(text(root, "Delivery/ActualDeliveryDate"), "BT-72"),
        accounts=tuple(
            account
            for element in find_all(root, "PaymentMeans/PayeeFinancialAccount/ID")
            if (account := text(element))
        ),
        tax_currency=text(root, "TaxCurrencyCode"),
        attachments=tuple(_attachments(root, collect)),
        issues=tuple(collect.issues),
    )


def _due_days(root: etree._Element, collect: Collector) -> list[date]:
    """BT-9: the document's due date; where it has none (credit notes, older dialects) its payments'."""
    for places in (("DueDate",), ("PaymentMeans/PaymentDueDate", "PaymentTerms/PaymentDueDate")):
        days = [collect.day(text(element), "BT-9") for element in find_all(root, *places)]
        if any(days):
            return [day for day in days if day]
    return []


def _party(party: etree._Element | None) -> Party:
    tax = [
        Identifier(number, (text(element, "TaxScheme/ID") or "").upper())
        for element in find_all(party, "PartyTaxScheme")
        if (number := text(element, "CompanyID"))
    ]
    others: list[Identifier] = []
    for element in find_all(party, "PartyIdentification/ID"):
        if value := text(element):
            scheme = (element.get("schemeID") or "").strip()
            (tax if scheme in _TAX_SCHEMES_OF_IDENTIFICATION else others).append(Identifier(value, scheme))
    legal, endpoint = find(party, "PartyLegalEntity/CompanyID"), find(party, "EndpointID")
    registered, trading = text(party, "PartyLegalEntity/RegistrationName"), text(party, "PartyName/Name")
    person = " ".join(
        name for part in ("FirstName", "FamilyName") if (name := text(party, f"Person/{part}"))
    )  # a sole trader, where the dialect has no company name
    address = find(party, "PostalAddress")
    return Party(
        name=registered or trading or person or None,
        trading_name=trading if registered else None,
        tax=unique(tax),
        legal=identifier(text(legal), legal.get("schemeID")) if legal is not None else None,
        others=unique(others),
        endpoint=identifier(text(endpoint), endpoint.get("schemeID")) if endpoint is not None else None,
        country=text(address, "Country/IdentificationCode"),
        address=_address(address),
    )


def _address(address: etree._Element | None) -> str | None:
    parts = ("StreetName", "AdditionalStreetName", "PostalZone", "CityName", "CountrySubentity")
    return ", ".join(value for part in parts if (value := text(address, part))) or None


def _totals(root: etree._Element, total: etree._Element | None, collect: Collector) -> Totals:
    def amount(name: str, place: str) -> int | None:
        element = find(total, name)
        if element is None:
            return None
        stated = element.get("currencyID")
        if stated and collect.currency and stated.strip().upper() != collect.currency:
            collect.issue("amount-in-other-currency", place, value=stated[:10], currency=collect.currency)
        return collect.amount(text(element), place)

    return Totals(
        lines=amount("LineExtensionAmount", "BT-106"),
        allowances=amount("AllowanceTotalAmount", "BT-107"),
        charges=amount("ChargeTotalAmount", "BT-108"),
        net=amount("TaxExclusiveAmount", "BT-109"),
        tax=_tax_total(root, collect),
        gross=amount("TaxInclusiveAmount", "BT-112"),
        prepaid=amount("PrepaidAmount", "BT-113"),
        rounding=amount("PayableRoundingAmount", "BT-114"),
        payable=amount("PayableAmount", "BT-115"),
    )


def _tax_total(root: etree._Element, collect: Collector) -> int | None:
    """BT-110. A second total, in the accounting currency (BT-111), is left alone."""
    values = [
        element
        for element in find_all(root, "TaxTotal/TaxAmount")
        if (element.get("currencyID") or collect.currency) == collect.currency
    ]
    return collect.amount(text(values[0]), "BT-110") if values else None


def _tax_subtotals(root: etree._Element, currency: str | None) -> list[etree._Element]:
    return [
        element
        for element in find_all(root, "TaxTotal/TaxSubtotal")
        if (amount := find(element, "TaxAmount")) is not None
        and (amount.get("currencyID") or currency) == currency
    ]


def _tax(element: etree._Element, collect: Collector) -> TaxLine:
    return TaxLine(
        category=text(element, "TaxCategory/ID"),
        rate=collect.number(text(element, "TaxCategory/Percent", "Percent"), "BT-119"),
        base=collect.amount(text(element, "TaxableAmount"), "BT-116"),
        amount=collect.amount(text(element, "TaxAmount"), "BT-117"),
    )


def _references(root: etree._Element, collect: Collector) -> References:
    preceding = []
    for element in find_all(root, "BillingReference"):
        document = find(
            element,
            "InvoiceDocumentReference",
            "CreditNoteDocumentReference",
            "SelfBilledInvoiceDocumentReference",
        )
        if number := text(document, "ID"):
            preceding.append(
                Preceding(number=number, issue_date=collect.day(text(document, "IssueDate"), "BT-26"))
            )
    return References(
        buyer=text(root, "BuyerReference"),
        project=text(root, "ProjectReference/ID"),
        contract=text(root, "ContractDocumentReference/ID"),
        order=text(root, "OrderReference/ID"),
        sales_order=text(root, "OrderReference/SalesOrderID"),
        receipt=text(root, "ReceiptDocumentReference/ID"),
        despatch=text(root, "DespatchDocumentReference/ID"),
        preceding=tuple(preceding),
    )


def _line(line: etree._Element, collect: Collector) -> Line:
    quantity = find(line, "InvoicedQuantity", "CreditedQuantity")
    standard = find(line, "Item/StandardItemIdentification/ID")
    allowances = charges = Decimal(0)
    for element in find_all(line, "AllowanceCharge"):
        amount = collect.number(text(element, "Amount"), "BT-136") or Decimal(0)
        if text(element, "ChargeIndicator") == "true":
            charges += amount
        else:
            allowances += amount
    return Line(
        id=text(line, "ID"),
        name=text(line, "Item/Name") or text(line, "Item/Description"),
        gtin=gtin(text(standard), standard.get("schemeID")) if standard is not None else None,
        seller_item=text(line, "Item/SellersItemIdentification/ID"),
        buyer_item=text(line, "Item/BuyersItemIdentification/ID"),
        quantity=collect.number(text(quantity), "BT-129"),
        unit=quantity.get("unitCode") if quantity is not None else None,
        net=collect.number(text(line, "LineExtensionAmount"), "BT-131"),
        price=collect.number(text(line, "Price/PriceAmount"), "BT-146"),
        price_quantity=collect.number(text(line, "Price/BaseQuantity"), "BT-149"),
        allowances=allowances,
        charges=charges,
        origin=text(line, "Item/OriginCountry/IdentificationCode"),
        order=text(line, "OrderLineReference/OrderReference/ID"),
        order_line=text(line, "OrderLineReference/LineID"),
        despatch=text(line, "DespatchLineReference/DocumentReference/ID"),
        receipt=text(line, "ReceiptLineReference/DocumentReference/ID"),
    )


def _attachments(root: etree._Element, collect: Collector) -> list[Attachment]:
    found = []
    for element in find_all(root, "AdditionalDocumentReference"):
        if text(element, "DocumentTypeCode") in _NOT_SUPPORTING or find(element, "Attachment") is None:
            continue
        embedded = find(element, "Attachment/EmbeddedDocumentBinaryObject")
        found.append(
            Attachment(
                name=(embedded.get("filename") if embedded is not None else None) or text(element, "ID"),
                media_type=embedded.get("mimeCode") if embedded is not None else None,
                content=collect.content(text(embedded), "BT-125"),
                link=text(element, "Attachment/ExternalReference/URI"),
            )
        )
    return found
