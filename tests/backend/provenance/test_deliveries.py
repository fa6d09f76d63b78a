"""What was ordered, shipped, received and sent back: the goods behind an invoice, line by line."""

from decimal import Decimal
from typing import Any

from sqlalchemy import select

from backend.kit.database import Database
from backend.parties.repository import key_of
from backend.provenance.references import events_for_references
from backend.provenance.tables import RecordedEvent
from backend.provenance.trace.deliveries import Line, available, moved
from backend.verifier.identifiers import transaction_id
from backend.verifier.leaf import decode
from tests.backend.provenance.conftest import BUYER_GLN, Recorder, address_of, grant
from tests.backend.provenance.epcis.samples import BOARD, RECEIPT, document
from tests.backend.provenance.test_trace import quantity

ARTICLE = "https://id.gs1.org/01/04012345000016"
LINE = Line("1", ARTICLE, Decimal(40), "KGM")


def step(name: str, amount: Any, unit: str = "KGM", **more: Any) -> dict[str, Any]:
    return {**RECEIPT, "bizStep": name, "epcList": [], "quantityList": [quantity(BOARD, amount, unit)]} | more


async def compare(
    database: Database, seller: Recorder, buyer: Recorder, world: Any, *lines: Line
) -> list[Any]:
    async with database.reading() as session:
        linked = await events_for_references(
            session,
            world.ledger_id,
            {"po": ["PO-7"]},
            seller_party_id=seller.party_id,
            buyer_party_id=buyer.party_id,
        )
    return moved(lines or (LINE,), linked, receivers={buyer.party_id})


async def test_partial_deliveries_add_up(
    seller: Recorder, buyer: Recorder, database: Database, world: Any
) -> None:
    await seller.capture(document(step("shipping", 15), step("shipping", 25000, "GRM")))
    await buyer.capture(document(step("receiving", 15), step("receiving", 24.5)))

    (line,) = await compare(database, seller, buyer, world)

    assert (line.shipped, line.received, line.returned) == (Decimal(40), Decimal("39.5"), 0)
    assert line.covers(Decimal(0)) is False
    assert line.covers(Decimal("0.02")) is True


async def test_what_the_seller_says_was_received_does_not_count(
    seller: Recorder, buyer: Recorder, database: Database, world: Any
) -> None:
    await seller.capture(document(step("receiving", 40)))

    (line,) = await compare(database, seller, buyer, world)

    assert line.received == 0


async def test_what_a_warehouse_received_counts_when_the_buyer_appointed_it(
    seller: Recorder, buyer: Recorder, stranger: Recorder, database: Database, world: Any
) -> None:
    """Appointed on the chain: the buyer admitted the warehouse's key for its account, to record events."""
    warehouse = Recorder(stranger.user, buyer.account, stranger.key, stranger.log)
    before = await warehouse.capture(document(step("receiving", 40)))
    assert before.json()["code"].endswith("capture-account-not-yours")

    await grant(world, buyer.account, warehouse.key)
    taken = await warehouse.capture(document(step("receiving", 40)))
    assert taken.status_code == 202, taken.text
    again = await buyer.user.client.post(
        "/epcis/capture",
        content=document(step("receiving", 40)),
        headers=warehouse.headers(document(step("receiving", 40))) | {"Content-Type": "application/json"},
    )

    (line,) = await compare(database, seller, buyer, world)
    async with database.reading() as session:
        (event,) = (await session.scalars(select(RecordedEvent))).all()
    assert (line.received, line.covers(Decimal(0))) == (Decimal(40), True)
    assert event.party_id == buyer.party_id
    assert decode(event.leaf).recorder.hex() == buyer.account[2:].lower()
    assert decode(event.leaf).key_id.hex() == key_of(address_of(warehouse.key))[2:]
    assert (again.json()["captured"], again.json()["duplicates"]) == (0, 1), "the same word, brought twice"
    for reader in (buyer, warehouse):
        found = (await reader.user.get("/epcis/events")).json()["epcisBody"]["queryResults"]
        assert len(found["resultsBody"]["eventList"]) == 1


async def test_returns_and_corrections_reduce_what_was_received(
    seller: Recorder, buyer: Recorder, database: Database, world: Any
) -> None:
    mistaken = step("receiving", 30, eventID="urn:uuid:wrong")
    declaration = {"declarationTime": "2026-03-09T00:00:00Z", "reason": "incorrect_data"}
    await buyer.capture(
        document(step("receiving", 40), mistaken, step("shipping", 5, disposition="returned"))
    )
    await buyer.capture(document({**mistaken, "errorDeclaration": declaration}))

    (line,) = await compare(database, seller, buyer, world)

    assert (line.received, line.returned) == (40, 5)
    assert line.covers(Decimal(0)) is False


async def test_only_whoever_recorded_an_event_declares_it_wrong(
    seller: Recorder, buyer: Recorder, stranger: Recorder, database: Database, world: Any
) -> None:
    """The seller unmakes neither the buyer's return, nor a stranger the buyer's receipt."""
    declaration = {"declarationTime": "2026-03-09T00:00:00Z", "reason": "incorrect_data"}
    receipt = step("receiving", 40, eventID="urn:uuid:received")
    back = step("receiving", 40, disposition="returned", eventID="urn:uuid:returned")
    await buyer.capture(document(receipt, back))
    await seller.capture(document(back | {"errorDeclaration": declaration}))
    await stranger.capture(document(receipt | {"errorDeclaration": declaration}))

    (line,) = await compare(database, seller, buyer, world)

    assert (line.received, line.returned, line.covers(Decimal(0))) == (40, 40, False)


async def test_one_delivery_is_not_several_because_it_is_told_of_several_times(
    seller: Recorder, buyer: Recorder, stranger: Recorder, database: Database, world: Any
) -> None:
    for name in ("arriving", "receiving", "accepting"):
        await buyer.capture(document(step(name, 40)))
    await buyer.capture(document(step("receiving", 40)), signed=False)
    await grant(world, buyer.account, stranger.key)
    second_key = Recorder(buyer.user, buyer.account, stranger.key, buyer.log)
    again = await second_key.capture(document(step("receiving", 40)))

    (line,) = await compare(database, seller, buyer, world)

    assert again.json()["captured"] == 1, "another key's word is another leaf"
    assert line.received == 40


async def test_a_quantity_in_another_kind_of_unit_cannot_be_told(
    seller: Recorder, buyer: Recorder, database: Database, world: Any
) -> None:
    await buyer.capture(document(step("receiving", 40, "LTR")))

    (line,) = await compare(database, seller, buyer, world)

    assert line.received is None
    assert line.covers(Decimal(0)) is None


async def test_one_delivery_stands_behind_no_more_than_its_quantity(
    seller: Recorder, buyer: Recorder, database: Database, world: Any
) -> None:
    await buyer.capture(document(step("receiving", 60)))
    lines = Line("1", ARTICLE, Decimal(40), "KGM"), Line("2", ARTICLE, Decimal(20), "KGM")

    found = await compare(database, seller, buyer, world, *lines)

    assert [each.received for each in found] == [40, 20]
    free = available(found, {ARTICLE: Decimal(30)})
    assert [(share.available, share.enough) for share in free] == [(10, False), (20, True)]


def test_the_samples_order_is_the_buyers() -> None:
    assert RECEIPT["bizTransactionList"][0]["bizTransaction"] == transaction_id(BUYER_GLN, "PO-7")
