"""SIGKILL anywhere between capture and anchor: no event lost, no leaf out of order, no head skipped."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from sqlalchemy import create_engine, select
from sqlalchemy.orm import Session

from backend.chain.repository import Operation
from backend.kit import merkle
from backend.kit.database import prepare_sqlite
from backend.migrations import declared_tables
from backend.provenance.log import tiles
from backend.provenance.tables import LogHead, LogState, LogTile, RecordedEvent
from backend.verifier.leaf import decode

PROGRAM = """
import asyncio, sys, uuid
from datetime import timedelta
from pathlib import Path
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from backend.chain.abi import Abi
from backend.chain.contracts import Contract, Contracts
from backend.kit.access import Caller, Role
from backend.kit.database import Database
from backend.kit.ids import uuid7
from backend.kit.sealing import hand_over
from backend.kit.settings import load
from backend.provenance import capture
from backend.provenance.config import LogConfig
from backend.provenance.log.anchoring import anchor_if_due
from backend.provenance.log.notes import Signer
from backend.provenance.preparing import prepare
from tests.backend.provenance.conftest import ANCHOR, receipts

place, start = Path(sys.argv[1]), int(sys.argv[2])
log, others = Abi([ANCHOR]), Abi([])
contracts = Contracts(
    31337, 0, "0x" + "00" * 32,
    [Contract("Participants", "0x" + "11" * 20, others), Contract("ProvenanceLog", "0x" + "22" * 20, log)],
)
config = LogConfig(31337, bytes([0x22]) * 20, Signer("log", Ed25519PrivateKey.generate()), timedelta(0))
caller = Caller(uuid7(), uuid.UUID(int=7), contracts.ledger_id, frozenset({Role.MAKER}))

async def main():
    database = Database(f"sqlite:///{place}")
    hand_over(database.engine.dialect, load({}, data_directory=place.parent))
    for number in range(start, start + 10_000, 5):
        async with database.transaction() as session:
            given = prepare(caller, config, data=receipts(5, number), media_type="application/json")
            (done,) = await capture.record(session, contracts.ledger_id, config, [given])
        print(done.leaves[-1].sequence if done.leaves else -1, flush=True)
        async with database.transaction() as session:
            await anchor_if_due(session, contracts, config)

asyncio.run(main())
"""


@pytest.fixture
def place(tmp_path: Path) -> Path:
    path = tmp_path / "tallystick.sqlite"
    engine = create_engine(f"sqlite:///{path}")
    prepare_sqlite(engine)
    declared_tables().create_all(engine)
    engine.dispose()
    return path


def run_and_kill(place: Path, start: int, seconds: float) -> list[int]:
    """Lets a process capture and make heads, and kills it so long after its first event."""
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(place), str(start)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    said = [process.stdout.readline()]
    time.sleep(seconds)
    os.kill(process.pid, signal.SIGKILL)
    said += process.stdout.readlines()
    process.wait()
    process.stdout.close()
    return [int(each) for each in said if each.endswith("\n")]


def test_what_was_promised_is_there_and_the_log_goes_on(place: Path) -> None:
    promised = -1
    for round_, seconds in enumerate((0.0, 0.11, 0.23)):
        said = run_and_kill(place, round_ * 10_000, seconds)
        assert said
        promised = said[-1]

        engine = create_engine(f"sqlite:///{place}")
        prepare_sqlite(engine)
        with Session(engine) as session:
            columns = select(RecordedEvent.sequence, RecordedEvent.leaf)
            rows = session.execute(columns.order_by(RecordedEvent.sequence)).all()
            state = session.scalars(select(LogState)).one()
            held = {(tile.level, tile.index): tile.hashes for tile in session.scalars(select(LogTile))}
            heads = session.scalars(select(LogHead)).all()
            operations = session.scalars(select(Operation)).all()
        engine.dispose()
        leaves = [merkle.leaf_hash(row.leaf) for row in rows]
        assert [row.sequence for row in rows] == list(range(state.size))
        assert [decode(row.leaf).sequence for row in rows] == list(range(state.size))
        assert state.size > promised
        wanted = merkle.frontier_nodes(state.size)
        nodes = tiles.nodes_from(wanted, held)
        frontier = merkle.Frontier(state.size, [nodes[node] for node in wanted])
        assert frontier.root() == merkle.root_of(leaves)
        for head in heads:
            assert bytes.fromhex(head.log_root[2:]) == merkle.root_of(leaves[: head.size])
        assert {head.operation_id for head in heads} == {operation.id for operation in operations}
        assert len(operations) <= 1
    assert promised >= 0
