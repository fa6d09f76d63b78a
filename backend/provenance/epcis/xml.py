"""Reading EPCIS 2.0 documents of the XML binding into the form of the JSON binding.

The grammar is checked here (`grammar.EVENTS` gives the order of elements); what a field may hold is checked
afterwards by the same schema as for JSON. Entities, DTDs and the network are off.
"""

import re
from collections.abc import Iterator
from typing import Any, Final, TypeAlias

from lxml import etree

from backend.provenance.epcis.document import (
    Document,
    Event,
    Fault,
    Unreadable,
    ignored_fields,
    require_count,
    require_size,
)
from backend.provenance.epcis.grammar import (
    ERROR_DECLARATION,
    ERROR_TERMS,
    EVENTS,
    KINDS,
    SENSOR_METADATA,
    SENSOR_REPORT,
    SENSOR_TERMS,
    TERMS,
    TYPED,
    Kind,
)
from backend.provenance.epcis.values import MAX_DEPTH, Number, Object
from backend.verifier.names import expand_uri
from backend.verifier.vocabulary import CONTEXT, DISPOSITION, PREFIXES, Vocabulary

NAMESPACE: Final = "urn:epcglobal:epcis:xsd:2"
QUERY_NAMESPACE: Final = "urn:epcglobal:epcis-query:xsd:2"
_XSI: Final = "http://www.w3.org/2001/XMLSchema-instance"
_WRAPPERS: Final = frozenset({"extension", "baseExtension"})
_BARE_DOCTYPE: Final = re.compile(rb"<!DOCTYPE\s+[\w:.-]+\s*>")
"""A declaration of nothing but a name, as several of GS1's own examples carry. Any other is refused."""

_DOCTYPE_FAULT: Final = Fault("", "doctype", "a document type definition or an external one is not accepted")
_NUMERAL: Final = re.compile(r"([+-]?)0*(\d*)(\.\d*)?([eE][+-]?\d+)?")

Element: TypeAlias = etree._Element


def read_xml(data: bytes) -> Document:
    """Reads a document or a single event; what breaks the grammar is listed in the document's faults.

    Raises:
        Unreadable: not well-formed XML, a DOCTYPE, nested too deeply, too large, too many events, or a root
            that is no EPCIS document.
    """
    require_size(data)
    root = _parse(data)
    name = etree.QName(root)
    if name.localname in EVENTS:
        return _Reader(root).single_event()
    if name.localname not in {"EPCISDocument", "EPCISQueryDocument"} or not (name.namespace or "").startswith(
        "urn:epcglobal:epcis"
    ):
        raise Unreadable(
            Fault(root.tag, "no-document", f"the root element is {root.tag}, not an EPCIS document")
        )
    return _Reader(root).document()


def _parse(data: bytes) -> Element:
    if b"<!DOCTYPE" in data and not _BARE_DOCTYPE.search(data):
        raise Unreadable(_DOCTYPE_FAULT)
    parser = etree.XMLParser(
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        huge_tree=False,
        remove_comments=True,
        remove_pis=True,
    )
    try:
        root = etree.fromstring(data, parser)
    except etree.XMLSyntaxError as error:
        raise Unreadable(Fault(f"line {error.lineno}", "not-xml", error.msg or "not well-formed")) from error
    docinfo: Any = root.getroottree().docinfo
    if docinfo.doctype and b"<!DOCTYPE" not in data:  # one in UTF-16, which the search above cannot see
        raise Unreadable(_DOCTYPE_FAULT)
    stack = [(root, 0)]
    while stack:
        element, depth = stack.pop()
        if depth > MAX_DEPTH:
            raise Unreadable(Fault(_where(element), "too-deep", f"nested deeper than {MAX_DEPTH} levels"))
        if not isinstance(element.tag, str):
            raise Unreadable(
                Fault(f"line {element.sourceline}", "entity", "entity references are not accepted")
            )
        stack.extend((child, depth + 1) for child in element)
    return root


def _where(element: Element) -> str:
    """The element's path with its line, as a reader would look for it."""
    names = [etree.QName(step).localname for step in (*reversed(list(element.iterancestors())), element)]
    return f"/{'/'.join(names)} (line {element.sourceline})"


def _local(element: Element) -> str:
    return etree.QName(element).localname


def _namespace(element: Element) -> str | None:
    return etree.QName(element).namespace


def _text(element: Element) -> str:
    return (element.text or "").strip()


def json_number(text: str) -> Number | str:
    """A decimal or double of XML Schema as a JSON number; other text stays, for the schema to refuse."""
    match = _NUMERAL.fullmatch(text.strip())
    if match is None or not (match[2] or (match[3] or "").strip(".") or re.search(r"\d", text)):
        return text
    sign = "-" if match[1] == "-" else ""
    fraction = match[3] if match[3] and match[3] != "." else ""
    return Number(f"{sign}{match[2] or '0'}{fraction}{match[4] or ''}")


class _Reader:
    """Reads one document; collects the prefixes it uses and the faults it finds."""

    def __init__(self, root: Element) -> None:
        self._root = root
        self._namespaces: dict[str, str] = dict(PREFIXES)
        self._faults: list[Fault] = []

    def document(self) -> Document:
        root = self._root
        if _namespace(root) not in {NAMESPACE, QUERY_NAMESPACE}:
            self._fault(root, "namespace", f"the namespace of EPCIS 2.0 is {NAMESPACE}")
        if root.get("schemaVersion", "").split(".")[0] != "2":
            self._fault(root, "schema-version", f"schemaVersion is {root.get('schemaVersion')!r}, not 2.0")
        holder = root.find(".//EventList")
        events: list[Event] = []
        if holder is None:
            self._fault(root, "no-events", "there is no EventList")
        else:
            elements = list(self._unwrapped(holder))
            require_count(len(elements))
            events = [Event(self._event(element), self._namespaces, _where(element)) for element in elements]
        # lxml gives attributes of the root in document order; only what the JSON envelope names is kept.
        envelope: Object = {
            "@context": self.context(),
            "type": _local(root),
            **{
                key: root.get(key)
                for key in ("schemaVersion", "creationDate", "id")
                if root.get(key) is not None
            },
        }
        return Document(_local(root), tuple(events), envelope, tuple(self._faults), "xml", self._ignored())

    def single_event(self) -> Document:
        body = self._event(self._root)
        envelope: Object = {"@context": self.context()}
        event = Event({**body, **envelope}, self._namespaces, _where(self._root))
        return Document("Event", (event,), envelope, tuple(self._faults), "xml")

    def context(self) -> list[Any]:
        own = {prefix: name for prefix, name in self._namespaces.items() if PREFIXES.get(prefix) != name}
        return [CONTEXT, own] if own else [CONTEXT]

    def _ignored(self) -> frozenset[str]:
        for element in self._root.iter("{*}ignoreFields"):
            names = [self._name(child) for child in element]
            return ignored_fields({":ignoreFields": names}, self._namespaces)
        return frozenset()

    def _fault(self, element: Element, code: str, detail: str) -> None:
        self._faults.append(Fault(_where(element), code, detail))

    def _unwrapped(self, parent: Element) -> Iterator[Element]:
        """Children with the extension wrappers of the XML binding taken off."""
        for child in parent:
            if child.tag in _WRAPPERS:
                yield from self._unwrapped(child)
            else:
                yield child

    def _prefix(self, namespace: str, wanted: str | None) -> str:
        for prefix, name in self._namespaces.items():
            if name == namespace:
                return prefix
        prefix, number = wanted or "ns", 1
        while prefix in self._namespaces:
            number += 1
            prefix = f"{wanted or 'ns'}{number}"
        self._namespaces[prefix] = namespace
        return prefix

    def _name(self, element: Element) -> str:
        namespace = _namespace(element)
        return (
            f"{self._prefix(namespace, element.prefix)}:{_local(element)}" if namespace else _local(element)
        )

    def _term(self, element: Element, value: str, vocabulary: Vocabulary) -> str:
        bare = vocabulary.bare(expand_uri(value, PREFIXES))
        if bare == value and ":" in value:
            self._declare(element, value)
        return bare

    def _declare(self, element: Element, value: str) -> None:
        """Keeps the prefix of a compact value, so that the JSON form can be read without the XML."""
        prefix = value.partition(":")[0]
        namespace = element.nsmap.get(prefix)
        if namespace is not None and prefix not in self._namespaces:
            self._namespaces[prefix] = namespace

    def _event(self, element: Element) -> Object:
        kind = _local(element) if _local(element) in EVENTS else self._name(element)
        order = EVENTS.get(kind)
        body: Object = {"type": kind}
        if order is None and ":" not in kind:
            self._fault(element, "unknown-event", f"{kind} is no EPCIS event type")
        position = -1
        for child in self._unwrapped(element):
            name = self._name(child)
            if ":" in name:
                self._add(body, name, self._extension(child))
                continue
            allowed = order or tuple(KINDS)
            if name not in allowed:
                self._fault(child, "unknown-field", f"{kind} has no element {name}")
                continue
            place = allowed.index(name)
            if order is not None and place < position:
                self._fault(
                    child, "order", f"{name} comes too late; EPCIS puts it before {allowed[position]}"
                )
            position = max(position, place)
            if name in body and KINDS[name] is not Kind.URIS:
                self._fault(child, "repeated", f"{name} appears twice")
                continue
            self._field(body, name, child)
        return body

    def _add(self, body: Object, name: str, value: Any) -> None:
        if name not in body:
            body[name] = value
        elif isinstance(body[name], list):
            body[name].append(value)
        else:
            body[name] = [body[name], value]

    def _field(self, body: Object, name: str, element: Element) -> None:
        match KINDS[name]:
            case Kind.EPCS:
                body[name] = [_text(item) for item in self._items(element, "epc")]
            case Kind.QUANTITIES:
                body[name] = [self._quantity(item) for item in self._items(element, "quantityElement")]
            case Kind.TYPED:
                item_name, vocabulary = TYPED[name]
                body[name] = [
                    self._typed(item, item_name, vocabulary) for item in self._items(element, item_name)
                ]
            case Kind.TERM:
                body[name] = self._term(element, _text(element), TERMS[name])
            case Kind.PLACE:
                body[name] = self._place(element)
            case Kind.DISPOSITIONS:
                body[name] = {
                    key: [self._term(item, _text(item), DISPOSITION) for item in element.findall(key)]
                    for key in ("set", "unset")
                    if element.find(key) is not None
                }
            case Kind.SENSORS:
                body[name] = [self._sensor_element(item) for item in self._items(element, "sensorElement")]
            case Kind.ERROR:
                body[name] = self._error(element)
            case Kind.ILMD:
                body[name] = self._members(element)
            case Kind.URIS:
                self._add(body, name, _text(element))
            case _:
                body[name] = _text(element)

    def _items(self, element: Element, item_name: str) -> list[Element]:
        items = []
        for child in self._unwrapped(element):
            if child.tag == item_name:
                items.append(child)
            else:
                self._fault(child, "unknown-field", f"{_local(element)} holds {item_name} elements only")
        return items

    def _typed(self, item: Element, item_name: str, vocabulary: Vocabulary) -> Object:
        kind = item.get("type")
        return ({"type": self._term(item, kind, vocabulary)} if kind is not None else {}) | {
            item_name: _text(item)
        }

    def _quantity(self, element: Element) -> Object:
        value: Object = {}
        for child in element:
            name = self._name(child)
            if name == "quantity":
                if child.get(f"{{{_XSI}}}nil") != "true":
                    value[name] = json_number(_text(child))
            elif name in value:
                self._fault(child, "repeated", f"{name} appears twice")
            else:
                value[name] = _text(child)
        return value

    def _place(self, element: Element) -> Object:
        value: Object = {}
        for child in self._unwrapped(element):
            name = self._name(child)
            self._add(value, name, _text(child) if name == "id" else self._extension(child))
        return value

    def _error(self, element: Element) -> Object:
        value: Object = {}
        for child in self._unwrapped(element):
            name = self._name(child)
            if name == "correctiveEventIDs":
                value[name] = [_text(item) for item in self._items(child, "correctiveEventID")]
            elif name == "reason":
                value[name] = self._term(child, _text(child), ERROR_TERMS[name])
            elif name in ERROR_DECLARATION:
                value[name] = _text(child)
            elif ":" in name:
                self._add(value, name, self._extension(child))
            else:
                self._fault(child, "unknown-field", f"errorDeclaration has no element {name}")
        return value

    def _sensor_element(self, element: Element) -> Object:
        value: Object = {}
        for child in self._unwrapped(element):
            name = self._name(child)
            if name == "sensorMetadata":
                value[name] = self._attributes(child, SENSOR_METADATA)
            elif name == "sensorReport":
                value.setdefault(name, []).append(self._attributes(child, SENSOR_REPORT))
            elif ":" in name:
                self._add(value, name, self._extension(child))
            else:
                self._fault(child, "unknown-field", f"sensorElement has no element {name}")
        return value

    def _attributes(self, element: Element, kinds: dict[str, Kind]) -> Object:
        value: Object = {}
        for key, raw in element.attrib.items():
            name, text = str(key), str(raw).strip()
            qualified = etree.QName(name)
            if qualified.namespace:
                prefix = next((p for p, n in element.nsmap.items() if n == qualified.namespace), None)
                value[f"{self._prefix(qualified.namespace, prefix)}:{qualified.localname}"] = text
            elif name not in kinds:
                self._fault(element, "unknown-field", f"{_local(element)} has no attribute {name}")
            elif kinds[name] is Kind.NUMBER:
                value[name] = json_number(text)
            elif kinds[name] is Kind.BOOLEAN:
                value[name] = {"true": True, "1": True, "false": False, "0": False}.get(text, text)
            elif kinds[name] is Kind.TERM:
                value[name] = self._term(element, text, SENSOR_TERMS[name])
            else:
                value[name] = text
        for child in self._unwrapped(element):
            self._add(value, self._name(child), self._extension(child))
        return value

    def _extension(self, element: Element) -> Any:
        """An element of somebody's own: its text, or an object of its attributes, children and text."""
        members = self._members(element)
        text = _text(element)
        if not members:
            return text
        return members | ({"#text": text} if text else {})

    def _members(self, element: Element) -> Object:
        members: Object = {}
        for key, raw in element.attrib.items():
            qualified = etree.QName(str(key))
            if qualified.namespace == _XSI:
                continue
            if qualified.namespace:
                prefix = next((p for p, n in element.nsmap.items() if n == qualified.namespace), None)
                members[f"{self._prefix(qualified.namespace, prefix)}:{qualified.localname}"] = str(raw)
            else:
                members[qualified.localname] = str(raw)
        for child in self._unwrapped(element):
            self._add(members, self._name(child), self._extension(child))
        return members
