"""Reading EPCIS 2.0 documents of the JSON / JSON-LD binding.

The `@context` is read for its prefixes and never fetched: a context somebody sent an address of is a request
somebody else makes us make.
"""

from typing import Any

from backend.provenance.epcis.document import (
    Document,
    Event,
    Fault,
    Unreadable,
    ignored_fields,
    require_count,
    require_size,
)
from backend.provenance.epcis.values import MalformedJson, Object, loads
from backend.verifier.names import Namespaces, namespaces_of


def read_json(data: bytes) -> Document:
    """Reads an EPCISDocument, an EPCISQueryDocument or a single event.

    Raises:
        Unreadable: not JSON, too large, too many events, or nothing that could hold events.
    """
    require_size(data)
    try:
        value = loads(data)
    except MalformedJson as error:
        raise Unreadable(Fault("", "not-json", str(error))) from error
    if not isinstance(value, dict) or not isinstance(value.get("type"), str):
        raise Unreadable(Fault("", "no-document", "an EPCIS document is a JSON object with a type"))
    namespaces = namespaces_of(value.get("@context"))
    if value["type"] not in {"EPCISDocument", "EPCISQueryDocument"}:
        return Document("Event", (_event(value, namespaces, ""),), {"@context": value.get("@context")})
    holder, pointer = _event_list(value)
    events = holder if isinstance(holder, list) else []
    require_count(len(events))
    envelope = {key: item for key, item in value.items() if key != "epcisBody"}
    results = (
        value.get("epcisBody", {}).get("queryResults") if isinstance(value.get("epcisBody"), dict) else None
    )
    return Document(
        value["type"],
        tuple(_event(event, namespaces, f"{pointer}/{index}") for index, event in enumerate(events)),
        {**envelope, "epcisBody": _outline(value.get("epcisBody"))},
        _misplaced(events, pointer) if isinstance(holder, list) else (),
        "json",
        ignored_fields(value, namespaces) | ignored_fields(results, namespaces),
    )


def _event_list(document: Object) -> tuple[Any, str]:
    body = document.get("epcisBody")
    if not isinstance(body, dict):
        return None, "/epcisBody"
    if document["type"] == "EPCISQueryDocument":
        pointer = "/epcisBody/queryResults/resultsBody/eventList"
        results = body.get("queryResults")
        inner = results.get("resultsBody") if isinstance(results, dict) else None
        return (inner.get("eventList") if isinstance(inner, dict) else None), pointer
    if "event" in body and "eventList" not in body:
        return [body["event"]], "/epcisBody/event"
    return body.get("eventList"), "/epcisBody/eventList"


def _event(value: Any, namespaces: Namespaces, pointer: str) -> Event:
    body = value if isinstance(value, dict) else {}
    if "@context" in body and pointer:
        own = namespaces_of(body["@context"])
        namespaces = {**namespaces, **own}
    return Event(body, namespaces, pointer)


def _misplaced(events: list[Any], pointer: str) -> tuple[Fault, ...]:
    return tuple(
        Fault(f"{pointer}/{index}", "not-an-object", "an event is a JSON object")
        for index, event in enumerate(events)
        if not isinstance(event, dict)
    )


def _outline(body: Any) -> Any:
    """The document's body with its events left out, for checking the envelope alone."""
    if isinstance(body, dict):
        return {key: ([] if key == "eventList" and isinstance(value, list) else _outline(value))
                for key, value in body.items()}  # fmt: skip
    return body
