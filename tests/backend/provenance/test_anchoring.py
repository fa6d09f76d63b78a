"""How heads of the log go to the chain: when, one after the other, and past every crash."""

import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from backend.chain import outbox
from backend.chain.repository import Operation
from backend.kit import merkle
from backend.kit.access import Role
from backend.kit.database import Database
from backend.provenance.log.anchoring import Heads, anchor_if_due
from backend.provenance.log.memory import Memory
from backend.provenance.log.monitor import Disagreement, follow
from backend.provenance.tables import AnchoredHead, LogHead
from tests.backend.provenance.conftest import Chain, Recorder, leaves_of, receipts
from tests.backend.provenance.epcis.samples import RECEIPT, document
from tests.backend.provenance.shown import OnChain, Shown, raw


async def test_heads_come_by_the_clock_or_when_many_wait(buyer: Recorder, chain: Chain, log: Any) -> None:
    await buyer.capture(receipts(1))
    await chain.anchor()
    await buyer.capture(receipts(1, 1))

    assert await chain.make_head(log.anchor_every / 2) is None
    assert await chain.make_head(log.anchor_every) is not None


async def test_one_head_at_a_time_and_a_failed_one_is_made_again(
    buyer: Recorder, chain: Chain, database: Database
) -> None:
    await buyer.capture(receipts(2))
    first = await chain.make_head()
    await buyer.capture(receipts(2, 2))
    assert first is not None
    assert await chain.make_head() is None

    async with database.transaction() as session:
        row = await session.get(Operation, first.id)
        assert row is not None
        outbox.finish(row, outbox.FAILED, "reverted", "revert")
    second = await chain.make_head()

    assert second is not None
    args = await chain.take(second)
    assert (args["size"], args["consistencyProof"]) == (4, [])


async def test_a_head_the_chain_has_but_we_have_not_seen_yet_is_waited_for(
    buyer: Recorder, chain: Chain, database: Database
) -> None:
    await buyer.capture(receipts(2))
    first = await chain.make_head()
    assert first is not None
    async with database.transaction() as session:
        row = await session.get(Operation, first.id)
        assert row is not None
        outbox.finish(row, outbox.SUCCEEDED, "confirmed", "confirm")
    await buyer.capture(receipts(2, 2))

    assert await chain.make_head() is None


async def test_a_reorganised_head_is_forgotten(buyer: Recorder, chain: Chain, database: Database) -> None:
    await buyer.capture(receipts(2))
    await chain.anchor()

    async with database.transaction() as session:
        await Heads().rebuild(session, chain.contracts.ledger_id, {"2": []})

    async with database.reading() as session:
        assert (await session.scalars(select(AnchoredHead))).all() == []


async def test_the_size_on_the_chain_does_not_show_how_much_is_recorded(
    buyer: Recorder, chain: Chain, world: Any, log: Any, tmp_path: Path
) -> None:
    """Anchoring in blocks: the same steps by the clock, whether nothing, little or much is recorded."""
    chain.log = replace(log, block=8, anchor_at=1)
    auditor = await world.user(Role.AUDITOR)
    sizes = []
    with closing(Memory(tmp_path)) as memory:
        for count in (3, 0, 8, 9):
            if count:
                await buyer.capture(receipts(count, 100 * len(sizes)))
            if sizes:
                assert await chain.make_head(log.anchor_every / 2) is None
            args = await chain.anchor()
            sizes.append(args["size"])
            page = (await auditor.get("/v1/log/entries?limit=1000")).json()
            follow(Shown(page), OnChain(args), memory)

    assert sizes == [8, 16, 24, 40]
    kinds = [raw(entry["leaf"])[0] for entry in page["entries"]]
    assert kinds == [1] * 3 + [0] * 13 + [1] * 17 + [0] * 7
    proof = (await buyer.user.get("/v1/log/events/16/proof")).json()
    leaf = merkle.leaf_hash(raw(proof["leaf"]))
    path = [raw(node) for node in proof["audit_path"]]
    assert merkle.verify_inclusion(leaf, 16, 24, path, raw(proof["head"]["log_root"]))


ODD = {
    "no quantity": {"quantityList": [{"epcClass": "https://id.gs1.org/01/04012345000016/10/L"}]},
    "a quantity beyond sense": {
        "quantityList": [{"epcClass": "https://id.gs1.org/01/04012345000016/10/L", "quantity": 1e31}]
    },
    "a temperature beyond sense": {
        "sensorElementList": [{"sensorReport": [{"type": "Temperature", "value": 1e40, "uom": "CEL"}]}]
    },
    "an identifier that is searched for long": {
        "epcList": ["https://a" + "/01/04012345000016" * 20_000 + "?"]
    },
}


@pytest.mark.parametrize("odd", ODD)
async def test_no_event_keeps_the_log_from_being_anchored(
    buyer: Recorder, chain: Chain, later: Any, odd: str
) -> None:
    await buyer.capture(receipts(1))
    taken = await buyer.capture(document({**RECEIPT, **ODD[odd]}))
    begun = time.process_time()

    args = await chain.anchor()

    assert args["size"] == 1 + taken.json()["captured"] == 2
    assert time.process_time() - begun < 3
    later()
    forgotten = await buyer.user.client.delete("/v1/log/events/1/body")
    assert forgotten.status_code == 204


async def test_nothing_hides_behind_a_leaf_that_records_nothing(
    buyer: Recorder, chain: Chain, world: Any, log: Any, tmp_path: Path
) -> None:
    chain.log = replace(log, block=4)
    await buyer.capture(receipts(3))
    args = await chain.anchor()
    page = (await (await world.user(Role.AUDITOR)).get("/v1/log/entries")).json()
    page["entries"][3]["leaf"] = page["entries"][3]["leaf"][:-2] + "ff"

    with pytest.raises(Disagreement, match="filled with something"):
        follow(Shown(page), OnChain(args), Memory(tmp_path))


async def test_a_crash_between_capture_and_anchor_loses_nothing(
    buyer: Recorder, chain: Chain, database: Database
) -> None:
    """Whatever was rolled back, the next attempt makes the same head from the same leaves."""
    await buyer.capture(receipts(4))

    class CrashError(Exception):
        pass

    async def crash() -> None:
        async with database.transaction() as session:
            await anchor_if_due(session, chain.contracts, chain.log)
            raise CrashError

    with pytest.raises(CrashError):
        await crash()

    async with database.reading() as session:
        assert (await session.scalars(select(LogHead))).all() == []
        assert (await session.scalars(select(Operation))).all() == []
    args = await chain.anchor()
    assert (args["size"], raw(args["logRoot"])) == (4, merkle.root_of(await leaves_of(database)))
