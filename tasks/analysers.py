"""`deep-symbolic`, `deep-static`: halmos and slither (`python -m tasks.analysers symbolic`).

They run in an environment of their own (`data/deep`), made from `requirements/deep.txt` with hashes.
"""

import json
import os
import subprocess
import sys

from tasks.console import TaskError, say, step
from tasks.environment import DATA, ROOT, child_environment, run

VENV = DATA / "deep"
SYMBOLIC = "tests/contracts/symbolic"
BUILD = ROOT / "build"
EXPLAINED = {
    "arbitrary-send-erc20": ("Ledger._pull", "the payer is always the signer of this very payment"),
    "weak-prng": ("Accounting._share", "a remainder of a division, nothing random"),
    "incorrect-return": ("Extended._extend", "the rest of the code answers in its place, by delegatecall"),
    "uninitialized-state": ("Ledger._", "written by the extension, in the same storage"),
    "divide-before-multiply": ("RecourseClaims._quote", "whole minor units are due, so each part is rounded"),
    "incorrect-equality": ("", "compares amounts and times kept here, which nobody can send to"),
    "uninitialized-local": ("", "begins at zero, as Solidity says"),
    "unused-return": ("", "what else is answered is not needed there"),
    "reentrancy-no-eth": ("Sales.acknowledgeCash", "calls only Receivables, which calls nobody back"),
}
"""Findings that were looked at: where they may stand, and why they are none."""


def symbolic() -> None:
    """Proves with halmos what is in tests/contracts/symbolic, for all values of the sizes given there."""
    _make_environment()
    environment = _environment(
        FOUNDRY_SRC=SYMBOLIC,
        FOUNDRY_TEST=SYMBOLIC,
        FOUNDRY_SCRIPT=SYMBOLIC,
        FOUNDRY_OUT="build/symbolic",
        FOUNDRY_CACHE_PATH="build/symbolic-cache",
    )
    run(VENV / "bin" / "halmos", "--forge-build-out", "build/symbolic", "--loop", "16", env=environment)


def static() -> None:
    """Analyses the contracts with slither. Raises TaskError on a finding of high or medium impact that
    `EXPLAINED` does not explain, or if nothing was analysed."""
    _make_environment()
    report = BUILD / "reports" / "slither.json"
    report.parent.mkdir(parents=True, exist_ok=True)
    report.unlink(missing_ok=True)
    slither = str(VENV / "bin" / "slither")
    command = [slither, ".", "--json", str(report), "--filter-paths", "node_modules|tests|bench"]
    environment = _environment(
        FOUNDRY_TEST="contracts/mocks",
        FOUNDRY_SCRIPT="contracts/mocks",
        FOUNDRY_OUT="build/static",
        FOUNDRY_CACHE_PATH="build/static-cache",
    )
    with step("Analysing the contracts with slither"):
        answer = subprocess.run(
            command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
        )
    if not report.exists():
        raise TaskError(f"slither wrote no report:\n{answer.stderr[-2000:]}")
    analysed = [line for line in answer.stderr.splitlines() if "analyzed (" in line]
    if not analysed or "analyzed (0 " in analysed[-1]:
        raise TaskError("slither analysed no contracts.")
    say(analysed[-1].strip())
    findings = json.loads(report.read_text()).get("results", {}).get("detectors", [])
    serious = [each for each in findings if each["impact"] in ("High", "Medium") and not _explained(each)]
    for each in serious:
        say(f"{each['impact']} {each['check']}: {each['description'].strip()}")
    if serious:
        raise TaskError(f"{len(serious)} findings of high or medium impact.")


def _explained(finding: dict[str, str]) -> bool:
    where, _ = EXPLAINED.get(finding["check"], ("no finding", ""))
    return where in finding["description"]


def _environment(**extra: str) -> dict[str, str]:
    environment = child_environment(**extra)
    return environment | {"PATH": os.pathsep.join([str(VENV / "bin"), environment["PATH"]])}


def _make_environment() -> None:
    lock = ROOT / "requirements" / "deep.txt"
    stamp = VENV / "lock"
    if stamp.exists() and stamp.read_text() == lock.read_text():
        return
    with step("Setting up the analysers"):
        run(sys.executable, "-m", "venv", "--clear", VENV)
        run(VENV / "bin" / "pip", "install", "--quiet", "--require-hashes", "--requirement", lock)
        stamp.write_text(lock.read_text())


if __name__ == "__main__":
    try:
        {"symbolic": symbolic, "static": static}[sys.argv[1]]()
    except TaskError as error:
        say(f"error: {error}")
        sys.exit(1)
