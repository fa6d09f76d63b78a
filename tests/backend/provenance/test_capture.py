"""Capture: who may, what is refused, what is recorded, and that it is all or nothing."""

import asyncio
import base64
import json
from typing import Any

import pytest
from coincurve import PrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import func, select

from backend.kit.access import Role
from backend.kit.columns import hash32
from backend.kit.database import Database
from backend.kit.merkle import root_of
from backend.parties.repository import Grant
from backend.provenance.capture import SCOPE_RECORD
from backend.provenance.epcis.values import loads
from backend.provenance.log.notes import open_note
from backend.provenance.preparing import fields_of
from backend.provenance.tables import CaptureJob, EventKey, LogState, ReceivedDocument, RecordedEvent
from backend.verifier import capture as signing
from backend.verifier.leaf import body_hash, decode
from tests.backend.provenance.conftest import FOREVER, Recorder, admit, receipts
from tests.backend.provenance.epcis.samples import (
    CONTEXT,
    RECEIPT,
    RECEIPT_XML,
    document,
    xml_document,
)


async def count(database: Database, table: Any) -> int:
    async with database.reading() as session:
        return (await session.execute(select(func.count()).select_from(table))).scalar_one()


async def test_a_signed_document_becomes_a_leaf_that_commits_to_it(
    buyer: Recorder, database: Database, log: Any
) -> None:
    data = document(RECEIPT)

    answer = await buyer.capture(data)

    assert answer.status_code == 202, answer.text
    job = answer.json()
    assert (job["success"], job["captured"], job["errors"]) == (True, 1, [])
    assert answer.headers["location"] == f"/epcis/capture/{job['captureID']}"
    async with database.reading() as session:
        row = (await session.scalars(select(RecordedEvent))).one()
        received = (await session.scalars(select(ReceivedDocument))).one()
    leaf = decode(row.leaf)
    assert leaf.log_id == log.log_id
    assert (leaf.sequence, leaf.place) == (0, 0)
    assert leaf.recorder == bytes.fromhex(buyer.account[2:])
    assert hash32(leaf.key_id) == received.key_id
    assert leaf.key_id != bytes(32)
    assert received.salt is not None
    assert leaf.body_hash == body_hash(received.salt, data)
    assert row.body is not None
    assert row.salts is not None
    fields = fields_of(loads(row.body), row.context, row.salts)
    assert leaf.fields_root == fields.root()
    assert leaf.cbv_hash.hex() in row.cbv_hash
    assert job["leaves"][0]["leaf"] == "0x" + row.leaf.hex()


async def test_the_receipt_is_the_logs_signed_promise(buyer: Recorder, log: Any) -> None:
    job = (await buyer.capture(receipts(3))).json()

    text = open_note(job["receipt"], log.origin, log.signer.public)

    leaves = [decode(bytes.fromhex(each["leaf"][2:])) for each in job["leaves"]]
    assert text.startswith(f"{log.origin} receipt v1\nleaves 0-2\n")
    assert f"root {root_of(leaf.hash() for leaf in leaves).hex()}\n" in text
    assert "\nanchored-by 2" in text


async def test_a_document_nobody_signed_is_recorded_as_such(buyer: Recorder, database: Database) -> None:
    answer = await buyer.capture(document(RECEIPT), signed=False)

    assert answer.status_code == 202
    async with database.reading() as session:
        row = (await session.scalars(select(RecordedEvent))).one()
    assert decode(row.leaf).key_id == bytes(32)


@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        ({"Tallystick-Account": "0x12"}, 400, "capture-signature-incomplete"),
        ({"Tallystick-Account": "0x" + "ab" * 20}, 400, "capture-signature-incomplete"),
        ({"Tallystick-Signature": "0x" + "ab" * 65}, 400, "capture-signature-incomplete"),
        (
            {"Tallystick-Account": "0x" + "ab" * 20, "Tallystick-Signature": "0xzz"},
            400,
            "capture-signature-incomplete",
        ),
        (
            {"Tallystick-Account": "0x" + "ab" * 20, "Tallystick-Signature": "0x" + "ab" * 65},
            403,
            "capture-account-not-yours",
        ),
    ],
)
async def test_half_a_signature_is_no_signature(
    buyer: Recorder, database: Database, headers: dict[str, str], status: int, code: str
) -> None:
    answer = await buyer.capture(document(RECEIPT), signed=False, **headers)

    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert await count(database, RecordedEvent) == 0


async def test_only_a_key_admitted_for_the_account_signs(
    buyer: Recorder, seller: Recorder, world: Any, log: Any, database: Database
) -> None:
    data = document(RECEIPT)
    wrong_scope = await admit(world, log, scopes=SCOPE_RECORD >> 1, number=107)
    refused = [
        await buyer.capture(data, signed=False, **buyer.headers(data, seller.key)),
        await buyer.capture(data, signed=False, **buyer.headers(data + b" ")),
        await buyer.capture(data, signed=False, **buyer.headers(data, PrivateKey())),
        await wrong_scope.capture(data),
    ]

    assert [answer.status_code for answer in refused] == [403] * 4
    assert await count(database, RecordedEvent) == 0
    assert await count(database, CaptureJob) == 0


async def test_a_signed_document_is_its_signers_word_whoever_brings_it(
    buyer: Recorder, seller: Recorder, database: Database
) -> None:
    data = document(RECEIPT)

    brought = await buyer.capture(data, signed=False, **seller.headers(data))
    again = await seller.capture(data)

    assert (brought.json()["captured"], again.json()["duplicates"]) == (1, 1)
    async with database.reading() as session:
        (event,) = (await session.scalars(select(RecordedEvent))).all()
    assert event.party_id == seller.party_id
    erased = await buyer.user.client.delete("/v1/log/events/0/body")
    assert erased.status_code == 404, "only its signer's party forgets it"


async def test_a_machines_key_signs(buyer: Recorder, world: Any, database: Database) -> None:
    data = document(RECEIPT)
    key = Ed25519PrivateKey.generate()
    public = base64.urlsafe_b64encode(key.public_key().public_bytes_raw()).rstrip(b"=").decode()
    jwk = {"kty": "OKP", "crv": "Ed25519", "x": public}
    async with database.transaction() as session:
        session.add(
            Grant(
                ledger_id=world.ledger_id,
                account=buyer.account,
                key=hash32(signing.thumbprint(jwk)),
                epoch=0,
                scopes=SCOPE_RECORD,
                starts_at=FOREVER.replace(year=2020),
                ends_at=FOREVER,
                amount_limit=0,
                alone_limit=0,
            )
        )
    log, account = buyer.log, bytes.fromhex(buyer.account[2:])
    digest = signing.digest(log.chain_id, log.contract, log.log_id, account, data)
    headers = {
        "Tallystick-Account": buyer.account,
        "Tallystick-Signature": "0x" + key.sign(digest).hex(),
        "Tallystick-Key": base64.urlsafe_b64encode(json.dumps(jwk).encode()).decode(),
    }

    answer = await buyer.capture(data, signed=False, **headers)

    assert answer.status_code == 202, answer.text
    leaf = decode(bytes.fromhex(answer.json()["leaves"][0]["leaf"][2:]))
    assert leaf.key_id == signing.thumbprint(jwk)


async def test_rollback_stores_nothing_and_proceed_the_valid_rest(
    buyer: Recorder, database: Database
) -> None:
    bad = {**RECEIPT, "bizStep": "teleporting"}
    data = document(RECEIPT, bad)

    refused = (await buyer.capture(data)).json()

    assert (refused["success"], refused["captured"]) == (False, 0)
    assert refused["errors"][0]["instance"] == "/epcisBody/eventList/1"
    assert refused["errors"][0]["errors"][0]["pointer"] == "/epcisBody/eventList/1/bizStep"
    assert await count(database, RecordedEvent) == 0
    assert await count(database, ReceivedDocument) == 0

    headers = {"GS1-Capture-Error-Behaviour": "proceed"}
    partly = (await buyer.capture(data, **headers)).json()

    assert (partly["success"], partly["captured"], len(partly["errors"])) == (False, 1, 1)
    assert await count(database, RecordedEvent) == 1
    again = await buyer.user.get(f"/epcis/capture/{partly['captureID']}")
    assert again.json()["captured"] == 1
    assert again.json()["captureErrorBehaviour"] == "proceed"


@pytest.mark.parametrize(
    ("data", "media_type", "status"),
    [
        (b"", "application/json", 400),
        (b"{", "application/json", 400),
        (b"{}", "application/json", 400),
        (b"<a/>", "application/xml", 400),
        (document(RECEIPT, context="https://remote.example/c.jsonld"), "application/json", 400),
        (document(RECEIPT), "text/plain", 415),
        (document(*[RECEIPT] * 1001), "application/json", 413),
    ],
    ids=["nothing", "no-json", "no-type", "no-epcis", "remote-context", "text", "1001-events"],
)
async def test_what_is_no_document_is_refused(
    buyer: Recorder, database: Database, data: bytes, media_type: str, status: int
) -> None:
    answer = await buyer.capture(data, signed=False, media_type=media_type)

    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert await count(database, CaptureJob) == 0


async def test_a_leap_second_is_refused_with_a_sentence(buyer: Recorder, database: Database) -> None:
    answer = await buyer.capture(document({**RECEIPT, "eventTime": "2026-06-30T23:59:60Z"}))

    (error,) = answer.json()["errors"]
    assert (answer.status_code, answer.json()["success"]) == (202, False)
    assert error["errors"][0]["pointer"].endswith("/eventTime")
    assert await count(database, RecordedEvent) == 0


async def test_an_event_delivered_twice_is_recorded_once(buyer: Recorder, database: Database) -> None:
    await buyer.capture(document(RECEIPT))
    turned = document(dict(reversed(RECEIPT.items())))

    again = (await buyer.capture(turned)).json()
    within = (await buyer.capture(document(*[{**RECEIPT, "ex:n": "1"}] * 3))).json()

    assert (again["success"], again["captured"], again["duplicates"]) == (True, 0, 1)
    assert (within["captured"], within["duplicates"]) == (1, 2)
    assert await count(database, RecordedEvent) == 2


async def test_the_buyers_own_word_is_not_lost_because_the_seller_said_it_first(
    buyer: Recorder, seller: Recorder, database: Database
) -> None:
    await seller.capture(document(RECEIPT), signed=False)
    await buyer.capture(document(RECEIPT), signed=False)
    await buyer.capture(document(RECEIPT))

    async with database.reading() as session:
        rows = (await session.scalars(select(RecordedEvent).order_by(RecordedEvent.sequence))).all()
    assert [row.party_id for row in rows] == [seller.party_id, buyer.party_id, buyer.party_id]


async def test_an_error_declaration_is_kept_beside_what_it_declares(
    buyer: Recorder, database: Database
) -> None:
    event = {**RECEIPT, "eventID": "urn:uuid:0196f1a2-0000-7000-8000-000000000001"}
    declaration = {"declarationTime": "2026-03-03T00:00:00Z", "reason": "incorrect_data"}
    await buyer.capture(document(event))

    declared = (await buyer.capture(document({**event, "errorDeclaration": declaration}))).json()
    other = (await buyer.capture(document({**event, "action": "ADD"}))).json()

    assert declared["captured"] == 1
    assert other["errors"][0]["code"].endswith("epcis-event-id-taken")
    assert await count(database, RecordedEvent) == 2


async def test_concurrent_captures_come_in_order_and_without_doubles(
    buyer: Recorder, seller: Recorder, database: Database
) -> None:
    sent = [receipts(3, start) for start in (0, 3, 6, 9)] + [receipts(3, 0)]

    answers = await asyncio.gather(*(buyer.capture(data) for data in sent))

    assert [answer.status_code for answer in answers] == [202] * 5
    async with database.reading() as session:
        sequences = (await session.scalars(select(RecordedEvent.sequence))).all()
        state = (await session.scalars(select(LogState))).one()
    assert sorted(sequences) == list(range(12))
    assert state.size == 12


async def test_xml_is_recorded_and_indexed_as_json_is(buyer: Recorder, database: Database) -> None:
    answer = await buyer.capture(xml_document(RECEIPT_XML), media_type="application/xml")

    assert answer.json()["captured"] == 1, answer.text
    async with database.reading() as session:
        keys = {(key.name, key.value) for key in await session.scalars(select(EventKey))}
    assert ("epc", "https://id.gs1.org/00/140123452345678902") in keys
    assert ("bizStep", "https://ref.gs1.org/cbv/BizStep-receiving") in keys
    po = "urn:epcglobal:cbv:bt:4098765000010:PO-7"
    assert ("bizTransaction:https://ref.gs1.org/cbv/BTT-po", po) in keys


async def test_a_single_event_is_created_with_its_location(buyer: Recorder) -> None:
    data = json.dumps({"@context": CONTEXT, **RECEIPT}).encode()

    made = await buyer.user.post(
        "/epcis/events", content=data, headers={"Content-Type": "application/json"} | buyer.headers(data)
    )

    assert made.status_code == 201, made.text
    found = await buyer.user.get(made.headers["location"], headers={"GS1-EPC-Format": "Never_Translates"})
    assert found.status_code == 200
    assert found.json()["epcList"] == RECEIPT["epcList"]


@pytest.mark.parametrize("role", [Role.AUDITOR, Role.VIEWER])
async def test_who_only_reads_records_nothing(world: Any, role: Role, database: Database) -> None:
    user = await world.user(role)

    answer = await user.post(
        "/epcis/capture", content=document(RECEIPT), headers={"Content-Type": "application/json"}
    )

    assert answer.status_code == 403
    assert await count(database, RecordedEvent) == 0


async def test_a_key_is_kept_for_the_document_and_its_signature(seller: Recorder) -> None:
    """Who repeats a request under its key with another signature asks for something else."""
    data = document(RECEIPT)
    first = await seller.capture(data, **{"Idempotency-Key": "one"})
    again = await seller.capture(data, **{"Idempotency-Key": "one"})
    unsigned = await seller.capture(data, signed=False, **{"Idempotency-Key": "one"})
    other = await seller.capture(data, **{"Idempotency-Key": "one", "GS1-Capture-Error-Behaviour": "proceed"})

    assert first.status_code == again.status_code == 202
    assert first.json()["captureID"] == again.json()["captureID"]
    assert unsigned.status_code == other.status_code == 422
    assert unsigned.json()["code"].endswith("idempotency-key-reused")
