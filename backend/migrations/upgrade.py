"""Brings a database's tables to this version, and says whether they are there already."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, create_engine, text
from sqlalchemy.pool import NullPool

from backend.kit.database import Database, driver_url, prepare_sqlite

# Two processes that start together take turns; any number that is ours alone will do.
_ADVISORY_LOCK = 7_221_530_118


def upgrade(url: str) -> None:
    """Applies every migration that is missing. Safe to call from several processes at once."""
    target = driver_url(url)
    if target.get_backend_name() == "sqlite" and target.database:
        Path(target.database).parent.mkdir(parents=True, exist_ok=True)
        engine = create_engine(target.set(drivername="sqlite"), poolclass=NullPool)
        prepare_sqlite(engine)
    else:
        engine = create_engine(target, poolclass=NullPool)
    try:
        with engine.begin() as connection:
            if connection.dialect.name == "postgresql":
                connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _ADVISORY_LOCK})
                connection.execute(text("SET LOCAL lock_timeout = '10s'"))
            config = configuration()
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
    finally:
        engine.dispose()


def configuration() -> Config:
    """Alembic's settings; there is no alembic.ini."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    return config


def newest() -> str | None:
    """The revision this version of the program needs."""
    return ScriptDirectory.from_config(configuration()).get_current_head()


async def check(database: Database) -> str:
    """The revision the database is at. Raises RuntimeError unless it is the one this version needs."""

    def current(connection: Connection) -> str | None:
        return MigrationContext.configure(connection).get_current_revision()

    async with database.reading() as session:
        found = await (await session.connection()).run_sync(current)
    if found is None or found != newest():
        raise RuntimeError(
            f"the tables are at revision {found}, this version needs {newest()}: `tallystick migrate`"
        )
    return found
