"""Gas figures: a rise is named, and so is what is measured on one side only."""

from tasks.gas import differences, read_figures

LOG = """
[PASS] test_Issue() (gas: 264986)
Logs:
  issue: 98173
  confirm_of_50: 56926

Suite result: ok. 8 passed; 0 failed; 0 skipped; finished in 465.54ms (692.15ms CPU time)
"""


def test_figures_are_read_from_what_forge_prints() -> None:
    assert read_figures(LOG) == {"issue": 98173, "confirm_of_50": 56926}


def test_a_rise_fails_and_a_fall_does_not() -> None:
    assert differences({"issue": 101, "pay": 49}, {"issue": 100, "pay": 50}) == ["issue: 101 gas, 100 agreed"]


def test_what_is_on_one_side_only_is_named() -> None:
    problems = differences({"new": 1}, {"old": 2})
    assert problems == ["new: 1 gas, none agreed", "old: agreed, but not measured any more"]
