"""What `tallystick doctor` finds and explains, and the operator's commands for operations."""

import asyncio
import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select
from typer.testing import CliRunner

from backend.chain import outbox
from backend.chain.commands import operations
from backend.chain.contracts import Contracts
from backend.chain.diagnosis import Finding, diagnose
from backend.chain.indexer import Indexer
from backend.chain.repository import ChainEvent, Lane, Operation
from backend.chain.rpc import Rpc
from backend.kit import audit
from backend.kit.clock import now
from backend.kit.database import Database
from backend.kit.ids import uuid7
from backend.kit.settings import load
from tests.backend.chain.conftest import CHAIN_ID, drive

PARTY = uuid7()


async def enqueue(database: Database, contracts: Contracts, value: int) -> Operation:
    async with database.transaction() as session:
        call = contracts.call("Tally", "count", value, "")
        known = {"ledger_id": contracts.ledger_id, "party_id": PARTY}
        return await outbox.enqueue(session, call, kind="test.count", subject=f"test:{value}", **known)


async def examine(database: Database, rpc: Rpc, contracts: Contracts) -> dict[str, Finding]:
    found = await diagnose(load({}), database, rpc, contracts)
    return {each.what: each for each in found}


@pytest.fixture
async def followed(database: Database, rpc: Rpc, deployed: Contracts, sender: Any) -> Indexer:
    """A chain with two operations on it, indexed to its head."""
    for value in (1, 2):
        await enqueue(database, deployed, value)
    await drive(sender)
    indexer = Indexer(database, rpc, deployed, [], finality=12, local_chain=True)
    await indexer.catch_up()
    return indexer


async def test_a_ledger_in_order(database, rpc, deployed, followed):
    found = await examine(database, rpc, deployed)

    assert {what for what, each in found.items() if each.good} >= {
        "index", "events", "nonces", "operations", "relayer",
    }  # fmt: skip
    assert "2 events" in found["events"].detail


async def test_another_chain_is_told(anvil, database, deployed, followed):
    elsewhere = Rpc([anvil.url], CHAIN_ID + 1)
    found = await examine(database, elsewhere, deployed)
    await elsewhere.close()

    assert not found["chain"].good
    assert "RPC URLs" in found["chain"].detail


async def test_contracts_that_are_not_there(database, rpc, deployed):
    found = await examine(database, rpc, deployed)

    assert not found["chain"].good  # the tests' Participants is an address without code
    assert deployed["Participants"].address in found["chain"].detail


async def test_an_event_that_is_missing(database, rpc, deployed, followed):
    async with database.transaction() as session:
        events = (await session.scalars(select(ChainEvent))).all()
        await session.delete(events[-1])

    found = (await examine(database, rpc, deployed))["events"]

    assert not found.good
    assert "1 events of the chain are missing and 0 are not" in found.detail
    assert "tallystick reindex" in found.detail


async def test_a_nonce_nobody_used(database, rpc, deployed, followed):
    async with database.transaction() as session:
        (await session.scalars(select(Lane))).one().next_nonce += 1

    found = (await examine(database, rpc, deployed))["nonces"]

    assert not found.good
    assert "nonces [2] never used" in found.detail


async def test_a_key_that_another_program_used(database, rpc, deployed, followed):
    async with database.transaction() as session:
        (await session.scalars(select(Lane))).one().next_nonce -= 1

    found = (await examine(database, rpc, deployed))["nonces"]

    assert not found.good
    assert "used by another program" in found.detail


async def test_an_operation_that_does_not_move(database, rpc, deployed, followed):
    stuck = await enqueue(database, deployed, 3)
    async with database.transaction() as session:
        (await session.get_one(Operation, stuck.id)).last_action_at = now() - timedelta(minutes=11)

    found = (await examine(database, rpc, deployed))["operations"]

    assert not found.good
    assert str(stuck.id) in found.detail


async def test_a_node_that_cannot_be_asked_is_a_finding(database, deployed):
    nowhere = Rpc(["http://127.0.0.1:9"], CHAIN_ID)
    found = await examine(database, nowhere, deployed)
    await nowhere.close()

    assert not found["chain"].good
    assert "could not be looked at" in found["chain"].detail


@pytest.fixture
def tallystick(
    database: Database, deployed: Contracts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Any]:
    """Runs `tallystick operations …` on the test's ledger; its exit code and what it says."""
    (tmp_path / "none.json").write_text("[]")
    record = {
        "chain_id": deployed.chain_id,
        "block": deployed.first_block,
        "block_hash": deployed.first_hash,
        "contracts": {"Participants": {"address": deployed["Participants"].address, "abi": "none.json"}},
    }
    (tmp_path / "deployment.json").write_text(json.dumps(record))
    monkeypatch.setenv("TALLYSTICK_DEPLOYMENT", str(tmp_path / "deployment.json"))
    url = database.url.set(drivername=database.url.get_backend_name())
    monkeypatch.setenv("TALLYSTICK_DATABASE_URL", url.render_as_string(hide_password=False))
    monkeypatch.setenv("COLUMNS", "200")

    async def run(*arguments: str) -> Any:
        done = await asyncio.to_thread(CliRunner().invoke, operations, list(arguments))
        return done.exit_code, done.output

    return run


async def test_operations_are_listed_shown_stopped_and_repeated(database, deployed, tallystick):
    operation = await enqueue(database, deployed, 7)

    code, said = await tallystick("show", str(operation.id))
    assert code == 0
    assert "test.count of test:7: pending/received" in said
    code, said = await tallystick("cancel", str(operation.id))
    assert (code, said.strip()) == (0, "cancelled/cancelled")
    code, said = await tallystick("cancel", str(operation.id))
    assert code == 1
    code, said = await tallystick("retry", str(operation.id))
    assert code == 0
    async with database.reading() as session:
        again = await session.scalar(select(Operation).where(Operation.status == "pending"))
        noted = (await session.scalars(select(audit.AuditEntry.action).order_by(audit.AuditEntry.id))).all()
    assert str(again.id) in said
    assert again.data == operation.data
    assert noted == ["operations cancel", "operations retry"]
    assert (await tallystick("retry", str(again.id)))[0] == 1


async def test_an_operation_that_is_not_there(tallystick):
    code, said = await tallystick("show", str(uuid7()))

    assert code == 1
    assert "There is no operation" in said


async def test_what_waits_is_listed(database, deployed, tallystick):
    assert "None." in (await tallystick("list"))[1]
    await enqueue(database, deployed, 1)

    code, said = await tallystick("list", "--status", "pending")

    assert code == 0
    assert "test.count" in said
