"""UUID version 7 (RFC 9562 section 5.7): ids that sort by time of creation, for every row we own."""

import secrets
import threading
import time
from datetime import datetime
from uuid import UUID

_RANDOM_BITS = 74


class _Sequence:
    """The last id's two parts; one for the process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ms = 0
        self._random = 0

    def next(self) -> tuple[int, int]:
        with self._lock:
            ms = time.time_ns() // 1_000_000
            if ms > self._ms:
                # The top bit starts at zero, which leaves room for increments inside the millisecond.
                self._ms, self._random = ms, secrets.randbits(_RANDOM_BITS - 1)
            else:
                self._random += 1 + secrets.randbits(32)
                if self._random >> _RANDOM_BITS:
                    self._ms, self._random = self._ms + 1, secrets.randbits(_RANDOM_BITS - 1)
            return self._ms, self._random


_sequence = _Sequence()


def since(moment: datetime) -> UUID:
    """The smallest id of that millisecond: every id made later is greater."""
    return UUID(int=(int(moment.timestamp() * 1000) << 80) | (0x7 << 76) | (0b10 << 62))


def uuid7() -> UUID:
    """A new id, strictly greater than every id this process made before.

    48 bits of Unix milliseconds, then 74 random bits. Within one millisecond, or after the clock stepped
    back, the random part is increased by a random step (RFC 9562 section 6.2, method 2), so ids stay sorted
    and stay unguessable.
    """
    ms, rand = _sequence.next()
    high, low = rand >> 62, rand & ((1 << 62) - 1)
    return UUID(int=(ms << 80) | (0x7 << 76) | (high << 64) | (0b10 << 62) | low)
