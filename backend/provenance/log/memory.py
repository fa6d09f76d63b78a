"""What a monitor remembers: the tree's edge, the heads found good, and the map as it recomputed it.

A SQLite file. Following the log costs what is new in it and not what it holds: a page of entries touches the
map's nodes above them, and nodes that are no longer needed go.
"""

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from backend.kit import merkle, sparse
from backend.verifier import logmap

_TABLES: Final = """
CREATE TABLE IF NOT EXISTS state (one INTEGER PRIMARY KEY CHECK (one = 1), size INTEGER, peaks BLOB,
                                  log_id BLOB, map_root BLOB, secret BLOB);
CREATE TABLE IF NOT EXISTS agreed (size INTEGER PRIMARY KEY, log_root BLOB, map_root BLOB);
CREATE TABLE IF NOT EXISTS owed (record INTEGER PRIMARY KEY, leaf BLOB, due INTEGER);
CREATE TABLE IF NOT EXISTS pins (name TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS entries (key BLOB PRIMARY KEY, count INTEGER) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS nodes (hash BLOB PRIMARY KEY, left BLOB, right BLOB) WITHOUT ROWID;
"""


class Memory:
    """A monitor's memory in a folder; empty where there is none."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._file = sqlite3.connect(folder / "memory.sqlite", isolation_level=None)
        self._file.executescript(f"PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; {_TABLES}")
        self._nodes = _Nodes(self._file)
        self._recall()

    def close(self) -> None:
        """Lets the file go."""
        self._file.close()

    def _recall(self) -> None:
        row = self._file.execute("SELECT size, peaks, log_id, map_root, secret FROM state").fetchone()
        self.size: int
        self.log_id: bytes
        self.map_root: bytes
        self.secret: bytes
        """What keys the map. Another one would make anything look absent."""
        self.size, peaks, self.log_id, self.map_root, self.secret = row or (0, b"", b"", sparse.EMPTY, b"")
        self._peaks = [peaks[place : place + 32] for place in range(0, len(peaks), 32)]
        self.grew = False

    @contextmanager
    def changes(self) -> Iterator[None]:
        """What happens to the memory inside is kept whole, or after an exception not at all."""
        self.grew = False
        self._file.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._file.execute("COMMIT")
        except BaseException:
            self._file.execute("ROLLBACK")
            self._recall()
            raise

    def frontier(self) -> merkle.Frontier:
        """The tree's edge."""
        return merkle.Frontier(self.size, list(self._peaks))

    def head(self, size: int) -> tuple[bytes, bytes] | None:
        """The roots, of log and map, of a head of this size that was found good."""
        row = self._file.execute("SELECT log_root, map_root FROM agreed WHERE size = ?", (size,)).fetchone()
        return None if row is None else (bytes(row[0]), bytes(row[1]))

    def pin(self, name: str, value: str) -> str:
        """What was first told under this name: from the first time on, the same."""
        self._file.execute("INSERT OR IGNORE INTO pins VALUES (?, ?)", (name, value))
        first: str = self._file.execute("SELECT value FROM pins WHERE name = ?", (name,)).fetchone()[0]
        return first

    def owe(self, record: int, leaf: bytes, due: int) -> None:
        """An event that this monitor never saw was forgotten: this leaf, which says so, must stand there, and
        a head must cover it by the Unix time `due`."""
        self._file.execute("INSERT OR REPLACE INTO owed VALUES (?, ?, ?)", (record, leaf, due))

    def owed(self, record: int) -> bytes | None:
        """The leaf that must stand at a place, if one must."""
        row = self._file.execute("SELECT leaf FROM owed WHERE record = ?", (record,)).fetchone()
        return None if row is None else bytes(row[0])

    def overdue(self, size: int, now: int) -> int | None:
        """A place at or beyond `size` whose leaf a head should have covered by now."""
        waiting = "SELECT min(record) FROM owed WHERE record >= ? AND due < ?"
        found: int | None = self._file.execute(waiting, (size, now)).fetchone()[0]
        return found

    @property
    def unseen(self) -> int:
        """How many events were forgotten before this monitor saw them. The map of before vouches for them."""
        count: int = self._file.execute("SELECT count(*) FROM owed").fetchone()[0]
        return count

    def count(self, mentions: Mapping[bytes, list[tuple[int, bytes]]]) -> None:
        """Puts more mentions of keys, each the place and hash of a leaf, into the map."""
        values: dict[bytes, bytes] = {}
        counts: list[tuple[bytes, int]] = []
        for key, places in mentions.items():
            row = self._file.execute("SELECT count FROM entries WHERE key = ?", (key,)).fetchone()
            total = (row[0] if row else 0) + len(places)
            counts.append((key, total))
            values[key] = logmap.Entry(total, *places[-1]).value()
        amended = sparse.amend(self._nodes, self.map_root, values)
        self._file.executemany("INSERT OR REPLACE INTO entries VALUES (?, ?)", counts)
        self._file.executemany("DELETE FROM nodes WHERE hash = ?", ((node,) for node in amended.replaced))
        self._file.executemany(
            "INSERT OR REPLACE INTO nodes VALUES (?, ?, ?)",
            ((node, left, right) for node, (left, right) in amended.fresh.items()),
        )
        self.map_root = amended.root

    def grow(self, frontier: merkle.Frontier, log_root: bytes) -> None:
        """Remembers a head that was found good, and the tree's edge there."""
        self.size, self._peaks, self.grew = frontier.size, list(frontier.peaks), True
        state = (self.size, b"".join(self._peaks), self.log_id, self.map_root, self.secret)
        self._file.execute("INSERT OR REPLACE INTO state VALUES (1, ?, ?, ?, ?, ?)", state)
        self._file.execute(
            "INSERT OR REPLACE INTO agreed VALUES (?, ?, ?)", (self.size, log_root, self.map_root)
        )


class _Nodes(Mapping[bytes, tuple[bytes, bytes]]):
    """The map's nodes as they lie in the file."""

    def __init__(self, file: sqlite3.Connection) -> None:
        self._file = file

    def __getitem__(self, node: bytes) -> tuple[bytes, bytes]:
        row = self._file.execute("SELECT left, right FROM nodes WHERE hash = ?", (node,)).fetchone()
        if row is None:
            raise KeyError(node.hex())
        return bytes(row[0]), bytes(row[1])

    def __iter__(self) -> Iterator[bytes]:
        return (bytes(row[0]) for row in self._file.execute("SELECT hash FROM nodes"))

    def __len__(self) -> int:
        return int(self._file.execute("SELECT count(*) FROM nodes").fetchone()[0])
