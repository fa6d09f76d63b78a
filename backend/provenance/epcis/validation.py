"""Is this a valid EPCIS 2.0 document? Every refusal says what is wrong, where, and what is expected."""

from collections.abc import Iterator
from datetime import datetime
from functools import cache
from typing import Any, Final

import jsonschema_rs

from backend.provenance.epcis.document import Document, Event, Fault, Unreadable
from backend.provenance.epcis.grammar import EVENTS
from backend.provenance.epcis.hashing import names_collide, utc_milliseconds
from backend.provenance.epcis.jsonld import read_json
from backend.provenance.epcis.schema import envelope_schema, event_schema
from backend.provenance.epcis.values import Object, plain
from backend.provenance.epcis.xml import read_xml
from backend.verifier.identifiers import is_gs1_shaped, matchable
from backend.verifier.vocabulary import CONTEXTS

_MAX_FAULTS: Final = 20
"""Faults reported of one event. A client mends the first ones first."""

_UNREPEATABLE: Final = ("time", "deviceID", "deviceMetadata", "rawData", "dataProcessingMethod", "bizRules")
"""Facts of a reading that stand in its metadata or in its reports, never in both (EPCIS 2.0, section 7.3.7).

Asked for by the strict profile only: GS1's own published examples state them twice."""


def read(data: bytes) -> Document:
    """Reads a document of either binding, told apart by its first character.

    Raises:
        Unreadable: the bytes are no EPCIS document.
    """
    return read_xml(data) if is_xml(data) else read_json(data)


def is_xml(data: bytes) -> bool:
    """Which binding a document is in, whatever media type it is said to have: XML, else JSON."""
    return data.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<")


def validate(document: Document, *, strict: bool = False) -> list[Fault]:
    """Everything wrong with a document; an empty list when it is valid.

    With `strict`, identifiers that look like GS1 keys must be well formed and have a good check digit, and a
    reading states its facts once.
    """
    faults = [*envelope_faults(document)]
    for event in document.events:
        faults.extend(event_faults(document, event, strict=strict))
    return faults


def envelope_faults(document: Document) -> Iterator[Fault]:
    """What is wrong with a document apart from its events. One such fault refuses the whole document."""
    places = [event.pointer for event in document.events]
    for fault in document.faults:
        if not any(fault.pointer.startswith(place) for place in places):
            yield fault
    if document.kind != "Event" and document.binding == "json":
        yield from _schema_faults(_envelope_validator(document.kind), document.envelope, "")
    yield from _context_faults(document.envelope.get("@context"), "/@context")


def event_faults(document: Document, event: Event, *, strict: bool = False) -> list[Fault]:
    """What is wrong with one event of a document."""
    faults = [
        fault for fault in document.faults if event.pointer and _is_within(fault.pointer, event.pointer)
    ]
    if not faults:
        faults.extend(_schema_faults(_event_validator(event.kind), event.body, event.pointer))
    if not faults:
        faults.extend(_rule_faults(event, strict=strict))
        if document.binding == "json":
            faults.extend(_repeated_epcs(event))
    return faults[:_MAX_FAULTS]


def _is_within(pointer: str, place: str) -> bool:
    """Whether a fault lies in the element or value at `place`; XML places end in their line."""
    if " (line " in place:
        return pointer == place or pointer.startswith(place.partition(" (line ")[0] + "/")
    return pointer == place or pointer.startswith(place + "/")


@cache
def _event_validator(kind: str) -> jsonschema_rs.Draft202012Validator:
    known = kind if kind in EVENTS else ""
    if kind != known:
        return _event_validator("")
    return jsonschema_rs.Draft202012Validator(event_schema(kind), validate_formats=True)


@cache
def _envelope_validator(kind: str) -> jsonschema_rs.Draft202012Validator:
    return jsonschema_rs.Draft202012Validator(envelope_schema(kind), validate_formats=True)


def _schema_faults(
    validator: jsonschema_rs.Draft202012Validator, value: Object, pointer: str
) -> Iterator[Fault]:
    stand_in = plain(value)
    if validator.is_valid(stand_in):
        return
    for error in validator.iter_errors(stand_in):
        path = "".join(f"/{str(step).replace('~', '~0').replace('/', '~1')}" for step in error.instance_path)
        keywords = [str(step) for step in error.schema_path]
        yield Fault(pointer + path, *_explain(keywords, error))


def _explain(keywords: list[str], error: Any) -> tuple[str, str]:
    """A code and a sentence for one schema error."""
    name = str(error.instance)[:80]
    if "propertyNames" in keywords:
        return (
            "unknown-field",
            f"{name!r} is no field here; an extension needs a prefix of the @context or a full URI",
        )
    keyword = keywords[-1]
    if keyword == "enum":
        return "unknown-term", f"{name!r} is no term here; it is one of {_options(error.message)}, or a URI"
    if keyword == "anyOf":
        return "missing", "the event names nothing it happened to: " + error.message[:200]
    code = {"required": "missing", "format": "format", "pattern": "format", "type": "type"}.get(
        keyword, keyword
    )
    return code, str(error.message)[:300]


def _options(message: str) -> str:
    _, _, options = message.partition("is not one of ")
    return options[:160] or "the terms of CBV 2.0"


def _context_faults(context: Any, pointer: str) -> Iterator[Fault]:
    """Contexts are bundled and never fetched; one we do not know would leave names without a meaning."""
    entries = context if isinstance(context, list) else [context]
    addresses = [entry for entry in entries if isinstance(entry, str)]
    if not set(addresses) & CONTEXTS:
        yield Fault(pointer, "context", "the @context names no JSON-LD context of EPCIS 2.0")
    for address in addresses:
        if address not in CONTEXTS:
            yield Fault(
                pointer,
                "context",
                f"{address[:120]} is not bundled, and nothing is fetched; put its terms inline",
            )


def _rule_faults(event: Event, *, strict: bool) -> Iterator[Fault]:
    body, pointer = event.body, event.pointer
    if "@context" in body and pointer:
        for entry in body["@context"] if isinstance(body["@context"], list) else [body["@context"]]:
            if isinstance(entry, str):
                yield from _context_faults(entry, f"{pointer}/@context")
    for name in ("eventTime", "recordTime"):
        if name in body and (utc_milliseconds(body[name]) is None or not _is_moment(body[name])):
            yield Fault(
                f"{pointer}/{name}", "format", f"{body[name][:40]!r} is no date and time of the calendar"
            )
    if names_collide(body, event.namespaces):
        yield Fault(pointer, "repeated", "two fields of one object have the same name in full")
    if strict:
        yield from _reading_faults(body, pointer)
        yield from _key_faults(body, pointer)


def _is_moment(written: str) -> bool:
    """Whether a clock of 60 seconds a minute shows it: a leap second has no place in what is stored."""
    try:
        datetime.fromisoformat(written)
    except ValueError:
        return False
    return True


def _repeated_epcs(event: Event) -> Iterator[Fault]:
    """The JSON binding's lists of EPCs are sets; the XML binding's are not."""
    for name in ("epcList", "inputEPCList", "outputEPCList"):
        epcs = event.body.get(name, [])
        if len(set(epcs)) < len(epcs):
            yield Fault(f"{event.pointer}/{name}", "repeated", "an EPC appears twice")


def _reading_faults(body: Object, pointer: str) -> Iterator[Fault]:
    for index, element in enumerate(body.get("sensorElementList", ())):
        metadata = element.get("sensorMetadata", {})
        for place, report in enumerate(element["sensorReport"]):
            for name in _UNREPEATABLE:
                if name in metadata and name in report:
                    where = f"{pointer}/sensorElementList/{index}/sensorReport/{place}/{name}"
                    yield Fault(where, "repeated", f"{name} stands in the sensorMetadata already")


def _key_faults(value: Any, pointer: str) -> Iterator[Fault]:
    if isinstance(value, dict):
        for name, member in value.items():
            yield from _key_faults(member, f"{pointer}/{name}")
    elif isinstance(value, list):
        for index, member in enumerate(value):
            yield from _key_faults(member, f"{pointer}/{index}")
    elif isinstance(value, str) and is_gs1_shaped(value) and matchable(value) is None:
        yield Fault(pointer, "gs1-key", f"{value[:120]!r} is no well-formed GS1 key with a good check digit")


__all__ = ["Unreadable", "envelope_faults", "event_faults", "read", "validate"]
