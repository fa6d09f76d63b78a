"""Captures that arrive together are recorded together: every one takes the lock on the log's edge."""

from collections.abc import Callable, Sequence
from typing import Final
from uuid import UUID

from fastapi import Response
from sqlalchemy.ext.asyncio import AsyncSession

from backend.kit.database import Database
from backend.kit.together import MOST_WAITING, Together
from backend.kit.web import Deed
from backend.provenance.capture import Captured, record
from backend.provenance.config import LogConfig
from backend.provenance.preparing import Capture

BATCH_EVENTS: Final = 1000
"""A transaction takes documents until it has so many events."""


class Appender:
    """This process's writer to a ledger's log. Others have theirs; the lock on the log's row decides."""

    def __init__(self, database: Database, ledger_id: UUID, config: LogConfig) -> None:
        async def carry_out(session: AsyncSession, captures: Sequence[Capture]) -> Sequence[Captured]:
            return await record(session, ledger_id, config, captures)

        self._together = Together(database, carry_out, most=BATCH_EVENTS, most_waiting=MOST_WAITING)

    async def record(self, deed: Deed, capture: Capture, answer: Callable[[Captured], Response]) -> Response:
        """Records a document, and answers once it is on disk.

        `answer` makes the response inside the transaction, as it is kept under the deed's key. Raises Busy
        when too much waits already or a lock is not granted in time.
        """

        async def respond(_session: AsyncSession, done: Captured) -> Response:
            return answer(done)

        return await self._together.do(deed, capture, respond, size=len(capture.data), weight=capture.count)
