"""China's digitalized e-fapiao (数电票): the tax bureau's XML, and OFD (GB/T 33190-2016) by zip and XML.

A fapiao states neither currency (it is always CNY), due date, terms nor order: those come from the contract
or the buyer. Its shapes differ in names only, so each is a table of names. An OFD may hold
`original_invoice.xml` (the standard of 2019), the tax bureau's XML or an XBRL voucher; otherwise what it says
stands in the custom data of `OFD.xml` and in its custom tags, which point at the text on the page.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import TypeAlias
from zipfile import ZipFile

from lxml import etree

from backend.invoices.formats import archive, xml
from backend.invoices.formats.collect import Collector
from backend.invoices.formats.errors import Unreadable
from backend.invoices.formats.xml import find_all, text
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
_TAGS = re.compile(r"(?:^|/)CustomTag\.xml$", re.IGNORECASE)
_PAGES = re.compile(r"(?:^|/)Content\.xml$", re.IGNORECASE)
_MAX_PAGES = 50
# "***" stands where a tax is not shown (tax-exempt goods), "个人" for a private buyer without a number.
_NOT_SHOWN = "***"

Said: TypeAlias = Callable[..., str | None]
"""What a document says under the first of these names under which it says anything."""
Names: TypeAlias = tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """The names of its fields. `whole` is the number alone, `code` and `number` are its two older parts."""

    whole: Names = ()
    code: Names = ()
    number: Names = ()
    issued: Names
    net: Names
    tax: Names
    gross: Names
    seller: Names
    seller_number: Names
    buyer: Names
    buyer_number: Names
    note: Names = ()
    account: Names = ()
    original: tuple[Names, Names] = ((), ())
    lines: str = ""
    item: Names = ()
    quantity: Names = ()
    unit: Names = ()
    price: Names = ()
    amount: Names = ()


_BUREAU = Shape(
    whole=("TaxSupervisionInfo/InvoiceNumber", "Header/EIid"),
    issued=("TaxSupervisionInfo/IssueTime", "EInvoiceData/BasicInformation/RequestTime"),
    net=("EInvoiceData/BasicInformation/TotalAmWithoutTax",),
    tax=("EInvoiceData/BasicInformation/TotalTaxAm",),
    gross=("EInvoiceData/BasicInformation/TotalTax-includedAmount",),
    seller=("EInvoiceData/SellerInformation/SellerName",),
    seller_number=("EInvoiceData/SellerInformation/SellerIdNum",),
    buyer=("EInvoiceData/BuyerInformation/BuyerName",),
    buyer_number=("EInvoiceData/BuyerInformation/BuyerIdNum",),
    note=("EInvoiceData/AdditionalInformation/Remark",),
    account=("EInvoiceData/SellerInformation/SellerBankAccNum",),
    lines="EInvoiceData/IssuItemInformation",
    item=("ItemName",),
    quantity=("Quantity",),
    unit=("MeaUnits",),
    price=("UnPrice",),
    amount=("Amount",),
)
_PERSON = "TaxpayerIdentificationNumberUnifiedSocialCreditCodeOf"
_VOUCHER = Shape(
    whole=("UniqueCodeOfInvoice",),
    code=("CodeOfInvoice",),
    number=("NumberOfInvoice",),
    issued=("DateOfIssue",),
    net=("TotalAmountExcludingTax",),
    tax=("TotalTaxAmount",),
    gross=("TaxIncludedAmountInFigures",),
    seller=("NameOfSeller",),
    seller_number=(f"{_PERSON}Seller",),
    buyer=("NameOfPurchaser",),
    buyer_number=(f"{_PERSON}Purchaser",),
    note=("Remarks",),
    lines="InformationOfTaxableGoodsOrServicesDetailItemsTuple",
    item=("NameOfTaxableGoodsOrServices",),
    quantity=("Quantity",),
    unit=("Unit", "UnitOfMeasurement"),
    price=("UnitPrice",),
    amount=("AmountExcludingTax",),
)
_OLD = Shape(
    code=("InvoiceCode",),
    number=("InvoiceNo",),
    issued=("IssueDate",),
    net=("TaxExclusiveTotalAmount",),
    tax=("TaxTotalAmount",),
    gross=("TaxInclusiveTotalAmount",),
    seller=("Seller/SellerName",),
    seller_number=("Seller/SellerTaxID",),
    buyer=("Buyer/BuyerName",),
    buyer_number=("Buyer/BuyerTaxID",),
    note=("Note",),
    original=(("OriginalInvoiceCode",), ("OriginalInvoiceNo",)),
    lines="GoodsInfos/GoodsInfo",
    item=("Item",),
    quantity=("Quantity",),
    unit=("MeasurementDimension",),
    price=("Price",),
    amount=("Amount",),
)
# The custom data's own names first, then the last step of the tags', which are those of the standard of 2019.
_CUSTOM = Shape(
    code=("发票代码", "InvoiceCode"),
    number=("发票号码", "InvoiceNo"),
    issued=("开票日期", "IssueDate"),
    net=("合计金额", "TaxExclusiveTotalAmount"),
    tax=("合计税额", "TaxTotalAmount"),
    gross=("价税合计", "TaxInclusiveTotalAmount"),
    seller=("销售方名称", "SellerName"),
    seller_number=("销售方纳税人识别号", "SellerTaxID"),
    buyer=("购买方名称", "BuyerName"),
    buyer_number=("购买方纳税人识别号", "BuyerTaxID"),
    note=("Note",),
)


def parse(root: etree._Element) -> Invoice:
    """The fapiao in the tax bureau's XML (root `EInvoice`)."""
    return _invoice(_in(root), _BUREAU, Format.FAPIAO_XML, root)


def parse_xbrl(root: etree._Element) -> Invoice:
    """The fapiao in an XBRL instance of the Ministry of Finance's electronic vouchers (`inv_ord_issuer` …).

    Elements are found by their local names: each kind of voucher has a namespace of its own. Raises
    Unreadable (`xbrl-is-no-invoice`) for bank receipts, tickets and other vouchers.
    """
    invoice = _invoice(_in(root), _VOUCHER, Format.FAPIAO_XML, root)
    if invoice.number is None:
        raise Unreadable("xbrl-is-no-invoice")
    return invoice


def is_ofd(container: ZipFile) -> bool:
    """Whether the archive is an OFD document."""
    return "OFD.xml" in container.namelist()


def parse_ofd(container: ZipFile) -> Invoice:
    """The fapiao in an OFD document. Raises Unreadable: `ofd-without-data`, and as `archive` and `xml` do."""
    names = container.namelist()
    for name in names:
        if _OLD_NAME.search(name):
            root = xml.parse(archive.member(container, name))
            if xml.local(root) != _OLD_ROOT:
                raise Unreadable("ofd-without-data")
            return _invoice(_in(root), _OLD, Format.FAPIAO_OFD, root)
    for name in (name for name in names if _ATTACHED.search(name)):
        root = xml.parse(archive.member(container, name))
        if xml.local(root) == ROOT:
            return replace(parse(root), format=Format.FAPIAO_OFD)
        if root.tag == XBRL:
            return replace(parse_xbrl(root), format=Format.FAPIAO_OFD)
    said = {**_tagged(container), **_custom_data(container)}

    def find(*alternatives: str) -> str | None:
        return next((said[name] for name in alternatives if name in said), None)

    if find(*_CUSTOM.number) is None:
        raise Unreadable("ofd-without-data")
    return _invoice(find, _CUSTOM, Format.FAPIAO_OFD)


def _custom_data(container: ZipFile) -> Mapping[str, str]:
    """Name and value of the custom data in `OFD.xml` (GB/T 33190-2016, 7.4)."""
    root = xml.parse(archive.member(container, "OFD.xml"))
    return {
        (element.get("Name") or "").strip(): value
        for element in find_all(root, "DocBody/DocInfo/CustomDatas/CustomData")
        if (value := text(element))
    }


def _tagged(container: ZipFile) -> Mapping[str, str]:
    """What the custom tags point at (GB/T 33190-2016, clause 16): the tag's name and the text on the page.

    A tag holds references to text objects by their number; several are one value in parts.
    """
    names = container.namelist()
    tags = next((name for name in names if _TAGS.search(name)), None)
    if tags is None:
        return {}
    texts: dict[str, str] = {}
    for name in [name for name in names if _PAGES.search(name)][:_MAX_PAGES]:
        page = xml.parse(archive.member(container, name))
        for shown in page.iter("{*}TextObject"):
            words = "".join((part.text or "").strip() for part in shown.iter("{*}TextCode"))
            texts.setdefault(shown.get("ID") or "", words)
    found: dict[str, str] = {}
    for reference in xml.parse(archive.member(container, tags)).iter("{*}ObjectRef"):
        tag = reference.getparent()
        words = texts.get((reference.text or "").strip(), "")
        if tag is not None and words:
            name = xml.local(tag)
            found[name] = found.get(name, "") + words
    return found


def _in(root: etree._Element) -> Said:
    return lambda *paths: text(root, *paths) if paths else None


def _invoice(said: Said, shape: Shape, kind: Format, root: etree._Element | None = None) -> Invoice:
    collect = Collector()
    collect.set_currency("CNY")
    elements = list(find_all(root, shape.lines)) if shape.lines else []
    xml.bounded(len(elements), 0)
    totals = _totals(collect, said(*shape.net), said(*shape.tax), said(*shape.gross))
    number = said(*shape.whole) or (said(*shape.code) or "") + (said(*shape.number) or "")
    original = "".join(said(*part) or "" for part in shape.original)
    note, account = said(*shape.note), said(*shape.account)
    is_red = (totals.payable or 0) < 0  # a red-letter fapiao takes another back
    return Invoice(
        format=kind,
        number=number or None,
        type="381" if is_red else "380",
        issue_date=_day(said(*shape.issued), collect),
        due=DueDate(),
        currency="CNY",
        totals=totals,
        seller=_party(said(*shape.seller), said(*shape.seller_number)),
        buyer=_party(said(*shape.buyer), said(*shape.buyer_number)),
        references=References(preceding=(Preceding(number=original),) if original else ()),
        lines=tuple(
            Line(
                id=str(position),
                name=text(line, *shape.item),
                quantity=collect.number(text(line, *shape.quantity), "BT-129"),
                unit=text(line, *shape.unit),
                price=collect.number(text(line, *shape.price), "BT-146"),
                net=collect.number(text(line, *shape.amount), "BT-131"),
            )
            for position, line in enumerate(elements, start=1)
        ),
        notes=(note,) if note else (),
        accounts=(account,) if account else (),
        registry_number=number or None,
        issues=tuple(collect.issues),
    )


def _totals(collect: Collector, net: str | None, tax: str | None, gross: str | None) -> Totals:
    """The sums; the tax-inclusive one is added up where it is not stated."""
    is_hidden = tax == _NOT_SHOWN
    without = collect.amount(_plain(net), "BT-109")
    added = None if is_hidden else collect.amount(_plain(tax), "BT-110")
    whole = collect.amount(_plain(gross), "BT-112")
    if whole is None and without is not None and gross is None:
        whole = without + (added or 0)
    return Totals(net=without, tax=added, gross=whole, payable=whole)


def _plain(amount: str | None) -> str | None:
    """The amount without the yuan sign that a page shows before it."""
    return amount.lstrip("¥￥ ") if amount else None


def _party(name: str | None, number: str | None) -> Party:
    tax = (Identifier(number, "USCC"),) if number and number != _NOT_SHOWN else ()
    return Party(name=name, tax=tax, country="CN")


def _day(value: str | None, collect: Collector) -> date | None:
    """2026-02-28, 2026-02-28 10:11:12 or 2020年07月23日."""
    if match := _CHINESE_DATE.match(value or ""):
        value = f"{match[1]}-{int(match[2]):02d}-{int(match[3]):02d}"
    return collect.day(value, "BT-2")
