"""The deployment plan covers the contracts as they are written."""

import re

from scripts import plan
from tasks.environment import ROOT

SOURCES = {file.stem: file.read_text() for file in sorted((ROOT / "contracts").rglob("*.sol"))}
RESTRICTED = re.compile(r"function (\w+)\([^{};]*?\brestricted\b", re.DOTALL)
CONSTRUCTOR = re.compile(r"constructor\(([^)]*)\)")
GIVEN = [name for role in plan.ROLES for functions in role.functions.values() for name in functions]


def test_every_restricted_function_is_some_role_s() -> None:
    # A function nobody was given stays with the administrator, who should only give roles.
    restricted = {name for source in SOURCES.values() for name in RESTRICTED.findall(source)}
    assert restricted
    assert sorted(GIVEN) == sorted(restricted)


def test_every_constructor_is_told_what_it_asks_for() -> None:
    for place, name in enumerate(plan.CONTRACTS):
        declared = CONSTRUCTOR.search(SOURCES[name])
        parameters = [each.split()[-1] for each in declared[1].split(",") if each.strip()] if declared else []
        for parameter in parameters:
            source = plan.ARGUMENTS[parameter]
            assert source not in plan.CONTRACTS[place:], f"{name} needs {source}, which stands after it"


def test_no_role_can_move_a_claim() -> None:
    moves = {"transfer", "safeTransferFrom", "pay", "redeem", "confirm", "sell", "unlock", "sendBack"}
    assert not moves & set(GIVEN)
