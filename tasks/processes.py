"""Processes that outlive a call: each is recorded by whoever starts it, and stopped only by it.

A supervisor owns a folder. While it lives it holds a lock on it; beside the lock stands one record for each
process it started: number, and when it was started, since numbers are used again. A supervisor that finds
records but no lock knows that its predecessor was killed, and stops what that one left behind, only that.
"""

import fcntl
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from types import FrameType, TracebackType

from tasks.console import TaskError, say
from tasks.environment import ROOT, tail

STOP_SECONDS = 20.0
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass(frozen=True)
class Record:
    """A process somebody started: `started` tells it from a later one with the same number."""

    name: str
    pid: int
    started: str

    def is_alive(self) -> bool:
        return birth(self.pid) == self.started


class AlreadyRunning(TaskError):
    """Another supervisor holds the folder."""


class ProcessEnded(TaskError):
    """A process that should keep running has ended."""


class Supervisor:
    """Starts processes and stops them again, last first; to be used in a `with` block.

    SIGINT, SIGTERM and SIGHUP end the block with KeyboardInterrupt. Every process gets a session of its own,
    so that Ctrl-C in a terminal reaches the supervisor alone, which then stops the others in order.
    """

    def __init__(self, folder: Path, title: str, *, salvage: Callable[[], None] = lambda: None) -> None:
        """`salvage` is called before processes left by a killed predecessor are stopped."""
        self.folder = folder
        self.title = title
        self._salvage = salvage
        self._farewell: list[Callable[[], None]] = []
        self._children: list[tuple[Record, subprocess.Popen[bytes]]] = []
        self._lock: int | None = None

    def __enter__(self) -> "Supervisor":
        self.folder.mkdir(parents=True, exist_ok=True)
        self._lock = os.open(self.folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._lock)
            raise AlreadyRunning(f"{self.title} already runs here ({self.folder}).") from None
        self._handlers = {name: signal.signal(name, _interrupt) for name in SIGNALS}
        self._stop_leftovers()
        _write_record(self.folder, Record("supervisor", os.getpid(), birth(os.getpid()) or ""))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # A second Ctrl-C must not leave half of them running; each is given its time and then killed.
        for name in SIGNALS:
            signal.signal(name, signal.SIG_IGN)
        try:
            for farewell in self._farewell:
                farewell()
            while self._children:
                self.stop(self._children[-1][0].name)
        finally:
            _record_file(self.folder, "supervisor").unlink(missing_ok=True)
            assert self._lock is not None  # noqa: S101 - set on entry
            os.close(self._lock)
            for name, handler in self._handlers.items():
                signal.signal(name, handler)

    def _stop_leftovers(self) -> None:
        left = _records(self.folder)
        alive = [record for record in left if record.is_alive()]
        if alive:
            self._salvage()
        for record in alive:
            say(f"• Stopping {record.name} (process {record.pid}), left by a run that was killed")
            _stop_group(record)
        for record in left:
            _record_file(self.folder, record.name).unlink()

    def start(
        self,
        name: str,
        command: list[str],
        *,
        env: dict[str, str],
        log: Path,
        ready: Callable[[], bool],
        seconds: float = 60,
    ) -> int:
        """Starts a program and waits until `ready` says so; returns its process number.

        Raises ProcessEnded if it ends before, TaskError if it is not ready in time; both show its log.
        """
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as output:
            output.write(f"\n--- {time.strftime('%Y-%m-%d %H:%M:%S')} {' '.join(command)}\n".encode())
            output.flush()
            child = subprocess.Popen(
                command,
                cwd=ROOT,
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        record = Record(name, child.pid, birth(child.pid) or "")
        _write_record(self.folder, record)
        self._children.append((record, child))
        deadline = time.monotonic() + seconds
        while not ready():
            if child.poll() is not None:
                raise ProcessEnded(
                    f"{name} ended with exit code {child.returncode} before it was ready:\n{tail(log)}\n"
                    f"All of it: {log}"
                )
            if time.monotonic() > deadline:
                raise TaskError(f"{name} was not ready after {seconds:.0f} s:\n{tail(log)}\nAll of it: {log}")
            time.sleep(0.1)
        return child.pid

    def before_stop(self, farewell: Callable[[], None]) -> None:
        """Has `farewell` called when the block ends, while all processes still run; it must not raise."""
        self._farewell.append(farewell)

    def stop(self, name: str) -> None:
        """Stops one of them: SIGTERM, time to save, SIGKILL."""
        entry = next(entry for entry in self._children if entry[0].name == name)
        child = entry[1]
        if child.poll() is None:
            child.terminate()
            try:
                child.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                say(f"• {name} did not stop within {STOP_SECONDS:.0f} s: killed")
        kill_group(child.pid)
        child.wait()
        self._children.remove(entry)
        _record_file(self.folder, name).unlink(missing_ok=True)

    def watch(self, every: float = 0.5, tick: Callable[[], None] = lambda: None) -> None:
        """Keeps calling `tick` until a signal arrives or one of the processes ends (ProcessEnded)."""
        while True:
            for record, child in self._children:
                if child.poll() is not None:
                    raise ProcessEnded(f"{record.name} ended by itself with exit code {child.returncode}.")
            tick()
            time.sleep(every)


def running(folder: Path) -> Record | None:
    """The live supervisor of a folder, if there is one."""
    for record in _records(folder):
        if record.name == "supervisor" and record.is_alive():
            return record
    return None


def stop_other(folder: Path) -> bool:
    """Asks the live supervisor of a folder to stop, and waits for it; False if there is none."""
    record = running(folder)
    if record is None:
        return False
    os.kill(record.pid, signal.SIGTERM)
    deadline = time.monotonic() + 4 * STOP_SECONDS
    while record.is_alive():
        if time.monotonic() > deadline:
            raise TaskError(f"process {record.pid} does not stop")
        time.sleep(0.1)
    return True


def birth(pid: int) -> str | None:
    """When a process was started, in words no other process of this number shares; None if it is gone."""
    try:
        # The command's name is in brackets and may hold anything; state and start time come after it.
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except FileNotFoundError:
        if Path("/proc/self/stat").exists():
            return None
        answer = subprocess.run(
            ["ps", "-o", "lstart=", "-p", str(pid)],  # noqa: S607 - macOS has no /proc
            capture_output=True,
            text=True,
            check=False,
        )
        return answer.stdout.strip() or None
    except ProcessLookupError:
        return None
    return None if fields[0] == "Z" else f"{boot} {fields[19]}"


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _stop_group(record: Record) -> None:
    os.kill(record.pid, signal.SIGTERM)
    deadline = time.monotonic() + STOP_SECONDS
    while record.is_alive() and time.monotonic() < deadline:
        time.sleep(0.05)
    kill_group(record.pid)


def kill_group(pid: int) -> None:
    """Kills what a process left in its session; its number is its group's (start_new_session)."""
    try:
        os.killpg(pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return


def _records(folder: Path) -> list[Record]:
    return [Record(**json.loads(file.read_text())) for file in sorted(folder.glob("*.json"))]


def _record_file(folder: Path, name: str) -> Path:
    return folder / f"{name}.json"


def _write_record(folder: Path, record: Record) -> None:
    file = _record_file(folder, record.name)
    scratch = file.with_suffix(".writing")
    scratch.write_text(json.dumps(asdict(record)))
    scratch.replace(file)
