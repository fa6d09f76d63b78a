"""`deep-mutation`: whether the Forge tests notice when a contract is wrong (`python -m tasks.mutation`).

A run takes mutants of `tasks.mutants` in an order that the seed decides, for `MINUTES` (40) at most, and
goes on next time where it stopped: `build/mutation/results.json` holds each verdict beside the digest of
contracts and tests it is true of. Once these change, the test that killed a mutant is asked first, which
takes a second, and the rest only if it passes.

It fails below nine killed in ten, and where `tests/contracts/survivors.toml` leaves a survivor
unexplained or explains a mutant that is killed or no longer there.
"""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import threading
import time
import tomllib
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import Any

from tasks.console import TaskError, say, step
from tasks.environment import NODE_MODULES, ROOT, SOLC_FOLDER, child_environment, native_binary
from tasks.mutants import Mutant, Source, find_mutants, without_pure

WORK = ROOT / "build" / "mutation"
RESULTS = WORK / "results.json"
EXPLAINED = ROOT / "tests" / "contracts" / "survivors.toml"
TESTS = "tests/contracts/forge"
LEAST_KILLED = 0.9
AT_ONCE = 2
SECONDS_MAX = 180
"""A mutant that takes longer has lost its way, which the tests notice."""

_lock = threading.Lock()


def run() -> None:
    """Tries mutants until all are tried or time is up. Raises TaskError as the module says."""
    seed = os.environ.get("SEED", "tallystick")
    until = time.monotonic() + 60 * float(os.environ.get("MINUTES", "40"))
    only = re.compile(os.environ.get("ONLY", ""))
    digest = _digest()
    with step("Finding mutants"):
        sources = find_mutants()
    numbers = {each: n for n, each in enumerate((m for s in sources.values() for m in s.mutants), start=1)}
    with step(f"Compiling {len(numbers)} mutants at once"):
        for refused in _compile(sources, numbers):
            del numbers[refused]
    results = _Results(digest)
    with step("Running the tests on the contracts as they are"):
        if killer := _killer(0, set(), ["--no-match-contract", "Invariants"]):
            raise TaskError(f"{killer} fails without any mutant.")
    chosen = sorted(
        (each for each in numbers if only.search(each.key)),
        key=lambda each: hashlib.sha256(f"{seed} {each.key}".encode()).digest(),
    )
    waiting = [each for each in chosen if not results.is_known(each.key)]
    say(f"{len(chosen)} mutants, seed {seed}, {len(chosen) - len(waiting)} tried before")
    _try_all(waiting, numbers, results, until)
    _report(chosen, results, complete=not only.pattern)


def _try_all(waiting: list[Mutant], numbers: dict[Mutant, int], results: "_Results", until: float) -> None:
    started, tried = time.monotonic(), 0

    def attempt(mutant: Mutant) -> None:
        if time.monotonic() < until:
            results.put(mutant.key, _killer(numbers[mutant], results.likely(mutant.key), _all_tests(mutant)))

    with ThreadPoolExecutor(AT_ONCE) as pool:
        for done in as_completed([pool.submit(attempt, each) for each in waiting]):
            done.result()
            tried += 1
            if tried % 25 == 0 and time.monotonic() < until:
                rate = (time.monotonic() - started) / tried
                say(f"  {tried} of {len(waiting)}, {rate:.1f} s each, {results.survived()} survived so far")


def _report(chosen: list[Mutant], results: "_Results", complete: bool) -> None:
    tried = [each for each in chosen if results.is_known(each.key)]
    survivors = [each for each in tried if not results.killer(each.key)]
    explained = tomllib.loads(EXPLAINED.read_text()) if EXPLAINED.exists() else {}
    reasons = {key: reason for reason, keys in _reasons(explained) for key in keys}
    for each in survivors:
        if each.key not in reasons:
            say(f"survived: {each.file}:{each.line} {each.key}")
    killed = len(tried) - len(survivors)
    share = killed / len(tried) if tried else 0.0
    say(f"{len(tried)} of {len(chosen)} mutants tried, {killed} killed ({share:.1%})")
    problems = [f"unexplained: {each.key}" for each in survivors if each.key not in reasons]
    known, alive = {each.key for each in chosen}, {each.key for each in survivors}
    if complete:
        problems += [f"explained, but no mutant: {key}" for key in reasons if key not in known]
    problems += [
        f"explained, but killed: {key}" for key in reasons if results.is_known(key) and key in known - alive
    ]
    if share < LEAST_KILLED:
        problems.append(f"{share:.1%} killed, {LEAST_KILLED:.0%} wanted")
    if problems:
        raise TaskError("\n".join(problems))


def _reasons(explained: dict[str, Any]) -> list[tuple[str, list[str]]]:
    return [(each["because"], each["mutants"]) for each in explained.get("survivors", [])]


class _Results:
    """Verdicts by the mutants' keys: the test that killed it, or an empty string, and for which sources."""

    def __init__(self, digest: str) -> None:
        self._digest = digest
        self._all: dict[str, list[str]] = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}

    def is_known(self, key: str) -> bool:
        return self._all.get(key, ["", ""])[1] == self._digest

    def killer(self, key: str) -> str:
        return self._all[key][0]

    def likely(self, key: str) -> set[str]:
        """Tests that killed it before, or other mutants of the same function."""
        where = key.partition(": ")[0] + ": "
        found = {killer for other, (killer, _) in self._all.items() if other.startswith(where)}
        return found - {"", "timeout"}

    def survived(self) -> int:
        return sum(1 for killer, digest in self._all.values() if not killer and digest == self._digest)

    def put(self, key: str, killer: str) -> None:
        with _lock:
            self._all[key] = [killer, self._digest]
            draft = RESULTS.with_suffix(".draft")
            draft.write_text(json.dumps(self._all, indent=0, sort_keys=True))
            draft.replace(RESULTS)


def _compile(sources: dict[str, Source], numbers: dict[Mutant, int]) -> set[Mutant]:
    """Writes and compiles the copy with all switches; answers those that the compiler would not have."""
    refused: set[Mutant] = set()
    for _ in range(5):
        places = _write(sources, {each: n for each, n in numbers.items() if each not in refused})
        answer = subprocess.run(
            [str(native_binary("forge")), "build", "--json"],
            cwd=WORK,
            env=_environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        errors = [each for each in _errors(answer.stdout) if each["severity"] == "error"]
        if not errors and answer.returncode == 0:
            return refused
        guilty = set()
        for error in errors:
            where = error["sourceLocation"]
            around = [
                (len(place), each) for each, place in places[where["file"]].items() if where["start"] in place
            ]
            if not around:
                raise TaskError(f"No mutant is guilty of this:\n{error['formattedMessage']}")
            guilty.add(min(around, key=lambda one: one[0])[1])
        if not guilty:
            raise TaskError(f"The copy does not compile:\n{answer.stderr or answer.stdout[-2000:]}")
        refused |= guilty
    raise TaskError("The compiler refuses ever more mutants.")


def _errors(output: str) -> list[dict[str, Any]]:
    try:
        return list(json.loads(output).get("errors", []))
    except json.JSONDecodeError:
        return []


def _write(sources: dict[str, Source], numbers: dict[Mutant, int]) -> dict[str, dict[Mutant, range]]:
    """Renews the copy, touching only files that differ, so that Forge compiles no more than it must."""
    WORK.mkdir(parents=True, exist_ok=True)
    link = WORK / "node_modules"
    if not link.exists():
        link.symlink_to(NODE_MODULES.resolve())
    shutil.copy(ROOT / "foundry.toml", WORK / "foundry.toml")
    places: dict[str, dict[Mutant, range]] = {}
    wanted = set()
    for path in [*ROOT.glob("contracts/**/*.sol"), *ROOT.glob(f"{TESTS}/*.sol")]:
        name = str(path.relative_to(ROOT))
        text = path.read_bytes()
        if name in sources:
            text, places[name] = sources[name].switched(numbers)
        text = without_pure(text)
        copy = WORK / name
        wanted.add(copy)
        if not copy.exists() or copy.read_bytes() != text:
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(text)
    for copy in [*WORK.glob("contracts/**/*.sol"), *WORK.glob(f"{TESTS}/*.sol")]:
        if copy not in wanted:
            copy.unlink()
    return places


def _killer(number: int, likely: set[str], all_tests: list[str]) -> str:
    """The test that fails with this mutant, the likely ones being asked first; empty if none does."""
    if likely and (found := _first_failure(number, ["--match-test", f"^({'|'.join(sorted(likely))})$"])):
        return found
    return _first_failure(number, all_tests)


def _all_tests(mutant: Mutant) -> list[str]:
    """The tests that can run what was mutated: the log and the rest of the ledger share nothing. Not the
    invariants, which take a hundred times as long."""
    if mutant.file in ("contracts/MerkleLog.sol", "contracts/ProvenanceLog.sol"):
        return ["--match-contract", "ProvenanceLog|MerkleLog"]
    return ["--no-match-contract", "ProvenanceLog|MerkleLog|SignedActions|Invariants"]


def _first_failure(number: int, selection: list[str]) -> str:
    command = [str(native_binary("forge")), "test", "--fail-fast", "-j", "1", "--fuzz-runs", "24"]
    try:
        answer = subprocess.run(
            [*command, "--color=never", "--block-prevrandao", f"0x{number:064x}", *selection],
            cwd=WORK,
            env=_environment(),
            capture_output=True,
            text=True,
            timeout=SECONDS_MAX,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return "timeout"
    if answer.returncode == 0:
        return ""
    failed = re.search(r"^\[FAIL.*\] (\w+)\(", answer.stdout, re.MULTILINE)
    if failed is None:
        raise TaskError(f"Forge failed, but no test did:\n{answer.stderr[-1000:]}{answer.stdout[-1000:]}")
    return failed[1]


def _environment() -> dict[str, str]:
    return child_environment(
        FOUNDRY_SOLC=str(next(SOLC_FOLDER.glob("solc-v*"))),
        FOUNDRY_OPTIMIZER="false",
        FOUNDRY_DENY="never",
        FOUNDRY_LINT_LINT_ON_BUILD="false",
        FOUNDRY_OUT="out",
        FOUNDRY_CACHE_PATH="cache",
        FOUNDRY_CODE_SIZE_LIMIT="1000000",
    )


def _digest() -> str:
    files = sorted([*ROOT.glob("contracts/**/*.sol"), *ROOT.glob(f"{TESTS}/*.sol")])
    return hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()[:16]


if __name__ == "__main__":
    try:
        run()
    except TaskError as error:
        say(f"error: {error}")
        sys.exit(1)
