"""The leaf of the log: every bit counts, nothing else is a leaf."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.verifier import leaf


def hashes(length=32):
    return st.binary(min_size=length, max_size=length)


leaves = st.builds(
    leaf.Leaf,
    log_id=hashes(),
    sequence=st.integers(0, 2**64 - 1),
    recorder=hashes(20),
    key_id=hashes(),
    received_at=st.integers(0, 2**64 - 1),
    cbv_hash=hashes(),
    body_hash=hashes(),
    place=st.integers(0, 2**32 - 1),
    fields_root=hashes(),
)
EXAMPLE = leaf.Leaf(b"l" * 32, 7, b"r" * 20, b"k" * 32, 1_780_000_000_000, b"c" * 32, b"b" * 32, 3, b"f" * 32)


@given(leaves)
def test_encoding_is_fixed_length_and_reversible(value):
    assert len(value.encode()) == leaf.ENCODED_BYTES
    assert leaf.decode(value.encode()) == value


@given(leaves, leaves)
def test_different_leaves_have_different_encodings(first, second):
    assert (first == second) is (first.encode() == second.encode())


def test_layout_is_the_documented_one():
    assert EXAMPLE.encode() == (
        b"\x01" + b"l" * 32 + bytes(7) + b"\x07" + b"r" * 20 + b"k" * 32
        + (1_780_000_000_000).to_bytes(8, "big") + b"c" * 32 + b"b" * 32 + b"\x00\x00\x00\x03" + b"f" * 32
    )  # fmt: skip
    assert EXAMPLE.hash().hex() == "e4c1bc7db68952a436a815a9111823c9a7edfe14062632e63a6dd8e0355f0df1"


@pytest.mark.parametrize(
    "change",
    [{"sequence": 2**64}, {"sequence": -1}, {"place": 2**32}, {"recorder": b""}, {"log_id": bytes(31)}],
)
def test_values_that_do_not_fit_are_refused(change):
    with pytest.raises(leaf.LeafError):
        replace(EXAMPLE, **change)


@pytest.mark.parametrize(
    "encoded", [b"", EXAMPLE.encode()[:-1], EXAMPLE.encode() + b"\x00", b"\x02" + bytes(200)]
)
def test_other_bytes_are_no_leaf(encoded):
    with pytest.raises(leaf.LeafError, match="not a leaf of version 1"):
        leaf.decode(encoded)


def test_body_hash_needs_its_salt():
    assert leaf.body_hash(bytes(32), b"{}") != leaf.body_hash(b"\x01" * 32, b"{}")
    with pytest.raises(leaf.LeafError, match="32 bytes"):
        leaf.body_hash(b"", b"{}")


def test_cbv_hash_ids():
    assert leaf.cbv_digest("ni:///sha-256;" + "ab" * 32 + "?ver=CBV2.0") == b"\xab" * 32
    for other in (
        "ni:///sha-256;" + "ab" * 32,
        "ni:///sha-256;" + "AB" * 32 + "?ver=CBV2.0",
        "",
        "urn:uuid:1",
    ):
        with pytest.raises(leaf.LeafError, match=r"not a CBV 2\.0"):
            leaf.cbv_digest(other)
