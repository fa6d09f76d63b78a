"""ECVRF-EDWARDS25519-SHA512-TAI against RFC 9381 appendix B.3, and against cheats."""

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backend.kit import vrf

# RFC 9381 appendix B.3, examples 16 to 18.
VECTORS = json.loads((Path(__file__).parent / "data" / "rfc9381.json").read_text())
SECRET = bytes(range(32))
IDENTITY = b"\x01" + bytes(31)


@pytest.mark.parametrize("vector", VECTORS)
def test_rfc_9381_vectors(vector):
    secret, public, alpha, pi, beta = map(bytes.fromhex, vector.values())
    assert vrf.public_key(secret) == public
    assert vrf.prove(secret, alpha) == pi
    assert vrf.output(pi) == beta
    assert vrf.verify(public, alpha, pi) == beta
    assert vrf.fingerprint(beta) == beta[:32]


@given(st.binary(max_size=200), st.binary(min_size=32, max_size=32))
@settings(max_examples=50, deadline=None)
def test_every_proof_verifies_and_only_under_its_input_and_key(alpha, secret):
    proof, key = vrf.prove(secret, alpha), vrf.public_key(secret)
    assert vrf.verify(key, alpha, proof) == vrf.output(proof)
    assert vrf.verify(key, alpha + b"\x00", proof) is None
    assert vrf.verify(vrf.public_key(SECRET), alpha, proof) is None or secret == SECRET


@given(st.integers(0, vrf.PROOF_BYTES * 8 - 1))
@settings(max_examples=100, deadline=None)
def test_a_proof_with_one_bit_changed_is_refused(bit):
    proof = bytearray(vrf.prove(SECRET, b"invoice"))
    proof[bit >> 3] ^= 1 << (bit & 7)
    assert vrf.verify(vrf.public_key(SECRET), b"invoice", bytes(proof)) is None


def test_the_answer_must_be_reduced():
    """s + q is congruent to s; accepting it would make proofs malleable (RFC 9381 section 5.4.4)."""
    proof = vrf.prove(SECRET, b"invoice")
    order = 2**252 + 27742317777372353535851937790883648493
    larger = (int.from_bytes(proof[48:], "little") + order).to_bytes(32, "little")
    assert vrf.verify(vrf.public_key(SECRET), b"invoice", proof[:48] + larger) is None


def test_keys_and_points_of_small_order_are_refused():
    """With such a key every output would be the same, whatever the input (section 5.6.1)."""
    proof = vrf.prove(SECRET, b"invoice")
    assert vrf.verify(IDENTITY, b"invoice", proof) is None
    assert vrf.verify(bytes(32), b"invoice", proof) is None
    assert vrf.verify(vrf.public_key(SECRET), b"invoice", IDENTITY + proof[32:]) is None
    assert vrf.verify(vrf.public_key(SECRET), b"invoice", proof[:32] + bytes(48)) is None


@pytest.mark.parametrize("proof", [b"", bytes(79), bytes(81), b"\xff" * 80])
def test_garbage_is_refused(proof):
    assert vrf.verify(vrf.public_key(SECRET), b"invoice", proof) is None
    with pytest.raises(vrf.VrfError):
        vrf.output(proof)


def test_a_secret_key_of_the_wrong_length_is_refused():
    with pytest.raises(vrf.VrfError, match="32 bytes, not 31"):
        vrf.prove(bytes(31), b"")
