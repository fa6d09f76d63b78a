"""The migrations make the tables that the code declares, on both databases."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import MetaData, create_engine, make_url, text

from backend.kit.database import Database
from backend.kit.ids import uuid7
from backend.migrations import declared_tables
from backend.migrations.upgrade import check, newest, upgrade
from tests.backend.conftest import POSTGRESQL


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The address of a database without any table."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/deeper/new.sqlite"
        return
    engine, _ = request.getfixturevalue("postgresql_schema")
    schema = f"test_{uuid7().hex}"
    with engine.begin() as connection:
        connection.execute(text(f"CREATE SCHEMA {schema}"))
    url = make_url(POSTGRESQL).update_query_dict({"options": f"-csearch_path={schema}"})
    yield url.render_as_string(hide_password=False)
    with engine.begin() as connection:
        connection.execute(text(f"DROP SCHEMA {schema} CASCADE"))


def ours() -> MetaData:
    """The tables of the program, without those that only tests have."""
    metadata = MetaData(naming_convention=declared_tables().naming_convention)
    for table in declared_tables().sorted_tables:
        if not table.name.startswith("test_"):
            table.to_metadata(metadata)
    return metadata


def test_they_make_what_the_code_declares(empty_url: str):
    upgrade(empty_url)

    driver = "sqlite" if empty_url.startswith("sqlite") else "postgresql+psycopg"
    engine = create_engine(make_url(empty_url).set(drivername=driver))
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": False})
        differences = compare_metadata(context, ours())
    engine.dispose()
    assert differences == [], 'run: python -m backend.migrations "what changed"'


async def test_running_them_again_changes_nothing(empty_url: str):
    await asyncio.to_thread(upgrade, empty_url)
    await asyncio.gather(*(asyncio.to_thread(upgrade, empty_url) for _ in range(3)))

    database = Database(empty_url)
    assert await check(database) == newest()
    await database.close()
