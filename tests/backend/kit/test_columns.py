from datetime import UTC, datetime, timedelta, timezone

import pytest
from sqlalchemy import Column, Integer, MetaData, Table, insert, select
from sqlalchemy.exc import StatementError

from backend.kit.columns import Address, Amount, Hash32, Json, UtcTime
from backend.kit.database import Database

metadata = MetaData()
things = Table(
    "test_things",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("amount", Amount),
    Column("hash", Hash32),
    Column("address", Address),
    Column("at", UtcTime),
    Column("document", Json),
)
ADDRESS = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"


@pytest.fixture(autouse=True)
async def table(database: Database):
    async with database.engine.begin() as connection:
        await connection.run_sync(metadata.create_all)
    yield
    async with database.engine.begin() as connection:
        await connection.run_sync(metadata.drop_all)


async def test_values_come_back_as_they_went_in(database: Database):
    values = {
        "id": 1,
        "amount": 2**256 - 1,
        "hash": "0x" + "AB" * 32,
        "address": ADDRESS.lower(),
        "at": datetime(2026, 3, 29, 2, 30, 0, 5, timezone(timedelta(hours=8))),
        "document": {"n": 2**200, "text": "应收账款", "list": [1, None, True]},
    }
    async with database.transaction() as session:
        await session.execute(insert(things).values(values))
    async with database.reading() as session:
        row = (await session.execute(select(things))).one()

    assert row.amount == 2**256 - 1
    assert row.hash == "0x" + "ab" * 32
    assert row.address == ADDRESS
    assert row.at == datetime(2026, 3, 28, 18, 30, 0, 5, UTC)
    assert row.at.tzinfo is UTC
    assert row.document == values["document"]


async def test_amounts_and_times_sort_and_compare(database: Database):
    start = datetime(2026, 1, 1, tzinfo=UTC)
    async with database.transaction() as session:
        for number, amount in enumerate([9, 10, 2**70, 0, 100]):
            at = start + timedelta(microseconds=amount % 1000)
            await session.execute(insert(things).values(id=number, amount=amount, at=at))
    async with database.reading() as session:
        ordered = (await session.scalars(select(things.c.amount).order_by(things.c.amount))).all()
        above = (await session.scalars(select(things.c.amount).where(things.c.amount > 10))).all()
        latest = (await session.scalars(select(things.c.at).order_by(things.c.at.desc()))).first()

    assert ordered == [0, 9, 10, 100, 2**70]
    assert sorted(above) == [100, 2**70]
    assert latest == start + timedelta(microseconds=2**70 % 1000)


@pytest.mark.parametrize("value", [-1, 2**256, 1.0, True, "5"])
async def test_refuses_what_is_no_amount(database: Database, value: object):
    with pytest.raises(StatementError, match="unsigned integer"):
        async with database.transaction() as session:
            await session.execute(insert(things).values(id=1, amount=value))


async def test_refuses_a_moment_without_a_zone(database: Database):
    start = datetime(2026, 1, 1, tzinfo=UTC)
    with pytest.raises(StatementError, match="time zone"):
        async with database.transaction() as session:
            await session.execute(insert(things).values(id=1, at=start.replace(tzinfo=None)))
