"""An EPCIS 2.0 event as the checks read it: a view of its JSON, with identifiers in one form.

Events reach the verifier in the JSON binding, numbers as their decimal text. Identifiers become their one
form (`identifiers.comparable`), words of the CBV's vocabularies the bare word, in whatever spelling and under
whatever prefix they came: the same item is the same text. A word that is not the CBV's stays as it is.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal, InvalidOperation

from backend.kit.canonical import Json, Number
from backend.verifier.identifiers import class_of, comparable
from backend.verifier.names import Namespaces, expand_uri
from backend.verifier.vocabulary import (
    BIZ_STEP,
    BIZ_TRANSACTION_TYPE,
    DISPOSITION,
    MEASUREMENT,
    PREFIXES,
    Vocabulary,
)

QUANTITY_LISTS = ("quantityList", "childQuantityList", "inputQuantityList", "outputQuantityList")

_ITEM_LISTS = ("epcList", "childEPCs", "inputEPCList", "outputEPCList")


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


def view(event: Mapping[str, Json], namespaces: Namespaces = PREFIXES) -> EventView:
    """The view of an event that its recorder's repository found valid. ValueError where it is not.

    A quantity that is not stated, or is no amount of anything, is not counted.
    """
    parent, name = event.get("parentID"), event.get("eventID")
    classes = [quantity for each in QUANTITY_LISTS for quantity in _list(event, each)]
    where = event.get("bizLocation")
    return EventView(
        event_id=comparable(str(name), namespaces) if name else None,
        kind=str(event.get("type", "")),
        action=str(event.get("action", "")),
        step=word(BIZ_STEP, event.get("bizStep"), namespaces),
        disposition=word(DISPOSITION, event.get("disposition"), namespaces),
        time=_seconds(event.get("eventTime")),
        transactions=transactions(event, namespaces),
        items=items(event, namespaces),
        parent=comparable(str(parent), namespaces) if parent else None,
        quantities=tuple(each for item in classes if (each := _quantity(item, namespaces)) is not None),
        location=str(where.get("id")) if isinstance(where, Mapping) else None,
        is_error="errorDeclaration" in event,
        temperatures=tuple(_temperatures(event, namespaces)),
    )


def items(event: Mapping[str, Json], namespaces: Namespaces) -> frozenset[str]:
    """The serialised items and logistic units an event names, without the parent. Takes any JSON."""
    return frozenset(comparable(str(epc), namespaces) for name in _ITEM_LISTS for epc in _list(event, name))


def transactions(event: Mapping[str, Json], namespaces: Namespaces) -> frozenset[tuple[str, str]]:
    """(type, id) of the business transactions an event names. Takes any JSON."""
    return frozenset(
        (
            word(BIZ_TRANSACTION_TYPE, item.get("type"), namespaces),
            comparable(str(item.get("bizTransaction")), namespaces),
        )
        for item in _list(event, "bizTransactionList")
        if isinstance(item, Mapping)
    )


def word(vocabulary: Vocabulary, name: Json, namespaces: Namespaces = PREFIXES) -> str:
    """`https://ref.gs1.org/cbv/BizStep-shipping`, `urn:epcglobal:cbv:bizstep:shipping` → `shipping`."""
    return vocabulary.bare(expand_uri(name, namespaces)) if isinstance(name, str) else ""


def item_class(identifier: str) -> str:
    """The class of an item in its one form: its GTIN without lot and serial."""
    return class_of(identifier) or identifier


def _quantity(item: Json, namespaces: Namespaces) -> Quantity | None:
    if not isinstance(item, Mapping) or "quantity" not in item:
        return None
    unit = item.get("uom")
    try:
        amount = decimal(item.get("quantity"))
    except ValueError:
        return None
    name = item_class(comparable(str(item.get("epcClass")), namespaces))
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


def _temperatures(event: Mapping[str, Json], namespaces: Namespaces) -> list[Decimal]:
    found = []
    for element in _list(event, "sensorElementList"):
        for report in _list(element, "sensorReport") if isinstance(element, Mapping) else ():
            if (
                isinstance(report, Mapping)
                and word(MEASUREMENT, report.get("type"), namespaces) == "Temperature"
            ):
                scale = {"CEL": Decimal(0), "KEL": Decimal("-273.15")}.get(str(report.get("uom")))
                names = [name for name in ("value", "minValue", "maxValue") if name in report]
                if scale is not None:
                    found += [_reading(report[name], scale) for name in names]
    return found


def _reading(value: Json, scale: Decimal) -> Decimal:
    """What a sensor says in degrees Celsius; Infinity, and so outside any limits, where that is absurd."""
    try:
        return decimal(value) + scale
    except ValueError:
        return Decimal("Infinity")


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
