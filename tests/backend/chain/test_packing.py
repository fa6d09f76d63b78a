"""What goes into one transaction, what it may cost, and what is offered for it."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.chain import fees
from backend.chain.abi import Abi, AbiError
from backend.chain.contracts import Call, Contract, Contracts, Relay, explain
from backend.chain.packing import Candidate, pack
from backend.chain.signer import Fees
from backend.kit.ids import uuid7

_ACTION = {
    "name": "action",
    "type": "tuple",
    "components": [
        {"name": "signer", "type": "address"},
        {"name": "nonce", "type": "uint256"},
        {"name": "deadline", "type": "uint256"},
        {"name": "gasFloor", "type": "uint256"},
        {"name": "callData", "type": "bytes"},
        {"name": "signature", "type": "bytes"},
        {"name": "cosignature", "type": "bytes"},
    ],
}
ABI = Abi(
    [
        {"type": "function", "name": "relay", "inputs": [_ACTION], "outputs": []},
        {
            "type": "function",
            "name": "relayMany",
            "inputs": [_ACTION | {"name": "actions", "type": "tuple[]"}],
        },
        {"type": "error", "name": "TooMuch", "inputs": [{"name": "value", "type": "uint256"}]},
    ]
)
A, B, WHO = "0x" + "11" * 20, "0x" + "22" * 20, "0x" + "33" * 20
CONTRACTS = Contracts(5, 0, "0x00", [Contract("Participants", A, ABI), Contract("B", B, ABI)])


def candidate(nonce: int, target: str = A, gas: int = 100_000, *, relayed: bool = True) -> Candidate:
    relay = Relay(WHO, nonce, 1, 0, "0x" + "44" * 65) if relayed else None
    name = "Participants" if target == A else "B"
    return Candidate(uuid7(), Call(name, target, b"\x01\x02\x03\x04", relay), gas)


def test_signed_actions_of_one_contract_share_a_transaction():
    given_ = [candidate(1), candidate(2, B), candidate(3), candidate(4, relayed=False), candidate(5, B)]

    parcels = pack(CONTRACTS, given_, 10_000_000)

    assert [len(parcel.operations) for parcel in parcels] == [2, 2, 1]
    assert parcels[0].operations == (given_[0].operation_id, given_[2].operation_id)
    decoded = ABI.function("relayMany").decode_input(parcels[0].data)["actions"]
    assert [each["nonce"] for each in decoded] == [1, 3]
    assert parcels[2].data == b"\x01\x02\x03\x04"


def test_the_same_signature_twice_waits():
    parcels = pack(CONTRACTS, [candidate(1), candidate(1)], 10_000_000)

    assert [len(parcel.operations) for parcel in parcels] == [1]


def test_the_last_of_a_pack_finds_the_gas_it_must_be_left():
    """What each takes is known from a simulation; what must be left to it is more, and needed once."""
    taken, floor = 150_000, 260_000
    given_ = [replace(candidate(place, gas=taken), floor=floor) for place in range(30)]

    (parcel,) = pack(CONTRACTS, given_, 12_000_000)
    (alone,) = pack(CONTRACTS, given_[:1], 12_000_000)

    before_the_last = 21_000 + 29 * (taken - 21_000)
    assert (parcel.gas - before_the_last) * 63 // 64 >= floor
    assert (alone.gas - 21_000) * 63 // 64 >= floor


@given(st.lists(st.integers(30_000, 3_000_000), max_size=60), st.integers(1_000_000, 12_000_000))
def test_nothing_is_lost_and_nothing_too_large(gas: list[int], limit: int):
    given_ = [candidate(place, gas=each) for place, each in enumerate(gas)]

    parcels = pack(CONTRACTS, given_, limit)

    carried = [each for parcel in parcels for each in parcel.operations]
    assert carried == [each.operation_id for each in given_]
    for parcel in parcels:
        own = {each.operation_id: each.gas for each in given_}
        assert (
            parcel.gas >= sum(own[each] - 21_000 for each in parcel.operations) + 21_000
            or parcel.gas == limit
        )
        assert parcel.gas <= limit or len(parcel.operations) == 1


def test_a_replacement_pays_an_eighth_more_and_never_above_the_cap():
    old, usual = Fees(800, 8), Fees(100, 1)

    assert fees.bump(old, usual, 10_000) == Fees(901, 10)
    assert fees.bump(old, Fees(5_000, 50), 10_000) == Fees(5_000, 50)
    with pytest.raises(fees.FeeCapReached):
        fees.bump(old, usual, 900)


def test_errors_are_sentences():
    revert = CONTRACTS.decode_revert(ABI.errors[next(iter(ABI.errors))].encode([7]))

    assert (revert.name, revert.args) == ("TooMuch", {"value": 7})
    assert "TooMuch" in revert.detail("en")
    assert "value = 7" in revert.detail("zh")
    assert CONTRACTS.decode_revert(b"").name == "Empty"
    assert CONTRACTS.decode_revert(b"\xde\xad\xbe\xef").name == "Unknown"
    panic = CONTRACTS.decode_revert(bytes.fromhex("4e487b71") + (17).to_bytes(32, "big"))
    assert (panic.name, panic.args) == ("Panic", {"code": 17})
    plain = CONTRACTS.decode_revert(bytes.fromhex("08c379a0") + b"cut off")
    assert plain.name == "Unknown"
    assert "17" in explain("Panic", {"code": 17}, "zh")


_SHAPES = [
    {"name": "a", "type": "uint256"},
    {"name": "b", "type": "bytes32[]"},
    {
        "name": "c",
        "type": "tuple[]",
        "components": [{"name": "x", "type": "bytes"}, {"name": "y", "type": "bool"}],
    },
    {"name": "d", "type": "string"},
    {"name": "e", "type": "address"},
]
_FUNCTION = Abi([{"type": "function", "name": "f", "inputs": _SHAPES}]).function("f")


@given(
    st.integers(0, 2**256 - 1),
    st.lists(st.binary(min_size=32, max_size=32), max_size=3),
    st.lists(st.tuples(st.binary(max_size=40), st.booleans()), max_size=3),
    st.text(st.characters(blacklist_categories=("Cs",)), max_size=20),
)
def test_what_is_encoded_decodes_to_itself(a, b, c, d):
    values = {
        "a": a,
        "b": ["0x" + each.hex() for each in b],
        "c": [{"x": "0x" + x.hex(), "y": y} for x, y in c],
        "d": d,
        "e": "0x5FbDB2315678afecb367f032d93F642f64180aa3",
    }

    assert _FUNCTION.decode_input(_FUNCTION.encode(values)) == values


@pytest.mark.parametrize(
    "change",
    [
        {"a": -1},
        {"a": 2**256},
        {"a": "1"},
        {"b": "0x" + "00" * 32},
        {"b": ["0x00" * 33]},
        {"c": [{"x": "0x"}]},
        {"e": "0x12"},
        {"f": 1},
    ],
)
def test_what_does_not_fit_is_refused(change):
    values = {"a": 1, "b": [], "c": [], "d": "", "e": "0x5FbDB2315678afecb367f032d93F642f64180aa3"}

    with pytest.raises(AbiError):
        _FUNCTION.encode(values | change)
