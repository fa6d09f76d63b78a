"""Anvil's state on disk, in two generations.

Anvil writes its state file in place; killed in the middle, it leaves half a file and the chain is gone
(seen in 2 of 25 kills). So it is not asked to: the keeper fetches the state by RPC and replaces the newest
generation atomically, after the one before has been set aside. Whatever is killed when, one of the two is
whole. What lies between the last save and the kill is lost, and looks like a reorg to whoever followed.
"""

import gzip
import json
import os
from pathlib import Path

from tasks import rpc
from tasks.console import say


class Snapshots:
    """The generations of one chain: `state.json` and `state.previous.json` in its folder."""

    def __init__(self, folder: Path) -> None:
        self.newest = folder / "state.json"
        self.previous = folder / "state.previous.json"
        self._newest_is_whole = False

    def save(self, url: str) -> None:
        """Fetches the state of the Anvil at `url` and makes it the newest generation."""
        dump: str = rpc.call(url, "anvil_dumpState", seconds=60)
        self.write(gzip.decompress(bytes.fromhex(dump.removeprefix("0x"))))

    def write(self, state: bytes) -> None:
        self.newest.parent.mkdir(parents=True, exist_ok=True)
        scratch = self.newest.with_suffix(".writing")
        with scratch.open("wb") as file:
            file.write(state)
            file.flush()
            os.fsync(file.fileno())
        if self._newest_is_whole or is_whole(self.newest):  # never set a broken file aside over a good one
            link = self.previous.with_suffix(".linking")
            link.unlink(missing_ok=True)
            link.hardlink_to(self.newest)
            link.replace(self.previous)
        scratch.replace(self.newest)
        self._newest_is_whole = True

    def best(self) -> Path | None:
        """The newest generation that can be read; None if there has never been one."""
        for file in (self.newest, self.previous):
            if is_whole(file):
                return file
            if file.exists():
                say(f"• {file} cannot be read and is kept as {_set_aside(file).name}; using the one before")
        return None


def is_whole(file: Path) -> bool:
    try:
        state = json.loads(file.read_bytes())
    except (FileNotFoundError, ValueError):
        return False
    return isinstance(state, dict) and {"accounts", "block", "blocks", "transactions"} <= state.keys()


def _set_aside(file: Path) -> Path:
    broken = file.with_suffix(".broken")
    file.replace(broken)
    return broken
