"""What a report rests on of the log: the witnesses' signatures, and what moves it."""

from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from backend.kit.canonical import encode, parse
from backend.kit.database import Database
from backend.provenance.log import repository
from backend.provenance.log.notes import Signer
from backend.verification import events
from backend.verifier import bundle, checkpoint, writer
from backend.verifier.checks import record
from backend.verifier.identifiers import transaction_id
from backend.verifier.reader import Reader
from tests.backend.provenance.conftest import BUYER_GLN, Chain, Recorder
from tests.backend.provenance.epcis.samples import RECEIPT, RECEIPT_XML, document, xml_document

ORIGIN = "tallystick/31337/0xexample"
REFERENCES = {"po": ["PO-7"], "desadv": ["DA-1"], "recadv": ["GR-9"]}


NOTED = RECEIPT_XML.replace("</ObjectEvent>", "<ex:note>gekühlt</ex:note></ObjectEvent>")
IN_LATIN_1 = b'<?xml version="1.0" encoding="ISO-8859-1"?>' + xml_document(NOTED).decode().encode("latin-1")


async def story(database: Database, world: Any, seller: Recorder, buyer: Recorder) -> events.Story:
    async with database.reading() as session:
        return await events.Stories().gather(
            session, world.ledger_id, REFERENCES, seller=seller.party_id, buyer=buyer.party_id, origin=ORIGIN
        )


async def covered(database: Database, world: Any, found: events.Story) -> tuple[int, int]:
    async with database.reading() as session:
        return await events.covered_under(session, world.ledger_id, found.keys)


async def test_a_bundle_carries_the_head_as_witnesses_signed_it(
    seller: Recorder, buyer: Recorder, chain: Chain, database: Database, world: Any
) -> None:
    await buyer.capture(document(RECEIPT))
    await chain.anchor()
    found = await story(database, world, seller, buyer)
    log = found.log
    assert checkpoint.is_of(log.checkpoint, log.heads[-1])
    assert log.cosignatures == ()

    witness = Signer("witness.example", Ed25519PrivateKey.generate())
    note = witness.cosign(f"{log.checkpoint}\n— {ORIGIN} AAAAAAAA\n", 1_800_000_000)
    line = note.splitlines()[-1]
    async with database.transaction() as session:
        row = {
            "ledger_id": world.ledger_id,
            "size": log.heads[-1].size,
            "witness": witness.name,
            "line": line,
        }
        await repository.put_cosignature(session, row | {"signed_at": chain.moment})
    log = (await story(database, world, seller, buyer)).log
    ((name, signature),) = log.cosignatures
    assert name == witness.name
    assert checkpoint.cosigned(witness.public, signature, log.checkpoint) == 1_800_000_000


async def test_what_comes_later_about_the_goods_moves_what_a_watch_looks_at(
    seller: Recorder, buyer: Recorder, chain: Chain, database: Database, world: Any
) -> None:
    nothing = await story(database, world, seller, buyer)
    assert await covered(database, world, nothing) == (0, -1)

    await buyer.capture(document(RECEIPT))
    assert await covered(database, world, nothing) == (0, -1)  # no head covers it yet
    await chain.anchor()
    assert (await covered(database, world, nothing))[0] == 1

    known = await story(database, world, seller, buyer)
    before = await covered(database, world, known)
    elsewhere = {"type": "po", "bizTransaction": transaction_id(BUYER_GLN, "PO-99")}
    await buyer.capture(document({**RECEIPT, "bizTransactionList": [elsewhere], "disposition": "returned"}))
    await chain.anchor()
    after = await covered(database, world, known)
    assert after > before  # the same items, under another document


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (xml_document(RECEIPT_XML), "application/json"),
        (xml_document(RECEIPT_XML), "text/xml"),
        (document(RECEIPT), "application/xml"),
        (IN_LATIN_1, "application/xml"),
    ],
    ids=["XML as JSON", "XML", "JSON as XML", "Latin-1"],
)
async def test_who_brings_a_signed_document_does_not_matter_nor_what_it_is_said_to_be(
    seller: Recorder,
    buyer: Recorder,
    stranger: Recorder,
    chain: Chain,
    database: Database,
    world: Any,
    data: bytes,
    told: str,
) -> None:
    """A stranger brings it first, so that its signer's own delivery is a duplicate: it is provable still."""
    headers = buyer.headers(data) | {"Content-Type": told}
    answer = await stranger.user.client.post("/epcis/capture", content=data, headers=headers)
    assert answer.json()["captured"] == 1, answer.text
    await chain.anchor()

    log = (await story(database, world, seller, buyer)).log

    (recorded,) = log.events
    (capture,) = log.captures
    assert capture.body == data
    if recorded.event:
        shown = record._from_fields(recorded)
    else:
        shown = record._event_at(capture.body, recorded.leaf.place)
    assert shown is not None
    assert shown["action"] == "OBSERVE"
    written = writer._capture(capture)
    with Reader(parse(encode(written))) as reader:
        assert bundle._capture(reader) == capture


async def test_what_a_query_answered_is_not_captured(buyer: Recorder) -> None:
    await buyer.capture(document(RECEIPT))
    answered = await buyer.user.get("/epcis/events")

    refused = await buyer.capture(answered.content)

    assert refused.status_code == 400
    assert refused.json()["errors"][0]["code"] == "query-document"
