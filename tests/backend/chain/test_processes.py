"""Real processes, killed at any moment: nothing is lost and nothing happens twice."""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest

from backend.chain import outbox
from backend.chain.contracts import Contracts
from backend.chain.rpc import Rpc
from backend.kit.access import Role
from backend.kit.database import Database
from backend.parties import service as parties
from tests.backend.chain.conftest import Anvil
from tests.backend.chain.processes import Processes
from tests.backend.chain.test_sender import counted


@pytest.fixture
def processes(
    tmp_path: Path, empty_url: str, anvil: Anvil, deployed: Contracts, tally: dict[str, Any]
) -> Iterator[Processes]:
    processes = Processes(tmp_path, empty_url, anvil, deployed, tally["abi"])
    migrated = processes.run("migrate")
    assert migrated.returncode == 0, migrated.stderr
    yield processes
    processes.close()


@pytest.fixture
async def migrated(processes: Processes, empty_url: str) -> AsyncIterator[Database]:
    """The processes' database."""
    database = Database(empty_url)
    yield database
    await database.close()


async def make_operator(database: Database, contracts: Contracts) -> tuple[UUID, str]:
    """A party and the API key of its operator."""
    async with database.transaction() as session:
        await parties.open_ledger(session, contracts.ledger_id, name="test", chain_id=contracts.chain_id)
        party = await parties.admit_party(
            session, contracts.ledger_id, country="DE", tax_number="123456789", name="Operator"
        )
        user = await parties.create_user(session, party, name="test", roles=[Role.OPERATOR])
        issued = await parties.create_key(session, user, label="test")
    return party.id, issued.secret


async def enqueue(database: Database, contracts: Contracts, party_id: UUID, value: int) -> UUID:
    async with database.transaction() as session:
        operation = await outbox.enqueue(
            session,
            contracts.call("Tally", "count", value, ""),
            ledger_id=contracts.ledger_id,
            party_id=party_id,
            kind="test.count",
            subject=f"test:{value}",
        )
    return operation.id


def statuses(url: str, key: str) -> list[str]:
    found: list[str] = []
    cursor = None
    while True:
        params = {"limit": 200} | ({"cursor": cursor} if cursor else {})
        answer = httpx.get(f"{url}/v1/operations", params=params, headers={"Authorization": f"Bearer {key}"})
        found += [each["status"] for each in answer.json()["items"]]
        if (cursor := answer.json()["next"]) is None:
            return found


async def test_killed_at_any_moment_each_operation_happens_once(
    processes: Processes, migrated: Database, rpc: Rpc, deployed: Contracts
):
    chance = random.Random(7)  # noqa: S311 - moments, not secrets
    party_id, key = await make_operator(migrated, deployed)
    await rpc.call("anvil_setCode", deployed["Participants"].address, "0x00")
    await rpc.call("evm_setIntervalMining", 1)
    processes.start("api", "worker")
    processes.wait_for("/readyz")
    value = 0
    for _ in range(4):
        for _ in range(8):
            value += 1
            await enqueue(migrated, deployed, party_id, value)
        await asyncio.sleep(chance.uniform(0.1, 1.5))
        victim = chance.choice(["worker", "worker", "api"])
        processes.kill(victim)
        processes.start(victim)
    end = time.monotonic() + 120
    processes.wait_for("/readyz")
    while "pending" in (now := statuses(processes.url, key)):
        assert time.monotonic() < end, now
        await asyncio.sleep(0.5)

    assert now == ["succeeded"] * value
    assert sorted(await counted(rpc, deployed)) == list(range(1, value + 1))
    health = processes.wait_for("/readyz").json()
    assert health["checks"]["index"]["ok"]
    await rpc.call("evm_setIntervalMining", 0)
    processes.wait_for("/readyz")
    assert processes.terminate("worker") == 0
    assert processes.terminate("api") == 0
    doctor = processes.run("doctor")
    assert doctor.returncode == 0, doctor.stdout
