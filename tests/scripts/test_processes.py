"""Who starts a process stops it, and nobody else's."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tasks.environment import ROOT
from tasks.processes import AlreadyRunning, ProcessEnded, Supervisor, birth, running, stop_other

# A supervisor of two sleeping programs, as `run` is one of the chain, the API and the worker.
PROGRAM = """
import os, sys
from pathlib import Path
from tasks.processes import Supervisor
folder = Path(sys.argv[1])
options = {"env": dict(os.environ), "log": folder / "log", "ready": lambda: True}
try:
    with Supervisor(folder, "The test") as supervisor:
        for name in ("first", "second"):
            supervisor.start(name, ["sleep", "300"], **options)
        print("ready", flush=True)
        supervisor.watch(every=0.05)
except KeyboardInterrupt:
    print("stopped", flush=True)
"""


def children(folder: Path) -> list[int]:
    return [json.loads((folder / f"{name}.json").read_text())["pid"] for name in ("first", "second")]


@pytest.fixture
def stranger() -> Iterator[subprocess.Popen[bytes]]:
    """A process like ours, started by somebody else."""
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(300)"])
    yield process
    process.kill()
    process.wait()


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[[], subprocess.Popen[str]]]:
    started: list[subprocess.Popen[str]] = []

    def go() -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, str(tmp_path)], cwd=ROOT, stdout=subprocess.PIPE, text=True
        )
        started.append(process)
        assert process.stdout is not None
        for line in process.stdout:
            if line == "ready\n":
                return process
        raise AssertionError("the supervisor ended early")

    yield go
    for process in started:
        if process.poll() is None:
            process.terminate()
        process.communicate()


@pytest.mark.parametrize("by", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_ctrl_c_stops_all_it_started_and_only_that(
    by: signal.Signals,
    start: Callable[[], subprocess.Popen[str]],
    stranger: subprocess.Popen[bytes],
    tmp_path: Path,
) -> None:
    supervisor = start()
    pids = children(tmp_path)
    assert all(birth(pid) for pid in pids)
    supervisor.send_signal(by)
    assert supervisor.wait(10) == 0
    assert not any(birth(pid) for pid in pids)
    assert stranger.poll() is None
    assert not list(tmp_path.glob("*.json"))


def test_what_a_killed_run_left_behind_is_stopped_by_the_next(
    start: Callable[[], subprocess.Popen[str]], stranger: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    first = start()
    orphans = children(tmp_path)
    first.kill()
    first.wait()
    assert all(birth(pid) for pid in orphans)
    start()
    assert not any(birth(pid) for pid in orphans)
    assert all(birth(pid) for pid in children(tmp_path))
    assert stranger.poll() is None


def test_a_number_that_was_used_again_is_left_alone(
    start: Callable[[], subprocess.Popen[str]], stranger: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    # As after a restart of the machine: a record with the number of a process that is not ours.
    (tmp_path / "first.json").write_text(
        f'{{"name": "first", "pid": {stranger.pid}, "started": "another boot 42"}}'
    )
    start()
    assert stranger.poll() is None


def test_two_do_not_run_at_once(start: Callable[[], subprocess.Popen[str]], tmp_path: Path) -> None:
    first = start()
    assert running(tmp_path) is not None
    with pytest.raises(AlreadyRunning, match="The test already runs"), Supervisor(tmp_path, "The test"):
        pass
    assert first.poll() is None


def test_another_terminal_can_stop_it(start: Callable[[], subprocess.Popen[str]], tmp_path: Path) -> None:
    first = start()
    pids = children(tmp_path)
    assert stop_other(tmp_path)
    assert first.wait(10) == 0
    assert not any(birth(pid) for pid in pids)
    assert not stop_other(tmp_path)


def test_a_program_that_ends_early_shows_its_last_words(tmp_path: Path) -> None:
    with (
        pytest.raises(ProcessEnded, match=r"(?s)ended with exit code 3.*no such luck"),
        Supervisor(tmp_path, "The test") as supervisor,
    ):
        supervisor.start(
            "unlucky",
            ["sh", "-c", "echo no such luck; exit 3"],
            env=dict(os.environ),
            log=tmp_path / "log",
            ready=lambda: False,
        )


def test_a_program_that_ends_later_is_noticed(tmp_path: Path) -> None:
    with Supervisor(tmp_path, "The test") as supervisor:
        supervisor.start(
            "brief",
            ["sh", "-c", "sleep 0.2; exit 4"],
            env=dict(os.environ),
            log=tmp_path / "log",
            ready=lambda: True,
        )
        with pytest.raises(ProcessEnded, match="brief ended by itself with exit code 4"):
            supervisor.watch(every=0.05)
