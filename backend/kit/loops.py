"""Work that never ends, in small steps: loops that survive errors, stop when asked, and say how they are.

A room registers a loop in `app.py`. Its `step` does what is to be done now, in transactions of its own, and
answers True if there may be more. It may be stopped or killed between any two of its statements; whatever it
has not committed is done again.

A loop that finds nothing to do rests longer and longer. It is woken by the loops whose work makes work for
it, and by a cheap question of its own about what other processes may have left for it.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime

from backend.kit.clock import now

log = logging.getLogger("tallystick.loops")
_PAUSE_MOST = 30.0


async def _nothing() -> None:
    """A loop that holds nothing has nothing to give back."""


@dataclass(slots=True)
class Loop:
    """One kind of work. `idle` is the pause in seconds after there was nothing to do for the first time."""

    name: str
    step: Callable[[], Awaitable[bool]]
    idle: float = 1.0
    rest: float = 0.0
    """The longest pause, reached by doubling; no longer than `idle` unless it is given."""
    due: Callable[[], Awaitable[bool]] | None = None
    """Asked every `idle` seconds of a longer pause: whether there is something to do after all."""
    wakes: list["Loop"] = field(default_factory=list)
    """Those for whom this one's work makes work."""
    on_stop: Callable[[], Awaitable[None]] = _nothing
    """Gives back what the loop holds, such as a lease."""
    expected: tuple[type[Exception], ...] = ()
    """Errors that belong to normal life, as when another worker was faster: noted, not reported."""
    last_success: datetime | None = field(default=None, init=False)
    failures: int = field(default=0, init=False)
    last_error: str | None = field(default=None, init=False)
    _woken: asyncio.Event = field(default_factory=asyncio.Event, init=False)

    def wake(self) -> None:
        """Ends its pause."""
        self._woken.set()


class Loops:
    """Runs loops side by side until they are asked to stop."""

    def __init__(self, loops: Sequence[Loop]) -> None:
        self.loops = tuple(loops)
        self._stop = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begins to run them in the background of this event loop."""
        self._tasks = [asyncio.create_task(self._run(each), name=each.name) for each in self.loops]

    async def stop(self, seconds: float = 20.0) -> None:
        """Lets each finish its step, at most so long, and give back what it holds."""
        self._stop.set()
        for each in self.loops:
            each.wake()
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=seconds)
            for task in late:
                log.warning("the loop %s did not stop in %s s and is cut off", task.get_name(), seconds)
                task.cancel()
        for each in self.loops:
            with suppress(Exception):  # the database or chain may be gone already; a lease ends by itself
                await each.on_stop()

    async def run(self) -> None:
        """Runs them until `stop` is called from elsewhere."""
        self.start()
        await self._stop.wait()

    @property
    def dead(self) -> list[str]:
        """Loops that should run and do not."""
        return [task.get_name() for task in self._tasks if task.done() and not self._stop.is_set()]

    async def _run(self, loop: Loop) -> None:
        quiet = 0
        while not self._stop.is_set():
            loop._woken.clear()
            try:
                more = await loop.step()
            except loop.expected as error:
                log.info("%s: %s", loop.name, error)
                await self._rest(loop, loop.idle)
            except Exception as error:  # a loop outlives whatever goes wrong in one of its steps
                loop.failures += 1
                loop.last_error = f"{type(error).__name__}: {error}"[:500]
                log.warning("%s failed (%s in a row): %s", loop.name, loop.failures, loop.last_error)
                if loop.failures == 1:
                    log.debug("%s", loop.name, exc_info=error)
                pause = min(_PAUSE_MOST, max(loop.idle, 0.2) * 2 ** min(loop.failures, 8))
                with suppress(TimeoutError):  # whoever would wake it does not know what is wrong
                    await asyncio.wait_for(self._stop.wait(), pause)
            else:
                loop.failures, loop.last_error, loop.last_success = 0, None, now()
                if more:
                    quiet = 0
                    for each in loop.wakes:
                        each.wake()
                    await asyncio.sleep(0)
                    continue
                await self._rest(loop, max(loop.idle, min(loop.idle * 2 ** min(quiet, 16), loop.rest)))
                quiet += 1

    async def _rest(self, loop: Loop, seconds: float) -> None:
        """Waits until the time is over, somebody wakes the loop, or it has something to do after all."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            with suppress(TimeoutError):
                await asyncio.wait_for(loop._woken.wait(), min(left, loop.idle) if loop.due else left)
                return
            try:
                if loop.due is not None and left > loop.idle and await loop.due():
                    return
            except Exception as error:
                log.debug("%s", loop.name, exc_info=error)
                return
