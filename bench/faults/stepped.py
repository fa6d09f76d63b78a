"""Runs `tallystick` under a clock that is stepped from outside: `python -m bench.faults.stepped COMMAND…`.

CLOCK_OFFSET_FILE holds the seconds to add, and is read again at each look at the clock. The monotonic clock,
which nothing steps, stays as it is.
"""

import os
import sys
import time
from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

from backend import cli
from backend.kit import clock, ids

_FILE = Path(os.environ["CLOCK_OFFSET_FILE"])


def _offset() -> float:
    try:
        return float(_FILE.read_text())
    except (FileNotFoundError, ValueError):
        return 0.0


class _Stepped(datetime):
    @classmethod
    def now(cls, tz=None):
        return datetime.now(tz) + timedelta(seconds=_offset())

    @classmethod
    def fromtimestamp(cls, timestamp, tz=None):
        return datetime.fromtimestamp(timestamp, tz)


clock.datetime = _Stepped
ids.time = SimpleNamespace(time_ns=lambda: time.time_ns() + int(_offset() * 1e9))

if __name__ == "__main__":
    sys.exit(cli.main())
