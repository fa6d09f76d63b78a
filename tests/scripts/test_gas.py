"""Gas figures: a rise is named, and so is what is measured on one side only."""

import json

from tasks.gas import AGREED, AIMS, DESCRIBED, described, differences, read_figures

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


def test_the_description_shows_the_agreed_figures() -> None:
    agreed = json.loads(AGREED.read_text())
    text = DESCRIBED.read_text()
    assert f"| `pay` | 56,000 | {agreed['pay']:,} |" in text
    assert described(text, agreed) == text, "`make gas UPDATE=1` writes them"
    assert f"| {agreed['pay'] + 1:,} |" in described(text, agreed | {"pay": agreed["pay"] + 1})


def test_every_operation_costs_less_than_its_aim_and_more_than_its_floor() -> None:
    agreed = json.loads(AGREED.read_text())
    for name, known in json.loads(AIMS.read_text()).items():
        assert known.get("floor", -(10**9)) < agreed[name] <= known["aim"], name
