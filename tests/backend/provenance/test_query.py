"""Reading events back: field for field, by the standard's query language, and only what one may read."""

import json
from typing import Any

import pytest

from backend.kit.access import Role
from backend.provenance.epcis.validation import read, validate
from tests.backend.provenance.conftest import BUYER_GLN, SELLER_GLN, Recorder, receipts
from tests.backend.provenance.epcis.samples import (
    BOARD,
    COLD_CHAIN,
    COLD_CHAIN_XML,
    PALLET,
    RECEIPT,
    document,
    xml_document,
)

SAWING = {
    "type": "TransformationEvent",
    "eventTime": "2026-03-01T07:00:00Z",
    "eventTimeZoneOffset": "+01:00",
    "inputQuantityList": [
        {"epcClass": "urn:epc:class:lgtin:4012345.000002.T9", "quantity": 1.5, "uom": "MTQ"}
    ],
    "outputEPCList": ["urn:epc:id:sgtin:4012345.000001.1"],
    "transformationID": "urn:uuid:saw-1",
    "ilmd": {"ex:grade": "A", "ex:origin": {"ex:forest": "North"}},
    "ex:machine": {"ex:speed": 7, "ex:serviced": "2026-02-01T00:00:00Z"},
    "ex:shift": "2",
    "persistentDisposition": {"set": ["completeness_verified"]},
}
SHIPPING = {
    **RECEIPT,
    "eventTime": "2026-03-02T06:00:00Z",
    "bizStep": "shipping",
    "disposition": "in_transit",
    "readPoint": {"id": "urn:epc:id:sgln:4012345.00000.DOCK1"},
    "sourceList": [{"type": "owning_party", "source": "urn:epc:id:pgln:4012345.00000"}],
    "destinationList": [{"type": "owning_party", "destination": "urn:epc:id:pgln:4098765.00001"}],
    "eventID": "urn:uuid:ship-1",
}
WRONG = {
    **SHIPPING,
    "errorDeclaration": {
        "declarationTime": "2026-03-05T00:00:00Z",
        "reason": "incorrect_data",
        "correctiveEventIDs": ["urn:uuid:ship-2"],
        "ex:by": "clerk",
    },
}


def listed(answer: Any) -> list[dict[str, Any]]:
    assert answer.status_code == 200, answer.text
    events: list[dict[str, Any]] = answer.json()["epcisBody"]["queryResults"]["resultsBody"]["eventList"]
    return events


@pytest.fixture
async def recorded(seller: Recorder) -> Recorder:
    """One of everything: sawing, shipping, a declaration of error, a cold chain, a receipt."""
    answer = await seller.capture(document(SAWING, SHIPPING, WRONG, COLD_CHAIN, RECEIPT))
    assert answer.json()["captured"] == 5, answer.text
    return seller


async def test_events_come_back_field_for_field(recorded: Recorder) -> None:
    events = listed(await recorded.user.get("/epcis/events", params={"orderBy": "recordTime"}))

    sent = [SAWING, SHIPPING, WRONG, COLD_CHAIN, RECEIPT]
    for event, original in zip(reversed(events), sent, strict=True):
        added = {name for name in event if name not in original}
        assert added <= {"eventID", "recordTime"}
        assert {name: event[name] for name in original} == original


async def test_numbers_come_back_as_they_were_written(recorded: Recorder) -> None:
    data = document(RECEIPT).replace(b'"quantity": 40', b'"quantity": 40.500')
    await recorded.capture(data)

    text = (await recorded.user.get("/epcis/events", params={"GE_quantity": "40.5"})).text

    assert '"quantity":40.500' in text


async def test_the_answer_is_a_valid_document_in_both_bindings(recorded: Recorder) -> None:
    for accept in ("application/json", "application/xml"):
        answer = await recorded.user.get("/epcis/events", headers={"Accept": accept})

        assert answer.headers["content-type"].startswith(accept)
        back = read(answer.content)
        assert validate(back) == []
        assert len(back.events) == 5
    hashes = {event.cbv_hash() for event in back.events}
    originals = {event.cbv_hash() for event in read(document(SAWING, SHIPPING, COLD_CHAIN, RECEIPT)).events}
    assert hashes == originals


async def test_what_came_as_xml_goes_out_as_json(seller: Recorder) -> None:
    await seller.capture(xml_document(COLD_CHAIN_XML), media_type="application/xml")

    (event,) = listed(await seller.user.get("/epcis/events"))

    assert event["sensorElementList"][0]["sensorReport"][0] == {
        "type": "Temperature", "value": 4.5, "uom": "CEL", "booleanValue": True,
    }  # fmt: skip
    assert event["ex:note"] == "kept cool"


FINDS = [
    ({}, "saw ship wrong cold receipt"),
    ({"eventType": "TransformationEvent"}, "saw"),
    ({"eventType": ["TransformationEvent", "ObjectEvent"]}, "saw ship wrong cold receipt"),
    ({"GE_eventTime": "2026-03-02T08:30:00Z"}, "cold receipt"),
    ({"LT_eventTime": "2026-03-02T06:00:00Z"}, "saw"),
    ({"GE_recordTime": "2026-01-01T00:00:00Z", "LT_recordTime": "2020-01-01T00:00:00Z"}, ""),
    ({"EQ_action": "OBSERVE"}, "ship wrong cold receipt"),
    ({"EQ_bizStep": "shipping"}, "ship wrong"),
    ({"EQ_bizStep": "https://ref.gs1.org/cbv/BizStep-shipping"}, "ship wrong"),
    ({"EQ_bizStep": ["receiving", "sensor_reporting"]}, "cold receipt"),
    ({"EQ_disposition": "in_transit"}, "ship wrong"),
    ({"EQ_persistentDisposition_set": "completeness_verified"}, "saw"),
    ({"EQ_readPoint": "https://id.gs1.org/414/4012345000009/254/DOCK1"}, "ship wrong"),
    ({"EQ_readPoint": "urn:epc:id:sgln:4012345.00000.0"}, ""),
    ({"WD_readPoint": "urn:epc:id:sgln:4012345.00000.0"}, "ship wrong"),
    ({"EQ_bizTransaction_po": "urn:epcglobal:cbv:bt:4098765000010:PO-7"}, "ship wrong receipt"),
    ({"EQ_bizTransaction_inv": "urn:epcglobal:cbv:bt:4098765000010:PO-7"}, ""),
    ({"EQ_source_owning_party": "https://id.gs1.org/417/4012345000009"}, "ship wrong"),
    ({"EQ_destination_owning_party": "https://id.gs1.org/417/4098765000010"}, "ship wrong"),
    ({"EQ_transformationID": "urn:uuid:saw-1"}, "saw"),
    ({"MATCH_epc": PALLET}, "ship wrong cold receipt"),
    ({"MATCH_epc": "https://example.com/00/140123452345678902?x=1"}, "ship wrong cold receipt"),
    ({"MATCH_outputEPC": "urn:epc:id:sgtin:4012345.000001.1"}, "saw"),
    ({"MATCH_anyEPC": "urn:epc:idpat:sgtin:4012345.000001.*"}, "saw"),
    ({"MATCH_anyEPC": "urn:epc:idpat:sscc:4012345.*"}, "ship wrong cold receipt"),
    ({"MATCH_anyEPC": ["urn:epc:id:sgtin:4012345.000001.1", PALLET]}, "saw ship wrong cold receipt"),
    ({"MATCH_epcClass": BOARD}, "ship wrong receipt"),
    ({"MATCH_inputEPCClass": "https://id.gs1.org/01/04012345000023/10/T9"}, "saw"),
    ({"MATCH_anyEPCClass": "urn:epc:idpat:sgtin:4012345.000001.*"}, "ship wrong receipt"),
    ({"EQ_quantity": "40"}, "ship wrong receipt"),
    ({"GT_quantity": "1.5"}, "ship wrong receipt"),
    ({"LE_quantity_MTQ": "1.5"}, "saw"),
    ({"GE_quantity_GRM": "40000"}, "ship wrong receipt"),
    ({"EQ_eventID": "urn:uuid:ship-1"}, "ship wrong"),
    ({"EXISTS_errorDeclaration": "true"}, "wrong"),
    ({"GE_errorDeclarationTime": "2026-03-05T00:00:00Z"}, "wrong"),
    ({"LT_errorDeclarationTime": "2026-03-05T00:00:00Z"}, ""),
    ({"EQ_errorReason": "incorrect_data"}, "wrong"),
    ({"EQ_correctiveEventID": "urn:uuid:ship-2"}, "wrong"),
    ({"EQ_ERROR_DECLARATION_ex:by": "clerk"}, "wrong"),
    ({"EQ_ILMD_ex:grade": "A"}, "saw"),
    ({"EQ_ILMD_ex:grade": "B"}, ""),
    ({"EQ_INNER_ILMD_ex:forest": "North"}, "saw"),
    ({"EXISTS_ILMD_ex:grade": "true"}, "saw"),
    ({"EQ_ex:shift": "2"}, "saw"),
    ({"EQ_ex:note": "kept cool"}, "cold"),
    ({"EQ_https://ns.example.com/epcis/note": "kept cool"}, "cold"),
    ({"EXISTS_ex:machine": "true"}, "saw"),
    ({"GT_INNER_ex:speed": "6.5"}, "saw"),
    ({"LT_INNER_ex:serviced": "2026-03-01T00:00:00Z"}, "saw"),
    ({"EXISTS_sensorElementList": "true"}, "cold"),
    ({"EQ_type": "Temperature"}, "cold"),
    ({"EQ_deviceID": "https://id.gs1.org/8004/401234577"}, "cold"),
    ({"EQ_value_CEL": "4.5"}, "cold"),
    ({"GE_value_KEL": "277.65"}, "cold"),
    ({"GT_value_KEL": "277.65"}, ""),
    ({"LT_value_FAH": "41"}, "cold"),
    ({"GE_time": "2026-03-02T09:00:00Z"}, "cold"),
    ({"EQ_booleanValue": "true"}, "cold"),
    ({"EQ_bizStep": "shipping", "EXISTS_errorDeclaration": "true", "GE_quantity": "40"}, "wrong"),
    ({"EQ_bizStep": "receiving|sensor_reporting"}, "cold receipt"),
    ({"eventType": "TransformationEvent|AggregationEvent"}, "saw"),
    ({"EXISTS_errorDeclaration": "false"}, "saw ship wrong cold receipt"),
    ({"orderBy": "ex:shift", "MATCH_outputEPC": "urn:epc:id:sgtin:4012345.000001.1"}, "saw"),
]
NAMED = {"GS1-Extensions": "ex=https://ns.example.com/epcis/"}


async def test_the_query_language(recorded: Recorder) -> None:
    wrong = {}
    for parameters, found in FINDS:
        given = {"orderBy": "recordTime", "orderDirection": "ASC"} | parameters
        events = listed(await recorded.user.get("/epcis/events", params=given, headers=NAMED))
        names = " ".join(name_of(event) for event in events)
        if names != found:
            wrong[str(parameters)] = (names, found)

    assert wrong == {}


COMPARED = ("EQ", "GT", "GE", "LT", "LE")
SCOPES = ("", "ERROR_DECLARATION_", "ILMD_", "SENSORELEMENT_", "SENSORMETADATA_", "SENSORREPORT_",
          "readPoint_", "bizLocation_")  # fmt: skip
EVERY_NAME: dict[str, str] = {
    **dict.fromkeys(
        ("EQ_bizLocation", "EQ_readPoint", "WD_bizLocation", "WD_readPoint", "EQ_bizRules",
         "EQ_chemicalSubstance", "EQ_correctiveEventID", "EQ_dataProcessingMethod", "EQ_deviceID",
         "EQ_eventID", "EQ_microorganism", "EQ_transformationID", "EQ_uriValue", "EQ_errorReason",
         "MATCH_anyEPC", "MATCH_anyEPCClass", "MATCH_epc", "MATCH_epcClass", "MATCH_inputEPC",
         "MATCH_inputEPCClass", "MATCH_outputEPC", "MATCH_outputEPCClass", "MATCH_parentID",
         "EQ_bizTransaction_po", "EQ_source_owning_party", "EQ_destination_location", "EQ_bizStep",
         "EQ_disposition", "EQ_persistentDisposition_set", "EQ_persistentDisposition_unset",
         "EQ_type", "EQ_hexBinaryValue", "EQ_stringValue"),
        "https://example.com/one",
    ),
    **dict.fromkeys(
        (f"{low}_{moment}" for low in ("GE", "LT") for moment in (
            "eventTime", "recordTime", "startTime", "endTime", "time", "errorDeclarationTime",
            "errorDeclaration_Time")),
        "2026-03-02T09:30:00.000+01:00",
    ),
    **{f"{operator}_{measure}{unit}": "4.5" for operator in COMPARED for measure, unit in (
        ("quantity", ""), ("quantity", "_KGM"), ("percRank", ""), ("value", "_CEL"), ("minValue", "_CEL"),
        ("maxValue", "_CEL"), ("meanValue", "_CEL"), ("sDev", "_CEL"), ("percValue", "_CEL"))},
    **{f"{operator}_{inner}{scope}ex:field": "7" for operator in (*COMPARED, "EXISTS")
       for inner in ("", "INNER_") for scope in SCOPES},
    "EXISTS_errorDeclaration": "true", "EXISTS_sensorElementList": "true", "EQ_action": "ADD|OBSERVE|DELETE",
    "EQ_booleanValue": "true", "eventType": "ObjectEvent", "orderBy": "ex:field", "orderDirection": "ASC",
    "eventCountLimit": "5", "maxEventCount": "50", "perPage": "3",
}  # fmt: skip
"""Every parameter of the standard's table and of GS1's OpenAPI, one of each family that has many."""


async def test_every_parameter_of_the_standard_is_known(seller: Recorder) -> None:
    refused = {}
    for name, value in EVERY_NAME.items():
        answer = await seller.user.get("/epcis/events", params={name: value}, headers=NAMED)
        if answer.status_code != 200:
            refused[name] = answer.text

    assert refused == {}


@pytest.mark.parametrize(
    "name", ["HASATTR_ex:field", "EQ_ATTR_readPoint_ex:attribute", "EQATTR_readPoint_ex:attribute"]
)
async def test_attributes_of_master_data_are_refused_and_not_searched_in_vain(
    seller: Recorder, name: str
) -> None:
    asked = await seller.user.get("/epcis/events", params={name: "x"}, headers=NAMED)
    kept = await seller.user.post("/epcis/queries", json={"name": "q", "query": {name: ["x"]}})

    assert asked.status_code == kept.status_code == 501
    assert name in asked.json()["detail"]


async def test_events_in_the_order_of_an_extension_field(seller: Recorder) -> None:
    fields: list[Any] = [7, 100, "b", "2026-02-01T00:00:00Z", 9.5, None, "a", "2026-01-01T00:00:00+01:00"]
    events = [
        {**RECEIPT, "epcList": [f"urn:test:{n}"]} | ({} if value is None else {"ex:rank": value})
        for n, value in enumerate(fields)
    ]
    await seller.capture(document(*events))
    params: dict[str, Any] | None = {"orderBy": "ex:rank", "orderDirection": "ASC", "perPage": 3}

    seen: list[Any] = []
    path: str | None = "/epcis/events"
    while path is not None:
        answer = await seller.user.get(path, params=params, headers=NAMED)
        seen += [event.get("ex:rank") for event in listed(answer)]
        path = answer.links["next"]["url"] if "next" in answer.links else None
        params = None

    times = ["2026-01-01T00:00:00+01:00", "2026-02-01T00:00:00Z"]
    assert seen == [7, 9.5, 100, *times, "a", "b", None]
    first = await seller.user.get(
        "/epcis/events", params={"orderBy": "ex:rank", "eventCountLimit": 2}, headers=NAMED
    )
    assert [event["ex:rank"] for event in listed(first)] == ["b", "a"]
    assert "next" not in first.links


def name_of(event: dict[str, Any]) -> str:
    if event["type"] == "TransformationEvent":
        return "saw"
    if "errorDeclaration" in event:
        return "wrong"
    return {"shipping": "ship", "sensor_reporting": "cold", "receiving": "receipt"}[event["bizStep"]]


REFUSED: list[dict[str, str]] = [
    {"colour": "red"},
    {"MATCH_colour": "red"},
    {"EQ_unknown": "x"},
    {"EQ_nowhere:field": "x"},
    {"GE_eventTime": "yesterday"},
    {"GT_eventTime": "2026-01-01T00:00:00Z"},
    {"EQ_action": "SELL"},
    {"EQ_quantity": "many"},
    {"EQ_quantity": "NaN"},
    {"eventCountLimit": "0"},
    {"eventCountLimit": "3", "maxEventCount": "3"},
    {"orderDirection": "SIDEWAYS"},
    {"orderBy": "colour"},
    {"perPage": "0"},
    {"perPage": "x"},
    {"nextPageToken": "nonsense"},
    {"EQATTR_bizLocation": "x"},
    {"MATCH_epc": "urn:epc:idpat:nothing:*"},
]


async def test_a_query_the_standard_does_not_know_is_refused(recorded: Recorder) -> None:
    for parameters in REFUSED:
        answer = await recorded.user.get("/epcis/events", params=parameters)

        assert answer.status_code == 400, (parameters, answer.text)
        assert answer.headers["content-type"] == "application/problem+json"


async def test_pages_follow_one_another_without_gap_or_double(seller: Recorder) -> None:
    await seller.capture(receipts(7))
    seen: list[str] = []
    path = "/epcis/events?perPage=3&EQ_bizStep=receiving&GE_quantity=1"
    pages = 0
    while path:
        answer = await seller.user.get(path)
        seen += [event["epcList"][0] for event in listed(answer)]
        pages += 1
        link = answer.headers.get("link", "")
        path = link.partition("<")[2].partition(">")[0]
        if pages == 1:
            await seller.capture(receipts(1, 90))  # later events do not disturb pages already begun

    assert pages == 3
    assert len(seen) == len(set(seen)) >= 7


async def test_limits_of_count(seller: Recorder) -> None:
    await seller.capture(receipts(5))

    limited = await seller.user.get("/epcis/events", params={"eventCountLimit": "2"})
    too_many = await seller.user.get("/epcis/events", params={"maxEventCount": "4"})
    enough = await seller.user.get("/epcis/events", params={"maxEventCount": "5"})

    assert len(listed(limited)) == 2
    assert "link" not in limited.headers
    assert too_many.status_code == 413
    assert len(listed(enough)) == 5


async def test_who_may_read(seller: Recorder, buyer: Recorder, stranger: Recorder, world: Any) -> None:
    """The recorder, the parties named by a GLN, auditors; to everybody else there is nothing."""
    auditor = await world.user(Role.AUDITOR)
    await seller.capture(document(SHIPPING))
    await seller.capture(document(SAWING))

    assert len(listed(await seller.user.get("/epcis/events"))) == 2
    assert [name_of(event) for event in listed(await buyer.user.get("/epcis/events"))] == ["ship"]
    assert listed(await stranger.user.get("/epcis/events")) == []
    assert len(listed(await auditor.get("/epcis/events"))) == 2
    assert (await stranger.user.get("/epcis/events/urn:uuid:ship-1")).status_code == 404
    assert (await stranger.user.get("/v1/log/events/0/proof")).status_code == 404
    assert (await buyer.user.get("/v1/log/events/1/proof")).status_code == 404


async def test_a_gln_with_a_bad_check_digit_opens_nothing(seller: Recorder, buyer: Recorder) -> None:
    bad = BUYER_GLN[:-1] + "7"
    event = {
        **SAWING,
        "destinationList": [
            {"type": "location", "destination": f"https://id.gs1.org/414/{bad}"},
        ],
    }
    await seller.capture(document(event))

    assert listed(await buyer.user.get("/epcis/events")) == []


async def test_an_event_by_its_id_shows_that_it_was_declared_wrong(recorded: Recorder) -> None:
    answer = await recorded.user.get("/epcis/events/urn:uuid:ship-1")

    assert answer.status_code == 200
    assert answer.json()["errorDeclaration"]["reason"] == "incorrect_data"
    history = answer.headers["link"].partition("<")[2].partition(">")[0]
    assert [name_of(event) for event in listed(await recorded.user.get(history))] == ["ship", "wrong"]


async def test_an_event_without_an_id_is_found_by_its_hash(seller: Recorder) -> None:
    await seller.capture(document(RECEIPT))
    (event,) = listed(await seller.user.get("/epcis/events"))

    found = await seller.user.get(f"/epcis/events/{event['eventID']}")

    assert event["eventID"].startswith("ni:///sha-256;")
    assert found.json()["epcList"] == [PALLET]


@pytest.mark.parametrize(
    ("form", "epc"),
    [
        (None, PALLET),
        ("No_Preference", PALLET),
        ("Never_Translates", PALLET),
        ("Always_GS1_Digital_Link", "https://id.gs1.org/00/140123452345678902"),
        ("Always_EPC_URN", PALLET),
    ],
)
async def test_identifiers_in_the_form_asked_for(seller: Recorder, form: str | None, epc: str) -> None:
    await seller.capture(document(RECEIPT))

    headers = {} if form is None else {"GS1-EPC-Format": form}
    (event,) = listed(await seller.user.get("/epcis/events", headers=headers))

    assert event["epcList"] == [epc]
    if form == "Always_EPC_URN":
        assert event["quantityList"][0]["epcClass"] == "urn:epc:class:lgtin:4012345.000001.LOT-007"
    else:
        assert event["quantityList"][0]["epcClass"] == BOARD


async def test_events_of_different_contexts_keep_their_meaning(seller: Recorder) -> None:
    await seller.capture(document({**RECEIPT, "ex:a": "1"}))
    await seller.capture(document({**RECEIPT, "ex:a": "1"}, context={"ex": "https://other.example/"}))

    answer = await seller.user.get("/epcis/events")

    one, other = read(answer.content).events
    assert len({one.identity(), other.identity()}) == 2
    assert {one.namespaces["ex"], other.namespaces["ex"]} == {
        "https://ns.example.com/epcis/",
        "https://other.example/",
    }


@pytest.mark.parametrize(
    ("accept", "given"),
    [
        ("*/*", "application/json"),
        ("text/html, application/xml;q=0.9", "application/xml"),
        ("application/xml;q=0.1, application/ld+json", "application/ld+json"),
    ],
)
async def test_the_binding_is_negotiated(seller: Recorder, accept: str, given: str) -> None:
    answer = await seller.user.get("/epcis/events", headers={"Accept": accept})

    assert answer.headers["content-type"].startswith(given)


async def test_a_binding_nobody_speaks_is_refused(seller: Recorder) -> None:
    answer = await seller.user.get("/epcis/events", headers={"Accept": "text/html"})

    assert answer.status_code == 406


@pytest.mark.parametrize(
    ("header", "value", "status"),
    [
        ("GS1-EPCIS-Version", "2.0.0", 200),
        ("GS1-EPCIS-Version", "2.0", 200),
        ("GS1-EPCIS-Version", "1.2", 406),
        ("GS1-EPCIS-Min", "2.0.0", 200),
        ("GS1-EPCIS-Min", "2.1.0", 406),
        ("GS1-EPCIS-Max", "2.1.0", 200),
        ("GS1-EPCIS-Max", "1.2.0", 406),
        ("GS1-CBV-Min", "3.0", 406),
        ("GS1-CBV-Max", "two", 406),
    ],
)
async def test_versions_are_agreed(seller: Recorder, header: str, value: str, status: int) -> None:
    answers = [
        await seller.user.get(path, headers={header: value}) for path in ("/epcis/events", "/epcis/epcs")
    ]

    assert {answer.status_code for answer in answers} == {status}


async def test_capture_jobs_are_listed_to_their_owner(seller: Recorder, stranger: Recorder) -> None:
    for start in range(3):
        await seller.capture(receipts(1, start))

    first = await seller.user.get("/epcis/capture?perPage=2")

    assert len(first.json()) == 2
    following = first.headers["link"].partition("<")[2].partition(">")[0]
    assert len((await seller.user.get(following)).json()) == 1
    assert (await stranger.user.get("/epcis/capture")).json() == []
    job = first.json()[0]["captureID"]
    assert (await stranger.user.get(f"/epcis/capture/{job}")).status_code == 404
    assert (await seller.user.get("/epcis/capture/nonsense")).status_code == 404


def test_the_glns_of_the_samples_are_good() -> None:
    from backend.parties.model import canonical_gln

    assert (canonical_gln(SELLER_GLN), canonical_gln(BUYER_GLN)) == (SELLER_GLN, BUYER_GLN)
    assert json.loads(document(RECEIPT))["type"] == "EPCISDocument"
