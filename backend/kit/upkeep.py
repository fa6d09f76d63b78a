"""What the worker does once an hour: forgets what was kept long enough, and seals what still lies open.

A room hands in a function for each kind of row; it removes a few at a time, so that nobody waits for it.
"""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from backend.kit.clock import now
from backend.kit.database import Database

BATCH = 500

Forget = Callable[[AsyncSession, datetime], Awaitable[int]]
"""Removes at most BATCH rows of before a moment; how many. Several workers may do so at once."""


class Upkeep:
    """The loop's work. `kept` says for each kind of row how long it is kept."""

    def __init__(self, database: Database, kept: Sequence[tuple[timedelta, Forget]]) -> None:
        self.database, self.kept = database, tuple(kept)

    async def step(self) -> bool:
        """One round; True while there may be more."""
        most = 0
        for age, forget in self.kept:
            async with self.database.transaction() as session:
                most = max(most, await forget(session, now() - age))
        return most >= BATCH


async def remove(session: AsyncSession, table: Any, *where: Any) -> int:
    """Removes the oldest rows that fit, at most BATCH; how many."""
    oldest = select(table.id).where(*where).order_by(table.id).limit(BATCH)
    ids = (await session.scalars(oldest)).all()
    if ids:
        await session.execute(delete(table).where(table.id.in_(ids)))
    return len(ids)
