"""UN/CEFACT Cross Industry Invoice: D16B and later (CEN/TS 16931-3-3, Factur-X, ZUGFeRD 2) and ZUGFeRD 1.

The older syntax has the same tree under other names, so each path is given under its new and its old name.
"""

from datetime import date
from decimal import Decimal

from lxml import etree

from backend.invoices.formats.collect import Collector, due_date, gtin, identifier, unique
from backend.invoices.formats.xml import bounded, find, find_all, local, text
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

ROOTS = {"CrossIndustryInvoice": Format.CII, "CrossIndustryDocument": Format.ZUGFERD_1}
# The release candidate of ZUGFeRD 1, which some programs still write.
RELEASE_CANDIDATE = "{urn:un:unece:uncefact:data:standard:CBFBUY:5}Invoice"

_TRADE = ("SupplyChainTradeTransaction", "SpecifiedSupplyChainTradeTransaction")
# UNTDID 1001: 916 is a supporting document; 130 is BT-18 and 50 is BT-17.
_NOT_SUPPORTING = {"130", "50"}
# Lines that only sum up or explain other lines (Factur-X EXTENDED, BT-X-8) would be counted twice.
_NOT_COUNTED = {"GROUP", "INFORMATION"}


def parse(root: etree._Element) -> Invoice:
    """The invoice in a CII document. Raises Unreadable for more lines or rates than can be judged."""
    document = find(root, "ExchangedDocument", "HeaderExchangedDocument")
    trade = find(root, *_TRADE)
    agreement = find(trade, "ApplicableHeaderTradeAgreement", "ApplicableSupplyChainTradeAgreement")
    delivery = find(trade, "ApplicableHeaderTradeDelivery", "ApplicableSupplyChainTradeDelivery")
    settlement = find(trade, "ApplicableHeaderTradeSettlement", "ApplicableSupplyChainTradeSettlement")
    line_elements = list(find_all(trade, "IncludedSupplyChainTradeLineItem"))
    bounded(len(line_elements), sum(1 for _ in find_all(settlement, "ApplicableTradeTax")))
    collect = Collector()
    total = find(
        settlement,
        "SpecifiedTradeSettlementHeaderMonetarySummation",
        "SpecifiedTradeSettlementMonetarySummation",
    )
    payable = find(total, "DuePayableAmount", "GrandTotalAmount")
    currency = collect.set_currency(
        text(settlement, "InvoiceCurrencyCode"), payable.get("currencyID") if payable is not None else None
    )
    issued = _day(find(document, "IssueDateTime"), "BT-2", collect)
    terms = list(find_all(settlement, "SpecifiedTradePaymentTerms"))
    words = "\n".join(
        value for term in terms for note in find_all(term, "Description") if (value := text(note))
    )
    due = [
        day
        for term in _in_full(terms)
        if (day := _day(find(term, "DueDateDateTime"), "BT-9", collect)) is not None
    ]
    payee = find(settlement, "PayeeTradeParty")
    return Invoice(
        format=ROOTS.get(local(root), Format.ZUGFERD_1),
        number=text(document, "ID"),
        type=text(document, "TypeCode"),
        issue_date=issued,
        due=due_date(due, words or None, issued),
        currency=currency,
        totals=_totals(total, collect),
        seller=_party(find(agreement, "SellerTradeParty")),
        buyer=_party(find(agreement, "BuyerTradeParty")),
        payee=_party(payee) if payee is not None else None,
        references=_references(agreement, delivery, settlement, collect),
        lines=tuple(_line(element, collect) for element in line_elements if not _is_summary(element)),
        taxes=tuple(_tax(element, collect) for element in find_all(settlement, "ApplicableTradeTax")),
        terms=words or None,
        notes=tuple(
            note for element in find_all(document, "IncludedNote/Content") if (note := text(element))
        ),
        specification=text(root, *_context("GuidelineSpecifiedDocumentContextParameter/ID")),
        process=text(root, *_context("BusinessProcessSpecifiedDocumentContextParameter/ID")),
        delivery_date=_day(
            find(delivery, "ActualDeliverySupplyChainEvent/OccurrenceDateTime"), "BT-72", collect
        ),
        accounts=tuple(_accounts(settlement)),
        tax_currency=text(settlement, "TaxCurrencyCode"),
        attachments=tuple(_attachments(agreement, collect)),
        issues=tuple(collect.issues),
    )


def _in_full(terms: list[etree._Element]) -> list[etree._Element]:
    """The terms of payment in full: a date until which a discount is given is no instalment beside them."""
    plain = [term for term in terms if find(term, "ApplicableTradePaymentDiscountTerms") is None]
    return plain if any(find(term, "DueDateDateTime") is not None for term in plain) else terms


def _context(path: str) -> tuple[str, str]:
    return f"ExchangedDocumentContext/{path}", f"SpecifiedExchangedDocumentContext/{path}"


def _day(element: etree._Element | None, place: str, collect: Collector) -> date | None:
    """A date in UNTDID 2379 format 102 (CCYYMMDD) or 203, or plain ISO 8601 as ZUGFeRD 1 allowed."""
    return collect.day(text(element, "DateTimeString", "DateTime", "DateString") or text(element), place)


def _party(party: etree._Element | None) -> Party:
    tax = [
        Identifier(number, _tax_scheme(element.get("schemeID")))
        for element in find_all(party, "SpecifiedTaxRegistration/ID")
        if (number := text(element))
    ]
    others = [
        Identifier(value, (element.get("schemeID") or "").strip())
        for element in find_all(party, "GlobalID", "ID")
        if (value := text(element))
    ]
    legal = find(party, "SpecifiedLegalOrganization/ID")
    endpoint = find(party, "URIUniversalCommunication/URIID")
    address = find(party, "PostalTradeAddress")
    parts = ("LineOne", "LineTwo", "PostcodeCode", "CityName", "CountrySubDivisionName")
    return Party(
        name=text(party, "Name"),
        trading_name=text(party, "SpecifiedLegalOrganization/TradingBusinessName"),
        tax=unique(tax),
        legal=identifier(text(legal), legal.get("schemeID")) if legal is not None else None,
        others=unique(others),
        endpoint=identifier(text(endpoint), endpoint.get("schemeID")) if endpoint is not None else None,
        country=text(address, "CountryID"),
        address=", ".join(value for part in parts if (value := text(address, part))) or None,
    )


def _tax_scheme(code: str | None) -> str:
    """The tax scheme of a registration: UNTDID 1153 has VA for VAT, FC for the local tax number."""
    scheme = (code or "").strip().upper()
    return "VAT" if scheme == "VA" else scheme


def _totals(total: etree._Element | None, collect: Collector) -> Totals:
    def amount(name: str, place: str) -> int | None:
        elements = list(find_all(total, name))
        if not elements:
            return None
        # The tax total may be repeated in the accounting currency (BT-111); ours is the one in the invoice's.
        own = [item for item in elements if (item.get("currencyID") or collect.currency) == collect.currency]
        if not own:
            stated = elements[0].get("currencyID") or ""
            collect.issue(
                "amount-in-other-currency", place, value=stated[:10], currency=collect.currency or ""
            )
        return collect.amount(text((own or elements)[0]), place)

    gross, prepaid = amount("GrandTotalAmount", "BT-112"), amount("TotalPrepaidAmount", "BT-113")
    payable = amount("DuePayableAmount", "BT-115")
    if payable is None and gross is not None and find(total, "DuePayableAmount") is None:
        # ZUGFeRD 1 leaves it out where nothing was paid in advance.
        payable = gross - (prepaid or 0)
    return Totals(
        lines=amount("LineTotalAmount", "BT-106"),
        allowances=amount("AllowanceTotalAmount", "BT-107"),
        charges=amount("ChargeTotalAmount", "BT-108"),
        net=amount("TaxBasisTotalAmount", "BT-109"),
        tax=amount("TaxTotalAmount", "BT-110"),
        gross=gross,
        prepaid=prepaid,
        rounding=amount("RoundingAmount", "BT-114"),
        payable=payable,
    )


def _tax(element: etree._Element, collect: Collector) -> TaxLine:
    return TaxLine(
        category=text(element, "CategoryCode"),
        rate=collect.number(text(element, "RateApplicablePercent", "ApplicablePercent"), "BT-119"),
        base=collect.amount(text(element, "BasisAmount"), "BT-116"),
        amount=collect.amount(text(element, "CalculatedAmount"), "BT-117"),
    )


def _references(
    agreement: etree._Element | None,
    delivery: etree._Element | None,
    settlement: etree._Element | None,
    collect: Collector,
) -> References:
    preceding = [
        Preceding(number=number, issue_date=_day(find(element, "FormattedIssueDateTime"), "BT-26", collect))
        for element in find_all(settlement, "InvoiceReferencedDocument")
        if (number := text(element, "IssuerAssignedID", "ID"))
    ]
    return References(
        buyer=text(agreement, "BuyerReference"),
        project=text(agreement, "SpecifiedProcuringProject/ID"),
        contract=_reference(agreement, "ContractReferencedDocument"),
        order=_reference(agreement, "BuyerOrderReferencedDocument"),
        sales_order=_reference(agreement, "SellerOrderReferencedDocument"),
        receipt=_reference(delivery, "ReceivingAdviceReferencedDocument"),
        despatch=_reference(delivery, "DespatchAdviceReferencedDocument", "DeliveryNoteReferencedDocument"),
        preceding=tuple(preceding),
    )


def _reference(group: etree._Element | None, *names: str) -> str | None:
    """A referenced document's number; ZUGFeRD 1 calls it ID."""
    return text(group, *(f"{name}/{step}" for name in names for step in ("IssuerAssignedID", "ID")))


def _is_summary(line: etree._Element) -> bool:
    return text(line, "AssociatedDocumentLineDocument/LineStatusReasonCode") in _NOT_COUNTED


def _line(line: etree._Element, collect: Collector) -> Line:
    product = find(line, "SpecifiedTradeProduct")
    agreement = find(line, "SpecifiedLineTradeAgreement", "SpecifiedSupplyChainTradeAgreement")
    delivery = find(line, "SpecifiedLineTradeDelivery", "SpecifiedSupplyChainTradeDelivery")
    settlement = find(line, "SpecifiedLineTradeSettlement", "SpecifiedSupplyChainTradeSettlement")
    quantity = find(delivery, "BilledQuantity")
    price = find(agreement, "NetPriceProductTradePrice", "GrossPriceProductTradePrice")
    item = find(product, "GlobalID")
    allowances = charges = Decimal(0)
    for element in find_all(settlement, "SpecifiedTradeAllowanceCharge"):
        amount = collect.number(text(element, "ActualAmount"), "BT-136") or Decimal(0)
        if text(element, "ChargeIndicator/Indicator") == "true":
            charges += amount
        else:
            allowances += amount
    net = text(
        settlement,
        "SpecifiedTradeSettlementLineMonetarySummation/LineTotalAmount",
        "SpecifiedTradeSettlementMonetarySummation/LineTotalAmount",
    )
    return Line(
        id=text(line, "AssociatedDocumentLineDocument/LineID"),
        name=text(product, "Name"),
        gtin=gtin(text(item), item.get("schemeID")) if item is not None else None,
        seller_item=text(product, "SellerAssignedID"),
        buyer_item=text(product, "BuyerAssignedID"),
        quantity=collect.number(text(quantity), "BT-129"),
        unit=quantity.get("unitCode") if quantity is not None else None,
        net=collect.number(net, "BT-131"),
        price=collect.number(text(price, "ChargeAmount"), "BT-146"),
        price_quantity=collect.number(text(price, "BasisQuantity"), "BT-149"),
        allowances=allowances,
        charges=charges,
        origin=text(product, "OriginTradeCountry/ID"),
        order=_reference(agreement, "BuyerOrderReferencedDocument"),
        order_line=text(agreement, "BuyerOrderReferencedDocument/LineID"),
        despatch=_reference(delivery, "DespatchAdviceReferencedDocument", "DeliveryNoteReferencedDocument"),
        receipt=_reference(delivery, "ReceivingAdviceReferencedDocument"),
    )


def _accounts(settlement: etree._Element | None) -> list[str]:
    account = "SpecifiedTradeSettlementPaymentMeans/PayeePartyCreditorFinancialAccount"
    found = find_all(settlement, f"{account}/IBANID", f"{account}/ProprietaryID")
    return [value for element in found if (value := text(element))]


def _attachments(agreement: etree._Element | None, collect: Collector) -> list[Attachment]:
    found = []
    for element in find_all(agreement, "AdditionalReferencedDocument"):
        embedded, link = find(element, "AttachmentBinaryObject"), text(element, "URIID")
        if text(element, "TypeCode") in _NOT_SUPPORTING or (embedded is None and link is None):
            continue
        found.append(
            Attachment(
                name=(embedded.get("filename") if embedded is not None else None)
                or text(element, "IssuerAssignedID", "ID"),
                media_type=embedded.get("mimeCode") if embedded is not None else None,
                content=collect.content(text(embedded), "BT-125"),
                link=link,
            )
        )
    return found
