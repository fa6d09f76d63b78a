"""What an event can be found by, and whom it names: pure, from the event alone."""

import hashlib
from collections.abc import Iterator
from functools import lru_cache
from typing import Any, Final
from urllib.parse import quote, unquote

from backend.provenance.epcis.document import Event
from backend.provenance.epcis.grammar import ERROR_TERMS, SENSOR_TERMS, TERMS, TYPED
from backend.provenance.epcis.identifiers import canonical, gln_of, matchable
from backend.provenance.epcis.names import Namespaces, expand_uri
from backend.provenance.epcis.terms import DISPOSITION, PREFIXES
from backend.provenance.epcis.values import Object

LONGEST: Final = 255
"""Longest value kept as it is, in characters; of longer ones a hash is kept."""

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
_TRANSACTION: Final = "urn:epcglobal:cbv:bt:"
_UNESCAPED: Final = "!'()*+,-.:;=_"
"""What RFC 2141 lets stand in a URN beside letters and digits."""

EPC_NAMES: Final = ("epc", "parentID", "inputEPC", "outputEPC")
CLASS_NAMES: Final = ("epcClass", "inputEPCClass", "outputEPCClass")


def comparable(value: str, namespaces: Namespaces = PREFIXES) -> str:
    """The one form of an identifier or URI that is stored and asked for."""
    return _comparable(expand_uri(value, namespaces))


@lru_cache(maxsize=20_000)
def _comparable(uri: str) -> str:
    form = canonical(uri)
    if form.startswith(_TRANSACTION):
        gln, _, number = form[len(_TRANSACTION) :].partition(":")
        form = transaction_id(gln, unquote(number))
    if len(form) <= LONGEST:
        return form
    return "sha-256:" + hashlib.sha256(form.encode()).hexdigest()


def keys_of(event: Event) -> frozenset[tuple[str, str]]:
    """Everything an event is indexed under: (name, value)."""
    return frozenset((name[:120], comparable(value, event.namespaces)) for name, value in _keys(event.body))


def _keys(body: Object) -> Iterator[tuple[str, str]]:
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
            kind = vocabulary.expand(item["type"]) if "type" in item else ""
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
        gln = gln_of(link) if link is not None else issuer_of(identifier)
        if gln is not None:
            found.add(gln)
    return frozenset(found)


def issuer_of(transaction: str) -> str | None:
    """The GLN that numbered a business transaction, from `urn:epcglobal:cbv:bt:<GLN>:…` (CBV 8.5.2)."""
    gln = transaction.removeprefix(_TRANSACTION).partition(":")[0]
    if not transaction.startswith(_TRANSACTION) or len(gln) != 13 or not gln.isascii() or not gln.isdigit():
        return None
    return gln


def transaction_id(gln: str, number: str) -> str:
    """The business transaction identifier of a document that the party with this GLN numbered (CBV 8.5.2)."""
    return f"{_TRANSACTION}{gln}:{quote(number, safe=_UNESCAPED)}"
