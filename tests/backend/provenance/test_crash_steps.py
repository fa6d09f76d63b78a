"""SIGKILL before and after every step of one capture: all of it or none of it, and the job says which."""

import asyncio
import json
import signal
import subprocess
import sys
from pathlib import Path

from sqlalchemy import func, select

from backend.kit.database import Database
from backend.provenance.log.repository import state
from backend.provenance.tables import CaptureJob, ReceivedDocument, RecordedEvent

PROGRAM = """
import asyncio, json, os, signal, sys
from pathlib import Path
import httpx
from sqlalchemy import event
from backend.app import create_app
from backend.chain.abi import Abi
from backend.chain.contracts import Contract, Contracts
from backend.kit import bulk
from backend.kit.access import Role
from backend.kit.database import Database
from backend.kit.settings import load
from backend.parties import service as parties
from tests.backend.provenance.conftest import receipts

url, folder, most = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
names = {"Participants": "11", "ProvenanceLog": "22"}
known = [Contract(name, "0x" + digits * 20, Abi([])) for name, digits in names.items()]
contracts = Contracts(31337, 0, "0x" + "00" * 32, known)
ledger = contracts.ledger_id
database = Database(url)
app = create_app(load({}, data_directory=folder), contracts, database)
insert = bulk.insert

async def open_ledger():
    async with database.transaction() as session:
        await parties.open_ledger(session, ledger, name="c", chain_id=31337)
        party = await parties.admit_party(session, ledger, country="DE", tax_number="1234567", name="B")
        user = await parties.create_user(session, party, name="b", roles=[Role.MAKER])
        key = await parties.create_key(session, user, label="b")
    await database.close()
    return key.secret

async def send(secret, number, step):
    passed = 0

    def reached(*_):
        nonlocal passed
        passed += 1
        if passed == step:
            os.kill(os.getpid(), signal.SIGKILL)

    async def watched(session, table, rows):
        reached()
        await insert(session, table, rows)

    bulk.insert = watched
    for name in ("before_cursor_execute", "begin", "commit"):
        event.listen(database.engine.sync_engine, name, reached)
    headers = {
        "Authorization": f"Bearer {secret}",
        "Content-Type": "application/json",
        "Idempotency-Key": f"k{number}",
    }
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://c", headers=headers) as client:
        answer = await client.post("/epcis/capture", content=receipts(12, 12 * number))
    reached()  # committed, and not yet answered
    await database.close()
    return answer.status_code, answer.json()["success"]

def in_a_process(number, step):
    child = os.fork()
    if child == 0:
        os._exit(0 if asyncio.run(send(secret, number, step)) == (202, True) else 3)
    return os.waitpid(child, 0)[1]

secret = asyncio.run(open_ledger())
for step in range(1, most):
    first = in_a_process(step, step)
    again = in_a_process(step, 0)  # who got no answer asks again under its key
    print(json.dumps([first, again]), flush=True)
    if first != signal.SIGKILL:
        break
"""
MOST = 200
EACH = 12


def killed_at_every_step(url: str, folder: Path) -> list[list[int]]:
    """How each process ended that was to be killed, and the one that asked again."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, url, str(folder), str(MOST)],
        capture_output=True,
        text=True,
        check=True,
    )
    return [json.loads(line) for line in done.stdout.splitlines()]


async def test_a_capture_is_whole_or_not_there_wherever_it_is_killed(
    database: Database, tmp_path: Path
) -> None:
    url = database.url.render_as_string(hide_password=False)
    steps = await asyncio.to_thread(killed_at_every_step, url, tmp_path)

    assert len(steps) > 15
    assert [first for first, _ in steps] == [signal.SIGKILL] * (len(steps) - 1) + [0]
    assert [again for _, again in steps] == [0] * len(steps)
    async with database.reading() as session:
        jobs = (await session.scalars(select(CaptureJob))).all()
        of_job = dict(
            (
                await session.execute(
                    select(ReceivedDocument.job_id, func.count())
                    .join(RecordedEvent, RecordedEvent.document_id == ReceivedDocument.id)
                    .group_by(ReceivedDocument.job_id)
                )
            ).all()
        )
        log = await state(session, jobs[0].ledger_id)
        sequences = (await session.scalars(select(RecordedEvent.sequence).order_by("sequence"))).all()
    assert all(not job.running and job.success and job.captured == EACH for job in jobs)
    assert of_job == {job.id: EACH for job in jobs}
    assert len(jobs) == len(steps)  # each document once, although most were sent twice
    assert log is not None
    assert list(sequences) == list(range(log.size)) == list(range(EACH * len(steps)))
