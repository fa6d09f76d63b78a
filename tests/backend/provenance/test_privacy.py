"""Showing one field and no other; forgetting an event without breaking a single proof."""

import json
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from backend.kit import disclosure, merkle, sparse
from backend.kit.access import Role
from backend.kit.canonical import parse
from backend.kit.database import Database
from backend.provenance.config import LogConfig
from backend.provenance.tables import EventKey, ReceivedDocument, RecordedEvent
from backend.verifier.leaf import decode
from tests.backend.provenance.conftest import Chain, Recorder, receipts
from tests.backend.provenance.epcis.samples import RECEIPT, document


def raw(text: str) -> bytes:
    return bytes.fromhex(text.removeprefix("0x"))


async def test_single_fields_are_shown_with_their_proof(seller: Recorder) -> None:
    await seller.capture(document(RECEIPT))

    params = {"name": ["/bizStep", "/quantityList/0/quantity"]}
    answer = (await seller.user.get("/v1/log/events/0/fields", params=params)).json()

    leaf = decode(raw(answer["leaf"]))
    assert [each["value"] for each in answer["fields"]] == ['"receiving"', "40"]
    for each in answer["fields"]:
        proof = sparse.MapProof(tuple(raw(node) for node in each["siblings"]))
        shown = disclosure.Disclosure(each["name"], parse(each["value"]), raw(each["salt"]), proof)
        assert disclosure.verify(leaf.fields_root, shown)
        lie = disclosure.Disclosure(each["name"], "other", raw(each["salt"]), proof)
        assert not disclosure.verify(leaf.fields_root, lie)
    assert "4098765" not in json.dumps(answer)


async def test_only_a_reader_shows_fields(seller: Recorder, stranger: Recorder) -> None:
    await seller.capture(document(RECEIPT))

    path = "/v1/log/events/0/fields"
    assert (await stranger.user.get(path, params={"name": "/bizStep"})).status_code == 404
    assert (await seller.user.get(path, params={"name": "/colour"})).status_code == 404


async def test_an_erased_event_leaves_its_leaf_and_every_proof(
    seller: Recorder, chain: Chain, database: Database, world: Any, later: Any
) -> None:
    await seller.capture(document(RECEIPT, {**RECEIPT, "ex:n": "2"}))
    await seller.capture(receipts(1))
    args = await chain.anchor()
    later()

    for sequence in (0, 1):
        assert (await seller.user.client.delete(f"/v1/log/events/{sequence}/body")).status_code == 204

    async with database.reading() as session:
        rows = (await session.scalars(select(RecordedEvent).order_by(RecordedEvent.sequence))).all()
        documents = (await session.scalars(select(ReceivedDocument))).all()
        keys = (await session.scalars(select(EventKey.sequence).distinct())).all()
    assert [row.body is None for row in rows] == [True, True, False]
    assert [row.salts is None for row in rows] == [True, True, False]
    assert sorted(each.body is None for each in documents) == [False, True]
    assert keys == [2]
    proof = (await seller.user.get("/v1/log/events/0/proof")).json()
    path = [raw(node) for node in proof["audit_path"]]
    leaf = merkle.leaf_hash(raw(proof["leaf"]))
    assert merkle.verify_inclusion(leaf, 0, 3, path, raw(args["logRoot"]))
    found = (await seller.user.get("/epcis/events")).json()
    assert len(found["epcisBody"]["queryResults"]["resultsBody"]["eventList"]) == 1
    assert (await seller.user.get("/v1/log/events/0/fields", params={"name": "/bizStep"})).status_code == 404


async def test_a_document_is_kept_while_one_of_its_events_is(
    seller: Recorder, chain: Chain, database: Database, later: Any
) -> None:
    await seller.capture(document(RECEIPT, {**RECEIPT, "ex:n": "2"}))
    await chain.anchor()
    later()

    assert (await seller.user.client.delete("/v1/log/events/0/body")).status_code == 204

    async with database.reading() as session:
        assert (await session.scalars(select(ReceivedDocument))).one().body is not None


@pytest.mark.parametrize("who", ["buyer", "stranger", "auditor"])
async def test_only_its_recorder_erases_an_event(
    seller: Recorder, buyer: Recorder, stranger: Recorder, world: Any, database: Database, who: str
) -> None:
    await seller.capture(document(RECEIPT))
    auditor = await world.user(Role.AUDITOR)
    client = {"buyer": buyer.user, "stranger": stranger.user, "auditor": auditor}[who].client

    answer = await client.delete("/v1/log/events/0/body")

    assert answer.status_code in {403, 404}
    async with database.reading() as session:
        assert (await session.scalars(select(RecordedEvent))).one().body is not None


async def test_nothing_is_erased_before_whoever_watches_could_see_it(
    seller: Recorder, chain: Chain, database: Database, later: Any, log: LogConfig
) -> None:
    await seller.capture(document(RECEIPT))
    later()
    unanchored = await seller.user.client.delete("/v1/log/events/0/body")
    await chain.anchor()
    later(log.erasable_after - timedelta(minutes=1))
    early = await seller.user.client.delete("/v1/log/events/0/body")

    assert (unanchored.status_code, early.status_code) == (409, 409)
    assert early.json()["type"].endswith("epcis-erasure-too-early")
    async with database.reading() as session:
        assert (await session.scalars(select(RecordedEvent))).one().body is not None
