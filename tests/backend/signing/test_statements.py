"""The signer's table of statements against the contracts' sources: what is signed is what is checked."""

import re
from pathlib import Path

import pytest

from backend.signing.statements import STATEMENTS, TOKEN, UNDERTAKINGS
from backend.verifier.capture import CAPTURE_TYPE

SOURCES = Path(__file__).parents[3] / "contracts"


def literals() -> set[str]:
    """Every string in the contracts, with adjacent literals joined as the compiler joins them."""
    found = set()
    for source in SOURCES.rglob("*.sol"):
        for match in re.finditer(r'"(?:[^"\\]|\\.)*"(?:\s*"(?:[^"\\]|\\.)*")*', source.read_text()):
            found.add("".join(re.findall(r'"((?:[^"\\]|\\.)*)"', match[0])))
    return found


CHECKED = [name for name, s in STATEMENTS.items() if s.contract is not TOKEN and name != "Capture"]
"""What the contracts check; a capture's signature is checked by who verifies the log."""


@pytest.mark.parametrize("name", CHECKED)
def test_every_statement_is_type_hashed_by_a_contract(name):
    assert STATEMENTS[name].type in literals()


def test_a_permit_is_that_of_erc_2612():
    openzeppelin = (
        SOURCES.parent / "node_modules/@openzeppelin/contracts/token/ERC20/extensions/ERC20Permit.sol"
    )
    assert STATEMENTS["Permit"].type in openzeppelin.read_text()


def test_a_capture_is_what_the_log_verifies():
    assert STATEMENTS["Capture"].type == CAPTURE_TYPE


@pytest.mark.parametrize("sentence", UNDERTAKINGS)
def test_the_undertakings_are_the_contracts_sentences(sentence):
    assert sentence in literals()


@pytest.mark.parametrize("name", STATEMENTS)
def test_no_struct_has_two_members_of_one_name(name):
    """EIP-712 allows it in a type hash, and no wallet can sign it."""
    for members in STATEMENTS[name].structs.values():
        names = [member for member, _ in members]
        assert len(names) == len(set(names))


def test_no_type_string_of_the_contracts_has_two_members_of_one_name():
    for text in literals():
        for members in re.findall(r"[A-Z]\w*\((\w+(?:\[\])? \w+(?:,\w+(?:\[\])? \w+)*)\)", text):
            names = [member.split(" ")[1] for member in members.split(",")]
            assert len(names) == len(set(names)), text
