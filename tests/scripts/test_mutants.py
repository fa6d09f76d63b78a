"""How mutants are put behind switches, and what is made of what Forge reports."""

from tasks.coverage import read_report, shares
from tasks.invariants import read_calls
from tasks.mutants import Mutant, Source, without_pure

TEXT = b"if (a < b) c = a + b;"


def mutant(text: str, prefix: str, suffix: str) -> Mutant:
    start = TEXT.index(text.encode())
    return Mutant(text, "A.sol", 1, start, start + len(text), prefix, suffix)


def test_switches_nest_and_each_mutant_knows_its_place() -> None:
    outer = mutant("c = a + b;", "{ if (r != #) { ", " } }")
    inner = mutant("a + b", "(r == # ? a - b : ", ")")
    source = Source(TEXT, [inner, outer], [(0, "/* copy */ ")])
    text, places = source.switched({inner: 7, outer: 8})
    assert text == b"/* copy */ if (a < b) { if (r != 8) { c = (r == 7 ? a - b : a + b); } }"
    assert text[places[inner].start : places[inner].stop] == b"(r == 7 ? a - b : a + b)"
    assert text[places[outer].start : places[outer].stop].endswith(b"a + b); } }")


def test_what_the_compiler_refused_is_left_out() -> None:
    inner = mutant("a + b", "(r == # ? a - b : ", ")")
    text, places = Source(TEXT, [inner], []).switched({})
    assert (text, places) == (TEXT, {})


def test_only_the_keyword_pure_gives_way() -> None:
    assert without_pure(b"function pureFee() pure {}") == b"function pureFee() view {}"


def test_coverage_counts_the_contracts_alone() -> None:
    report = "\n".join(
        [
            "SF:contracts/A.sol",
            "DA:1,3",
            "DA:2,0",
            "BRDA:2,0,0,-",
            "BRDA:2,1,0,4",
            "end_of_record",
            "SF:contracts/mocks/B.sol",
            "DA:1,0",
            "SF:tests/contracts/forge/C.sol",
            "DA:1,0",
        ]
    )
    files = read_report(report)
    assert list(files) == ["contracts/A.sol"]
    assert files["contracts/A.sol"].lines_missed == [2]
    assert files["contracts/A.sol"].branches_missed == [2]
    assert shares(files) == (0.5, 0.5)


def test_only_calls_of_invariants_that_held_are_counted() -> None:
    log = """
[PASS] invariant_Ledger() (runs: 50, calls: 3200, reverts: 0)
[FAIL: NotTrue("x")] invariant_Other() (runs: 1, calls: 12, reverts: 0)
[PASS] test_Else() (gas: 12)
"""
    assert read_calls(log) == {"invariant_Ledger": 3200}
