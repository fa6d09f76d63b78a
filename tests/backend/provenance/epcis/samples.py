"""EPCIS documents of invented companies: Example Timber (4012345) sells to Example Joinery (4098765)."""

import json
from typing import Any

CONTEXT = "https://ref.gs1.org/standards/epcis/2.0.0/epcis-context.jsonld"

PALLET = "urn:epc:id:sscc:4012345.1234567890"
BOARD = "https://id.gs1.org/01/04012345000016/10/LOT-007"

RECEIPT: dict[str, Any] = {
    "type": "ObjectEvent",
    "eventTime": "2026-03-02T09:30:00.000+01:00",
    "eventTimeZoneOffset": "+01:00",
    "epcList": [PALLET],
    "action": "OBSERVE",
    "bizStep": "receiving",
    "disposition": "in_progress",
    "readPoint": {"id": "urn:epc:id:sgln:4098765.00001.0"},
    "bizTransactionList": [
        {"type": "po", "bizTransaction": "urn:epcglobal:cbv:bt:4098765000010:PO-7"},
        {"type": "desadv", "bizTransaction": "urn:epcglobal:cbv:bt:4012345000009:DA-1"},
    ],
    "quantityList": [{"epcClass": BOARD, "quantity": 40, "uom": "KGM"}],
}

COLD_CHAIN: dict[str, Any] = {
    "type": "ObjectEvent",
    "eventTime": "2026-03-02T09:30:00Z",
    "eventTimeZoneOffset": "+00:00",
    "epcList": [PALLET],
    "action": "OBSERVE",
    "bizStep": "sensor_reporting",
    "sensorElementList": [
        {
            "sensorMetadata": {"time": "2026-03-02T09:00:00Z", "deviceID": "urn:epc:id:giai:4012345.77"},
            "sensorReport": [
                {"type": "Temperature", "value": 4.50, "uom": "CEL", "booleanValue": True},
                {"exception": "ALARM_CONDITION"},
                {"type": "Angle", "component": "longitude", "value": 13.4, "uom": "DD"},
            ],
        }
    ],
    "ex:note": "kept cool",
}


def document(*events: dict[str, Any], context: Any = None) -> bytes:
    """A JSON document of the events."""
    extra = {"ex": "https://ns.example.com/epcis/"} if context is None else context
    return json.dumps(
        {
            "@context": [CONTEXT, extra],
            "type": "EPCISDocument",
            "schemaVersion": "2.0",
            "creationDate": "2026-03-02T10:00:00Z",
            "epcisBody": {"eventList": list(events)},
        }
    ).encode()


def xml_document(*events: str) -> bytes:
    """An XML document of the events, each given as its element."""
    return (
        '<epcis:EPCISDocument xmlns:epcis="urn:epcglobal:epcis:xsd:2" xmlns:gs1="https://gs1.org/voc/"'
        ' xmlns:cbv="https://ref.gs1.org/cbv/" xmlns:ex="https://ns.example.com/epcis/"'
        ' schemaVersion="2.0" creationDate="2026-03-02T10:00:00Z"><EPCISBody><EventList>'
        + "".join(events)
        + "</EventList></EPCISBody></epcis:EPCISDocument>"
    ).encode()


RECEIPT_XML = """<ObjectEvent>
  <eventTime>2026-03-02T08:30:00Z</eventTime>
  <eventTimeZoneOffset>+01:00</eventTimeZoneOffset>
  <epcList><epc>https://id.gs1.org/00/140123452345678902</epc></epcList>
  <action>OBSERVE</action>
  <bizStep>urn:epcglobal:cbv:bizstep:receiving</bizStep>
  <disposition>https://ref.gs1.org/cbv/Disp-in_progress</disposition>
  <readPoint><id>https://id.gs1.org/414/4098765000010</id></readPoint>
  <bizTransactionList>
    <bizTransaction type="urn:epcglobal:cbv:btt:desadv"
      >urn:epcglobal:cbv:bt:4012345000009:DA-1</bizTransaction>
    <bizTransaction type="urn:epcglobal:cbv:btt:po">urn:epcglobal:cbv:bt:4098765000010:PO-7</bizTransaction>
  </bizTransactionList>
  <quantityList><quantityElement>
    <epcClass>urn:epc:class:lgtin:4012345.000001.LOT-007</epcClass><quantity>40.0</quantity><uom>KGM</uom>
  </quantityElement></quantityList>
</ObjectEvent>"""

COLD_CHAIN_XML = """<ObjectEvent>
  <eventTime>2026-03-02T09:30:00Z</eventTime>
  <eventTimeZoneOffset>+00:00</eventTimeZoneOffset>
  <epcList><epc>urn:epc:id:sscc:4012345.1234567890</epc></epcList>
  <action>OBSERVE</action>
  <bizStep>urn:epcglobal:cbv:bizstep:sensor_reporting</bizStep>
  <sensorElementList><sensorElement>
    <sensorMetadata time="2026-03-02T09:00:00Z" deviceID="urn:epc:id:giai:4012345.77"/>
    <sensorReport type="gs1:Temperature" value="4.5" uom="CEL" booleanValue="1"/>
    <sensorReport exception="gs1:ALARM_CONDITION"/>
    <sensorReport type="gs1:Angle" component="cbv:Comp-longitude" value="13.40" uom="DD"/>
  </sensorElement></sensorElementList>
  <ex:note>kept cool</ex:note>
</ObjectEvent>"""
