"""The database (every test that takes it runs on SQLite and PostgreSQL), the application, users of it."""

import os
import shutil
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from uuid import UUID

import httpx
import pytest
from fastapi import FastAPI
from hypothesis import settings
from sqlalchemy import Engine, create_engine, make_url, text
from sqlalchemy.exc import OperationalError

from backend.app import create_app
from backend.chain.abi import Abi
from backend.chain.contracts import Contract, Contracts
from backend.kit.access import Role
from backend.kit.database import Database, prepare_sqlite
from backend.kit.ids import uuid7
from backend.kit.sealing import hand_over
from backend.kit.settings import load
from backend.migrations import declared_tables
from backend.parties import service as parties
from tests.backend.chain import folds  # noqa: F401 - its table is made with the others

# How long an example takes says how busy the machine is.
settings.register_profile("ours", deadline=None)
settings.load_profile("ours")
POSTGRESQL = os.environ.get("TALLYSTICK_TEST_POSTGRESQL", "postgresql://root@127.0.0.1:5432/test")
# No test takes the machine's power away: none waits for a disk at each commit.
IN_MEMORY = Path("/dev/shm")  # noqa: S108 - a folder of this run's own is made in it


def _address(schema: str) -> str:
    """Of a schema of the test database."""
    options = f"-csearch_path={schema} -csynchronous_commit=off"
    return make_url(POSTGRESQL).update_query_dict({"options": options}).render_as_string(hide_password=False)


@pytest.fixture(scope="session")
def sqlite_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Where SQLite's files are: in memory where the machine can."""
    if not os.access(IN_MEMORY, os.W_OK):
        yield tmp_path_factory.mktemp("sqlite")
        return
    with TemporaryDirectory(prefix="tallystick-", dir=IN_MEMORY) as folder:
        yield Path(folder)


@pytest.fixture(scope="session")
def sqlite_template(sqlite_folder: Path) -> Path:
    """An SQLite file with all tables; tests work on copies of it."""
    path = sqlite_folder / "template.sqlite"
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
def database_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """The address of an empty database with all tables."""
    if request.param == "sqlite":
        template = request.getfixturevalue("sqlite_template")
        with TemporaryDirectory(dir=template.parent) as folder:
            copy = shutil.copy(template, folder)
            yield f"sqlite:///{copy}"
        return
    engine, schema = request.getfixturevalue("postgresql_schema")
    # Of sixty tables nearly all are empty: DELETE takes 15 ms, TRUNCATE a second for the files it makes.
    empty = "; ".join(
        f"DELETE FROM {schema}.{table.name}" for table in reversed(declared_tables().sorted_tables)
    )
    with engine.begin() as connection:
        connection.exec_driver_sql(empty)
    yield _address(schema)


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
    yield _address(schema)
    with engine.begin() as connection:
        connection.execute(text(f"DROP SCHEMA {schema} CASCADE"))


@pytest.fixture
async def database(database_url: str, tmp_path: Path) -> AsyncIterator[Database]:
    """An empty database with all tables, once on SQLite and once on PostgreSQL."""
    database = Database(database_url)
    hand_over(database.engine.dialect, load({}, data_directory=tmp_path))
    yield database
    await database.close()


@pytest.fixture
def contracts() -> Contracts:
    """A ledger's contracts that no test calls on a chain."""
    return Contracts(31337, 0, "0x" + "00" * 32, [Contract("Participants", "0x" + "11" * 20, Abi([]))])


@pytest.fixture
def app(database: Database, contracts: Contracts) -> FastAPI:
    """The whole application on an empty database."""
    return create_app(load({}), contracts, database)


@dataclass
class User:
    """A user of a test's party: its key, and a client that sends it."""

    party_id: UUID
    user_id: UUID
    key: str
    client: httpx.AsyncClient

    async def post(self, path: str, **request: Any) -> httpx.Response:
        """A POST under a key of its own, unless the test gives one."""
        headers = {"Idempotency-Key": uuid7().hex} | request.pop("headers", {})
        return await self.client.post(path, headers=headers, **request)

    async def get(self, path: str, **request: Any) -> httpx.Response:
        return await self.client.get(path, **request)


class World:
    """Admits parties and users to the test's ledger, past the API."""

    def __init__(self, app: FastAPI, database: Database, contracts: Contracts) -> None:
        self.app, self.database, self.ledger_id = app, database, contracts.ledger_id
        self.chain_id = contracts.chain_id
        self._parties = 0
        self._clients: list[httpx.AsyncClient] = []

    async def user(self, *roles: Role, party_id: UUID | None = None, country: str = "DE") -> User:
        """A user with `roles` (maker and checker if none), of a new party unless one is named."""
        async with self.database.transaction() as session:
            await parties.open_ledger(session, self.ledger_id, name="test", chain_id=self.chain_id)
            if party_id is None:
                self._parties += 1
                party = await parties.admit_party(
                    session,
                    self.ledger_id,
                    country=country,
                    tax_number=f"{100_000_000 + self._parties}",
                    name=f"Party {self._parties}",
                )
            else:
                party = await parties.get_party(session, self.ledger_id, party_id)
            user = await parties.create_user(
                session, party, name="test", roles=roles or (Role.MAKER, Role.CHECKER)
            )
            issued = await parties.create_key(session, user, label="test")
        client = self.client(Authorization=f"Bearer {issued.secret}")
        return User(party.id, user.id, issued.secret, client)

    def client(self, **headers: str) -> httpx.AsyncClient:
        """A client of the application in this process."""
        transport = httpx.ASGITransport(self.app, raise_app_exceptions=False)
        client = httpx.AsyncClient(transport=transport, base_url="http://test", headers=headers)
        self._clients.append(client)
        return client

    async def close(self) -> None:
        for client in self._clients:
            await client.aclose()


@pytest.fixture
async def world(app: FastAPI, database: Database, contracts: Contracts) -> AsyncIterator[World]:
    """Parties and users on the application, with their clients."""
    world = World(app, database, contracts)
    yield world
    await world.close()
