"""`test`: every check of the project, two at a time for two cores, closed by a line that counts them."""

import contextlib
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree as ET

from tasks import brownie, chains
from tasks.console import TaskError, say
from tasks.environment import ROOT, VENV, child_environment, native_binary
from tasks.networks import Program
from tasks.processes import kill_group

REPORTS = ROOT / "build" / "reports"
FORGE = ROOT / "tests" / "contracts" / "forge"
PYTHON = str(VENV / "bin" / "python")


@dataclass(frozen=True)
class Count:
    passed: int = 0
    failed: int = 0
    skipped: int = 0

    def __add__(self, other: "Count") -> "Count":
        return Count(self.passed + other.passed, self.failed + other.failed, self.skipped + other.skipped)

    def __str__(self) -> str:
        text = f"{self.passed} passed, {self.failed} failed"
        return f"{text}, {self.skipped} skipped" if self.skipped else text


@dataclass(frozen=True)
class Part:
    """One program of the suite and how its result is counted from its log, report and exit code."""

    name: str
    command: list[str]
    count: Callable[["Part", int], Count]
    env: dict[str, str] = field(default_factory=child_environment)

    @property
    def log(self) -> Path:
        return REPORTS / f"{self.name}.log"

    @property
    def report(self) -> Path:
        return REPORTS / f"{self.name}.xml"


def lint_parts() -> list[Part]:
    """Linters, types and floors: one check each."""
    tools = {
        "ruff": ["ruff", "check", "."],
        "format": ["ruff", "format", "--check", "."],
        "types": ["mypy"],
        "floors": ["lint-imports", "--no-cache"],
    }
    return [Part(name, [str(VENV / "bin" / tool), *rest], _one) for name, (tool, *rest) in tools.items()]


def forge_part() -> Part:
    """Branch trees, fuzzing and invariants."""
    return Part("forge", [str(native_binary("forge")), "test"], _forge)


def gas_part() -> Part:
    """The comparison of gas figures with those agreed."""
    return Part("gas", [sys.executable, "-m", "tasks", "gas"], _one)


def brownie_part(program: Program, url: str, arguments: list[str]) -> Part:
    """The Brownie suite on a running chain: all of it, or what `arguments` select, or on Ganache, which is
    slow, what is marked as a main path."""
    name = f"contracts-{program}"
    selection = arguments or ["tests/contracts", *(["-m", "main_path"] if program == "ganache" else [])]
    command = brownie.run_tests(*selection, f"--junitxml={REPORTS / name}.xml")
    return Part(name, command, _pytest, brownie.environment_in(brownie.development_home(program, url)))


def python_part(name: str) -> Part:
    """One folder of Python tests: the backend on SQLite and PostgreSQL, the scripts, or the journey."""
    command = [PYTHON, "-m", "pytest", f"tests/{name}", "-rs", f"--junitxml={REPORTS / name}.xml"]
    return Part(name, command, _pytest)


def run_all() -> None:
    """Runs everything; raises TaskError if anything failed."""
    with chains.throwaway("anvil") as anvil, chains.throwaway("ganache") as ganache:
        # Brownie compiles first, so that the journey at the lane's end finds that done.
        rest = [
            brownie_part("anvil", anvil, []),
            brownie_part("ganache", ganache, []),
            forge_part(),
            gas_part(),
            *lint_parts(),
            python_part("scripts"),
            python_part("e2e"),
        ]
        run_lanes(rest, [python_part("backend")])


def run_lanes(*lanes: list[Part]) -> None:
    """Runs the lanes beside each other, each in its order, and ends with the line that counts.

    Raises TaskError if a part failed or nothing was tested.
    """
    REPORTS.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()
    waiting = [list(lane) for lane in lanes]
    working: dict[int, _Running] = {}
    total = Count()
    try:
        while any(waiting) or working:
            for number, lane in enumerate(waiting):
                if lane and number not in working:
                    working[number] = _Running(lane.pop(0))
            for number, running in list(working.items()):
                if (count := running.result()) is not None:
                    total += count
                    del working[number]
            time.sleep(0.05)
    finally:
        for running in working.values():
            running.kill()
    say(f"\nThe reports are in {REPORTS}, all of it took {time.monotonic() - started:.0f} s.")
    say(str(total))
    if total.failed or not total.passed:
        raise TaskError("the suite failed" if total.failed else "no test ran")


class _Running:
    def __init__(self, part: Part) -> None:
        part.report.unlink(missing_ok=True)
        self.part = part
        self.started = time.monotonic()
        with part.log.open("wb") as log:
            self.process = subprocess.Popen(
                part.command,
                cwd=ROOT,
                env=part.env,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def result(self) -> Count | None:
        """What it counted, said aloud, once it has ended; a failure with all it printed."""
        code = self.process.poll()
        if code is None:
            return None
        count = self.part.count(self.part, code)
        if code and not count.failed:  # it broke off, or ended badly after its last test
            count += Count(failed=1)
        seconds = time.monotonic() - self.started
        if count.failed:
            say(f"\n===== {self.part.name} =====\n{self.part.log.read_text(errors='replace')}")
        say(f"{'✗' if count.failed else '✓'} {self.part.name}: {count} ({seconds:.0f} s)")
        for reason in _skips(self.part.log):
            say(f"    {reason}")
        return count

    def kill(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(10)
        kill_group(self.process.pid)
        self.process.wait()


def _one(_: Part, code: int) -> Count:
    return Count(failed=1) if code else Count(passed=1)


def _pytest(part: Part, _: int) -> Count:
    if not part.report.exists():
        return Count()
    suites = ET.parse(part.report).getroot().iter("testsuite")  # noqa: S314 - written by our own run
    count = Count()
    for suite in suites:
        tests, failures, errors, skipped = (
            int(suite.get(name, 0)) for name in ("tests", "failures", "errors", "skipped")
        )
        failed = failures + errors
        count += Count(max(tests - failed - skipped, 0), failed, skipped)
    return count


def _forge(part: Part, _: int) -> Count:
    """From Forge's closing line, without the colours around its numbers.

    A file that did not run failed: after a run of some files Forge may leave the others out.
    """
    text = re.sub(r"\x1b\[[0-9;]*m", "", part.log.read_text(errors="replace"))
    closing = re.search(r"(\d+) tests? passed, (\d+) failed, (\d+) skipped \(\d+ total tests?\)", text)
    if not closing:
        return Count()
    left_out = {file.name for file in FORGE.glob("*.t.sol")} - set(re.findall(r"(\w+\.t\.sol):\w+", text))
    if left_out:
        with part.log.open("a") as log:
            log.write(
                f"\nNot run: {', '.join(sorted(left_out))}. Remove build/forge and build/forge-cache.\n"
            )
    return Count(*map(int, closing.groups())) + Count(failed=len(left_out))


def _skips(log: Path) -> list[str]:
    return [line for line in log.read_text(errors="replace").splitlines() if line.startswith("SKIPPED ")]
