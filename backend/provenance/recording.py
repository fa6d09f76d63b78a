"""A recorder's queue: events in, signed documents out, nothing lost when the power goes.

An event is on disk before it counts as taken; a document is on disk, signed, before it is first sent and is
sent again byte for byte, so that the repository knows it. What is refused is kept aside with the answer.
"""

import sqlite3
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

import httpx

from backend.kit.clock import iso, now
from backend.kit.ids import uuid7
from backend.provenance.epcis.document import Unreadable
from backend.provenance.epcis.validation import read, validate
from backend.provenance.epcis.values import MalformedJson, dumps, loads
from backend.verifier.vocabulary import CONTEXT

BATCH: Final = 100
"""Events in one document."""

_AGAIN: Final = frozenset({401, 403, 408, 409, 425, 429})
"""Refusals that a later attempt may not meet: a key not admitted yet, too much at once."""


class Sign(Protocol):
    """Signs a document's bytes: the headers that carry the signature."""

    def __call__(self, body: bytes) -> dict[str, str]: ...


@dataclass(frozen=True, slots=True)
class Counts:
    """What lies in the queue."""

    waiting: int
    signed: int
    refused: int


class Queue:
    """Events and documents on their way, in one SQLite file. Safe for a reader and a sender at once."""

    def __init__(self, path: Path, most: int = 100_000) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path, self.most = path, most
        self._room = threading.Condition()
        with self._open() as connection:
            connection.executescript(
                """
                CREATE TABLE IF NOT EXISTS events (id INTEGER PRIMARY KEY, event TEXT NOT NULL);
                CREATE TABLE IF NOT EXISTS documents (
                    id TEXT PRIMARY KEY, body BLOB NOT NULL, headers TEXT NOT NULL);
                CREATE TABLE IF NOT EXISTS refused (
                    id INTEGER PRIMARY KEY, content BLOB NOT NULL, reason TEXT NOT NULL);
                """
            )

    def _open(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._path, timeout=30.0)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")  # a commit is on the disk when it returns
        return connection

    def counts(self) -> Counts:
        """How much lies where."""
        connection = self._open()
        try:
            numbers = [
                connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]  # noqa: S608 - fixed names
                for table in ("events", "documents", "refused")
            ]
        finally:
            connection.close()
        return Counts(*numbers)

    def take(self, lines: list[str]) -> None:
        """Takes events, one JSON text each; returns when they are on disk. Waits while the queue is full.

        Lines that are no valid events are kept aside with the reason.
        """
        with self._room:
            while self.counts().waiting >= self.most:
                self._room.wait(timeout=1.0)
        connection = self._open()
        try:
            with connection:
                for line in lines:
                    reason = _fault(line)
                    if reason is None:
                        connection.execute("INSERT INTO events (event) VALUES (?)", (line,))
                    else:
                        self._set_aside(connection, line.encode(), reason)
        finally:
            connection.close()

    def _set_aside(self, connection: sqlite3.Connection, content: bytes, reason: str) -> None:
        connection.execute("INSERT INTO refused (content, reason) VALUES (?, ?)", (content, reason[:2000]))

    def next_document(self, sign: Sign) -> tuple[str, bytes, dict[str, str]] | None:
        """The document to send next: one that waits already, or a new one of the oldest events."""
        connection = self._open()
        try:
            row = connection.execute("SELECT id, body, headers FROM documents ORDER BY id LIMIT 1").fetchone()
            if row is not None:
                return row[0], row[1], loads(row[2])
            events = connection.execute(
                "SELECT id, event FROM events ORDER BY id LIMIT ?", (BATCH,)
            ).fetchall()
            if not events:
                return None
            name, body = str(uuid7()), document_of([event for _, event in events])
            headers = sign(body)
            with connection:
                connection.execute("INSERT INTO documents VALUES (?, ?, ?)", (name, body, dumps(headers)))
                connection.execute("DELETE FROM events WHERE id <= ?", (events[-1][0],))
        finally:
            connection.close()
        with self._room:
            self._room.notify_all()
        return name, body, headers

    def done(self, name: str, refusal: str | None = None) -> None:
        """Forgets a document that arrived, or sets it aside with the repository's refusal."""
        connection = self._open()
        try:
            with connection:
                if refusal is not None:
                    row = connection.execute("SELECT body FROM documents WHERE id = ?", (name,)).fetchone()
                    self._set_aside(connection, row[0], refusal)
                connection.execute("DELETE FROM documents WHERE id = ?", (name,))
        finally:
            connection.close()


def document_of(events: list[str]) -> bytes:
    """One EPCIS document of events given as JSON, each with a context of its own where it brought one."""
    return dumps(
        {
            "@context": [CONTEXT],
            "type": "EPCISDocument",
            "schemaVersion": "2.0",
            "creationDate": iso(now()),
            "epcisBody": {"eventList": [loads(event) for event in events]},
        }
    ).encode()


def _fault(line: str) -> str | None:
    try:
        value = loads(line)
        if not isinstance(value, dict):
            return "an event is a JSON object"
        faults = validate(read(dumps({"@context": CONTEXT} | value).encode()))
    except (MalformedJson, Unreadable) as error:
        return str(error)
    return str(faults[0]) if faults else None


def send_one(
    queue: Queue, client: httpx.Client, sign: Sign, report: Callable[[dict[str, Any]], None]
) -> bool:
    """Sends the next document; False when there is none. Raises httpx.HTTPError to be tried again later.

    Events the repository found invalid one by one are set aside with the document; the others are recorded.
    """
    found = queue.next_document(sign)
    if found is None:
        return False
    name, body, headers = found
    answer = client.post(
        "/epcis/capture",
        content=body,
        headers=headers
        | {
            "Content-Type": "application/json",
            "GS1-Capture-Error-Behaviour": "proceed",
            "Idempotency-Key": name,
        },
    )
    if answer.status_code >= 500 or answer.status_code in _AGAIN:
        answer.raise_for_status()
    if not answer.is_success:
        queue.done(name, f"{answer.status_code}: {answer.text}")
        return True
    job = answer.json()
    queue.done(name, None if job["success"] else dumps(job["errors"]))
    report(job)
    return True
