"""Who is calling: requests that arrive together are recognised together.

Each request that changes something asks the database for its key. One by one, twenty clients would cost
twenty connections and twenty statements; here whoever arrives while the database is being asked joins the
next question. Nothing is remembered from one question to another: a key that was revoked stops at once.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeAlias

from sqlalchemy.ext.asyncio import AsyncSession

from backend.kit.access import Caller, Unauthenticated
from backend.kit.database import Database

Recognise: TypeAlias = Callable[[AsyncSession, Sequence[str | None]], Awaitable[list[Caller | None]]]
"""The callers behind Authorization headers, in their order; None behind one that is no good."""
_Question: TypeAlias = asyncio.Task[list[Caller | None]]


class Gate:
    """Asks who is calling, one question at a time in this process."""

    def __init__(self, database: Database, recognise: Recognise) -> None:
        self._database, self._recognise = database, recognise
        self._headers: list[str | None] = []
        self._next: _Question | None = None
        """The question that can still be joined; its headers are those gathered."""
        self._last: _Question | None = None

    async def caller(self, authorization: str | None) -> Caller:
        """The caller behind a header. Raises Unauthenticated."""
        if self._next is None:
            self._headers = []
            self._next = asyncio.create_task(self._ask(self._headers, self._last))
        question, place = self._next, len(self._headers)
        self._headers.append(authorization)
        caller = (await asyncio.shield(question))[place]  # others wait for it too
        if caller is None:
            raise Unauthenticated()
        return caller

    async def _ask(self, headers: list[str | None], before: _Question | None) -> list[Caller | None]:
        if before is not None and not before.done():
            await asyncio.wait([before])
        self._last, self._next = self._next, None
        async with self._database.glance() as session:
            return await self._recognise(session, headers)
