"""`deep-symbolic`, `deep-static`: halmos and slither (`python -m tasks.analysers symbolic`).

They run in an environment of their own (`data/deep`), made from `requirements/deep.txt` with hashes.
"""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

from tasks.console import TaskError, say, step
from tasks.environment import DATA, ROOT, child_environment, run

VENV = DATA / "deep"
SYMBOLIC = "tests/contracts/symbolic"
BUILD = ROOT / "build"
Finding = dict[str, Any]
_WHOLE_UNITS = "compares amounts and times kept here, which nobody can send to"
_ZERO = "begins at zero, as Solidity says"
_ELSEWHERE = "written by the extension, in the same storage"
_NOT_NEEDED = "what else is answered is not needed there"
_ANSWERED = "the call ends there: the rest of the code answers in its place"
EXPLAINED = {
    ("divide-before-multiply", "RecourseClaims._quote"): "whole minor units are due: each part is rounded",
    ("incorrect-equality", "Accounting.accrue"): _WHOLE_UNITS,
    ("incorrect-equality", "Accounting.pay"): _WHOLE_UNITS,
    ("incorrect-equality", "Records._covered"): _WHOLE_UNITS,
    ("incorrect-equality", "Keys.changePayout"): _WHOLE_UNITS,
    ("incorrect-return", "Payments.pay"): _ANSWERED,
    ("incorrect-return", "Payments.redeem"): _ANSWERED,
    ("incorrect-return", "Title.sell"): _ANSWERED,
    ("incorrect-shift", "SignedActions._takeNonce"): "shifts the bit of the nonce by its place in the word",
    ("reentrancy-no-eth", "Sales.acknowledgeCash"): "calls only Receivables, which calls nobody back",
    ("uninitialized-local", "Collections.redeemMany"): _ZERO,
    ("uninitialized-local", "Fingerprints.takeMany"): _ZERO,
    ("uninitialized-local", "Issuance.confirmMany"): _ZERO,
    ("uninitialized-local", "Issuance.issueAndConfirmMany"): _ZERO,
    ("uninitialized-local", "Issuance.issueMany"): _ZERO,
    ("uninitialized-local", "Reserves._makeGood"): _ZERO,
    ("uninitialized-local", "Reserves._divided"): _ZERO,
    ("uninitialized-local", "Reserves.releaseReserve"): _ZERO,
    ("uninitialized-local", "Sales._deliver"): _ZERO,
    ("uninitialized-local", "Sales.acceptWith"): _ZERO,
    ("uninitialized-local", "Sales.acknowledgeCash"): _ZERO,
    ("uninitialized-local", "SignedActions._perform"): _ZERO,
    ("uninitialized-state", "Ledger._licences"): _ELSEWHERE,
    ("uninitialized-state", "Ledger._operators"): _ELSEWHERE,
    ("uninitialized-state", "Ledger._settlements"): _ELSEWHERE,
    ("unused-return", "Adjustments._checkAllMarked"): _NOT_NEEDED,
    ("unused-return", "Adjustments._extinguish"): _NOT_NEEDED,
    ("unused-return", "Collections.due"): _NOT_NEEDED,
    ("unused-return", "ReceiptEscrow.release"): _NOT_NEEDED,
    ("unused-return", "RecourseClaims._authoriseAdjust"): _NOT_NEEDED,
    ("unused-return", "RecourseClaims._authorisePayment"): _NOT_NEEDED,
    ("unused-return", "Reserves.releaseReserve"): _NOT_NEEDED,
    ("unused-return", "Sales.acknowledgeCash"): _NOT_NEEDED,
    ("unused-return", "Sales.cancelOffer"): _NOT_NEEDED,
    ("unused-return", "Sales.isFunded"): _NOT_NEEDED,
    ("unused-return", "Sales.lapse"): _NOT_NEEDED,
    ("weak-prng", "Accounting._share"): "a remainder of a division, nothing random",
    ("write-after-write", "Sales._noPermit"): "the two parts of one pointer, not the same written twice",
}
"""Findings that were looked at, by detector and by the function or variable they are in: why each is none."""


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
    serious = [each for each in findings if each["impact"] in ("High", "Medium")]
    problems = unexplained(serious, EXPLAINED)
    for each in problems:
        say(each)
    say(f"{len(serious)} findings of high or medium impact, {len(EXPLAINED)} explanations")
    if problems:
        raise TaskError(f"{len(problems)} of these are not as explained.")


def unexplained(findings: list[Finding], explained: Mapping[tuple[str, str], str]) -> list[str]:
    """Findings without an explanation, and explanations without a finding."""
    found = {(each["check"], place_of(each)): each for each in findings}
    problems = [
        f"{each['impact']} {key}: {each['description'].strip()}"
        for key, each in found.items()
        if key not in explained
    ]
    return problems + [f"explained, but not found: {key}" for key in explained if key not in found]


def place_of(finding: Finding) -> str:
    """The function or variable a finding is in, with its contract."""
    for element in finding["elements"]:
        if element["type"] in ("function", "variable"):
            parent = element["type_specific_fields"]["parent"]
            if parent["type"] == "function":  # a local variable
                return f"{parent['type_specific_fields']['parent']['name']}.{parent['name']}"
            return f"{parent['name']}.{element['name']}"
    return str(finding["elements"][0]["name"]) if finding["elements"] else ""


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
