"""Alembic's entry point: the connection comes from `upgrade.py` or `__main__.py`."""

from typing import Any, Literal

from alembic import context
from sqlalchemy.types import TypeDecorator

from backend.kit import columns
from backend.migrations import declared_tables


def render(kind: str, value: Any, _context: Any) -> str | Literal[False]:
    """Writes our own column types by their names."""
    if kind == "type" and isinstance(value, TypeDecorator) and type(value).__module__ == columns.__name__:
        return f"columns.{type(value).__name__}()"
    if kind == "type" and value is columns.Json:
        return "columns.Json"
    return False


context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=declared_tables(),
    render_as_batch=True,
    render_item=render,
    compare_type=False,
)
context.run_migrations()
