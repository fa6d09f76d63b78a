"""India's GST e-invoice, schema INV-01 version 1.1 (NIC, e-invoice API 1.04): JSON, dates as DD/MM/YYYY, INR.

What is left to pay is the document's value less what `PayDtls` says was paid. The credit days of `PayDtls`
give a due date that is derived, not stated.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from backend.invoices.formats.collect import Collector
from backend.invoices.formats.errors import Unreadable
from backend.invoices.formats.xml import MAX_LINES
from backend.invoices.model import (
    DueDate,
    DueDateSource,
    Format,
    Identifier,
    Invoice,
    Line,
    Party,
    Preceding,
    References,
    Totals,
)
from backend.kit.canonical import Number

_TYPES = {"INV": "380", "CRN": "381", "DBN": "383"}  # UNTDID 1001
_DATE = re.compile(r"(\d{2})[/-](\d{2})[/-](\d{4})")
_TAXES = ("IgstVal", "CgstVal", "SgstVal", "CesVal", "StCesVal")
_ADDRESS = ("Addr1", "Addr2", "Loc", "Pin")
_MARKS = {"DocDtls", "SellerDtls", "ValDtls"}
_CODE_MARKS = {"SellerGstin", "DocNo", "DocDt", "TotInvVal", "Irn"}


def matches(document: Any) -> bool:
    """Whether the JSON looks like an INV-01 document."""
    return isinstance(document, Mapping) and set(document) >= _MARKS


def matches_code(document: Any) -> bool:
    """Whether the JSON is what the signed QR code of a registered invoice says."""
    return isinstance(document, Mapping) and set(document) >= _CODE_MARKS


def parse_code(document: Mapping[str, Any]) -> Invoice:
    """The invoice as its QR code has it: both GSTINs, number, date, value and IRN; no names, no lines."""
    collect = Collector()
    collect.set_currency("INR")
    kind = _text(document.get("DocTyp"))
    gross = collect.amount(_text(document.get("TotInvVal")), "BT-112")
    return Invoice(
        format=Format.INV_01,
        number=_text(document.get("DocNo")),
        type=_TYPES.get(kind or "", kind),
        issue_date=_day(_text(document.get("DocDt")), "BT-2", collect),
        due=DueDate(),
        currency="INR",
        totals=Totals(gross=gross, payable=gross),
        seller=_party({"Gstin": document.get("SellerGstin")}),
        buyer=_party({"Gstin": document.get("BuyerGstin")}),
        registry_number=_text(document.get("Irn")),
        issues=tuple(collect.issues),
    )


def parse(document: Mapping[str, Any]) -> Invoice:
    """The invoice. Raises Unreadable for more lines than can be read; other faults become issues."""
    collect = Collector()
    collect.set_currency("INR")
    head, values, payment = (_part(document, name) for name in ("DocDtls", "ValDtls", "PayDtls"))
    items = _list(document.get("ItemList"))
    if len(items) > MAX_LINES:
        raise Unreadable("too-many-lines", count=len(items), limit=MAX_LINES)
    issued = _day(_text(head.get("Dt")), "BT-2", collect)
    taxes = [collect.amount(_text(values.get(name)), "BT-110") for name in _TAXES]
    gross = collect.amount(_text(values.get("TotInvVal")), "BT-112")
    paid = collect.amount(_text(payment.get("PaidAmt")), "BT-113")
    days = _text(payment.get("CrDay"))
    reference = _part(document, "RefDtls")
    contract = next(iter(_list(reference.get("ContrDtls"))), {})
    return Invoice(
        format=Format.INV_01,
        number=_text(head.get("No")),
        type=_TYPES.get(_text(head.get("Typ")) or "", _text(head.get("Typ"))),
        issue_date=issued,
        due=_due(days, issued),
        currency="INR",
        totals=Totals(
            net=collect.amount(_text(values.get("AssVal")), "BT-109"),
            tax=sum(amount for amount in taxes if amount is not None),
            gross=gross,
            prepaid=paid,
            payable=gross - (paid or 0) if gross is not None else None,
        ),
        seller=_party(_part(document, "SellerDtls")),
        buyer=_party(_part(document, "BuyerDtls")),
        references=References(
            order=_text(contract.get("PORefr")),
            contract=_text(contract.get("ContrRefr")),
            receipt=_text(contract.get("RecAdvRefr")),
            preceding=tuple(
                Preceding(number=number, issue_date=_day(_text(each.get("InvDt")), "BT-26", collect))
                for each in _list(reference.get("PrecDocDtls"))
                if (number := _text(each.get("InvNo")))
            ),
        ),
        lines=tuple(_line(item, collect) for item in items),
        terms=_text(payment.get("PayTerm")),
        accounts=(account,) if (account := _text(payment.get("AccDet"))) else (),
        registry_number=_text(document.get("Irn")),
        issues=tuple(collect.issues),
    )


def _line(item: Mapping[str, Any], collect: Collector) -> Line:
    return Line(
        id=_text(item.get("SlNo")),
        name=_text(item.get("PrdDesc")),
        seller_item=_text(item.get("Barcde")),
        quantity=collect.number(_text(item.get("Qty")), "BT-129"),
        unit=_text(item.get("Unit")),
        price=collect.number(_text(item.get("UnitPrice")), "BT-146"),
        allowances=collect.number(_text(item.get("Discount")), "BT-136") or Decimal(0),
        net=collect.number(_text(item.get("AssAmt")), "BT-131"),
        order_line=_text(item.get("OrdLineRef")),
        origin=_text(item.get("OrgCntry")),
    )


def _party(details: Mapping[str, Any]) -> Party:
    number = _text(details.get("Gstin"))
    return Party(
        name=_text(details.get("LglNm")),
        trading_name=_text(details.get("TrdNm")),
        # URP stands for an unregistered person.
        tax=(Identifier(number, "GSTIN"),) if number and number != "URP" else (),
        country="IN",
        address=", ".join(part for name in _ADDRESS if (part := _text(details.get(name)))) or None,
    )


def _due(days: str | None, issued: date | None) -> DueDate:
    if days is None or not days.isdecimal() or issued is None or not 0 < int(days) <= 730:
        return DueDate()
    day = issued + timedelta(days=int(days))
    return DueDate(day=day, source=DueDateSource.DERIVED, wording=f"CrDay {days}")


def _day(value: str | None, place: str, collect: Collector) -> date | None:
    if match := _DATE.fullmatch(value or ""):
        value = f"{match[3]}-{match[2]}-{match[1]}"
    return collect.day(value, place)


def _part(document: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    part = document.get(name)
    return part if isinstance(part, Mapping) else {}


def _list(value: Any) -> Sequence[Mapping[str, Any]]:
    return [item for item in value if isinstance(item, Mapping)] if isinstance(value, list) else []


def _text(value: Any) -> str | None:
    """Text and numbers as text; a number keeps the digits it was written with."""
    return str(value).strip() or None if isinstance(value, str | Number | int) else None
