"""The indexer against a real chain: rows equal the chain, whatever the chain does."""

from typing import Any

import pytest
from sqlalchemy import delete, select

from backend.chain import history
from backend.chain.diagnosis import diagnose
from backend.chain.indexer import Indexer, IndexHalted, NodeBehind, UndecodableLog
from backend.chain.repository import ChainCursor, ChainEvent
from backend.kit.database import Database
from backend.kit.settings import load
from tests.backend.chain.conftest import wait_for_receipt
from tests.backend.chain.folds import Total, Totals


async def count(rpc, deployed, value: int, *, sender: int = 0) -> str:
    account = (await rpc.call("eth_accounts"))[sender]
    data = deployed.call("Tally", "count", value, "").data
    sent = await rpc.call(
        "eth_sendTransaction",
        {"from": account, "to": deployed["Tally"].address, "data": "0x" + data.hex(), "gas": hex(200_000)},
    )
    await wait_for_receipt(rpc, sent)
    return sent


async def rows(database: Database) -> dict[str, tuple[int, int]]:
    async with database.reading() as session:
        found = await session.scalars(select(Total))
        return {row.who: (row.total, row.times) for row in found}


async def on_chain(rpc, deployed) -> dict[str, tuple[int, int]]:
    """The same, asked from the chain alone."""
    logs = await rpc.call("eth_getLogs", {"fromBlock": "0x0", "address": deployed["Tally"].address})
    found: dict[str, tuple[int, int]] = {}
    for log in logs:
        who = "0x" + log["topics"][1][-40:]
        total, times = found.get(who, (0, 0))
        found[who] = (total + int(log["data"][2:66], 16), times + 1)
    return found


async def agree(database: Database, rpc: Any, deployed: Any) -> bool:
    expected = await on_chain(rpc, deployed)
    return {who.lower(): value for who, value in (await rows(database)).items()} == expected


@pytest.fixture
def indexer(database, rpc, deployed) -> Indexer:
    return Indexer(database, rpc, deployed, [Totals()], finality=5)


async def test_rows_equal_the_chain(database, rpc, deployed, indexer):
    for value in (1, 2, 3):
        await count(rpc, deployed, value)
    await count(rpc, deployed, 10, sender=3)

    await indexer.catch_up()

    assert await agree(database, rpc, deployed)
    assert sum(times for _, times in (await rows(database)).values()) == 4


async def test_a_range_far_from_the_head_gives_the_same(database, rpc, deployed, indexer):
    for value in range(1, 6):
        await count(rpc, deployed, value)
        await rpc.call("anvil_mine", "0x14")
    indexer.ranges.width = 30

    await indexer.catch_up()

    assert await agree(database, rpc, deployed)
    async with database.reading() as session:
        times = {row.block_number: row.block_time for row in await session.scalars(select(ChainEvent))}
    assert len(times) == 5
    assert list(times.values()) == sorted(times.values())


@pytest.mark.parametrize("depth", [1, 3, 5])
async def test_a_reorganisation_is_followed(database, rpc, deployed, indexer, depth):
    for value in range(1, 8):
        await count(rpc, deployed, value)
    await indexer.catch_up()

    await rpc.call("anvil_reorg", depth, [])
    await count(rpc, deployed, 100, sender=2)
    await indexer.catch_up()
    await indexer.catch_up()

    assert await agree(database, rpc, deployed)
    assert sum(times for _, times in (await rows(database)).values()) == 8 - depth


async def test_past_finality_it_halts_and_says_so(database, rpc, deployed, indexer):
    for value in range(1, 10):
        await count(rpc, deployed, value)
    await indexer.catch_up()
    before = await rows(database)

    await rpc.call("anvil_reorg", 7, [])
    await rpc.call("anvil_mine", "0x1")
    with pytest.raises(IndexHalted, match="7 blocks deep"):
        await indexer.catch_up()
    with pytest.raises(IndexHalted):
        await indexer.step()

    assert await rows(database) == before


async def test_a_local_chain_may_lose_more(database, rpc, deployed):
    indexer = Indexer(database, rpc, deployed, [Totals()], finality=0, local_chain=True)
    await count(rpc, deployed, 1)
    snapshot = await rpc.call("evm_snapshot")
    for value in range(2, 12):
        await count(rpc, deployed, value)
    await indexer.catch_up()

    await rpc.call("evm_revert", snapshot)
    await indexer.catch_up()

    assert await agree(database, rpc, deployed)
    assert [times for _, times in (await rows(database)).values()] == [1]


async def test_a_node_that_is_behind_is_no_reorganisation(database, rpc, deployed, indexer):
    await count(rpc, deployed, 1)
    snapshot = await rpc.call("evm_snapshot")
    await count(rpc, deployed, 2)
    await indexer.catch_up()
    before = await rows(database)

    await rpc.call("evm_revert", snapshot)
    with pytest.raises(NodeBehind):
        await indexer.step()

    assert await rows(database) == before


async def test_empty_is_not_none(database, rpc, deployed, indexer, monkeypatch):
    """A node that answers a range with nothing because it has not got there yet is not believed."""
    await count(rpc, deployed, 1)
    await rpc.call("anvil_mine", "0x40")
    batch = rpc.batch

    async def behind(requests):
        answers = await batch(requests)
        if requests[0][0] == "eth_blockNumber":
            return ["0x1", *answers[1:3], []]
        return answers

    monkeypatch.setattr(rpc, "batch", behind)
    with pytest.raises(NodeBehind):
        await indexer.step()
    monkeypatch.undo()
    await indexer.catch_up()

    assert await agree(database, rpc, deployed)
    assert len(await rows(database)) == 1


@pytest.mark.parametrize("far", [False, True])
async def test_a_node_that_lost_its_logs_is_not_believed(database, rpc, deployed, indexer, monkeypatch, far):
    """It answers every question for logs with "none", blocks by hash included."""
    await count(rpc, deployed, 1)
    await indexer.catch_up()
    await count(rpc, deployed, 2)
    if far:
        await rpc.call("anvil_mine", "0x40")
    batch = rpc.batch

    async def without_logs(requests):
        answers = await batch(requests)
        asked = [method for method, _ in requests]
        return [[] if each == "eth_getLogs" else answer for each, answer in zip(asked, answers, strict=True)]

    monkeypatch.setattr(rpc, "batch", without_logs)
    with pytest.raises(NodeBehind):
        await indexer.step()
    monkeypatch.undo()
    await indexer.catch_up()

    assert await agree(database, rpc, deployed)
    assert [times for _, times in (await rows(database)).values()] == [2]


async def test_a_log_that_cannot_be_read_halts_it_and_says_so(database, rpc, deployed, indexer, monkeypatch):
    """Once is a garbled answer; again and again is a wrong ABI, and no log is passed over."""
    await count(rpc, deployed, 1)
    await indexer.catch_up()
    await count(rpc, deployed, 2)
    batch = rpc.batch

    async def garbled(requests):
        answers = await batch(requests)
        return [
            [entry | {"data": "0x1234"} for entry in answer] if method == "eth_getLogs" else answer
            for (method, _), answer in zip(requests, answers, strict=True)
        ]

    monkeypatch.setattr(rpc, "batch", garbled)
    with pytest.raises(UndecodableLog):
        await indexer.step()
    monkeypatch.undo()
    await indexer.catch_up()
    assert await agree(database, rpc, deployed)

    await count(rpc, deployed, 3)
    before = await rows(database)
    monkeypatch.setattr(rpc, "batch", garbled)
    for _ in range(2):
        with pytest.raises(UndecodableLog):
            await indexer.step()
    with pytest.raises(IndexHalted, match=r"Tally\.Counted"):
        await indexer.step()
    monkeypatch.undo()
    with pytest.raises(IndexHalted, match="tallystick reindex"):
        await indexer.step()

    assert await rows(database) == before
    findings = await diagnose(load({}), database, rpc, deployed)
    (index,) = [each for each in findings if each.what == "index"]
    assert not index.good
    assert "Tally.Counted" in index.detail


async def test_a_reorganisation_is_seen_from_far_away(database, rpc, deployed, indexer):
    """The worker was away while the block it stood on was replaced and many came after it."""
    await count(rpc, deployed, 1)
    await count(rpc, deployed, 2)
    await indexer.catch_up()
    await rpc.call("anvil_reorg", 1, [])
    await rpc.call("anvil_mine", "0x40")

    await indexer.catch_up()

    assert await agree(database, rpc, deployed)
    assert [times for _, times in (await rows(database)).values()] == [1]


async def test_the_cursor_moves_only_from_where_it_was(database, rpc, deployed, indexer, monkeypatch):
    await count(rpc, deployed, 1)
    await indexer.catch_up()
    await count(rpc, deployed, 2)
    position = await indexer._position()
    other = Indexer(database, rpc, deployed, [Totals()], finality=5)
    await other.catch_up()

    with pytest.raises(history.CursorMoved):
        await indexer._near(position, position.number + 1)

    assert await agree(database, rpc, deployed)


async def test_reindexing_gives_the_same_rows(database, rpc, deployed, indexer):
    for value in range(1, 6):
        await count(rpc, deployed, value, sender=value % 3)
    await indexer.catch_up()
    before = await rows(database)
    async with database.transaction() as session:
        await session.execute(
            delete(ChainEvent).where(ChainEvent.log_index == 0, ChainEvent.block_number > 3)
        )

    async with database.transaction() as session:
        await history.forget(session, deployed.ledger_id, [Totals()])
    assert await rows(database) == {}
    await indexer.catch_up()

    assert await rows(database) == before
    assert await agree(database, rpc, deployed)


async def test_it_goes_on_after_a_crash_in_the_middle(database, rpc, deployed, indexer, monkeypatch):
    await count(rpc, deployed, 1)
    await indexer.catch_up()
    await count(rpc, deployed, 2)

    async def crash(*args: Any) -> None:
        raise MemoryError

    monkeypatch.setattr(Totals, "rebuild", crash)
    with pytest.raises(MemoryError):
        await indexer.catch_up()
    monkeypatch.undo()
    async with database.reading() as session:
        cursor = (await session.scalars(select(ChainCursor))).one()
        newest = (
            await session.scalars(select(ChainEvent.block_number).order_by(ChainEvent.block_number))
        ).all()
    assert max(newest) <= cursor.number

    await indexer.catch_up()
    assert await agree(database, rpc, deployed)
