"""What each address says of itself, the forms answers can have, and tokens that are not ours."""

import base64
import json
from typing import Any

import httpx
import pytest

from backend.provenance.epcis.validation import read
from tests.backend.provenance.conftest import Recorder
from tests.backend.provenance.epcis.samples import RECEIPT, document


def listed(answer: httpx.Response) -> list[dict[str, Any]]:
    events: list[dict[str, Any]] = answer.json()["epcisBody"]["queryResults"]["resultsBody"]["eventList"]
    return events


ALLOWED = {
    "": "GET, OPTIONS",
    "/capture": "GET, OPTIONS, POST",
    "/capture/0190": "GET, OPTIONS",
    "/events": "GET, OPTIONS, POST",
    "/events/ni:///sha-256;00?ver=CBV2.0": "GET, OPTIONS",
    "/eventTypes": "GET, OPTIONS",
    "/eventTypes/ObjectEvent": "GET, OPTIONS",
    "/epcs/https:%2F%2Fid.gs1.org%2F01%2F04012345000016/events": "GET, OPTIONS",
    "/bizSteps/receiving/events": "GET, OPTIONS",
    "/queries": "GET, OPTIONS, POST",
    "/queries/q": "DELETE, GET, OPTIONS",
    "/queries/q/events": "GET, OPTIONS",
    "/queries/q/subscriptions": "GET, OPTIONS, POST",
    "/queries/q/subscriptions/1": "DELETE, GET, OPTIONS",
    "/nextPageToken/abc": "DELETE, OPTIONS",
}


@pytest.mark.parametrize("path", ALLOWED)
async def test_every_address_says_what_can_be_done_there(seller: Recorder, path: str) -> None:
    answer = await seller.user.client.request("OPTIONS", f"/epcis{path}")

    assert answer.status_code == 204
    assert answer.headers["allow"] == ALLOWED[path]
    assert answer.headers["gs1-epcis-version"] == answer.headers["gs1-cbv-max"] == "2.0.0"
    assert "Always_EPC_URN" in answer.headers["gs1-epc-format"]
    assert "Always_Web_URI" in answer.headers["gs1-cbv-xml-format"]
    assert ("gs1-epcis-capture-limit" in answer.headers) == (path in {"/capture", "/events"})


@pytest.mark.parametrize("path", ["/colours", "/colours/red", "/Epcs", "/nextPageToken"])
async def test_no_other_address_says_anything(seller: Recorder, path: str) -> None:
    answer = await seller.user.client.request("OPTIONS", f"/epcis{path}")

    assert answer.status_code == 404


async def test_answers_name_the_versions(seller: Recorder) -> None:
    events = await seller.user.get("/epcis/events")

    assert events.headers["gs1-cbv-version"] == "2.0.0"


async def test_a_next_page_token_can_be_let_go(seller: Recorder) -> None:
    for n in range(3):
        await seller.capture(document({**RECEIPT, "epcList": [f"urn:test:{n}"]}))
    page = await seller.user.get("/epcis/events", params={"perPage": 1})
    token = page.links["next"]["url"].partition("nextPageToken=")[2]

    assert (await seller.user.client.delete(f"/epcis/nextPageToken/{token}")).status_code == 204


@pytest.mark.parametrize(
    ("wanted", "written"),
    [
        ("Always_Web_URI", "https://ref.gs1.org/cbv/BizStep-receiving"),
        ("Always_URN", "urn:epcglobal:cbv:bizstep:receiving"),
        ("No_Preference", "urn:epcglobal:cbv:bizstep:receiving"),
        ("Never_Translates", "urn:epcglobal:cbv:bizstep:receiving"),
    ],
)
async def test_terms_in_xml_are_written_as_asked(seller: Recorder, wanted: str, written: str) -> None:
    await seller.capture(document(RECEIPT))

    answer = await seller.user.get(
        "/epcis/events", headers={"Accept": "application/xml", "GS1-CBV-XML-Format": wanted}
    )

    assert f"<bizStep>{written}</bizStep>" in answer.text
    (event,) = read(answer.content).events
    assert event.cbv_hash() == read(document(RECEIPT)).events[0].cbv_hash()


@pytest.mark.parametrize(
    "token",
    [
        "AAAA",
        "x" * 600,
        "\u00e9",
        *(
            base64.urlsafe_b64encode(json.dumps(forged).encode()).rstrip(b"=").decode()
            for forged in (
                [0, "2026-03-02T10:00:00+00:00", 1 << 70],
                [0, "2026-03-02T10:00:00+00:00", -1],
                [1 << 70, "2026-03-02T10:00:00+00:00", 1],
                [-1, "2026-03-02T10:00:00+00:00", 1],
                [0, "2026-03-02T10:00:00", 1],
                [0, "0001-01-01T00:00:00+14:00", 1],
                [0, "9999-12-31T23:59:59-14:00", 1],
                [True, "2026-03-02T10:00:00+00:00", 1],
                [0, 5, 1],
                {},
                None,
            )
        ),
    ],
)
async def test_a_forged_token_is_refused(seller: Recorder, token: str) -> None:
    await seller.capture(document(RECEIPT))
    for path in ("/epcis/events", "/epcis/queries", "/epcis/capture"):
        answer = await seller.user.get(path, params={"nextPageToken": token})
        assert answer.status_code in {400, 422}, (path, answer.text)


async def test_the_token_of_another_party_opens_nothing(seller: Recorder, stranger: Recorder) -> None:
    for n in range(3):
        await seller.capture(document({**RECEIPT, "epcList": [f"urn:test:{n}"]}))
    page = await seller.user.get("/epcis/events", params={"perPage": 1})

    answer = await stranger.user.get(page.links["next"]["url"])

    assert answer.status_code == 200
    assert listed(answer) == []
    assert "link" not in answer.headers


@pytest.mark.parametrize(
    "path",
    ["/events?EQ_bizStep=%00", "/events/%00", "/bizSteps/%00", "/eventTypes/%00/events",
     "/epcs?nextPageToken=%00", "/bizSteps?nextPageToken=%2500", "/queries?nextPageToken=" + "0" * 600],
)  # fmt: skip
async def test_addresses_that_no_database_can_hold_are_refused(seller: Recorder, path: str) -> None:
    answer = await seller.user.get(f"/epcis{path}")

    assert answer.status_code in {200, 400, 404, 422}


@pytest.mark.parametrize(
    "key", ["[" * 20_000, json.dumps({"kty": "OKP", "crv": ["x"], "x": {}}), "5", "\x00"]
)
async def test_a_key_that_is_none_is_refused(seller: Recorder, key: str) -> None:
    headers = {"Tallystick-Key": base64.urlsafe_b64encode(key.encode()).decode()}
    answer = await seller.capture(document(RECEIPT), **headers)

    assert answer.status_code in {400, 403}


async def test_no_recorder_gives_a_meaning_to_what_another_wrote(seller: Recorder) -> None:
    """Prefixes that only some events know stay with those, in one answer as in many."""
    honest = {**RECEIPT, "epcList": ["urn:test:1"], "bizStep": "cbv:BizStep-receiving"}
    await seller.capture(document(honest))
    taken = {"cbv": "https://elsewhere.example/", "ex": "https://ns.example.com/"}
    await seller.capture(document({**RECEIPT, "epcList": ["urn:test:2"], "ex:a": "1"}, context=taken))

    answer = await seller.user.get("/epcis/events")

    content = answer.json()
    assert not any(isinstance(entry, dict) for entry in content["@context"])
    both = {event.body["epcList"][0]: event for event in read(answer.content).events}
    assert both["urn:test:1"].namespaces["cbv"] == "https://ref.gs1.org/cbv/"
    assert both["urn:test:1"].namespaces["ex"] == "https://ns.example.com/epcis/"
    assert both["urn:test:2"].namespaces["ex"] == "https://ns.example.com/"
