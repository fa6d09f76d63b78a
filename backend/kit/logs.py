"""Logs: one line an event, as text for people or JSON for machines, with the ids of what is being done.

Request, party and operation ids are bound where they become known and appear on every line below.
"""

import logging
import sys
from contextlib import AbstractContextManager
from typing import Literal

import structlog
from structlog.contextvars import bind_contextvars, bound_contextvars, clear_contextvars, merge_contextvars
from structlog.types import Processor

__all__ = ["bind", "bound", "clear", "configure"]


def configure(form: Literal["text", "json"]) -> None:
    """Sends all logs of the process to standard error in one form."""
    shared: list[Processor] = [
        merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    last: Processor = (
        structlog.processors.JSONRenderer(ensure_ascii=False)
        if form == "json"
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, last],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.INFO)
    logging.captureWarnings(capture=True)
    for noisy in ("httpx", "httpcore", "alembic"):
        logging.getLogger(noisy).setLevel(logging.WARNING)


def bind(**ids: object) -> None:
    """Adds ids to every line logged further down in this task."""
    bind_contextvars(**{name: str(value) for name, value in ids.items()})


def bound(**ids: object) -> AbstractContextManager[None]:
    """The same for the lines logged inside a `with`."""
    return bound_contextvars(**{name: str(value) for name, value in ids.items()})


def clear() -> None:
    """Forgets the bound ids."""
    clear_contextvars()
