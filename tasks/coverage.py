"""`coverage`: how many lines and branches of the contracts the Forge tests run (`forge coverage`).

The invariants are left out: a line that only chance reaches is not tested. Forge counts no free
functions, and one way of each `if … revert`; the other way is every test that passes. What it does not
count is printed.
"""

import re
from dataclasses import dataclass, field
from pathlib import Path

from tasks.console import TaskError, say, step
from tasks.environment import ROOT, child_environment, native_binary, run

LEAST = 0.98
REPORT = ROOT / "build" / "reports" / "coverage.info"
LOG = ROOT / "build" / "reports" / "coverage.log"


@dataclass
class Counted:
    """Lines and branches of one file: those that there are, and those that no test runs, by line."""

    lines: int = 0
    branches: int = 0
    lines_missed: list[int] = field(default_factory=list)
    branches_missed: list[int] = field(default_factory=list)


def measure() -> None:
    """Runs, prints each file and what is missed. Raises TaskError below `LEAST` of lines or of branches."""
    REPORT.unlink(missing_ok=True)
    command = [str(native_binary("forge")), "coverage", "--no-match-contract", "Invariants"]
    command += ["--report", "lcov", "--report-file", str(REPORT)]
    environment = child_environment(
        FOUNDRY_OUT="build/coverage", FOUNDRY_CACHE_PATH="build/coverage-cache", FOUNDRY_DENY="never"
    )
    with step("Running the contract tests, counting lines and branches"):
        run(*command, log=LOG, env=environment)
    files = read_report(REPORT.read_text())
    if not files:
        raise TaskError("forge coverage counted nothing.")
    for name, counted in sorted(files.items()):
        source = (ROOT / name).read_text().splitlines()
        for kind, missed in (("line", counted.lines_missed), ("branch", counted.branches_missed)):
            for line in missed:
                say(f"  {kind} not run: {name}:{line}: {source[line - 1].strip()}")
    for name in sorted(_with_code() - files.keys()):
        say(f"  not counted by forge (free functions): {name}")
    lines, branches = shares(files)
    say(f"lines {lines:.2%}, branches {branches:.2%} of {len(files)} files")
    if min(lines, branches) < LEAST:
        raise TaskError(f"Less than {LEAST:.0%} is run by the tests.")


def read_report(report: str) -> dict[str, Counted]:
    """The contracts' files, without mocks, in an LCOV report."""
    files: dict[str, Counted] = {}
    counted = Counted()
    for line in report.splitlines():
        kind, _, value = line.partition(":")
        if kind == "SF":
            counted = Counted()
            if value.startswith("contracts/") and not value.startswith("contracts/mocks/"):
                files[value] = counted
        elif kind == "DA":
            number, hits = value.split(",")[:2]
            counted.lines += 1
            if hits == "0":
                counted.lines_missed.append(int(number))
        elif kind == "BRDA":
            number, *_, hits = value.split(",")
            counted.branches += 1
            if hits in ("0", "-"):
                counted.branches_missed.append(int(number))
    return files


def shares(files: dict[str, Counted]) -> tuple[float, float]:
    """Of all lines and of all branches, what part was run."""
    lines, branches = (sum(getattr(each, kind) for each in files.values()) for kind in ("lines", "branches"))
    missed_lines = sum(len(each.lines_missed) for each in files.values())
    missed_branches = sum(len(each.branches_missed) for each in files.values())
    return 1 - missed_lines / max(lines, 1), 1 - missed_branches / max(branches, 1)


def _with_code() -> set[str]:
    """Files below contracts/ that have a function body."""
    paths = [path for path in (ROOT / "contracts").rglob("*.sol") if "mocks" not in path.parts]
    body = re.compile(r"^\s*function [^;{]*\{", re.MULTILINE)
    return {str(Path(path).relative_to(ROOT)) for path in paths if body.search(path.read_text())}
