"""The `database` fixture: every test that takes it runs on SQLite and on PostgreSQL."""

import os
import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, create_engine, make_url, text
from sqlalchemy.exc import OperationalError

from backend.kit.database import Database, prepare_sqlite
from backend.kit.ids import uuid7
from backend.migrations import declared_tables

POSTGRESQL = os.environ.get("TALLYSTICK_TEST_POSTGRESQL", "postgresql://root@127.0.0.1:5432/test")


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An SQLite file with all tables; tests work on copies of it."""
    path = tmp_path_factory.mktemp("sqlite") / "template.sqlite"
    engine = create_engine(f"sqlite:///{path}")
    prepare_sqlite(engine)
    declared_tables().create_all(engine)
    engine.dispose()
    return path


@pytest.fixture(scope="session")
def postgresql_schema() -> Iterator[tuple[Engine, str]]:
    """A schema of this run's own in the test database, dropped at the end."""
    engine = create_engine(make_url(POSTGRESQL).set(drivername="postgresql+psycopg"))
    schema = f"test_{uuid7().hex}"
    try:
        with engine.begin() as connection:
            connection.execute(text(f"CREATE SCHEMA {schema}"))
    except OperationalError as error:
        reason = f"no PostgreSQL at {make_url(POSTGRESQL).render_as_string()}: {error.orig}"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    with engine.begin() as connection:
        connection.execute(text(f"SET LOCAL search_path TO {schema}"))
        declared_tables().create_all(connection, checkfirst=False)
    yield engine, schema
    with engine.begin() as connection:
        connection.execute(text(f"DROP SCHEMA {schema} CASCADE"))
    engine.dispose()


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of an empty database with all tables."""
    if request.param == "sqlite":
        copy = tmp_path / "tallystick.sqlite"
        shutil.copy(request.getfixturevalue("sqlite_template"), copy)
        return f"sqlite:///{copy}"
    engine, schema = request.getfixturevalue("postgresql_schema")
    tables = ", ".join(f"{schema}.{table.name}" for table in declared_tables().sorted_tables)
    if tables:
        with engine.begin() as connection:
            connection.execute(text(f"TRUNCATE {tables}"))
    url = make_url(POSTGRESQL).update_query_dict({"options": f"-csearch_path={schema}"})
    return url.render_as_string(hide_password=False)


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """An empty database with all tables, once on SQLite and once on PostgreSQL."""
    database = Database(database_url)
    yield database
    await database.close()
