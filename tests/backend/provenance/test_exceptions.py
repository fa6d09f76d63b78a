"""What goes wrong at the standard's interface has GS1's type and status, and our code beside it."""

from typing import Any

import pytest

from backend.kit.settings import load
from backend.provenance.discovery import MAX_ADDRESS
from backend.provenance.exceptions import PREFIX
from backend.verifier.vocabulary import CONTEXT
from tests.backend.provenance.conftest import Recorder
from tests.backend.provenance.epcis.samples import RECEIPT, document

JSON = {"Content-Type": "application/json"}
BODY = {"name": "q", "query": {"eventType": ["ObjectEvent"]}}
HOOK = {"dest": "https://erp.example.com/epcis", "signatureToken": "s" * 20}
INVALID = document({**RECEIPT, "action": "SELL"})

Case = tuple[str, str, dict[str, Any], int, str, str]
CASES: list[Case] = [
    ("POST", "/capture", {"content": b"{", "headers": JSON}, 400,
     "ValidationException", "epcis-document-invalid"),
    ("POST", "/events", {"content": b"{}", "headers": JSON}, 400,
     "ValidationException", "epcis-document-invalid"),
    ("POST", "/capture", {"content": b"x", "headers": {"Content-Type": "text/csv"}}, 415,
     "UnsupportedMediaTypeException", "epcis-media-type"),
    ("POST", "/queries", {"content": b"<q/>", "headers": {"Content-Type": "application/xml"}}, 415,
     "UnsupportedMediaTypeException", "epcis-body-not-json"),
    ("POST", "/queries/q/subscriptions", {"content": b"<s/>", "headers": {"Content-Type": "text/xml"}}, 415,
     "UnsupportedMediaTypeException", "epcis-body-not-json"),
    ("GET", "/events", {"headers": {"Accept": "text/csv"}}, 406,
     "NotAcceptableException", "epcis-not-acceptable"),
    ("GET", "/epcs", {"headers": {"Accept": "application/xml"}}, 406, "NotAcceptableException",
     "epcis-not-acceptable"),
    ("GET", "/queries", {"headers": {"Accept": "application/json;q=0"}}, 406, "NotAcceptableException",
     "epcis-not-acceptable"),
    ("GET", "/events", {"headers": {"GS1-EPCIS-Min": "2.1"}}, 406, "NotAcceptableException", "epcis-version"),
    ("GET", "/events", {"params": {"EQ_colour": "red"}}, 400,
     "QueryParameterException", "epcis-query-invalid"),
    ("GET", "/events", {"params": {"MATCH_epc": "x" * MAX_ADDRESS}}, 414, "URITooLongException",
     "epcis-address-too-long"),
    ("GET", "/events", {"params": {"maxEventCount": "1"}}, 413, "QueryTooLargeException",
     "epcis-query-too-complex"),
    ("GET", "/events", {"headers": {"GS1-EPC-Format": "Sometimes"}}, 400,
     "ValidationException", "invalid-request"),
    ("GET", "/events", {"params": {"EQATTR_readPoint_a": "b"}}, 501, "ImplementationException",
     "epcis-master-data-not-kept"),
    ("GET", "/epcs", {"params": {"perPage": "0"}}, 400, "ValidationException", "invalid-request"),
    ("GET", "/events/none", {}, 404, "NoSuchResourceException", "epcis-event-unknown"),
    ("GET", "/capture/none", {}, 404, "NoSuchResourceException", "epcis-event-unknown"),
    ("GET", "/epcs/none", {}, 404, "NoSuchResourceException", "epcis-resource-unknown"),
    ("GET", "/colours", {}, 404, "NoSuchResourceException", "not-found"),
    ("GET", "/queries/none", {}, 404, "NoSuchNameException", "epcis-query-unknown"),
    ("GET", "/queries/q/subscriptions/none", {}, 404,
     "NoSuchResourceException", "epcis-subscription-unknown"),
    ("POST", "/queries", {"json": BODY}, 409, "ResourceAlreadyExistsException", "epcis-query-exists"),
    ("POST", "/queries", {"json": []}, 400, "ValidationException", "invalid-request"),
    ("POST", "/queries", {"json": {"name": "r", "query": {"EQ_colour": ["red"]}}}, 400,
     "QueryParameterException", "epcis-query-invalid"),
    ("POST", "/queries/q/subscriptions", {"json": {"dest": "x"}}, 400,
     "ValidationException", "invalid-request"),
    ("POST", "/queries/q/subscriptions", {"json": HOOK | {"schedule": {"hour": "25"}}}, 400,
     "SubscriptionControlsException", "epcis-query-invalid"),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case[0]} {case[1]} {case[3]} {case[5]}")
async def test_a_problem_has_the_standards_type_and_our_code(seller: Recorder, case: Case) -> None:
    method, path, request, status, name, code = case
    for number in range(2):
        await seller.capture(document({**RECEIPT, "epcList": [f"urn:test:{number}"]}))
    assert (await seller.user.client.post("/epcis/queries", json=BODY)).status_code == 201

    answer = await seller.user.client.request(method, f"/epcis{path}", **request)

    problem = answer.json()
    assert (answer.status_code, problem["type"], problem.get("code")) == (status, PREFIX + name, code)
    assert answer.headers["content-type"] == "application/problem+json"
    assert problem["status"] == status
    assert problem["title"]
    assert problem["detail"]


async def test_who_is_not_known_is_told_so_in_the_standards_words(seller: Recorder) -> None:
    answer = await seller.user.client.get("/epcis/events", headers={"Authorization": "Bearer none"})

    assert (answer.status_code, answer.json()["type"]) == (401, f"{PREFIX}SecurityException")
    assert answer.json()["code"] == "unauthenticated"


async def test_what_the_standard_does_not_name_keeps_its_type(seller: Recorder) -> None:
    answer = await seller.user.client.put("/epcis/events")

    assert (answer.status_code, answer.json()["type"]) == (405, "urn:tallystick:problem:method-not-allowed")


async def test_other_interfaces_keep_their_types(seller: Recorder) -> None:
    answer = await seller.user.client.get("/epcisx")

    assert answer.json()["type"] == "urn:tallystick:problem:not-found"
    assert "code" not in answer.json()


async def test_a_body_too_large_says_how_large_it_may_be(seller: Recorder) -> None:
    limit = load({}).max_body_bytes
    answer = await seller.user.client.post("/epcis/capture", content=b" " * (limit + 1), headers=JSON)

    assert (answer.status_code, answer.json()["type"]) == (413, f"{PREFIX}CaptureLimitExceededException")
    assert answer.headers["gs1-epcis-capture-limit"].isdigit()
    assert answer.headers["gs1-epcis-capture-file-size-limit"].isdigit()


async def test_a_capture_job_says_what_it_refused_in_the_standards_words(seller: Recorder) -> None:
    client = seller.user.client
    job = await client.post("/epcis/capture", content=INVALID, headers=JSON)
    event = await client.post("/epcis/events", json={"@context": CONTEXT, **RECEIPT, "action": "SELL"})

    later = (await client.get(job.headers["location"])).json()
    for errors in (job.json()["errors"], later["errors"], [event.json()]):
        (error,) = errors
        assert (error["type"], error["code"]) == (f"{PREFIX}ValidationException", "epcis-event-invalid")
    assert event.status_code == 400
