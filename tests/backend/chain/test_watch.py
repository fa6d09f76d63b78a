"""Operations as they are watched: each change once, and the end."""

import asyncio
import json

from sqlalchemy import select

from backend.chain import outbox
from backend.chain.contracts import Call
from backend.chain.repository import Operation
from backend.kit.notices import Notice


async def test_every_change_is_told_until_the_end(world, database, contracts):
    user, other = await world.user(), await world.user()
    async with database.transaction() as session:
        operation = await outbox.enqueue(
            session,
            Call("Participants", "0x" + "11" * 20, b"\x00"),
            ledger_id=contracts.ledger_id,
            party_id=user.party_id,
            kind="test",
            subject="test:1",
        )

    async def go_on() -> None:
        for sub_status in ("signed", "accepted"):
            await asyncio.sleep(0.8)
            async with database.transaction() as session:
                outbox.touch(await session.get_one(Operation, operation.id), sub_status, "submit")
        await asyncio.sleep(0.8)
        async with database.transaction() as session:
            row = await session.get_one(Operation, operation.id)
            outbox.finish(row, outbox.SUCCEEDED, "confirmed", "confirm")

    work = asyncio.create_task(go_on())
    answer = await asyncio.wait_for(user.get(f"/v1/operations/{operation.id}/events"), timeout=60)
    await work

    told = [json.loads(line[6:]) for line in answer.text.splitlines() if line.startswith("data: ")]
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert [each["sub_status"] for each in told] == ["received", "signed", "accepted", "confirmed"]
    assert told[-1]["status"] == "succeeded"
    assert (await other.get(f"/v1/operations/{operation.id}/events")).status_code == 404
    async with database.reading() as session:
        notice = (await session.scalars(select(Notice))).one()
    assert (notice.type, notice.subject, notice.party_id) == ("operation.succeeded", "test:1", user.party_id)
