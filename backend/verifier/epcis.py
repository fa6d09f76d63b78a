"""An EPCIS 2.0 event as the checks read it: a view of its JSON, with identifiers in one form.

Events reach the verifier in the JSON binding, numbers as their decimal text. Identifiers may be URNs
(EPC Tag Data Standard) or GS1 Digital Links; both become the canonical Digital Link, so that the same item
is the same text. What is neither stays as it is.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal, InvalidOperation

from backend.kit.canonical import Json, Number

DIGITAL_LINK = "https://id.gs1.org"
LONGEST = 400
"""Characters; a longer identifier is no GS1 key, and is not searched for one."""
QUANTITY_LISTS = ("quantityList", "childQuantityList", "inputQuantityList", "outputQuantityList")

_ITEM_LISTS = ("epcList", "childEPCs", "inputEPCList", "outputEPCList")
_URN = re.compile(r"urn:epc:(?:id|class|idpat):(sgtin|lgtin|sscc):([0-9]{6,12})\.([0-9]{1,10})(?:\.(.+))?")
_LINK = re.compile(r"https?://[^/?#]+(?:/[^?#]*?)??/(01/[0-9]{8,14}|00/[0-9]{18})((?:/[0-9]{2,4}/[^/?#]+)*)")
_NAME = re.compile(r".*[/:](?:BTT|BizStep|Disp|SDT|ER)?-?([^/:]+)")


@dataclass(frozen=True)
class Quantity:
    """So much of a class of goods; `unit` is UN/ECE Recommendation 20, None for pieces."""

    item: str
    amount: Decimal
    unit: str | None


@dataclass(frozen=True)
class EventView:
    """What the checks ask of an event. Vocabulary is the CBV's short names: `shipping`, `desadv`."""

    event_id: str | None
    kind: str
    action: str
    step: str
    disposition: str
    time: int
    """Unix seconds, as the recorder says."""
    transactions: frozenset[tuple[str, str]]
    """(type, id) of its business transactions."""
    items: frozenset[str]
    """Serialised items and logistic units, without the parent."""
    parent: str | None
    quantities: tuple[Quantity, ...]
    """What moved and is counted by class."""
    location: str | None
    is_error: bool
    """It declares an earlier event to be wrong."""
    temperatures: tuple[Decimal, ...]
    """Readings in degrees Celsius."""


def view(event: Mapping[str, Json]) -> EventView:
    """The view of an event that its recorder's repository found valid. ValueError where it is not.

    A quantity that is not stated, or is no amount of anything, is not counted.
    """
    parent = event.get("parentID")
    classes = [quantity for name in QUANTITY_LISTS for quantity in _list(event, name)]
    where = event.get("bizLocation")
    return EventView(
        event_id=str(event["eventID"]) if event.get("eventID") else None,
        kind=str(event.get("type", "")),
        action=str(event.get("action", "")),
        step=short(event.get("bizStep")),
        disposition=short(event.get("disposition")),
        time=_seconds(event.get("eventTime")),
        transactions=transactions(event),
        items=items(event),
        parent=canonical(str(parent)) if parent else None,
        quantities=tuple(each for item in classes if (each := _quantity(item)) is not None),
        location=str(where.get("id")) if isinstance(where, Mapping) else None,
        is_error="errorDeclaration" in event,
        temperatures=tuple(_temperatures(event)),
    )


def items(event: Mapping[str, Json]) -> frozenset[str]:
    """The serialised items and logistic units an event names, without the parent. Takes any JSON."""
    return frozenset(canonical(str(epc)) for name in _ITEM_LISTS for epc in _list(event, name))


def transactions(event: Mapping[str, Json]) -> frozenset[tuple[str, str]]:
    """(type, id) of the business transactions an event names. Takes any JSON."""
    return frozenset(
        (short(item.get("type")), str(item.get("bizTransaction")))
        for item in _list(event, "bizTransactionList")
        if isinstance(item, Mapping)
    )


def short(name: Json) -> str:
    """`https://ref.gs1.org/cbv/BizStep-shipping`, `urn:epcglobal:cbv:bizstep:shipping` → `shipping`."""
    if not isinstance(name, str):
        return ""
    match = _NAME.fullmatch(name)
    return match[1] if match else name


def canonical(identifier: str) -> str:
    """The canonical GS1 Digital Link of a GTIN (with lot or serial) or SSCC; other identifiers unchanged."""
    if len(identifier) > LONGEST:
        return identifier
    if match := _URN.fullmatch(identifier):
        return _from_urn(match[1], match[2], match[3], match[4]) or identifier
    if match := _LINK.fullmatch(identifier):
        key, digits = match[1].split("/")
        return f"{DIGITAL_LINK}/{key}/{digits.zfill(14) if key == '01' else digits}{match[2]}"
    return identifier


def item_class(identifier: str) -> str:
    """The class of a canonical identifier: its GTIN without lot and serial."""
    parts = identifier.removeprefix(DIGITAL_LINK + "/").split("/")
    return f"{DIGITAL_LINK}/01/{parts[1]}" if parts[0] == "01" and len(parts) > 1 else identifier


def check_digit(digits: str) -> str:
    """GS1 General Specifications section 7.9: modulo 10 with weights 3 and 1 from the right."""
    total = sum(int(digit) * (3 if place % 2 == 0 else 1) for place, digit in enumerate(reversed(digits)))
    return str(-total % 10)


def _from_urn(scheme: str, company: str, reference: str, rest: str | None) -> str | None:
    digits = reference[0] + company + reference[1:]
    if scheme == "sscc":
        return f"{DIGITAL_LINK}/00/{digits}{check_digit(digits)}" if len(digits) == 17 else None
    if len(digits) != 13:
        return None
    link = f"{DIGITAL_LINK}/01/{digits}{check_digit(digits)}"
    if rest in (None, "*"):
        return link
    return f"{link}/{'10' if scheme == 'lgtin' else '21'}/{rest}"


def _quantity(item: Json) -> Quantity | None:
    if not isinstance(item, Mapping) or "quantity" not in item:
        return None
    unit = item.get("uom")
    try:
        amount = decimal(item.get("quantity"))
    except ValueError:
        return None
    name = item_class(canonical(str(item.get("epcClass"))))
    return Quantity(name, amount, str(unit) if unit else None)


def decimal(value: Json) -> Decimal:
    """A number from its decimal text. ValueError if it is none, or has more digits than sense."""
    text = value.text if isinstance(value, Number) else str(value)
    try:
        number = Decimal(text)
    except InvalidOperation as error:
        raise ValueError(f"not a number: {text[:40]!r}") from error
    if len(text) > 60 or not number.is_finite() or abs(number.adjusted()) > 30:
        raise ValueError(f"not a quantity: {text[:40]!r}")
    return number


def _temperatures(event: Mapping[str, Json]) -> list[Decimal]:
    found = []
    for element in _list(event, "sensorElementList"):
        for report in _list(element, "sensorReport") if isinstance(element, Mapping) else ():
            if isinstance(report, Mapping) and short(report.get("type")) == "Temperature":
                scale = {"CEL": Decimal(0), "KEL": Decimal("-273.15")}.get(str(report.get("uom")))
                names = [name for name in ("value", "minValue", "maxValue") if name in report]
                if scale is not None:
                    found += [_reading(report[name]) + scale for name in names]
    return found


def _reading(value: Json) -> Decimal:
    """What a sensor says, however absurd: it is compared with limits and never added up."""
    text = value.text if isinstance(value, Number) else str(value)
    try:
        number = Decimal(text)
    except InvalidOperation:
        return Decimal("Infinity")
    return Decimal("Infinity") if number.is_nan() else number


def _seconds(time: Json) -> int:
    if not isinstance(time, str):
        raise ValueError("an event has an eventTime")
    parsed = datetime.fromisoformat(time)
    if parsed.tzinfo is None:
        raise ValueError("eventTime has no time zone")
    return int(parsed.timestamp())


def _list(value: Mapping[str, Json], name: str) -> Sequence[Json]:
    found = value.get(name, ())
    return found if isinstance(found, list | tuple) else ()
