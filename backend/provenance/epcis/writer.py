"""Writing events in the XML binding of EPCIS 2.0, from the form of the JSON binding."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal, TypeAlias

from lxml import etree

from backend.kit.clock import iso, now
from backend.provenance.epcis.grammar import (
    ERROR_TERMS,
    EVENTS,
    KINDS,
    SENSOR_TERMS,
    TERMS,
    TYPED,
    Kind,
)
from backend.provenance.epcis.values import Number, Object
from backend.provenance.epcis.xml import NAMESPACE, QUERY_NAMESPACE, Element
from backend.verifier.names import expand_name, namespaces_of
from backend.verifier.vocabulary import DISPOSITION, PREFIXES, Vocabulary

CbvFormat: TypeAlias = Literal["No_Preference", "Always_Web_URI", "Always_URN", "Never_Translates"]

_LISTS: Final = frozenset({Kind.EPCS, Kind.QUANTITIES, Kind.TYPED, Kind.SENSORS})


def write_xml(
    events: Sequence[Object],
    context: Sequence[Any],
    *,
    query_name: str | None = None,
    subscription_id: str | None = None,
    cbv_format: CbvFormat = "No_Preference",
) -> bytes:
    """An EPCISDocument of the events, or, with a query's name, the EPCISQueryDocument of its results.

    Terms are written as URNs; as web URIs if `cbv_format` asks for them or, with `Never_Translates`, where
    the event has them so.

    Extension names become elements in the namespaces that `context` gives their prefixes.
    """
    namespaces = namespaces_of(list(context))
    namespace = QUERY_NAMESPACE if query_name else NAMESPACE
    kind = "EPCISQueryDocument" if query_name else "EPCISDocument"
    prefixes = {
        "epcisq" if query_name else "epcis": namespace,
        "gs1": PREFIXES["gs1"],
        "cbv": PREFIXES["cbv"],
    }
    root = etree.Element(f"{{{namespace}}}{kind}", nsmap=prefixes | _declared(namespaces))
    root.set("schemaVersion", "2.0")
    root.set("creationDate", iso(now()))
    body = etree.SubElement(root, "EPCISBody")
    holder: Element = body
    if query_name:
        results = etree.SubElement(body, f"{{{QUERY_NAMESPACE}}}QueryResults")
        etree.SubElement(results, "queryName").text = query_name
        if subscription_id is not None:
            etree.SubElement(results, "subscriptionID").text = subscription_id
        holder = etree.SubElement(results, "resultsBody")
    listing = etree.SubElement(holder, "EventList")
    for event in events:
        own = namespaces | (namespaces_of(event["@context"]) if "@context" in event else {})
        _Writer(own, cbv_format).event(listing, event)
    return bytes(etree.tostring(root, xml_declaration=True, encoding="UTF-8"))


def _declared(namespaces: Mapping[str, str]) -> dict[str, str]:
    return {
        prefix: name
        for prefix, name in namespaces.items()
        if PREFIXES.get(prefix) != name and prefix.isidentifier() and _is_namespace(name)
    }


def _is_namespace(name: str) -> bool:
    return bool(name) and not any(character.isspace() for character in name)


class _Writer:
    """Writes elements whose extension names are read in one set of namespaces."""

    def __init__(self, namespaces: Mapping[str, str], cbv_format: CbvFormat) -> None:
        self._namespaces, self._cbv_format = namespaces, cbv_format

    def event(self, listing: Element, event: Object) -> None:
        """Adds an event: the standard's fields in their order, then the extensions."""
        kind = str(event["type"])
        parent = listing if kind in EVENTS else etree.SubElement(listing, "extension")
        element = etree.SubElement(parent, self._tag(kind))
        order = EVENTS.get(kind, tuple(KINDS))
        for name in order:
            if name in event:
                self._field(element, name, event[name])
        for name, value in event.items():
            if name not in order and name not in {"type", "@context"}:
                self._extension(element, name, value)

    def _tag(self, name: str) -> str:
        full = expand_name(name, self._namespaces)
        return full if full.startswith("{") and _is_tag(full) else name.rpartition(":")[2]

    def _term(self, vocabulary: Vocabulary, value: str) -> str:
        if self._cbv_format == "Always_Web_URI":
            return vocabulary.expand(value)
        if self._cbv_format == "Never_Translates" and ":" in value:  # a bare word has no place in XML
            return value
        return vocabulary.to_urn(value)

    def _field(self, parent: Element, name: str, value: Any) -> None:
        kind = KINDS[name]
        if kind is Kind.URIS:
            for item in value if isinstance(value, list) else [value]:
                etree.SubElement(parent, name).text = item
            return
        element = etree.SubElement(parent, name)
        if kind in _LISTS:
            for item in value:
                self._item(element, name, item)
        elif kind is Kind.TERM:
            element.text = self._term(TERMS[name], value)
        elif kind is Kind.PLACE:
            etree.SubElement(element, "id").text = value["id"]
            self._extensions(element, value, {"id"})
        elif kind is Kind.DISPOSITIONS:
            for change in ("unset", "set"):
                for word in value.get(change, ()):
                    etree.SubElement(element, change).text = self._term(DISPOSITION, word)
        elif kind is Kind.ERROR:
            self._error(element, value)
        elif kind is Kind.ILMD:
            self._extensions(element, value, set())
        else:
            element.text = _text(value)

    def _item(self, element: Element, name: str, item: Any) -> None:
        match KINDS[name]:
            case Kind.QUANTITIES:
                self._quantity(element, item)
            case Kind.TYPED:
                item_name, vocabulary = TYPED[name]
                child = etree.SubElement(element, item_name)
                child.text = item[item_name]
                if "type" in item:
                    child.set("type", self._term(vocabulary, item["type"]))
            case Kind.SENSORS:
                self._sensor_element(element, item)
            case _:
                etree.SubElement(element, "epc").text = item

    def _quantity(self, parent: Element, value: Object) -> None:
        element = etree.SubElement(parent, "quantityElement")
        for name in ("epcClass", "quantity", "uom"):
            if name in value:
                etree.SubElement(element, name).text = _text(value[name])

    def _error(self, element: Element, value: Object) -> None:
        etree.SubElement(element, "declarationTime").text = value["declarationTime"]
        if "reason" in value:
            etree.SubElement(element, "reason").text = self._term(ERROR_TERMS["reason"], value["reason"])
        if "correctiveEventIDs" in value:
            listing = etree.SubElement(element, "correctiveEventIDs")
            for event in value["correctiveEventIDs"]:
                etree.SubElement(listing, "correctiveEventID").text = event
        self._extensions(element, value, {"declarationTime", "reason", "correctiveEventIDs"})

    def _sensor_element(self, parent: Element, value: Object) -> None:
        element = etree.SubElement(parent, "sensorElement")
        if "sensorMetadata" in value:
            self._attributes(etree.SubElement(element, "sensorMetadata"), value["sensorMetadata"])
        for report in value["sensorReport"]:
            self._attributes(etree.SubElement(element, "sensorReport"), report)
        self._extensions(element, value, {"sensorMetadata", "sensorReport"})

    def _attributes(self, element: Element, value: Object) -> None:
        for name, item in value.items():
            if ":" in name and isinstance(item, dict | list):
                self._extension(element, name, item)
            elif ":" in name:
                element.set(self._tag(name), _text(item))
            elif name in SENSOR_TERMS:
                term = SENSOR_TERMS[name].to_urn(item)
                for prefix in ("gs1", "cbv"):
                    if term.startswith(PREFIXES[prefix]):
                        term = f"{prefix}:{term.removeprefix(PREFIXES[prefix])}"
                element.set(name, term)
            else:
                element.set(name, _text(item))

    def _extensions(self, element: Element, value: Object, known: set[str]) -> None:
        for name, item in value.items():
            if name not in known:
                self._extension(element, name, item)

    def _extension(self, parent: Element, name: str, value: Any) -> None:
        """An extension field: a list becomes repeated elements, an object its members as elements."""
        for item in value if isinstance(value, list) else [value]:
            element = etree.SubElement(parent, self._tag(name))
            if isinstance(item, dict):
                for key, member in item.items():
                    if key == "#text":
                        element.text = _text(member)
                    else:
                        self._extension(element, key, member)
            elif isinstance(item, list):
                self._extension(element, name, item)
            else:
                element.text = _text(item)


def _is_tag(full: str) -> bool:
    try:
        etree.QName(full)
    except ValueError:
        return False
    return True


def _text(value: Any) -> str:
    if isinstance(value, Number):
        return value.text
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)
