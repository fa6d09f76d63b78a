"""Events behind an invoice, found by its references, and the evidence of them for an offline check."""

from typing import Any

import pytest

from backend.kit import sparse
from backend.kit.canonical import parse
from backend.kit.database import Database
from backend.kit.disclosure import SALT_BYTES, SaltedFields, flatten
from backend.kit.merkle import verify_inclusion
from backend.provenance.evidence import gather
from backend.provenance.references import LinkedEvent, events_for_references
from backend.verifier import capture as signing
from backend.verifier import logmap
from backend.verifier.identifiers import transaction_id
from backend.verifier.leaf import body_hash
from tests.backend.provenance.conftest import BUYER_GLN, SELLER_GLN, Chain, Recorder
from tests.backend.provenance.epcis.samples import RECEIPT, RECEIPT_XML, document, xml_document

ORDER = {
    "type": "TransactionEvent",
    "eventTime": "2026-02-20T08:00:00Z",
    "eventTimeZoneOffset": "+01:00",
    "bizTransactionList": [{"type": "po", "bizTransaction": transaction_id(BUYER_GLN, "PO 7/b")}],
    "epcList": [],
    "action": "ADD",
}
OTHER = {
    **RECEIPT,
    "bizTransactionList": [{"type": "po", "bizTransaction": transaction_id(SELLER_GLN, "PO 7/b")}],
}


async def find(
    database: Database, seller: Recorder, buyer: Recorder, world: Any, **references: list[str]
) -> list[LinkedEvent]:
    async with database.reading() as session:
        return await events_for_references(
            session,
            world.ledger_id,
            references,
            seller_party_id=seller.party_id,
            buyer_party_id=buyer.party_id,
        )


async def test_events_are_found_by_the_numbers_of_the_invoice(
    seller: Recorder, buyer: Recorder, database: Database, world: Any
) -> None:
    await seller.capture(document(ORDER, {**RECEIPT, "bizStep": "shipping"}))
    await buyer.capture(document(RECEIPT))

    linked = await find(database, seller, buyer, world, po=["PO 7/b", "PO-7"], desadv=["DA-1"])

    assert [event.event.kind for event in linked] == ["TransactionEvent", "ObjectEvent", "ObjectEvent"]
    assert [event.recorder for event in linked] == [seller.party_id, seller.party_id, buyer.party_id]
    assert [event.references for event in linked] == [{"po"}, {"po", "desadv"}, {"po", "desadv"}]
    assert linked[2].signed
    assert linked[2].account == buyer.account


@pytest.mark.parametrize("references", [{"po": ["PO-8"]}, {"inv": ["PO-7"]}, {"desadv": ["PO-7"]}, {}])
async def test_a_number_of_another_document_finds_nothing(
    seller: Recorder, buyer: Recorder, database: Database, world: Any, references: dict[str, list[str]]
) -> None:
    await buyer.capture(document(RECEIPT))

    assert await find(database, seller, buyer, world, **references) == []


async def test_a_number_means_a_document_only_under_its_issuers_gln(
    seller: Recorder, buyer: Recorder, database: Database, world: Any
) -> None:
    """A purchase order is the buyer's; the seller cannot make one by numbering it itself."""
    await seller.capture(document(OTHER))

    assert await find(database, seller, buyer, world, po=["PO 7/b"]) == []


async def test_an_unsigned_event_is_linked_and_shown_as_such(
    seller: Recorder, buyer: Recorder, database: Database, world: Any
) -> None:
    await buyer.capture(document(RECEIPT), signed=False)

    (event,) = await find(database, seller, buyer, world, po=["PO-7"])

    assert (event.signed, event.key_id) == (False, None)


@pytest.mark.parametrize("binding", ["json", "xml"])
async def test_the_evidence_proves_each_event(
    seller: Recorder, buyer: Recorder, database: Database, world: Any, chain: Chain, binding: str
) -> None:
    await seller.capture(document(ORDER))
    data = document(RECEIPT) if binding == "json" else xml_document(RECEIPT_XML)
    await buyer.capture(data, media_type=f"application/{binding}")
    args = await chain.anchor()
    linked = await find(database, seller, buyer, world, po=["PO-7"])

    async with database.reading() as session:
        log = await gather(session, world.ledger_id, [event.row for event in linked], origin="the log")

    (head,), (captured,), (recorded,) = log.heads, log.captures, log.events
    leaf = recorded.leaf
    assert "0x" + head.log_root.hex() == args["logRoot"]
    assert verify_inclusion(leaf.hash(), leaf.sequence, head.size, list(recorded.path), head.log_root)
    assert captured.body == data
    assert body_hash(captured.salt, captured.body) == leaf.body_hash
    digest = signing.digest(
        buyer.log.chain_id, buyer.log.contract, buyer.log.log_id, captured.account, captured.body
    )
    assert signing.signer_key(digest, captured.signature, None) == leaf.key_id
    if binding == "xml":
        values = flatten(parse(recorded.event))
        salts = [recorded.salts[i : i + SALT_BYTES] for i in range(0, len(recorded.salts), SALT_BYTES)]
        fields = SaltedFields(values, dict(zip(sorted(values), salts, strict=True)))
        assert fields.root() == leaf.fields_root
    for answer in log.map_answers:
        key = logmap.key(log.map_secret, answer.identifier)
        assert answer.entry is not None
        assert sparse.lookup(dict(log.map_nodes), head.map_root, key) == answer.entry.value()


async def test_without_a_head_on_the_chain_there_is_no_evidence(
    seller: Recorder, buyer: Recorder, database: Database, world: Any
) -> None:
    await buyer.capture(document(RECEIPT))
    linked = await find(database, seller, buyer, world, po=["PO-7"])

    async with database.reading() as session:
        log = await gather(session, world.ledger_id, [event.row for event in linked], origin="the log")

    assert log.events == ()
