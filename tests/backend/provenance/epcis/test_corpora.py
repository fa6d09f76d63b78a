"""The public collections, where `CORPORA` names a folder that holds them; otherwise their absence is said."""

import os
from pathlib import Path
from typing import Any

import pytest

from backend.provenance.epcis.document import Document, Event, Fault, Unreadable
from backend.provenance.epcis.validation import read, validate

CORPORA = os.environ.get("CORPORA")
ROOT = Path(CORPORA or ".")
pytestmark = pytest.mark.skipif(CORPORA is None, reason="CORPORA names no folder with EPCIS collections")

KNOWN = {
    "AssociationEvent-h.jsonld": "eventID stands twice in one object",
    "JumbledFieldsOrder.xml": "elements out of order, refused by the XSD too",
    "Namespace_document.xml": "elements in a namespace, refused by the XSD too",
    "Namespace_event.xml": "elements in a namespace, where the binding has none",
}
"""Documents of collections of valid ones that are refused here, and why."""


def found(*patterns: str) -> list[Path]:
    files = sorted(path for pattern in patterns for path in ROOT.glob(pattern))
    if not files:
        pytest.skip(f"no {patterns[0]} under {ROOT}")
    return files


def faults(path: Path) -> list[Fault]:
    try:
        return validate(read(path.read_bytes()))
    except Unreadable as error:
        return [error.fault]


def hashes(document: Document) -> list[str]:
    return [event.cbv_hash() for event in document.for_hashing()]


def test_official_hash_vectors() -> None:
    documents = [
        path
        for path in found("**/tests/examples/*.xml", "**/tests/examples/*.jsonld")
        if path.with_suffix(".hashes").exists()
    ]
    assert len(documents) >= 39
    for path in documents:
        expected = path.with_suffix(".hashes").read_text().split()
        assert hashes(read(path.read_bytes())) == expected, path.name


def test_documents_that_say_the_same_hash_alike() -> None:
    for path in found("**/tests/expected_equal/*"):
        assert len(set(hashes(read(path.read_bytes())))) == 1, path.name


def test_valid_documents_are_accepted() -> None:
    for path in found(
        "**/EPCIS/JSON/**/*.jsonld", "**/2.0/**/Capture/[DE]*/*.json", "**/2.0/**/Capture/[DE]*/*.xml"
    ):
        if path.name not in KNOWN:
            assert faults(path) == [], path.name


MEDIA = {".xml": "application/xml", ".json": "application/json", ".jsonld": "application/ld+json"}


async def stored(user: Any) -> list[dict[str, Any]]:
    """Everything the user may read, without what the repository adds."""
    answer = await user.get("/epcis/events", params={"perPage": 1000, "orderBy": "recordTime"})
    assert answer.status_code == 200, answer.text
    return [event.body for event in read(answer.content).events]


def same(received: Event, events: list[dict[str, Any]]) -> bool:
    """Whether the event is among these, but for an id and a record time where it came without."""
    added = {"eventID", "recordTime"} - set(received.body)
    wanted = {name: value for name, value in received.body.items() if name != "@context"}
    return any(
        {name: value for name, value in event.items() if name not in added | {"@context"}} == wanted
        for event in events
    )


async def test_valid_documents_are_recorded_and_come_back_equal(world: Any) -> None:
    paths = found(
        "**/EPCIS/JSON/**/*.jsonld", "**/2.0/**/Capture/[DE]*/*.json", "**/2.0/**/Capture/[DE]*/*.xml"
    )
    for path in paths:
        if path.name in KNOWN:
            continue
        data = path.read_bytes()
        user = await world.user()
        document = read(data)
        where = "/epcis/events" if document.kind == "Event" else "/epcis/capture"
        answer = await user.post(where, content=data, headers={"Content-Type": MEDIA[path.suffix]})
        assert answer.status_code in (201, 202), f"{path.name}: {answer.text}"
        job = answer.json()
        assert (job["success"], job["errors"]) == (True, []), path.name
        assert job["captured"] + job["duplicates"] == len(document.events), path.name
        events = await stored(user)
        assert len(events) == job["captured"], path.name
        assert all(same(event, events) for event in document.events), path.name


@pytest.mark.parametrize("behaviour", ["rollback", "proceed"])
async def test_of_invalid_documents_nothing_or_the_valid_rest_is_recorded(world: Any, behaviour: str) -> None:
    rest = 0
    for path in found("**/2.0/**/Capture/Invalid/*.json", "**/2.0/**/Capture/Invalid/*.xml"):
        data = path.read_bytes()
        user = await world.user()
        headers = {"Content-Type": MEDIA[path.suffix], "GS1-Capture-Error-Behaviour": behaviour}
        answer = await user.post("/epcis/capture", content=data, headers=headers)
        events = await stored(user)
        if answer.status_code == 400:
            assert answer.json()["errors"], path.name
            assert events == [], path.name
            continue
        job, document = answer.json(), read(data)
        assert answer.status_code == 202, f"{path.name}: {answer.text}"
        assert not job["success"], path.name
        assert all(error["instance"] and error["errors"][0]["pointer"] for error in job["errors"]), path.name
        refused = {error["instance"] for error in job["errors"]}
        valid = [event for event in document.events if event.pointer not in refused]
        assert len(events) == (len(valid) if behaviour == "proceed" else 0), path.name
        assert behaviour == "rollback" or all(same(event, events) for event in valid), path.name
        rest += len(valid)
    assert rest > 0


def test_invalid_documents_are_refused_with_a_place() -> None:
    for path in found("**/2.0/**/Capture/Invalid/*.json", "**/2.0/**/Capture/Invalid/*.xml"):
        first = faults(path)[0]
        assert first.detail, path.name


def test_twins_of_both_bindings_hash_alike() -> None:
    pairs = [
        (path, twin)
        for path in found("**/EPCIS/JSON/Capture/Documents/*.json")
        if (twin := Path(str(path).replace("/JSON/", "/XML/")).with_suffix(".xml")).exists()
    ]
    assert pairs
    for path, twin in pairs:
        if twin.name not in KNOWN:
            assert hashes(read(path.read_bytes())) == hashes(read(twin.read_bytes())), path.name
