"""The database: one code for SQLite (the embedded default) and PostgreSQL.

One request is one transaction; `Database.transaction()` commits at its end or rolls everything back, and
nobody else calls commit. SQLite allows one writer at a time: writers of this process queue here in order,
those of other processes wait in `busy_timeout`, and every write starts with BEGIN IMMEDIATE because a read
that turns into a write would fail at once, whatever the timeout says.
"""

import asyncio
import math
import sqlite3
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import Connection, Engine, MetaData, Uuid, event, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import DataError, DBAPIError, InvalidatePoolError, OperationalError
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import DeclarativeBase

from backend.kit.columns import Address, Amount, Hash32, Json, UtcTime, address, hash32
from backend.kit.problems import Busy

__all__ = ["Address", "Amount", "Base", "Database", "Hash32", "Json", "UtcTime", "address", "hash32"]

_BUSY_MILLISECONDS = 30_000
_READ_ONLY = "tallystick_read_only"
# PostgreSQL: 55P03 lock_not_available, 40P01 deadlock_detected, 40001 serialization_failure
_LOCK_STATES = {"55P03", "40P01", "40001"}
_UNIQUE_VIOLATION = "23505"


class Base(DeclarativeBase):
    """The base of every table. Constraint names are fixed, so that migrations can name what they change."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map: ClassVar = {UUID: Uuid()}


class Database:
    """A pool of connections to `url` (`sqlite:///path` or `postgresql://user@host/name`).

    Raises ValueError for any other kind, and for SQLite in memory, which cannot be shared or survive.
    """

    def __init__(self, url: str, *, pool_size: int = 10) -> None:
        self.url = driver_url(url)
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        connect_args: dict[str, Any] = {}
        if not self.is_sqlite:
            # A lock not granted in ten seconds is an answer (503), not a queue without end.
            given = self.url.query.get("options", "")
            connect_args = {"options": f"-c timezone=UTC -c lock_timeout=10s {given}"}
        self.engine = create_async_engine(
            self.url,
            pool_size=pool_size,
            max_overflow=0,
            connect_args=connect_args,
        )
        if self.is_sqlite:
            prepare_sqlite(self.engine.sync_engine)
        else:
            _try_what_rested(self.engine.sync_engine)
        self._writer = asyncio.Lock()
        self._writing: asyncio.Task[Any] | None = None

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncSession]:
        """A session whose work is committed when the block ends, or rolled back whole if it raises.

        Raises Busy when a lock is not granted in time, RuntimeError when one task nests two on SQLite
        (it would wait for itself).
        """
        task = asyncio.current_task()
        if self.is_sqlite and self._writing is task:
            raise RuntimeError("a transaction inside a transaction: pass the session on instead")
        try:
            if not self.is_sqlite:
                async with self._session() as session, session.begin():
                    yield session
                return
            async with self._writer:
                self._writing = task
                try:
                    async with self._session() as session, session.begin():
                        await session.connection()  # takes the write lock now, before anything is read
                        yield session
                finally:
                    self._writing = None
        except DBAPIError as error:
            if is_lock_error(error):
                raise Busy() from error
            raise

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncSession]:
        """A session for reading only, which sees one state however often it asks.

        The database refuses a write, and no writer waits for it.
        """
        options: dict[str, Any] = {_READ_ONLY: True}
        if not self.is_sqlite:
            options |= {"postgresql_readonly": True, "isolation_level": "REPEATABLE READ"}
        async with self._session() as session, session.begin():
            await session.connection(execution_options=options)
            yield session

    def stamp(self) -> object:
        """Another value whenever anybody, in whichever process, may have written since.

        On SQLite a look at its log, which costs nothing; on PostgreSQL always another.
        """
        if not self.is_sqlite:
            return object()
        try:
            found = Path(f"{self.url.database}-wal").stat()
        except FileNotFoundError:
            return object()
        return found.st_mtime_ns, found.st_size

    @asynccontextmanager
    async def glance(self) -> AsyncIterator[AsyncSession]:
        """A session for one statement that reads: on PostgreSQL without the round trips of a transaction."""
        if self.is_sqlite:
            async with self.reading() as session:
                yield session
            return
        async with self._session() as session:
            await session.connection(execution_options={"isolation_level": "AUTOCOMMIT"})
            yield session

    def _session(self) -> AsyncSession:
        return AsyncSession(self.engine, expire_on_commit=False)

    async def check_writable(self) -> None:
        """Raises if the database cannot be written to (gone, read-only, disk full, locked)."""
        async with self.transaction() as session:
            if self.is_sqlite:
                version = (await session.execute(text("PRAGMA user_version"))).scalar_one()
                await session.execute(text(f"PRAGMA user_version = {int(version)}"))
            else:
                await session.execute(text("SELECT pg_current_xact_id()"))  # fails on a standby or read-only

    async def close(self) -> None:
        """Closes all connections."""
        await self.engine.dispose()


def _try_what_rested(engine: Engine) -> None:
    """Lets a connection that rested for more than a second say that it is alive before it is handed out.

    SQLAlchemy's own `pool_pre_ping` asks every time, a round trip more for every request.
    """

    @event.listens_for(engine, "checkin")
    def note(_connection: Any, record: Any) -> None:
        record.info["rested_since"] = time.monotonic()

    @event.listens_for(engine, "checkout")
    def ask(connection: Any, record: Any, _proxy: Any) -> None:
        if time.monotonic() - record.info.get("rested_since", math.inf) > 1.0:
            try:
                engine.dialect.do_ping(connection)
            except engine.dialect.loaded_dbapi.Error as error:
                raise InvalidatePoolError from error  # all connections are made anew


def is_lost_race(error: DBAPIError) -> bool:
    """Whether another transaction wrote the same key a moment before; trying again finds what it wrote."""
    return getattr(error.orig, "sqlstate", None) == _UNIQUE_VIOLATION


def is_unstorable(error: DBAPIError) -> bool:
    """Whether a text holds the character U+0000, which PostgreSQL keeps in no text."""
    return isinstance(error, DataError) and "NUL" in str(error.orig)


def is_away(error: DBAPIError) -> bool:
    """Whether PostgreSQL could not be reached, or went away in the middle: it is starting, or was killed."""
    if isinstance(error.orig, sqlite3.Error):
        return False
    state = getattr(error.orig, "sqlstate", None)  # class 57P: shut down, crashed, not yet there
    unreached = isinstance(error, OperationalError) and state is None
    return unreached or error.connection_invalidated or str(state).startswith(("08", "57P"))


def is_lock_error(error: DBAPIError) -> bool:
    """Whether the statement failed only because somebody else held a lock; trying again may work."""
    if getattr(error.orig, "sqlstate", None) in _LOCK_STATES:
        return True
    return isinstance(error, OperationalError) and "database is locked" in str(error.orig)


def prepare_sqlite(engine: Engine) -> None:
    """Makes every connection of an SQLite engine durable and strict, and its transactions explicit."""

    @event.listens_for(engine, "connect")
    def configure(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # the driver begins nothing by itself; `begin` below does
        cursor = connection.cursor()
        wanted = {
            "busy_timeout": _BUSY_MILLISECONDS,
            "journal_mode": "wal",
            "synchronous": 2,
            "foreign_keys": 1,
        }
        for pragma, value in wanted.items():
            cursor.execute(f"PRAGMA {pragma} = {value}")
            cursor.execute(f"PRAGMA {pragma}")
            if (answer := cursor.fetchone()[0]) != value:
                raise RuntimeError(f"SQLite refused PRAGMA {pragma} = {value}; it answers {answer!r}")
        cursor.close()

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        read_only = bool(connection.get_execution_options().get(_READ_ONLY))
        connection.exec_driver_sql(f"PRAGMA query_only = {int(read_only)}")
        connection.exec_driver_sql("BEGIN" if read_only else "BEGIN IMMEDIATE")


def driver_url(url: str) -> URL:
    """`url` with the driver we use for it, which is asynchronous. Raises ValueError for another database."""
    parsed = make_url(url)
    match parsed.get_backend_name():
        case "sqlite":
            if parsed.database in (None, "", ":memory:"):
                raise ValueError("SQLite needs a file: sqlite:///path/to/tallystick.sqlite")
            return parsed.set(drivername="sqlite+aiosqlite")
        case "postgresql":
            return parsed.set(drivername="postgresql+psycopg")
        case other:
            raise ValueError(f"the database must be sqlite or postgresql, not {other}")
