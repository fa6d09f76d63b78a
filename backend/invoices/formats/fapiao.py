"""China's digitalized e-fapiao (数电票): the tax bureau's XML, and OFD (GB/T 33190-2016) by zip and XML.

A fapiao states neither currency (it is always CNY), due date, terms nor order: those come from the contract
or the buyer. Four shapes of OFD occur: with `original_invoice.xml` (the standard of 2019), with the tax
bureau's XML or an XBRL voucher attached, and with nothing but the custom data of `OFD.xml`.
"""

import re
from dataclasses import replace
from datetime import date
from zipfile import ZipFile

from lxml import etree

from backend.invoices.formats import archive, xml
from backend.invoices.formats.collect import Collector
from backend.invoices.formats.errors import Unreadable
from backend.invoices.formats.xml import find, find_all, text
from backend.invoices.model import (
    DueDate,
    Format,
    Identifier,
    Invoice,
    Line,
    Party,
    Preceding,
    References,
    Totals,
)

ROOT = "EInvoice"
XBRL = "{http://www.xbrl.org/2003/instance}xbrl"
_OLD_ROOT = "eInvoice"
_CHINESE_DATE = re.compile(r"(\d{4})\D{1,2}(\d{1,2})\D{1,2}(\d{1,2})")
_ATTACHED = re.compile(r"attach.*\.(?:xml|xbrl)$", re.IGNORECASE)
_OLD_NAME = re.compile(r"(?:^|/)original_invoice\.xml$")
# "***" stands where a tax is not shown (tax-exempt goods), "个人" for a private buyer without a number.
_NOT_SHOWN = "***"


def parse(root: etree._Element) -> Invoice:
    """The fapiao in the tax bureau's XML (root `EInvoice`)."""
    collect = Collector()
    collect.set_currency("CNY")
    data = find(root, "EInvoiceData")
    basic = find(data, "BasicInformation")
    totals = _totals(
        collect,
        text(basic, "TotalAmWithoutTax"),
        text(basic, "TotalTaxAm"),
        text(basic, "TotalTax-includedAmount"),
    )
    lines = tuple(
        Line(
            id=str(position),
            name=text(line, "ItemName"),
            quantity=collect.number(text(line, "Quantity"), "BT-129"),
            unit=text(line, "MeaUnits"),
            price=collect.number(text(line, "UnPrice"), "BT-146"),
            net=collect.number(text(line, "Amount"), "BT-131"),
        )
        for position, line in enumerate(find_all(data, "IssuItemInformation"), start=1)
    )
    _bounded(lines)
    number = text(root, "TaxSupervisionInfo/InvoiceNumber", "Header/EIid")
    remark = text(data, "AdditionalInformation/Remark")
    return _invoice(
        collect,
        Format.FAPIAO_XML,
        number,
        _day(text(root, "TaxSupervisionInfo/IssueTime") or text(basic, "RequestTime"), collect),
        totals,
        _party(text(data, "SellerInformation/SellerName"), text(data, "SellerInformation/SellerIdNum")),
        _party(text(data, "BuyerInformation/BuyerName"), text(data, "BuyerInformation/BuyerIdNum")),
        lines=lines,
        notes=(remark,) if remark else (),
        account=text(data, "SellerInformation/SellerBankAccNum"),
    )


def parse_xbrl(root: etree._Element) -> Invoice:
    """The fapiao in an XBRL instance of the Ministry of Finance's electronic vouchers (`inv_ord_issuer` …).

    Elements are found by their local names: each kind of voucher has a namespace of its own. Raises
    Unreadable (`xbrl-is-no-invoice`) for bank receipts, tickets and other vouchers.
    """
    number = text(root, "UniqueCodeOfInvoice")
    if not number:
        number = (text(root, "CodeOfInvoice") or "") + (text(root, "NumberOfInvoice") or "")
    if not number:
        raise Unreadable("xbrl-is-no-invoice")
    collect = Collector()
    collect.set_currency("CNY")
    totals = _totals(
        collect,
        text(root, "TotalAmountExcludingTax"),
        text(root, "TotalTaxAmount"),
        text(root, "TaxIncludedAmountInFigures"),
    )
    lines = tuple(
        Line(
            id=str(position),
            name=text(line, "NameOfTaxableGoodsOrServices"),
            quantity=collect.number(text(line, "Quantity"), "BT-129"),
            unit=text(line, "Unit", "UnitOfMeasurement"),
            price=collect.number(text(line, "UnitPrice"), "BT-146"),
            net=collect.number(text(line, "AmountExcludingTax"), "BT-131"),
        )
        for position, line in enumerate(
            find_all(root, "InformationOfTaxableGoodsOrServicesDetailItemsTuple"), start=1
        )
    )
    _bounded(lines)
    of_party = "TaxpayerIdentificationNumberUnifiedSocialCreditCodeOf"
    return _invoice(
        collect,
        Format.FAPIAO_XML,
        number,
        _day(text(root, "DateOfIssue"), collect),
        totals,
        _party(text(root, "NameOfSeller"), text(root, f"{of_party}Seller")),
        _party(text(root, "NameOfPurchaser"), text(root, f"{of_party}Purchaser")),
        lines=lines,
        notes=(note,) if (note := text(root, "Remarks")) else (),
    )


def is_ofd(container: ZipFile) -> bool:
    """Whether the archive is an OFD document."""
    return "OFD.xml" in container.namelist()


def parse_ofd(container: ZipFile) -> Invoice:
    """The fapiao in an OFD document. Raises Unreadable: `ofd-without-data`, and as `archive` and `xml` do."""
    names = container.namelist()
    for name in names:
        if _OLD_NAME.search(name):
            return _old(xml.parse(archive.member(container, name)))
    for name in (name for name in names if _ATTACHED.search(name)):
        root = xml.parse(archive.member(container, name))
        if xml.local(root) == ROOT:
            return _as_ofd(parse(root))
        if root.tag == XBRL:
            return _as_ofd(parse_xbrl(root))
    return _from_custom_data(xml.parse(archive.member(container, "OFD.xml")))


def _as_ofd(invoice: Invoice) -> Invoice:
    return replace(invoice, format=Format.FAPIAO_OFD)


def _old(root: etree._Element) -> Invoice:
    """`original_invoice.xml`: code and number together are the identity."""
    if xml.local(root) != _OLD_ROOT:
        raise Unreadable("ofd-without-data")
    collect = Collector()
    collect.set_currency("CNY")
    totals = _totals(
        collect,
        text(root, "TaxExclusiveTotalAmount"),
        text(root, "TaxTotalAmount"),
        text(root, "TaxInclusiveTotalAmount"),
    )
    lines = tuple(
        Line(
            id=str(position),
            name=text(line, "Item"),
            quantity=collect.number(text(line, "Quantity"), "BT-129"),
            unit=text(line, "MeasurementDimension"),
            price=collect.number(text(line, "Price"), "BT-146"),
            net=collect.number(text(line, "Amount"), "BT-131"),
        )
        for position, line in enumerate(find_all(root, "GoodsInfos/GoodsInfo"), start=1)
    )
    _bounded(lines)
    original = (text(root, "OriginalInvoiceCode") or "") + (text(root, "OriginalInvoiceNo") or "")
    number = (text(root, "InvoiceCode") or "") + (text(root, "InvoiceNo") or "")
    return _invoice(
        collect,
        Format.FAPIAO_OFD,
        number or None,
        _day(text(root, "IssueDate"), collect),
        totals,
        _party(text(root, "Seller/SellerName"), text(root, "Seller/SellerTaxID")),
        _party(text(root, "Buyer/BuyerName"), text(root, "Buyer/BuyerTaxID")),
        lines=lines,
        preceding=original,
        notes=(note,) if (note := text(root, "Note")) else (),
    )


def _from_custom_data(root: etree._Element) -> Invoice:
    """`OFD.xml` of a fully digitalized fapiao: numbers and sums, no names, no lines."""
    data = {
        (element.get("Name") or "").strip(): value
        for element in find_all(root, "DocBody/DocInfo/CustomDatas/CustomData")
        if (value := text(element))
    }
    if "发票号码" not in data:
        raise Unreadable("ofd-without-data")
    collect = Collector()
    collect.set_currency("CNY")
    return _invoice(
        collect,
        Format.FAPIAO_OFD,
        data.get("发票代码", "") + data["发票号码"],
        _day(data.get("开票日期"), collect),
        _totals(collect, data.get("合计金额"), data.get("合计税额"), data.get("价税合计")),
        _party(data.get("销售方名称"), data.get("销售方纳税人识别号")),
        _party(data.get("购买方名称"), data.get("购买方纳税人识别号")),
    )


def _invoice(
    collect: Collector,
    kind: Format,
    number: str | None,
    issued: date | None,
    totals: Totals,
    seller: Party,
    buyer: Party,
    *,
    lines: tuple[Line, ...] = (),
    preceding: str = "",
    notes: tuple[str, ...] = (),
    account: str | None = None,
) -> Invoice:
    is_red = (totals.payable or 0) < 0  # a red-letter fapiao takes another back
    return Invoice(
        format=kind,
        number=number,
        type="381" if is_red else "380",
        issue_date=issued,
        due=DueDate(),
        currency="CNY",
        totals=totals,
        seller=seller,
        buyer=buyer,
        references=References(preceding=(Preceding(number=preceding),) if preceding else ()),
        lines=lines,
        notes=notes,
        accounts=(account,) if account else (),
        registry_number=number,
        issues=tuple(collect.issues),
    )


def _totals(collect: Collector, net: str | None, tax: str | None, gross: str | None) -> Totals:
    """The sums; the tax-inclusive one is added up where it is not stated."""
    is_hidden = tax == _NOT_SHOWN
    without = collect.amount(net, "BT-109")
    added = None if is_hidden else collect.amount(tax, "BT-110")
    whole = collect.amount(gross, "BT-112")
    if whole is None and without is not None and gross is None:
        whole = without + (added or 0)
    return Totals(net=without, tax=added, gross=whole, payable=whole)


def _party(name: str | None, number: str | None) -> Party:
    tax = (Identifier(number, "USCC"),) if number and number != _NOT_SHOWN else ()
    return Party(name=name, tax=tax, country="CN")


def _day(value: str | None, collect: Collector) -> date | None:
    """2026-02-28, 2026-02-28 10:11:12 or 2020年07月23日."""
    if match := _CHINESE_DATE.match(value or ""):
        value = f"{match[1]}-{int(match[2]):02d}-{int(match[3]):02d}"
    return collect.day(value, "BT-2")


def _bounded(lines: tuple[Line, ...]) -> None:
    if len(lines) > xml.MAX_LINES:
        raise Unreadable("too-many-lines", count=len(lines), limit=xml.MAX_LINES)
