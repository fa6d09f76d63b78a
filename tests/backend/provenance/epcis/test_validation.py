"""What is accepted, what is refused, and that a refusal says where and why."""

import json
from pathlib import Path
from typing import Any

import pytest

from backend.provenance.epcis.document import MAX_BYTES, MAX_EVENTS, Unreadable
from backend.provenance.epcis.validation import read, validate
from backend.provenance.epcis.values import dumps, loads
from tests.backend.provenance.epcis.samples import (
    COLD_CHAIN,
    COLD_CHAIN_XML,
    CONTEXT,
    PALLET,
    RECEIPT,
    RECEIPT_XML,
    document,
    xml_document,
)

COLLECTION = Path(__file__).parents[5] / "shared" / "data" / "epcis"

PACKING = {
    "type": "AggregationEvent",
    "eventTime": "2026-03-01T08:00:00Z",
    "eventTimeZoneOffset": "+01:00",
    "parentID": PALLET,
    "childEPCs": ["urn:epc:id:sgtin:4012345.000001.1"],
    "action": "ADD",
}
SAWING = {
    "type": "TransformationEvent",
    "eventTime": "2026-03-01T07:00:00Z",
    "eventTimeZoneOffset": "+01:00",
    "inputQuantityList": [
        {"epcClass": "urn:epc:class:lgtin:4012345.000002.T9", "quantity": 1.5, "uom": "MTQ"}
    ],
    "outputEPCList": ["urn:epc:id:sgtin:4012345.000001.1"],
}
INVOICING = {
    "type": "TransactionEvent",
    "eventTime": "2026-03-03T07:00:00Z",
    "eventTimeZoneOffset": "+01:00",
    "bizTransactionList": [{"type": "inv", "bizTransaction": "urn:epcglobal:cbv:bt:4012345000009:INV-1"}],
    "epcList": [PALLET],
    "action": "ADD",
}
FITTING = {
    "type": "AssociationEvent",
    "eventTime": "2026-03-01T06:00:00Z",
    "eventTimeZoneOffset": "+01:00",
    "parentID": "urn:epc:id:grai:4012345.66666.87",
    "childEPCs": ["urn:epc:id:giai:4012345.77"],
    "action": "ADD",
}


def without(event: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in event.items() if name not in names}


@pytest.mark.parametrize("event", [RECEIPT, COLD_CHAIN, PACKING, SAWING, INVOICING, FITTING])
def test_each_event_type_is_accepted(event: dict[str, Any]) -> None:
    assert validate(read(document(event)), strict=True) == []


@pytest.mark.parametrize("event", [RECEIPT_XML, COLD_CHAIN_XML])
def test_xml_is_accepted(event: str) -> None:
    assert validate(read(xml_document(event)), strict=True) == []


def test_an_own_event_type_is_accepted_as_an_extension() -> None:
    own = {"type": "ex:StocktakeEvent", **without(RECEIPT, "type")}
    assert validate(read(document(own))) == []


def test_a_single_event_is_accepted() -> None:
    assert validate(read(json.dumps({"@context": CONTEXT, **RECEIPT}).encode())) == []


REFUSED: list[tuple[dict[str, Any], str, str]] = [
    (without(RECEIPT, "eventTime"), "/epcisBody/eventList/0", "missing"),
    (without(RECEIPT, "action"), "/epcisBody/eventList/0", "missing"),
    ({**RECEIPT, "eventTime": "22-07-2026"}, "/epcisBody/eventList/0/eventTime", "format"),
    ({**RECEIPT, "eventTime": "2026-02-30T00:00:00Z"}, "/epcisBody/eventList/0/eventTime", "format"),
    ({**RECEIPT, "eventTimeZoneOffset": "+15:00"}, "/epcisBody/eventList/0/eventTimeZoneOffset", "format"),
    ({**RECEIPT, "action": "CREATE"}, "/epcisBody/eventList/0/action", "unknown-term"),
    ({**RECEIPT, "bizStep": "transforming"}, "/epcisBody/eventList/0/bizStep", "unknown-term"),
    ({**RECEIPT, "bizStep": "not a uri:"}, "/epcisBody/eventList/0/bizStep", "format"),
    ({**RECEIPT, "colour": "red"}, "/epcisBody/eventList/0", "unknown-field"),
    ({**RECEIPT, "epcList": [PALLET, PALLET]}, "/epcisBody/eventList/0/epcList", "repeated"),
    ({**RECEIPT, "epcList": ["no uri"]}, "/epcisBody/eventList/0/epcList/0", "format"),
    (
        {**RECEIPT, "quantityList": [{"epcClass": PALLET, "quantity": "forty"}]},
        "/epcisBody/eventList/0/quantityList/0/quantity",
        "type",
    ),
    ({**RECEIPT, "ilmd": {"cbvmda:lotNumber": "1"}}, "/epcisBody/eventList/0/action", "const"),
    (without(RECEIPT, "epcList", "quantityList"), "/epcisBody/eventList/0", "missing"),
    ({**INVOICING, "bizTransactionList": []}, "/epcisBody/eventList/0/bizTransactionList", "minItems"),
    (without(SAWING, "outputEPCList"), "/epcisBody/eventList/0", "missing"),
    (without(FITTING, "parentID"), "/epcisBody/eventList/0", "missing"),
    (
        {**RECEIPT, "errorDeclaration": {"reason": "did_not_occur"}},
        "/epcisBody/eventList/0/errorDeclaration",
        "missing",
    ),
    ({**RECEIPT, "sourceList": [{"source": PALLET}]}, "/epcisBody/eventList/0/sourceList/0", "missing"),
    ({**RECEIPT, "ex:a": "1", "https://ns.example.com/epcis/a": "2"}, "/epcisBody/eventList/0", "repeated"),
    (
        {**RECEIPT, "@context": "https://remote.example/context.jsonld"},
        "/epcisBody/eventList/0/@context",
        "context",
    ),
]


@pytest.mark.parametrize(("event", "pointer", "code"), REFUSED)
def test_a_refusal_names_the_place_and_the_reason(event: dict[str, Any], pointer: str, code: str) -> None:
    faults = validate(read(document(PACKING, event)))
    place = pointer.replace("/eventList/0", "/eventList/1")
    assert [(fault.pointer, fault.code) for fault in faults][:1] == [(place, code)], faults


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"@context": []}, "minItems"),
        ({"@context": "https://remote.example/context.jsonld"}, "context"),
        ({"schemaVersion": "1.2"}, "format"),
        ({"creationDate": None}, "type"),
        ({"colour": "red"}, "unknown-field"),
        ({"epcisBody": {}}, "missing"),
    ],
)
def test_a_bad_envelope_is_refused(change: dict[str, Any], code: str) -> None:
    value = json.loads(document(RECEIPT)) | change
    assert validate(read(json.dumps(value).encode()))[0].code == code


@pytest.mark.parametrize(
    "epc",
    [
        "https://id.gs1.org/00/140123452345678901",
        "https://id.gs1.org/01/04012345111118/21/1epc=https:",
        "urn:epc:id:sgtin:4012345.01111.9876",
    ],
)
def test_the_strict_profile_refuses_bad_gs1_keys(epc: str) -> None:
    data = document({**RECEIPT, "epcList": [epc]})
    assert validate(read(data)) == []
    assert [fault.code for fault in validate(read(data), strict=True)] == ["gs1-key"]


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "empty"),
        (b"  \n", "empty"),
        (b"{", "not-json"),
        (b"\xff\xfe{}", "not-json"),
        (b"[]", "no-document"),
        (b'{"type": "EPCISDocument", "type": "EPCISDocument"}', "not-json"),
        (b'{"type": "EPCISDocument", "x": NaN}', "not-json"),
        (b'{"type": "EPCISDocument", "x": "\\ud800"}', "not-json"),
        (b'{"type": "EPCISDocument", "x": "\\u0000"}', "not-json"),
        (b'{"type": "EPCISDocument", "x": ' + b"9" * 5000 + b"}", "not-json"),
        (b'{"type": "EPCISDocument", "x": 1e999999999}', "not-json"),
        (b'{"type": "EPCISDocument", "x": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "not-json"),
        (b'{"type": "EPCISDocument", "x": ' + b"[" * 45 + b"]" * 45 + b"}", "not-json"),
        (b"{" + b" " * MAX_BYTES + b"}", "too-large"),
        (document(*[PACKING] * (MAX_EVENTS + 1)), "too-many-events"),
        (b"<a", "not-xml"),
        (b"<invoice/>", "no-document"),
        (b'<!DOCTYPE a [<!ENTITY x "y">]><a>&x;</a>', "doctype"),
        (b'<!DOCTYPE a SYSTEM "http://remote.example/a.dtd"><a/>', "doctype"),
        ('<?xml version="1.0" encoding="utf-16"?><!DOCTYPE a [<!ENTITY x "y">]><a b="&x;"/>'.encode("utf-16"),
         "not-json"),
        (b"<a>" * 60 + b"</a>" * 60, "too-deep"),
    ],
)  # fmt: skip
def test_hostile_bytes_are_unreadable(data: bytes, code: str) -> None:
    with pytest.raises(Unreadable) as refusal:
        read(data)
    assert refusal.value.fault.code == code


@pytest.mark.parametrize(
    ("event", "code"),
    [
        (RECEIPT_XML.replace("<action>OBSERVE</action>", ""), "missing"),
        (RECEIPT_XML.replace("</bizStep>", "</bizStep><colour>red</colour>"), "unknown-field"),
        (RECEIPT_XML.replace("<disposition>", "<action>OBSERVE</action><disposition>"), "order"),
        (RECEIPT_XML.replace("40.0", "forty"), "type"),
        (RECEIPT_XML.replace("40.0", "INF"), "type"),
        (RECEIPT_XML.replace("OBSERVE", "OBSERV"), "unknown-term"),
        (COLD_CHAIN_XML.replace('uom="CEL"', 'scale="CEL"'), "unknown-field"),
        (RECEIPT_XML.replace("ObjectEvent", "ParcelEvent"), "unknown-event"),
    ],
)
def test_xml_that_breaks_the_grammar_is_refused_with_its_line(event: str, code: str) -> None:
    faults = validate(read(xml_document(RECEIPT_XML, event)))
    assert faults[0].code == code
    assert "line" in faults[0].pointer


def test_what_was_read_is_written_back_as_it_was() -> None:
    text = '{"b":1.50,"a":[1e3,-0.0,12345678901234567890],"c":"\\u00e9","d":{},"e":[],"f":null,"g":true}'
    assert dumps(loads(text)) == text.replace("\\u00e9", "é")


@pytest.mark.skipif(not COLLECTION.is_dir(), reason="the public collection is not on this machine")
def test_the_public_collection() -> None:
    for path in sorted((COLLECTION / "valid").iterdir()):
        assert validate(read(path.read_bytes())) == [], path.name
    for path in sorted((COLLECTION / "invalid").iterdir()):
        assert validate(read(path.read_bytes())) != [], path.name
