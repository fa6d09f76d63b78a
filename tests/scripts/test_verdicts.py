"""How long a mutant's verdict stays true, and which tests it is shown first."""

from pathlib import Path

import pytest

from tasks.mutants import Mutant
from tasks.verdicts import LOST, SURVIVED, TESTS, Suites, Verdicts

LEDGER, LOG = f"{TESTS}/Ledger.t.sol", f"{TESTS}/Log.t.sol"
FILES = {
    "contracts/Ledger.sol": 'import {\n    A,\n    B\n} from "./libraries/Sums.sol";',
    "contracts/libraries/Sums.sol": 'import {X} from "@openzeppelin/contracts/X.sol";',
    "contracts/Log.sol": "",
    f"{TESTS}/Base.sol": 'import {Ledger} from "../../../contracts/Ledger.sol";',
    LEDGER: 'import {Base} from "./Base.sol";',
    LOG: 'import {Log} from "../../../contracts/Log.sol";',
    f"{TESTS}/Invariants.t.sol": 'import {Log} from "../../../contracts/Log.sol";',
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def verdicts(root: Path) -> Verdicts:
    return Verdicts(root / "verdicts.json", Suites(root))


def mutant(key: str, file: str = "contracts/libraries/Sums.sol") -> Mutant:
    return Mutant(key, file, 1, 0, 1, "", "")


ADDING = mutant("Sums.add: a + b → a - b")


def test_a_suite_is_asked_about_what_it_imports_directly_or_not(root: Path) -> None:
    suites = Suites(root)
    assert suites.of("contracts/libraries/Sums.sol") == (LEDGER,)
    assert suites.of("contracts/Log.sol") == (LOG,)
    assert suites.files() == FILES.keys() - {f"{TESTS}/Invariants.t.sol"}


@pytest.mark.parametrize("killer", [f"{LEDGER}:test_Sum", SURVIVED, LOST])
@pytest.mark.parametrize("changed", FILES)
def test_a_verdict_holds_until_what_its_suites_import_changes(root: Path, killer: str, changed: str) -> None:
    verdicts(root).put(ADDING, killer)
    assert verdicts(root).is_known(ADDING)
    (root / changed).write_text(FILES[changed] + "\n// changed")
    touches = changed not in ("contracts/Log.sol", LOG, f"{TESTS}/Invariants.t.sol")
    assert verdicts(root).is_known(ADDING) is not touches


def test_a_new_suite_may_kill_a_survivor_and_saves_no_mutant(root: Path) -> None:
    other = mutant("Sums.add: a → b")
    before = verdicts(root)
    before.put(ADDING, f"{LEDGER}:test_Sum")
    before.put(other, SURVIVED)
    (root / TESTS / "More.t.sol").write_text('import {Base} from "./Base.sol";')
    assert verdicts(root).is_known(ADDING)
    assert not verdicts(root).is_known(other)


def test_a_verdict_of_a_suite_that_is_no_more_is_none(root: Path) -> None:
    verdicts(root).put(ADDING, f"{LEDGER}:test_Sum")
    (root / LEDGER).unlink()
    assert not verdicts(root).is_known(ADDING)


def test_killers_of_neighbours_are_likely(root: Path) -> None:
    known = verdicts(root)
    known.put(mutant("Sums.add: a → b"), f"{LEDGER}:test_Sum")
    known.put(mutant("Sums.share: a → b"), f"{LEDGER}:test_Share")
    known.put(mutant("Sums.share: b → a"), SURVIVED)
    known.put(mutant("Log.add: a → b", "contracts/Log.sol"), f"{LOG}:test_Log")
    assert known.likely(ADDING) == [f"{LEDGER}:test_Share", f"{LEDGER}:test_Sum"]
