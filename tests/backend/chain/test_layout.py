"""Reading logs by their fixed layout gives what eth-abi gives, and refuses what it refuses."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.chain.abi import AbiError, Item, decode_values

_BITS = st.integers(1, 32).map(lambda count: count * 8)
_SIMPLE = st.one_of(
    st.sampled_from(["address", "bool", "bytes32", "uint256", "int256"]),
    _BITS.map(lambda bits: f"uint{bits}"),
    _BITS.map(lambda bits: f"int{bits}"),
    st.integers(1, 32).map(lambda size: f"bytes{size}"),
)


def _named(shapes: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [shape | {"name": f"m{number}"} for number, shape in enumerate(shapes)]


_SHAPES = st.recursive(
    _SIMPLE.map(lambda kind: {"type": kind}),
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=4).map(
            lambda members: {"type": "tuple", "components": _named(members)}
        ),
        st.tuples(inner, st.integers(1, 3)).map(
            lambda pair: pair[0] | {"type": f"{pair[0]['type']}[{pair[1]}]"}
        ),
    ),
    max_leaves=8,
)
_WORDS = st.one_of(
    st.binary(min_size=32, max_size=32),
    st.integers(0, 40).map(lambda number: number.to_bytes(32, "big")),
    st.binary(min_size=20, max_size=20).map(lambda raw: raw.rjust(32, b"\0")),
    st.binary(min_size=3, max_size=3).map(lambda raw: raw.ljust(32, b"\0")),
    st.sampled_from([b"\xff" * 32, b"\xff" * 31 + b"\1"]),
)


def _outcome(decode: Any) -> Any:
    try:
        return decode()
    except AbiError:
        return "refused"


@given(st.lists(_SHAPES, min_size=1, max_size=4).map(_named), st.data())
def test_values_and_refusals_are_those_of_eth_abi(shapes: list[dict[str, Any]], data: st.DataObject) -> None:
    item = Item("Happened", tuple(shapes))
    assert item._layout is not None, "all of it stands at fixed places"
    size = item._layout[1] // 32
    words = b"".join(data.draw(st.lists(_WORDS, min_size=size, max_size=size)))
    cut = data.draw(st.integers(0, 1)) * data.draw(st.integers(1, 40))
    given_ = words[: len(words) - cut]

    fast = _outcome(lambda: item.decode_log([item.hash], given_))

    assert fast == _outcome(lambda: decode_values(shapes, given_))


def test_a_log_without_its_topics_or_cut_short_is_refused() -> None:
    item = Item(
        "Moved",
        ({"name": "who", "type": "address", "indexed": True}, {"name": "units", "type": "uint64"}),
    )
    who, units = b"\1" * 20, (7).to_bytes(32, "big")
    good = item.decode_log([item.hash, who.rjust(32, b"\0")], units)
    assert good == {"who": "0x" + "01" * 20, "units": 7}
    for topics, data in (
        ([item.hash], units),
        ([item.hash, who], units),
        ([item.hash, who.rjust(32, b"\0")], units[:31]),
        ([item.hash, b"\1" * 32], units),
    ):
        with pytest.raises(AbiError, match="Moved"):
            item.decode_log(topics, data)
