"""`deep-mutation`: whether the Forge tests notice when a contract is wrong (`python -m tasks.mutation`).

A run takes mutants of `tasks.mutants` in an order that the seed decides, for `MINUTES` (40) at most, and
goes on next time where it stopped, with `tasks.verdicts`. Tests that killed a mutant's neighbours are
asked first, and the rest only if they pass; a test of fuzzed values tries 24 of them.

It fails below nine killed in ten, and where `tests/contracts/survivors.toml` leaves a survivor
unexplained or explains a mutant that is killed or no longer there. What it measured is in
`bench/mutation.json`.
"""

import hashlib
import json
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import threading
import time
import tomllib
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor, as_completed
from itertools import takewhile
from pathlib import Path
from typing import Any

from tasks.console import TaskError, say, step
from tasks.environment import NODE_MODULES, ROOT, SOLC_FOLDER, child_environment, native_binary
from tasks.mutants import Mutant, Source, find_mutants, without_pure
from tasks.verdicts import LOST, SURVIVED, TESTS, Suites, Verdicts

WORK = ROOT / "build" / "mutation"
FIGURES = ROOT / "bench" / "mutation.json"
EXPLAINED = ROOT / "tests" / "contracts" / "survivors.toml"
LEAST_KILLED = 0.9
AT_ONCE = int(os.environ.get("AT_ONCE", "2"))
SECONDS_MAX = 60
"""Of the processor. A mutant that takes more has lost its way."""

_DEPLOYED = {
    "Receivables": ("Receivables", "ReceivablesExtension", "ReceivablesRemedies"),
    "Financing": ("Financing",),
    "Fingerprints": ("Fingerprints",),
    "ProvenanceLog": ("ProvenanceLog",),
}
"""The contracts of which nine in ten are wanted, each with the code it delegates to."""

_lock = threading.Lock()


def run() -> None:
    """Tries mutants until all are tried or time is up. Raises TaskError as the module says."""
    seed = os.environ.get("SEED", "tallystick")
    until = time.monotonic() + 60 * float(os.environ.get("MINUTES", "40"))
    only = re.compile(os.environ.get("ONLY", ""))
    with step("Finding mutants"):
        sources = find_mutants()
    numbers = {each: n for n, each in enumerate((m for s in sources.values() for m in s.mutants), start=1)}
    suites = Suites()
    with step(f"Compiling {len(numbers)} mutants at once"):
        for refused in _compile(sources, numbers, suites):
            del numbers[refused]
        _make_quick_compiler()
    with step("Running the tests on the contracts as they are"):
        if killer := _first_failure(0, []):
            raise TaskError(f"{killer} fails without any mutant.")
    chosen = sorted(
        (each for each in numbers if only.search(each.key)),
        key=lambda each: hashlib.sha256(f"{seed} {each.key}".encode()).digest(),
    )
    verdicts = Verdicts(WORK / "verdicts.json", suites)
    waiting = [each for each in chosen if not verdicts.is_known(each)]
    say(f"{len(chosen)} mutants, seed {seed}, {len(chosen) - len(waiting)} tried before")
    _try_all(waiting, numbers, suites, verdicts, until)
    # Without gaps it is a random sample; with them it is not: kills outlast new tests, and survivals do not.
    tried = list(takewhile(verdicts.is_known, chosen))
    survivors = [each for each in tried if verdicts.killer(each) == SURVIVED]
    if not only.pattern:
        _write_figures(seed, chosen, tried, survivors, suites)
    lost = sum(1 for each in tried if verdicts.killer(each) == LOST)
    say(f"{len(tried)} of {len(chosen)} mutants tried, {len(survivors)} survived, {lost} lost their way")
    if problems := _problems(chosen, tried, survivors, complete=not only.pattern):
        raise TaskError("\n".join(problems))


def _try_all(
    waiting: list[Mutant], numbers: dict[Mutant, int], suites: Suites, verdicts: Verdicts, until: float
) -> None:
    used_before, tried, survived = _processor_seconds(), 0, 0

    def attempt(mutant: Mutant) -> str | None:
        if time.monotonic() > until:
            return None
        with _lock:
            likely = verdicts.likely(mutant)
        killer = _killer(numbers[mutant], likely, suites.of(mutant.file))
        with _lock:
            verdicts.put(mutant, killer)
        return killer

    with ThreadPoolExecutor(AT_ONCE) as pool:
        for done in as_completed([pool.submit(attempt, each) for each in waiting]):
            if (killer := done.result()) is None:
                continue
            tried += 1
            survived += killer == SURVIVED
            if tried % 25 == 0:
                each = (_processor_seconds() - used_before) / tried
                say(f"  {tried} of {len(waiting)}, {each:.2f} s of the processor each, {survived} survived")


def _write_figures(
    seed: str, chosen: list[Mutant], tried: list[Mutant], survivors: list[Mutant], suites: Suites
) -> None:
    """Keeps what was measured, by contract with all it imports, and by file."""
    explained = sum(1 for each in survivors if each.key in _reasons())
    of = {
        what: Counter(each.file for each in some)
        for what, some in (("mutants", chosen), ("tried", tried), ("survived", survivors))
    }
    by_contract = {}
    for contract, parts in _DEPLOYED.items():
        files = suites.imported(f"contracts/{part}.sol" for part in parts)
        some = {what: sum(counts[file] for file in files) for what, counts in of.items()}
        by_contract[contract] = some | {"killed_share": _share(some["tried"], some["survived"])}
    figures = {
        "seed": seed,
        "mutants": len(chosen),
        "tried": len(tried),
        "killed": len(tried) - len(survivors),
        "killed_share": _share(len(tried), len(survivors)),
        "survived": len(survivors),
        "survived_explained": explained,
        "by_contract": by_contract,
        "by_file": {
            file: {what: counts[file] for what, counts in of.items()} for file in sorted(of["mutants"])
        },
    }
    FIGURES.write_text(json.dumps(figures, indent=2) + "\n")


def _share(tried: int, survived: int) -> float:
    return round(1 - survived / tried, 4) if tried else 0


def _problems(
    chosen: list[Mutant], tried: list[Mutant], survivors: list[Mutant], complete: bool
) -> list[str]:
    reasons = _reasons()
    alive, known = {each.key for each in survivors}, {each.key for each in chosen}
    killed = {each.key for each in tried} - alive
    share = len(killed) / len(tried) if tried else 0.0
    found = [
        f"unexplained: {each.file}:{each.line} {each.key}" for each in survivors if each.key not in reasons
    ]
    found += [f"explained, but killed: {key}" for key in reasons if key in killed]
    if complete:
        found += [f"explained, but no mutant: {key}" for key in reasons if key not in known]
    if share < LEAST_KILLED:
        found.append(f"{share:.1%} killed, {LEAST_KILLED:.0%} wanted")
    else:
        say(f"{share:.1%} killed")
    return found


def _reasons() -> dict[str, str]:
    """Why each mutant that is expected to survive does."""
    explained = tomllib.loads(EXPLAINED.read_text()) if EXPLAINED.exists() else {}
    return {key: each["because"] for each in explained.get("survivors", []) for key in each["mutants"]}


def _compile(sources: dict[str, Source], numbers: dict[Mutant, int], suites: Suites) -> set[Mutant]:
    """Writes and compiles the copy with all switches; answers those that the compiler would not have."""
    refused: set[Mutant] = set()
    for _ in range(5):
        places = _write(sources, {each: n for each, n in numbers.items() if each not in refused}, suites)
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


def _write(
    sources: dict[str, Source], numbers: dict[Mutant, int], suites: Suites
) -> dict[str, dict[Mutant, range]]:
    """Renews the copy, touching only files that differ, so that Forge compiles no more than it must."""
    WORK.mkdir(parents=True, exist_ok=True)
    link = WORK / "node_modules"
    if not link.exists():
        link.symlink_to(NODE_MODULES.resolve())
    shutil.copy(ROOT / "foundry.toml", WORK / "foundry.toml")
    places: dict[str, dict[Mutant, range]] = {}
    wanted = set()
    for name in suites.files():
        text = (ROOT / name).read_bytes()
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


def _killer(number: int, likely: list[str], suites: tuple[str, ...]) -> str:
    """The test that fails with this mutant, the likely ones being asked first."""
    if likely:
        names = "|".join(sorted({each.partition(":")[2] for each in likely})).replace("setUp", ".*")
        paths = sorted({each.partition(":")[0] for each in likely})
        if found := _first_failure(number, [*_paths(paths), "--match-test", rf"^({names})\("]):
            return found
    return _first_failure(number, _paths(suites))


def _paths(suites: Iterable[str]) -> list[str]:
    return ["--match-path", "{" + ",".join(suites) + "}"]


def _first_failure(number: int, selection: list[str]) -> str:
    """The first test to fail with this mutant, as `suite:test`, or `SURVIVED`, or `LOST`."""
    command = [str(native_binary("forge")), "test", "--fail-fast", "-j", "1", "--fuzz-runs", "24"]
    command += ["--color=never", "--block-prevrandao", f"0x{number:064x}", *selection]
    answer = subprocess.run(
        ["/bin/sh", "-c", f'ulimit -t {SECONDS_MAX}; exec "$@"', "sh", *command],
        cwd=WORK,
        env=_environment() | {"FOUNDRY_SOLC": str(WORK / _compiler().name), "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    if answer.returncode == 0:
        if not re.search(r"^Ran \d+ tests? for ", answer.stdout, re.MULTILINE):
            raise TaskError(f"No test is one of {selection}.")
        return SURVIVED
    if answer.returncode in (-signal.SIGXCPU, -signal.SIGKILL):
        return LOST
    failed = re.search(r"^Encountered .* in (\S+):\w+\n\[FAIL.*\] (\w+)\(", answer.stdout, re.MULTILINE)
    if failed is None:
        raise TaskError(f"Forge failed, but no test did:\n{answer.stderr[-1000:]}{answer.stdout[-1000:]}")
    return f"{failed[1]}:{failed[2]}"


def _compiler() -> Path:
    return next(SOLC_FOLDER.glob("solc-v*"))


def _make_quick_compiler() -> None:
    """Forge asks for the compiler's version at every start, which costs a fifth of it: the answer is kept."""
    command = [str(_compiler()), "--version"]
    answer = subprocess.run(command, env=child_environment(), capture_output=True, check=True)
    script = WORK / _compiler().name
    script.write_text(f"#!/bin/sh\necho '{answer.stdout.decode()}'\n")
    script.chmod(0o755)


def _environment() -> dict[str, str]:
    return child_environment(
        FOUNDRY_SOLC=str(_compiler()),
        FOUNDRY_OPTIMIZER="false",
        FOUNDRY_DENY="never",
        FOUNDRY_LINT_LINT_ON_BUILD="false",
        FOUNDRY_OUT="out",
        FOUNDRY_CACHE_PATH="cache",
        FOUNDRY_CODE_SIZE_LIMIT="1000000",
        # Collecting values to try takes half the time of all tests, and ours draw their own bounds.
        FOUNDRY_FUZZ_INCLUDE_STORAGE="false",
        FOUNDRY_FUZZ_INCLUDE_PUSH_BYTES="false",
    )


def _processor_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    try:
        run()
    except TaskError as error:
        say(f"error: {error}")
        sys.exit(1)
