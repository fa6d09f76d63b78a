"""What the commands say to the person who started them, and the one kind of error they raise."""

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager


class TaskError(Exception):
    """Something the person can mend: its text says what is wrong, where, and what to do."""


def say(text: str) -> None:
    """Prints a line at once, also into a pipe."""
    print(text, flush=True)


@contextmanager
def step(title: str) -> Iterator[None]:
    """Announces work that takes a while; on a terminal the seconds count up beside it."""
    started = time.monotonic()
    done = threading.Event()
    terminal = sys.stdout.isatty()
    print(f"• {title} …", end="" if terminal else "\n", flush=True)

    def count() -> None:
        while not done.wait(1):
            print(f"\r• {title} … {time.monotonic() - started:.0f} s", end="", flush=True)

    counter = threading.Thread(target=count, daemon=True)
    if terminal:
        counter.start()
    try:
        yield
    except BaseException:
        done.set()
        print(flush=True)
        raise
    done.set()
    if terminal:
        counter.join()
        print("\r", end="")
    print(f"✓ {title} ({time.monotonic() - started:.1f} s)   ", flush=True)
