"""Captures that arrive together are recorded together.

Every capture takes the lock on the log's edge and waits for the disk. One by one, twenty clients would wait
for twenty commits; here whoever arrives while a transaction is under way joins the next one. Each capture
keeps its own job, answer and audit entry, and none is answered before its transaction is committed.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

from fastapi import Response
from sqlalchemy.ext.asyncio import AsyncSession

from backend.kit.database import Database
from backend.kit.problems import Busy, Problem
from backend.kit.web import Deed
from backend.provenance.capture import Captured, record
from backend.provenance.config import LogConfig
from backend.provenance.preparing import Capture

log = logging.getLogger("tallystick.capture")

BATCH_EVENTS: Final = 1000
"""A transaction takes documents until it has so many events."""

MOST_WAITING: Final = 64 * 1024 * 1024
"""Bytes of documents that wait at most; then clients are asked to come again."""


@dataclass(slots=True)
class _Waiting:
    """A capture in the queue, and whoever waits for its answer."""

    deed: Deed
    capture: Capture
    answer: Callable[[Captured], Response]
    done: asyncio.Future[Response] = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class Appender:
    """This process's writer to a ledger's log. Others have theirs; the lock on the log's row decides."""

    def __init__(self, database: Database, ledger_id: UUID, config: LogConfig) -> None:
        self._database, self._ledger_id, self._config = database, ledger_id, config
        self._queue: deque[_Waiting] = deque()
        self._bytes = 0
        self._writer: asyncio.Task[None] | None = None

    async def record(self, deed: Deed, capture: Capture, answer: Callable[[Captured], Response]) -> Response:
        """Records a document, and answers once it is on disk.

        `answer` makes the response inside the transaction, as it is kept under the deed's key. Raises Busy
        when too much waits already or a lock is not granted in time.
        """
        if self._bytes + len(capture.data) > MOST_WAITING and self._queue:
            raise Busy()
        waiting = _Waiting(deed, capture, answer)
        self._queue.append(waiting)
        self._bytes += len(capture.data)
        if self._writer is None or self._writer.done():
            self._writer = asyncio.create_task(self._write())
        return await waiting.done

    async def _write(self) -> None:
        while self._queue:
            batch = self._take()
            try:
                await self._commit(batch)
            except Exception as error:
                log.warning("%d captures failed together", len(batch), exc_info=True)
                await self._one_by_one(batch, error)

    def _take(self) -> list[_Waiting]:
        batch: list[_Waiting] = []
        events = 0
        while self._queue and (not batch or events + self._queue[0].capture.count <= BATCH_EVENTS):
            waiting = self._queue.popleft()
            self._bytes -= len(waiting.capture.data)
            events += waiting.capture.count
            batch.append(waiting)
        return batch

    async def _one_by_one(self, batch: list[_Waiting], error: Exception) -> None:
        """After a failure each alone, so that one capture cannot fail those it shared a transaction with."""
        for waiting in batch:
            try:
                if len(batch) == 1:
                    raise error
                await self._commit([waiting])
            except Exception as reason:
                log.warning("a capture failed", exc_info=True)
                _refuse(waiting, reason)

    async def _commit(self, batch: list[_Waiting]) -> None:
        answers: list[tuple[_Waiting, Response]] = []
        async with self._database.transaction() as session:
            fresh: list[_Waiting] = []
            for waiting in batch:
                try:
                    before = await waiting.deed.done_before(session)
                except Problem as problem:
                    _refuse(waiting, problem)
                    continue
                if before is None:
                    fresh.append(waiting)
                else:
                    answers.append((waiting, before))
            answers += await self._carry_out(session, fresh)
        for waiting, response in answers:
            if not waiting.done.done():
                waiting.done.set_result(response)

    async def _carry_out(
        self, session: AsyncSession, fresh: list[_Waiting]
    ) -> list[tuple[_Waiting, Response]]:
        if not fresh:
            return []
        done = await record(session, self._ledger_id, self._config, [each.capture for each in fresh])
        answers = []
        for waiting, captured in zip(fresh, done, strict=True):
            response = waiting.answer(captured)
            waiting.deed.note(session, response)
            answers.append((waiting, response))
        await session.flush()
        return answers


def _refuse(waiting: _Waiting, reason: Exception) -> None:
    if not waiting.done.done():
        waiting.done.set_exception(reason)
