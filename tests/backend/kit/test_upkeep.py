"""What was kept long enough is forgotten, what somebody may still need is not, and secrets lie sealed."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
import time_machine
from sqlalchemy import func, select, text

from backend.app import Ledger, upkeep
from backend.chain.contracts import Call, Contracts
from backend.chain.outbox import FAILED, SUCCEEDED, enqueue, finish
from backend.chain.repository import Attempt, Operation, Transaction
from backend.kit import ids
from backend.kit.clock import now
from backend.kit.database import Database
from backend.kit.idempotency import IdempotentRequest
from backend.kit.ids import uuid7
from backend.kit.notices import Delivery, Notice, Webhook
from backend.kit.settings import load
from backend.kit.upkeep import Upkeep

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


@pytest.fixture
def work(database: Database, contracts: Contracts) -> Upkeep:
    settings = load({}, keep_operations_days=20, keep_notices_days=20)
    return upkeep(Ledger(settings, contracts, database, None))  # type: ignore[arg-type]


@contextmanager
def long_ago(monkeypatch: pytest.MonkeyPatch, days: int) -> Iterator[None]:
    """So many days ago. Ids never go back within a process; here they have to."""
    monkeypatch.setattr(ids, "_sequence", ids._Sequence())
    with time_machine.travel(now() - timedelta(days=days), tick=False):
        yield


async def rest(work: Upkeep) -> None:
    while await work.step():
        pass


async def sent(database: Database, contracts: Contracts, status: str) -> UUID:
    """An operation that has ended, with the transaction that carried it and what was sent."""
    owned = {"ledger_id": contracts.ledger_id, "party_id": uuid7()}
    hash_ = "0x" + uuid7().hex * 2
    async with database.transaction() as session:
        row = Transaction(
            ledger_id=contracts.ledger_id, signer="0x" + "11" * 20, nonce=uuid7().int % 2**40,
            target="0x" + "22" * 20, data=b"", gas=1, status="confirmed",
        )  # fmt: skip
        session.add(row)
        await session.flush()
        session.add(
            Attempt(
                ledger_id=contracts.ledger_id, transaction_id=row.id, hash=hash_, raw=b"", max_fee=1, tip=1
            )
        )
        call = Call("Participants", "0x" + "11" * 20, b"")
        operation = await enqueue(session, call, kind="test", subject="test:1", **owned)
        operation.transaction_id = row.id
        finish(operation, status, "confirmed", "confirm")
    return operation.id


async def counts(database: Database, *tables: Any) -> list[int]:
    async with database.reading() as session:
        return [await session.scalar(select(func.count()).select_from(table)) or 0 for table in tables]


async def test_what_succeeded_long_ago_is_forgotten_with_what_was_sent(
    database, contracts, work, monkeypatch
):
    with long_ago(monkeypatch, 21):
        await sent(database, contracts, SUCCEEDED)
        failed = await sent(database, contracts, FAILED)
    recent = await sent(database, contracts, SUCCEEDED)

    await rest(work)

    async with database.reading() as session:
        left = set(await session.scalars(select(Operation.id)))
    assert left == {failed, recent}, "what failed can be sent again, so it stays"
    assert await counts(database, Transaction, Attempt) == [2, 2]


async def test_answers_and_deliveries_go_and_what_waits_stays(database, contracts, work, monkeypatch):
    owned = {"ledger_id": contracts.ledger_id, "party_id": uuid7()}
    with long_ago(monkeypatch, 40):
        async with database.transaction() as session:
            hook = Webhook(**owned, url="https://a", types=[], secret=SECRET)
            told = Notice(**owned, type="a", subject="told", data={}, copied_at=now())
            waits = Notice(**owned, type="a", subject="waits", data={}, copied_at=now())
            session.add_all([hook, told, waits])
            await session.flush()
            for notice, at in ((told, now()), (waits, None)):
                session.add(Delivery(**owned, webhook_id=hook.id, notice_id=notice.id, delivered_at=at))
            session.add(
                IdempotentRequest(**owned, key="old", fingerprint="0", status=201, headers={}, body=b"")
            )
    async with database.transaction() as session:
        session.add(IdempotentRequest(**owned, key="new", fingerprint="0", status=201, headers={}, body=b""))

    await rest(work)

    async with database.reading() as session:
        assert (await session.scalars(select(IdempotentRequest.key))).all() == ["new"]
        assert (await session.scalars(select(Notice.subject))).all() == ["waits"]
    assert await counts(database, Delivery) == [1]


async def test_a_webhooks_secret_lies_sealed(database, contracts, work):
    owned = {"ledger_id": contracts.ledger_id, "party_id": uuid7()}
    async with database.transaction() as session:
        session.add(Webhook(**owned, url="https://a", types=[], secret=SECRET))
        session.add(Webhook(**owned, url="https://b", types=[], secret=SECRET))
    async with database.transaction() as session:  # as it was written before the column was sealed
        raw = SECRET.encode()
        await session.execute(text("UPDATE webhooks SET secret = :raw WHERE url = 'https://b'"), {"raw": raw})

    async with database.reading() as session:
        assert [row.secret for row in await session.scalars(select(Webhook))] == [SECRET, SECRET]
    await rest(work)

    async with database.reading() as session:
        lying = (await session.scalars(text("SELECT secret FROM webhooks"))).all()
        assert len(lying) == 2
        assert all(raw not in bytes(each) for each in lying)
        assert [row.secret for row in await session.scalars(select(Webhook))] == [SECRET, SECRET]
