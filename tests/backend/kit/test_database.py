import asyncio
import time

import pytest
from sqlalchemy import Column, Integer, MetaData, Table, func, insert, select, text
from sqlalchemy.exc import DBAPIError

from backend.kit.database import Database

metadata = MetaData()
counters = Table("test_counters", metadata, Column("id", Integer, primary_key=True), Column("n", Integer))


@pytest.fixture(autouse=True)
async def table(database: Database):
    async with database.engine.begin() as connection:
        await connection.run_sync(metadata.create_all)
    yield
    async with database.engine.begin() as connection:
        await connection.run_sync(metadata.drop_all)


async def count(database: Database) -> int:
    async with database.reading() as session:
        return (await session.execute(select(func.count()).select_from(counters))).scalar_one()


async def test_commits_at_the_end_and_rolls_back_whole(database: Database):
    async with database.transaction() as session:
        await session.execute(insert(counters).values(id=1, n=0))

    async def fail_after_writing() -> None:
        async with database.transaction() as session:
            await session.execute(insert(counters).values(id=2, n=0))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail_after_writing()

    assert await count(database) == 1


async def test_a_reading_session_cannot_write(database: Database):
    with pytest.raises(DBAPIError, match=r"(?i)read.?only"):
        async with database.reading() as session:
            await session.execute(insert(counters).values(id=1, n=0))

    assert await count(database) == 0
    # The connection goes back to the pool able to write.
    async with database.transaction() as session:
        await session.execute(insert(counters).values(id=1, n=0))


async def test_readers_do_not_wait_for_a_writer(database: Database):
    async with database.transaction() as session:
        await session.execute(insert(counters).values(id=1, n=0))
        assert await asyncio.wait_for(asyncio.create_task(count(database)), timeout=5) == 0


async def test_fifty_writers_at_once_lose_nothing(database: Database):
    async with database.transaction() as session:
        await session.execute(insert(counters).values(id=1, n=0))

    async def increment() -> None:
        async with database.transaction() as session:
            row = select(counters.c.n).where(counters.c.id == 1).with_for_update()
            n = (await session.execute(row)).scalar_one()
            await session.execute(counters.update().values(n=n + 1))

    await asyncio.gather(*(increment() for _ in range(50)))

    async with database.reading() as session:
        assert (await session.execute(select(counters.c.n))).scalar_one() == 50


async def test_two_engines_on_one_file_wait_for_each_other(database: Database, database_url: str):
    other = Database(database_url)
    try:

        async def write(via: Database, number: int) -> None:
            async with via.transaction() as session:
                await session.execute(insert(counters).values(id=number, n=0))
                await asyncio.sleep(0.01)

        await asyncio.gather(
            *(write(via, 2 * i + j) for i in range(10) for j, via in enumerate([database, other]))
        )
        assert await count(database) == 20
    finally:
        await other.close()


async def test_nesting_is_refused_on_sqlite(database: Database):
    if not database.is_sqlite:
        async with database.transaction(), database.transaction():
            return
    with pytest.raises(RuntimeError, match="inside a transaction"):
        async with database.transaction(), database.transaction():
            raise AssertionError("unreachable")


async def test_check_writable(database: Database):
    await database.check_writable()
    await database.close()


async def test_a_connection_that_died_while_it_rested_is_noticed(database: Database, monkeypatch):
    if database.is_sqlite:
        return  # there is nothing to be cut off from
    for _ in range(2):  # the second time a new connection rests
        async with database.reading() as session:
            (pid,) = (await session.execute(text("SELECT pg_backend_pid()"))).one()
        other = Database(database.url.render_as_string(hide_password=False), pool_size=1)
        async with other.transaction() as session:
            await session.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": pid})
        await other.close()
        rested = time.monotonic() + 2
        monkeypatch.setattr("backend.kit.database.time.monotonic", lambda rested=rested: rested)

        assert await count(database) == 0
        monkeypatch.undo()


async def test_sqlite_is_durable(database: Database):
    if not database.is_sqlite:
        async with database.reading() as session:
            assert (await session.execute(text("SHOW timezone"))).scalar_one() == "UTC"
            assert (await session.execute(text("SHOW lock_timeout"))).scalar_one() == "10s"
        return
    async with database.transaction() as session:
        pragmas = {
            name: (await session.execute(text(f"PRAGMA {name}"))).scalar_one()
            for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        }
    assert pragmas == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "busy_timeout": 30_000}


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:", "mysql://h/db"])
async def test_refuses_other_databases(url: str):
    with pytest.raises(ValueError, match=r"SQLite|sqlite"):
        Database(url)
