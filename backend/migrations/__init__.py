"""The database schema: Alembic's set-up, its versions, and the list of all tables."""

from importlib import import_module
from pathlib import Path

from sqlalchemy import MetaData

from backend.kit.database import Base

_BACKEND = Path(__file__).resolve().parent.parent


def declared_tables() -> MetaData:
    """The tables of every room, after importing the modules that declare them (their names are fixed)."""
    for name in ("repository", "tables", "audit", "idempotency", "notices"):
        for path in sorted(_BACKEND.glob(f"*/{name}.py")):
            import_module(f"backend.{path.parent.name}.{name}")
    return Base.metadata
