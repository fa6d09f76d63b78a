"""The deployment plan covers the contracts as they are written."""

import re
import tomllib
from copy import deepcopy
from typing import Any

import pytest

from scripts import plan
from tasks.environment import ROOT
from tasks.networks import NETWORKS, Network

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


SETTINGS = tomllib.loads((ROOT / "scripts" / "deployment.toml").read_text())["default"]
TOKEN = "0x" + "70" * 20


def fit_for_money() -> dict[str, Any]:
    settings: dict[str, Any] = deepcopy(SETTINGS)
    settings["role_delays"] = dict.fromkeys(settings["role_delays"], 86_400) | {"guardian": 0}
    settings["currencies"] = [each | {"token": TOKEN} for each in settings["currencies"]]
    return settings


def test_the_settings_of_a_test_chain_are_found_unfit_for_money() -> None:
    found = list(plan.shortcuts(SETTINGS))
    assert len(found) == 6  # four roles, two currencies
    assert not list(plan.shortcuts(fit_for_money()))


@pytest.mark.parametrize(
    ("section", "name", "value"),
    [
        ("role_delays", "administrator", 0),
        ("role_delays", "registrar", 0),
        ("role_delays", "supervisor", 0),
        ("role_delays", "steward", 0),
        ("delays", "payout", 0),
        ("delays", "takeover", 0),
        ("roles", "supervisor", SETTINGS["roles"]["registrar"]),
    ],
)
def test_each_shortcut_is_found(section: str, name: str, value: object) -> None:
    settings = fit_for_money()
    settings[section][name] = value
    (found,) = plan.shortcuts(settings)
    assert name in found


def test_every_role_has_a_holder_and_a_delay() -> None:
    names = {plan.ADMINISTRATOR.name, *(role.name for role in plan.ROLES)}
    assert set(SETTINGS["roles"]) == set(SETTINGS["role_delays"]) == names


def test_only_chains_without_money_are_test_chains() -> None:
    assert all(network.is_test for network in NETWORKS.values())
    assert not Network("ethereum", "remote", 1, "where there is money").is_test
