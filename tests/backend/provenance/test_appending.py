"""Captures that share a transaction: each keeps its own answer, and none can fail another."""

import asyncio
from typing import Any

import pytest
from fastapi import FastAPI
from sqlalchemy import func, select

from backend.kit import audit
from backend.kit.database import Database
from backend.provenance import appending, capture
from backend.provenance.tables import CaptureJob, LogState, RecordedEvent
from tests.backend.provenance.conftest import Recorder, numbered, receipts
from tests.backend.provenance.epcis.samples import document


async def count(database: Database, table: Any) -> int:
    async with database.reading() as session:
        return (await session.execute(select(func.count()).select_from(table))).scalar_one()


@pytest.fixture
def batches(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many documents each transaction recorded, or tried to."""
    sizes: list[int] = []

    async def counted(session: Any, ledger_id: Any, config: Any, captures: Any) -> Any:
        sizes.append(len(captures))
        return await capture.record(session, ledger_id, config, captures)

    monkeypatch.setattr(appending, "record", counted)
    return sizes


async def test_twenty_clients_wait_for_a_few_commits(
    buyer: Recorder, seller: Recorder, database: Database, batches: list[int]
) -> None:
    both = (buyer, seller)
    answers = await asyncio.gather(*(both[n % 2].capture(receipts(2, 2 * n)) for n in range(20)))

    assert [answer.status_code for answer in answers] == [202] * 20
    assert sum(batches) == 20
    assert len(batches) < 15
    places = sorted(leaf["sequence"] for answer in answers for leaf in answer.json()["leaves"])
    assert places == list(range(40))
    assert len({answer.json()["captureID"] for answer in answers}) == 20
    assert await count(database, CaptureJob) == 20
    assert await count(database, audit.AuditEntry) == 20


async def test_the_same_event_twice_in_one_transaction_is_recorded_once(
    buyer: Recorder, database: Database
) -> None:
    jobs = [answer.json() for answer in await asyncio.gather(*(buyer.capture(receipts(3)) for _ in range(5)))]

    assert sorted(job["captured"] for job in jobs) == [0, 0, 0, 0, 3]
    assert sorted(job["duplicates"] for job in jobs) == [0, 3, 3, 3, 3]
    assert await count(database, RecordedEvent) == 3


async def test_one_event_id_goes_to_one_event(buyer: Recorder, database: Database) -> None:
    named = [{**event, "eventID": "urn:uuid:11111111-1111-4111-8111-111111111111"} for event in numbered(4)]

    answers = await asyncio.gather(*(buyer.capture(document(event)) for event in named))

    assert sorted(answer.json()["captured"] for answer in answers) == [0, 0, 0, 1]
    assert await count(database, RecordedEvent) == 1


async def test_a_capture_that_fails_takes_no_other_with_it(
    buyer: Recorder, database: Database, monkeypatch: pytest.MonkeyPatch, app: FastAPI
) -> None:
    poison = receipts(1, 99)

    async def fails(session: Any, ledger_id: Any, config: Any, captures: Any) -> Any:
        done = await capture.record(session, ledger_id, config, captures)
        if any(each.data == poison for each in captures):
            raise RuntimeError("the disk is full")
        return done

    monkeypatch.setattr(appending, "record", fails)
    sent = [receipts(1, n) for n in range(6)] + [poison]

    answers = await asyncio.gather(*(buyer.capture(data) for data in sent), return_exceptions=True)

    failed = [answer for answer in answers if isinstance(answer, BaseException) or answer.status_code != 202]
    assert len(failed) == 1
    assert await count(database, RecordedEvent) == 6
    async with database.reading() as session:
        assert (await session.scalars(select(LogState))).one().size == 6


async def test_a_repeated_key_gets_the_first_answer_again(buyer: Recorder, database: Database) -> None:
    keys: list[dict[str, Any]] = [{"Idempotency-Key": f"key-{n}"} for n in range(6)]
    first = await asyncio.gather(*(buyer.capture(receipts(2, 2 * n), **key) for n, key in enumerate(keys)))

    again = await asyncio.gather(*(buyer.capture(receipts(2, 2 * n), **key) for n, key in enumerate(keys)))
    other = await buyer.capture(receipts(1, 500), **keys[0])

    assert [answer.json() for answer in again] == [answer.json() for answer in first]
    assert {answer.headers["idempotent-replayed"] for answer in again} == {"true"}
    assert other.status_code == 422
    assert await count(database, RecordedEvent) == 12


async def test_what_waits_is_bounded(buyer: Recorder, app: FastAPI) -> None:
    app.state.appender._together._most_waiting = 1000

    answers = await asyncio.gather(*(buyer.capture(receipts(1, n)) for n in range(12)))

    assert {answer.status_code for answer in answers} == {202, 503}
