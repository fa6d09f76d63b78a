"""What an event can be found by, and whom it names: pure, from the event alone."""

from collections.abc import Iterator
from typing import Any, Final

from backend.provenance.epcis.document import Event
from backend.provenance.epcis.grammar import ERROR_TERMS, SENSOR_TERMS, TERMS, TYPED
from backend.provenance.epcis.values import Object
from backend.verifier.identifiers import comparable, gln_of, issuer_of, matchable
from backend.verifier.names import expand_uri
from backend.verifier.vocabulary import DISPOSITION

_EPC_LISTS: Final = {
    "epcList": "epc",
    "childEPCs": "epc",
    "inputEPCList": "inputEPC",
    "outputEPCList": "outputEPC",
}
_CLASS_LISTS: Final = {
    "quantityList": "epcClass",
    "childQuantityList": "epcClass",
    "inputQuantityList": "inputEPCClass",
    "outputQuantityList": "outputEPCClass",
}
EPC_NAMES: Final = ("epc", "parentID", "inputEPC", "outputEPC")
CLASS_NAMES: Final = ("epcClass", "inputEPCClass", "outputEPCClass")


def keys_of(event: Event) -> frozenset[tuple[str, str]]:
    """Everything an event is indexed under: (name, value)."""
    return frozenset((name[:120], comparable(value, event.namespaces)) for name, value in _keys(event))


def _keys(event: Event) -> Iterator[tuple[str, str]]:
    body = event.body
    for field, name in _EPC_LISTS.items():
        yield from ((name, epc) for epc in body.get(field, ()))
    for field, name in _CLASS_LISTS.items():
        yield from ((name, element["epcClass"]) for element in body.get(field, ()))
    for name in ("parentID", "transformationID", "eventID"):
        if name in body:
            yield name, body[name]
    for name, vocabulary in TERMS.items():
        if name in body:
            yield name, vocabulary.expand(body[name])
    for name in ("readPoint", "bizLocation"):
        if name in body:
            yield name, body[name]["id"]
    for field, (item_name, vocabulary) in TYPED.items():
        for item in body.get(field, ()):
            kind = vocabulary.expand(expand_uri(item.get("type", ""), event.namespaces))
            yield f"{item_name}:{kind}", item[item_name]
    for change, words in body.get("persistentDisposition", {}).items():
        yield from ((f"persistentDisposition_{change}", DISPOSITION.expand(word)) for word in words)
    yield from _error_keys(body.get("errorDeclaration"))
    yield from _sensor_keys(body)


def _error_keys(declaration: Object | None) -> Iterator[tuple[str, str]]:
    if declaration is None:
        return
    yield "errorDeclaration", ""
    if "reason" in declaration:
        yield "errorReason", ERROR_TERMS["reason"].expand(declaration["reason"])
    yield from (("correctiveEventID", event) for event in declaration.get("correctiveEventIDs", ()))


def _sensor_keys(body: Object) -> Iterator[tuple[str, str]]:
    for element in body.get("sensorElementList", ()):
        for part in (element.get("sensorMetadata", {}), *element["sensorReport"]):
            for name in ("deviceID", "bizRules", "rawData", "dataProcessingMethod"):
                if name in part:
                    yield name, part[name]
        for report in element["sensorReport"]:
            for name, vocabulary in SENSOR_TERMS.items():
                if name in report:
                    yield f"sensor:{name}", vocabulary.expand(report[name])


def glns_of(event: Event) -> frozenset[str]:
    """The GLNs of parties and places an event names, and of those that numbered its business transactions.

    Only well-formed keys with a good check digit: nothing else opens an event to anybody.
    """
    found: set[str] = set()
    body = event.body
    identifiers: list[Any] = [body[name]["id"] for name in ("readPoint", "bizLocation") if name in body]
    for field, (item_name, _) in TYPED.items():
        identifiers += [item[item_name] for item in body.get(field, ())]
    for identifier in identifiers:
        link = matchable(expand_uri(identifier, event.namespaces))
        gln = gln_of(link) if link is not None else issuer_of(comparable(identifier, event.namespaces))
        if gln is not None:
            found.add(gln)
    return frozenset(found)
