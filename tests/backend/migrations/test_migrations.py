"""The migrations make the tables that the code declares, on both databases."""

import asyncio
from typing import Any

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import BigInteger, MetaData, create_engine, make_url

from backend.kit.database import Database
from backend.migrations import declared_tables
from backend.migrations.upgrade import check, newest, upgrade


def ours() -> MetaData:
    """The tables of the program, without those that only tests have."""
    metadata = MetaData(naming_convention=declared_tables().naming_convention)
    for table in declared_tables().sorted_tables:
        if not table.name.startswith("test_"):
            table.to_metadata(metadata)
    return metadata


def _is_wider(_context: Any, _column: Any, _declared: Any, made: Any, declared: Any) -> bool:
    """Whether the code counts further than the column: PostgreSQL refuses then what SQLite took."""
    wide = isinstance(declared, BigInteger) and not isinstance(made, BigInteger)
    return wide and _context.dialect.name == "postgresql"


def test_they_make_what_the_code_declares(empty_url: str):
    upgrade(empty_url)

    driver = "sqlite" if empty_url.startswith("sqlite") else "postgresql+psycopg"
    engine = create_engine(make_url(empty_url).set(drivername=driver))
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": _is_wider})
        differences = compare_metadata(context, ours())
    engine.dispose()
    assert differences == [], 'run: python -m backend.migrations "what changed"'


async def test_running_them_again_changes_nothing(empty_url: str):
    await asyncio.to_thread(upgrade, empty_url)
    await asyncio.gather(*(asyncio.to_thread(upgrade, empty_url) for _ in range(3)))

    database = Database(empty_url)
    assert await check(database) == newest()
    await database.close()
