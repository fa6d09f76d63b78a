"""What every prepared action has in common."""

import json
from pathlib import Path

from backend.receivables.desk import GAS_FLOORS
from backend.signing.statements import STATEMENTS

MEASURED = json.loads((Path(__file__).parents[3] / "bench/gas.json").read_text())
NEW_WORD = 20_000


def test_no_sender_can_starve_an_action():
    """The floors stand well above what was measured, and not so far that a batch would not fit a block."""
    measured = {
        "IssueAndConfirm": "issue_confirm",
        "Transfer": "transfer_new",
        "Pay": "pay",
        "PayAsDebtor": "pay",
        "Redeem": "redeem",
        "Accept": "sale",
    }
    for name, operation in measured.items():
        first, _ = GAS_FLOORS[name]
        assert 1.5 * MEASURED[operation] + NEW_WORD <= first <= 3 * MEASURED[operation], name
    assert 1.5 * MEASURED["sale_of_50"] <= GAS_FLOORS["Accept"][1]


def test_every_floor_is_of_an_action_that_has_one():
    for name in GAS_FLOORS:
        assert ("gasFloor", "uint256") in STATEMENTS[name].members
