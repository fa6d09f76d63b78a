"""Stories of goods are made once under a head, and anew as soon as anything they rest on is another."""

from typing import Any

import pytest

from backend.kit.clock import now
from backend.kit.database import Database
from backend.provenance.log import repository as log_rows
from backend.verification import events
from backend.verification.events import Stories, Story
from tests.backend.provenance.conftest import (
    Chain,
    Recorder,
    app,
    buyer,
    chain,
    contracts,
    later,
    log,
    seller,
)
from tests.backend.provenance.epcis.samples import RECEIPT, document

__all__ = ["app", "buyer", "chain", "contracts", "later", "log", "seller"]

Ask = Any


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many events were proved, each time that they were."""
    times: list[int] = []
    gather = events.proofs.gather

    async def counting(session: Any, ledger_id: Any, rows: Any, *, origin: str) -> Any:
        times.append(len(rows))
        return await gather(session, ledger_id, rows, origin=origin)

    monkeypatch.setattr(events.proofs, "gather", counting)
    return times


@pytest.fixture
def ask(database: Database, world: Any, seller: Recorder, buyer: Recorder, chain: Chain) -> Ask:
    stories = Stories()

    async def ask() -> Story:
        async with database.reading() as session:
            return await stories.gather(
                session,
                world.ledger_id,
                {"po": ["PO-7"], "desadv": ["DA-1"]},
                seller=seller.party_id,
                buyer=buyer.party_id,
                origin="example",
            )

    return ask


async def test_a_story_is_made_once_under_a_head(
    ask: Ask, made: list[int], buyer: Recorder, chain: Chain
) -> None:
    await buyer.capture(document(RECEIPT))
    assert (await ask()).log.events == ()
    await chain.anchor()
    first = await ask()
    assert len(first.log.events) == 1
    assert (await ask()).log is first.log
    assert made == [1, 1]


async def test_what_was_recorded_since_comes_with_the_head_that_covers_it(
    ask: Ask, made: list[int], buyer: Recorder, chain: Chain
) -> None:
    await buyer.capture(document(RECEIPT))
    await chain.anchor()
    first = await ask()
    await buyer.capture(document({**RECEIPT, "bizStep": "accepting"}))
    assert (await ask()).log is first.log
    await chain.anchor()
    assert len((await ask()).log.events) == 2


async def test_an_erased_event_is_shown_to_nobody_any_more(
    ask: Ask, buyer: Recorder, chain: Chain, later: Any
) -> None:
    await buyer.capture(document(RECEIPT))
    await buyer.capture(document({**RECEIPT, "bizStep": "accepting"}))
    await chain.anchor()
    assert len((await ask()).log.events) == 2
    later()
    gone = await buyer.user.client.delete("/v1/log/events/0/body")
    assert gone.status_code == 204, gone.text
    assert [each.leaf.sequence for each in (await ask()).log.events] == [1]


async def test_a_witness_that_signs_later_is_shown(
    ask: Ask, buyer: Recorder, chain: Chain, database: Database, world: Any
) -> None:
    await buyer.capture(document(RECEIPT))
    await chain.anchor()
    assert not (await ask()).log.cosignatures
    async with database.transaction() as session:
        head = await log_rows.newest_anchored(session, world.ledger_id)
        assert head is not None
        row = {
            "ledger_id": world.ledger_id,
            "size": head.size,
            "witness": "w.example",
            "line": "— w.example " + "A" * 104,
            "signed_at": now(),
        }
        await log_rows.put_cosignature(session, row)
    assert [name for name, _ in (await ask()).log.cosignatures] == ["w.example"]


async def test_another_number_is_another_story(
    ask: Ask, database: Database, world: Any, seller: Recorder, buyer: Recorder, chain: Chain
) -> None:
    await buyer.capture(document(RECEIPT))
    await chain.anchor()
    assert len((await ask()).log.events) == 1
    stories, asked = Stories(), {"seller": seller.party_id, "buyer": buyer.party_id, "origin": "example"}
    async with database.reading() as session:
        for number, count in (("DA-1", 1), ("DA-2", 0), ("DA-1", 1)):
            found = await stories.gather(session, world.ledger_id, {"desadv": [number]}, **asked)
            assert len(found.log.events) == count


LOT = {"quantityList": [{"epcClass": "https://id.gs1.org/01/04012345000016", "quantity": 5}]}
MAKING = (
    {key: RECEIPT[key] for key in ("type", "eventTime", "eventTimeZoneOffset")}
    | LOT
    | {
        "action": "ADD",
        "bizStep": "creating_class_instance",
    }
)


@pytest.mark.parametrize(("most", "expected"), [(5000, [1, 3]), (3, [1, 3]), (2, [3])])
async def test_what_the_seller_made_of_these_goods_belongs_to_it_and_what_others_made_does_not(
    ask: Ask,
    seller: Recorder,
    buyer: Recorder,
    chain: Chain,
    monkeypatch: pytest.MonkeyPatch,
    most: int,
    expected: list[int],
) -> None:
    monkeypatch.setattr("backend.provenance.repository._OF_A_CLASS", most)
    await buyer.capture(document(MAKING))
    await seller.capture(document(MAKING, {**MAKING, "bizStep": "inspecting"}))
    await buyer.capture(document({**RECEIPT, **LOT}))
    await chain.anchor()
    shown = (await ask()).log.events
    assert [each.leaf.sequence for each in shown] == expected
