"""Requests that arrive together are carried out together.

One by one, fifty clients would wait for fifty transactions, each with its round trips and its wait for the
disk. Here whoever arrives while a transaction is under way joins the next one. Each request keeps its own
answer and audit entry, and none is answered before its transaction is committed.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Generic, TypeVar

from fastapi import Response
from sqlalchemy.ext.asyncio import AsyncSession

from backend.kit.database import Database
from backend.kit.problems import Busy, Problem
from backend.kit.web import Deed, done_before

log = logging.getLogger("tallystick.together")
MOST_WAITING: Final = 64 * 1024 * 1024
"""Bytes of requests that wait at most; then clients are asked to come again."""

Work = TypeVar("Work")
Done = TypeVar("Done")


@dataclass(slots=True)
class _Waiting(Generic[Work, Done]):
    """A request in the queue, and whoever waits for its answer."""

    deed: Deed
    work: Work
    size: int
    weight: int
    answer: Callable[[AsyncSession, Done], Awaitable[Response]]
    done: asyncio.Future[Response] = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class Together(Generic[Work, Done]):
    """A queue of requests of one kind in this process; other processes have theirs.

    `carry_out` does the work of several in the transaction it is given, and says for each what was done, or
    the Problem it is refused with: then it has written nothing of it. A transaction takes requests until they
    weigh `most`.
    """

    def __init__(
        self,
        database: Database,
        carry_out: Callable[[AsyncSession, Sequence[Work]], Awaitable[Sequence[Done | Problem]]],
        *,
        most: int,
        most_waiting: int = MOST_WAITING,
    ) -> None:
        self._database, self._carry_out = database, carry_out
        self._most, self._most_waiting = most, most_waiting
        self._queue: deque[_Waiting[Work, Done]] = deque()
        self._bytes = 0
        self._writer: asyncio.Task[None] | None = None

    async def do(
        self,
        deed: Deed,
        work: Work,
        answer: Callable[[AsyncSession, Done], Awaitable[Response]],
        *,
        size: int = 0,
        weight: int = 1,
    ) -> Response:
        """Has `work` done with that of others, and answers once it is on disk.

        `answer` makes the response inside the transaction, as it is kept under the deed's key. Raises the
        Problem the work is refused with; Busy when too many bytes (`size`) wait already or a lock is not
        granted in time.
        """
        if self._bytes + size > self._most_waiting and self._queue:
            raise Busy()
        waiting = _Waiting(deed, work, size, weight, answer)
        self._queue.append(waiting)
        self._bytes += size
        if self._writer is None or self._writer.done():
            self._writer = asyncio.create_task(self._write())
        return await waiting.done

    async def _write(self) -> None:
        while self._queue:
            batch = self._take()
            try:
                await self._commit(batch)
            except Exception as error:
                log.warning("%d requests failed together", len(batch), exc_info=True)
                await self._one_by_one(batch, error)

    def _take(self) -> list[_Waiting[Work, Done]]:
        batch: list[_Waiting[Work, Done]] = []
        weight = 0
        while self._queue and (not batch or weight + self._queue[0].weight <= self._most):
            waiting = self._queue.popleft()
            self._bytes -= waiting.size
            weight += waiting.weight
            batch.append(waiting)
        return batch

    async def _one_by_one(self, batch: list[_Waiting[Work, Done]], error: Exception) -> None:
        """After a failure each alone, so that one request cannot fail those it shared a transaction with."""
        for waiting in batch:
            try:
                if len(batch) == 1:
                    raise error
                await self._commit([waiting])
            except Exception as reason:
                log.warning("a request failed", exc_info=True)
                _refuse(waiting, reason)

    async def _commit(self, batch: list[_Waiting[Work, Done]]) -> None:
        answers: list[tuple[_Waiting[Work, Done], Response | Problem]] = []
        async with self._database.transaction() as session:
            fresh: list[_Waiting[Work, Done]] = []
            before = await done_before(session, [waiting.deed for waiting in batch])
            for waiting, known in zip(batch, before, strict=True):
                if known is None:
                    fresh.append(waiting)
                else:
                    answers.append((waiting, known))
            if fresh:
                answers += await self._fresh(session, fresh)
        for waiting, response in answers:
            if isinstance(response, Problem):
                _refuse(waiting, response)
            elif not waiting.done.done():
                waiting.done.set_result(response)

    async def _fresh(
        self, session: AsyncSession, fresh: list[_Waiting[Work, Done]]
    ) -> list[tuple[_Waiting[Work, Done], Response | Problem]]:
        done = await self._carry_out(session, [each.work for each in fresh])
        answers: list[tuple[_Waiting[Work, Done], Response | Problem]] = []
        for waiting, outcome in zip(fresh, done, strict=True):
            if isinstance(outcome, Problem):
                answers.append((waiting, outcome))
                continue
            response = await waiting.answer(session, outcome)
            waiting.deed.note(session, response)
            answers.append((waiting, response))
        await session.flush()
        return answers


def _refuse(waiting: _Waiting[Any, Any], reason: Exception) -> None:
    if not waiting.done.done():
        waiting.done.set_exception(reason)
