"""Whether an event's body passes a test that the index cannot answer. Numbers are compared exactly."""

from collections.abc import Callable, Iterator
from decimal import Decimal, InvalidOperation
from operator import eq, ge, gt, le, lt
from typing import Any, Final

from backend.provenance.epcis.document import Event
from backend.provenance.epcis.hashing import utc_milliseconds
from backend.provenance.epcis.values import Number, Object
from backend.provenance.query.language import BodyTest
from backend.provenance.units import convert
from backend.verifier.identifiers import comparable
from backend.verifier.names import Namespaces, expand_name, expand_uri

_OPERATORS: Final[dict[str, Callable[[Any, Any], bool]]] = {"EQ": eq, "GT": gt, "GE": ge, "LT": lt, "LE": le}
_QUANTITIES: Final = ("quantityList", "childQuantityList", "inputQuantityList", "outputQuantityList")
_SENSOR_FIELDS: Final = frozenset({"sensorMetadata", "sensorReport"})


def passes(event: Event, test: BodyTest) -> bool:
    """Whether the event passes the test."""
    match test.scope:
        case "field":
            value = event.body.get(test.name)
            return bool(value) if test.operator == "EXISTS" else value in test.values
        case "quantity":
            found = (
                (element.get("quantity"), element.get("uom"))
                for name in _QUANTITIES
                for element in event.body.get(name, ())
            )
            return any(_measures(value, unit, test) for value, unit in found)
        case "report":
            return any(_reports(report, test) for report in _reports_of(event.body))
        case "sensor":
            return any(_at(part.get(test.name), test) for part in _sensor_parts(event.body))
        case "declaration":
            return _at(event.body.get("errorDeclaration", {}).get(test.name), test)
        case _:
            return any(_compares(value, event.namespaces, test) for value in _extensions(event, test))


def place_in_order(event: Event, name: str) -> tuple[int, Any] | None:
    """Where an event stands in the order of one of its extension fields; None when it has no such value."""
    for field, value in event.body.items():
        if ":" in field and expand_name(field, event.namespaces) == name:
            first = value[0] if isinstance(value, list) and value else value
            if isinstance(first, Number):
                return 0, Decimal(first.text)
            if isinstance(first, str):
                moment = utc_milliseconds(first)
                return (1, moment) if moment is not None else (2, first)
    return None


def _measures(value: Any, unit: str | None, test: BodyTest) -> bool:
    if not isinstance(value, Number):
        return False
    if test.operator == "EXISTS":
        return True
    number: Decimal | None = Decimal(value.text)
    if test.unit is not None:
        number = convert(Decimal(value.text), unit, test.unit)
    compare = _OPERATORS[test.operator]
    return number is not None and any(compare(number, wanted) for wanted in test.values)


def _reports(report: Object, test: BodyTest) -> bool:
    value = report.get(test.name)
    if isinstance(value, Number):
        return _measures(value, report.get("uom"), test)
    if isinstance(value, str) and test.name in {"microorganism", "chemicalSubstance", "uriValue"}:
        return comparable(value) in {comparable(str(wanted)) for wanted in test.values}
    return value is not None and any(
        type(value) is type(wanted) and value == wanted for wanted in test.values
    )


def _at(value: Any, test: BodyTest) -> bool:
    if not isinstance(value, str):
        return False
    moment = utc_milliseconds(value)
    compare = _OPERATORS.get(test.operator)
    return moment is not None and (compare is None or any(compare(moment, wanted) for wanted in test.values))


def _reports_of(body: Object) -> Iterator[Object]:
    for element in body.get("sensorElementList", ()):
        yield from element["sensorReport"]


def _sensor_parts(body: Object) -> Iterator[Object]:
    for element in body.get("sensorElementList", ()):
        if "sensorMetadata" in element:
            yield element["sensorMetadata"]
        yield from element["sensorReport"]


def _holders(event: Event, scope: str) -> Iterator[Object]:
    """The objects whose members an extension test of this scope looks at."""
    body = event.body
    match scope:
        case "event":
            yield {name: value for name, value in body.items() if ":" in name}
        case "ILMD":
            yield body.get("ilmd", {})
        case "ERROR_DECLARATION":
            yield body.get("errorDeclaration", {})
        case "readPoint" | "bizLocation":
            yield body.get(scope, {})
        case "SENSORELEMENT":
            for element in body.get("sensorElementList", ()):
                yield {name: value for name, value in element.items() if name not in _SENSOR_FIELDS}
        case "SENSORMETADATA":
            for element in body.get("sensorElementList", ()):
                yield element.get("sensorMetadata", {})
        case "SENSORREPORT":
            yield from _reports_of(body)


def _extensions(event: Event, test: BodyTest) -> Iterator[Any]:
    """The values of the extension field a test names; below the first level when it says INNER."""
    for holder in _holders(event, test.scope):
        if test.inner:
            for member in holder.values():
                yield from _named(member, test.name, event.namespaces)
        else:
            for name, value in holder.items():
                if expand_name(name, event.namespaces) == test.name:
                    yield from value if isinstance(value, list) else (value,)


def _named(value: Any, wanted: str, namespaces: Namespaces) -> Iterator[Any]:
    if isinstance(value, dict):
        for name, member in value.items():
            if expand_name(name, namespaces) == wanted:
                yield from member if isinstance(member, list) else (member,)
            yield from _named(member, wanted, namespaces)
    elif isinstance(value, list):
        for member in value:
            yield from _named(member, wanted, namespaces)


def _compares(value: Any, namespaces: Namespaces, test: BodyTest) -> bool:
    if test.operator == "EXISTS":
        return True
    if isinstance(value, dict):
        value = value.get("#text", value.get("id"))
    return any(_related(value, wanted, namespaces, test.operator) for wanted in test.values)


def _related(value: Any, wanted: str | Decimal | bool, namespaces: Namespaces, operator: str) -> bool:
    if isinstance(value, bool) or isinstance(wanted, bool):
        return operator == "EQ" and _word(value) == _word(wanted)
    numbers = _number(value), _number(wanted)
    if numbers[0] is not None and numbers[1] is not None and (operator != "EQ" or isinstance(value, Number)):
        return _OPERATORS[operator](*numbers)
    if not isinstance(value, str):
        return False
    text = str(wanted)
    if operator == "EQ":
        return value == text or comparable(expand_uri(value, namespaces)) == comparable(text)
    moments = utc_milliseconds(value), utc_milliseconds(text)
    if moments[0] is None or moments[1] is None:
        return False
    return _OPERATORS[operator](*moments)


def _word(value: Any) -> str:
    return str(value).lower()


def _number(value: Any) -> Decimal | None:
    if isinstance(value, Decimal):
        return value
    text = value.text if isinstance(value, Number) else value
    if not isinstance(text, str) or len(text) > 64:
        return None
    try:
        number = Decimal(text)
    except InvalidOperation:
        return None
    return number if number.is_finite() else None
