"""Events on their way out: documents in either binding, identifiers in the form that was asked for."""

from collections.abc import Sequence
from datetime import UTC
from typing import Any, Final, Literal, TypeAlias

from backend.kit.clock import iso, now
from backend.provenance.epcis.translation import EpcFormat, translated
from backend.provenance.epcis.values import Object, dumps, loads
from backend.provenance.epcis.writer import CbvFormat, write_xml
from backend.provenance.tables import RecordedEvent
from backend.verifier.names import namespaces_of
from backend.verifier.vocabulary import CONTEXT, CONTEXTS, PREFIXES

JSON: Final = "application/json"
JSON_LD: Final = "application/ld+json"
XML: Final = "application/xml"
MediaType: TypeAlias = Literal["application/json", "application/ld+json", "application/xml"]


def presented(row: RecordedEvent, epc_format: EpcFormat = "No_Preference") -> Object:
    """A stored event with what the repository adds where the recorder left it out: its id and record time.

    Everything else is as received; numbers are written as they were.
    """
    body: Object = loads(row.body or "{}")
    body.setdefault("eventID", row.event_id)
    body.setdefault("recordTime", iso(row.record_time.astimezone(UTC)))
    return translated(body, epc_format)


def context_for(rows: Sequence[RecordedEvent]) -> tuple[list[Any], set[int]]:
    """One context for several events, and which of them (by sequence) need one of their own.

    Only prefixes that all have in common are said for all: what one recorder calls `ex` must not give a
    meaning to another's text that begins so, and none may take a prefix of the standard from the others.
    """
    own = {
        row.sequence: {
            prefix: name
            for prefix, name in namespaces_of(row.context).items()
            if PREFIXES.get(prefix) != name
        }
        for row in rows
    }
    common = next(iter(own.values()), {})
    if any(prefixes != common for prefixes in own.values()):
        common = {}
    apart = {sequence for sequence, prefixes in own.items() if prefixes != common}
    return ([CONTEXT, common] if common else [CONTEXT]), apart


def own_context(row: RecordedEvent) -> list[Any]:
    """The context an event was received in, for standing alone."""
    return (
        row.context
        if any(entry in CONTEXTS for entry in row.context if isinstance(entry, str))
        else [CONTEXT]
    )


def query_document(
    rows: Sequence[RecordedEvent],
    *,
    query_name: str = "SimpleEventQuery",
    subscription_id: str | None = None,
    epc_format: EpcFormat = "No_Preference",
    cbv_format: CbvFormat = "No_Preference",
    media_type: MediaType = JSON,
) -> bytes:
    """The EPCISQueryDocument of these events (EPCIS 2.0, section 12.7)."""
    context, apart = context_for(rows)
    events = []
    for row in rows:
        event = presented(row, epc_format)
        if row.sequence in apart:
            event = {"@context": own_context(row)} | event
        events.append(event)
    if media_type == XML:
        return write_xml(
            events, context, query_name=query_name, subscription_id=subscription_id, cbv_format=cbv_format
        )
    results: Object = {"queryName": query_name, "resultsBody": {"eventList": events}}
    if subscription_id is not None:
        results["subscriptionID"] = subscription_id
    return dumps(
        {
            "@context": context,
            "type": "EPCISQueryDocument",
            "schemaVersion": "2.0",
            "creationDate": iso(now()),
            "epcisBody": {"queryResults": results},
        }
    ).encode()


def single_event(
    row: RecordedEvent,
    *,
    epc_format: EpcFormat = "No_Preference",
    cbv_format: CbvFormat = "No_Preference",
    media_type: MediaType = JSON,
) -> bytes:
    """One event standing alone, with its context."""
    event = presented(row, epc_format)
    if media_type == XML:
        return write_xml([event], row.context, cbv_format=cbv_format)
    return dumps({"@context": own_context(row)} | event).encode()
