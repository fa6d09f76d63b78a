"""The sparse map: one root for one content, and proofs of presence and of absence that cannot be bent."""

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.kit import sparse

# Short prefixes collide on purpose: the interesting shapes are deep shared paths.
keys = st.binary(min_size=32, max_size=32) | st.integers(0, 15).map(lambda n: bytes(31) + bytes([n]))
values = st.binary(min_size=32, max_size=32)
maps = st.dictionaries(keys, values, max_size=20)


def definition(entries, depth=0):
    """The root by its definition, recursively over the entries."""
    if not entries:
        return bytes(32)
    if len(entries) == 1:
        ((key, value),) = entries.items()
        return sha256(b"\x02" + key + value).digest()
    left = {key: value for key, value in entries.items() if not bit(key, depth)}
    right = {key: value for key, value in entries.items() if bit(key, depth)}
    return sha256(b"\x03" + definition(left, depth + 1) + definition(right, depth + 1)).digest()


def bit(key, depth):
    return int(f"{int.from_bytes(key, 'big'):0256b}"[depth])


@given(maps)
def test_root_is_the_definition(entries):
    assert sparse.root_of(entries) == definition(entries)


@given(maps, maps)
def test_root_does_not_depend_on_the_way_there(first, second):
    store = {}
    root = sparse.update(store, sparse.build(store, first), second)
    assert root == definition({**first, **second})
    one_by_one = sparse.EMPTY
    for key, value in {**first, **second}.items():
        one_by_one = sparse.update(store, one_by_one, {key: value})
    assert one_by_one == root


@given(maps, maps)
def test_nodes_that_are_replaced_are_those_a_new_map_does_not_need(first, second):
    before, whole = {}, {}
    root = sparse.build(before, first)
    amended = sparse.amend(before, root, second)
    after = {node: parts for node, parts in before.items() if node not in amended.replaced} | amended.fresh
    assert amended.root == sparse.build(whole, {**first, **second})
    assert after == whole


@given(maps, keys, values)
def test_proofs_of_presence_and_absence(entries, key, value):
    store = {}
    root = sparse.build(store, entries)
    for member, content in entries.items():
        proof = sparse.prove(store, root, member)
        assert sparse.lookup(store, root, member) == content
        assert sparse.verify(root, member, content, proof)
        assert not sparse.verify(root, member, None, proof)
        assert not sparse.verify(root, member, sha256(content).digest(), proof)
    if key not in entries:
        proof = sparse.prove(store, root, key)
        assert sparse.lookup(store, root, key) is None
        assert sparse.verify(root, key, None, proof)
        assert not sparse.verify(root, key, value, proof)


@given(maps.filter(lambda entries: len(entries) > 1))
def test_absence_of_a_member_cannot_be_shown(entries):
    """Whatever proof of another key is offered, it does not show that a member is absent."""
    store = {}
    root = sparse.build(store, entries)
    member, *others = entries
    for other in others:
        proof = sparse.prove(store, root, other)
        foreign = sparse.MapProof(proof.siblings, (other, entries[other]))
        assert not sparse.verify(root, member, None, foreign)
        assert not sparse.verify(root, member, None, proof)


def test_old_roots_stay_provable():
    store = {}
    key, value = bytes(32), b"\x01" * 32
    old = sparse.build(store, {bytes([1]) * 32: value})
    new = sparse.update(store, old, {key: value})
    assert sparse.verify(old, key, None, sparse.prove(store, old, key))
    assert sparse.verify(new, key, value, sparse.prove(store, new, key))


def test_malformed_proofs_are_refused():
    root = sparse.root_of({bytes(32): bytes(32)})
    for siblings, other in [
        ((b"",), None),
        ((bytes(32),) * 257, None),
        ((), (bytes(32), b"")),
        ((bytes(33),), None),
    ]:
        assert not sparse.verify(root, bytes(32), bytes(32), sparse.MapProof(siblings, other))
        assert not sparse.verify(root, b"\xff" * 32, None, sparse.MapProof(siblings, other))
    assert not sparse.verify(root, b"short", None, sparse.MapProof(()))


def test_keys_and_values_are_32_bytes():
    with pytest.raises(ValueError, match="32 bytes"):
        sparse.root_of({b"short": bytes(32)})
