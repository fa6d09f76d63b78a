"""RFC 6962 trees against a second, recursive reading of the RFC, and against what a liar would try."""

import base64
import json
import os
from hashlib import sha256
from pathlib import Path

import pymerkle
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.kit import merkle

# The eight entries of Certificate Transparency's own tests and the roots of their first 1 to 8.
CT_ENTRIES = [
    "",
    "00",
    "10",
    "2021",
    "3031",
    "40414243",
    "5051525354555657",
    "606162636465666768696a6b6c6d6e6f",
]
CT_ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]


def leaves(count):
    return [merkle.leaf_hash(str(number).encode()) for number in range(count)]


def mth(hashes):
    """MTH of RFC 6962 section 2.1, word for word."""
    if not hashes:
        return sha256(b"").digest()
    if len(hashes) == 1:
        return hashes[0]
    k = 1
    while 2 * k < len(hashes):
        k *= 2
    return sha256(b"\x01" + mth(hashes[:k]) + mth(hashes[k:])).digest()


def path(m, hashes):
    """PATH(m, D[n]) of RFC 6962 section 2.1.1."""
    if len(hashes) == 1:
        return []
    k = 1
    while 2 * k < len(hashes):
        k *= 2
    if m < k:
        return [*path(m, hashes[:k]), mth(hashes[k:])]
    return [*path(m - k, hashes[k:]), mth(hashes[:k])]


def subproof(m, hashes, complete):
    """SUBPROOF(m, D[n], b) of RFC 6962 section 2.1.2."""
    if m == len(hashes):
        return [] if complete else [mth(hashes)]
    k = 1
    while 2 * k < len(hashes):
        k *= 2
    if m <= k:
        return [*subproof(m, hashes[:k], complete), mth(hashes[k:])]
    return [*subproof(m - k, hashes[k:], False), mth(hashes[:k])]


def stored(count):
    nodes = {}
    frontier = merkle.Frontier()
    for leaf in leaves(count):
        nodes.update(frontier.append(leaf))
    return nodes


def test_roots_of_certificate_transparency():
    hashes = [merkle.leaf_hash(bytes.fromhex(entry)) for entry in CT_ENTRIES]
    assert [merkle.root_of(hashes[:size]).hex() for size in range(1, 9)] == CT_ROOTS


def test_roots_of_growing_tree_equal_the_recursive_definition():
    frontier = merkle.Frontier()
    assert frontier.root() == merkle.EMPTY_ROOT
    for size in range(1, 130):
        frontier.append(leaves(size)[-1])
        assert frontier.root() == mth(leaves(size)) == merkle.root_of(leaves(size))


def test_a_frontier_is_resumed_from_stored_nodes():
    nodes = stored(100)
    for size in (0, 1, 7, 64, 99):
        frontier = merkle.Frontier(size, [nodes[node] for node in merkle.frontier_nodes(size)])
        for leaf in leaves(100)[size:]:
            frontier.append(leaf)
        assert frontier.root() == mth(leaves(100))


def test_every_inclusion_proof_of_small_trees():
    nodes = stored(33)
    for size in range(1, 34):
        root = mth(leaves(size))
        for index in range(size):
            proof = merkle.inclusion_proof(index, size, nodes)
            assert proof == path(index, leaves(size))
            assert set(merkle.inclusion_nodes(index, size)) <= set(nodes)
            assert merkle.verify_inclusion(leaves(size)[index], index, size, proof, root)


def test_every_consistency_proof_of_small_trees():
    nodes = stored(33)
    for new in range(1, 34):
        for old in range(1, new + 1):
            proof = merkle.consistency_proof(old, new, nodes)
            assert proof == subproof(old, leaves(new), True)
            assert merkle.verify_consistency(old, new, mth(leaves(old)), mth(leaves(new)), proof)


def test_only_the_nodes_named_are_needed():
    nodes = stored(1000)
    for index, size in ((0, 1000), (999, 1000), (511, 513), (700, 777)):
        few = {node: nodes[node] for node in merkle.inclusion_nodes(index, size)}
        assert merkle.inclusion_proof(index, size, few) == merkle.inclusion_proof(index, size, nodes)
    few = {node: nodes[node] for node in merkle.consistency_nodes(300, 1000)}
    assert merkle.consistency_proof(300, 1000, few) == subproof(300, leaves(1000), True)


@given(st.data())
def test_a_changed_inclusion_proof_is_refused(data):
    size = data.draw(st.integers(2, 70))
    index = data.draw(st.integers(0, size - 1))
    proof = path(index, leaves(size))
    leaf, root = leaves(size)[index], mth(leaves(size))
    position = data.draw(st.integers(0, len(proof) - 1))
    flipped = bytearray(proof[position])
    flipped[data.draw(st.integers(0, 31))] ^= 1 << data.draw(st.integers(0, 7))
    assert not merkle.verify_inclusion(
        leaf, index, size, [*proof[:position], bytes(flipped), *proof[position + 1 :]], root
    )
    assert not merkle.verify_inclusion(leaf, index, size, proof[:position] + proof[position + 1 :], root)
    assert not merkle.verify_inclusion(leaf, index, size, [*proof, proof[0]], root)
    assert not merkle.verify_inclusion(leaf, index, size, [b"", *proof], root)
    assert not merkle.verify_inclusion(merkle.node_hash(leaf, leaf), index, size, proof, root)
    other = data.draw(st.integers(0, size - 1).filter(lambda other: other != index))
    assert not merkle.verify_inclusion(leaf, other, size, proof, root)


def test_consistency_with_a_rewritten_or_shrunk_log_is_refused():
    rewritten = [*leaves(9)[:4], merkle.leaf_hash(b"forged"), *leaves(9)[5:]]
    for old in range(5, 9):
        proof = subproof(old, rewritten, True)
        assert not merkle.verify_consistency(old, 9, mth(leaves(old)), mth(rewritten), proof)
    assert not merkle.verify_consistency(9, 8, mth(leaves(9)), mth(leaves(8)), [])
    assert not merkle.verify_consistency(0, 8, merkle.EMPTY_ROOT, mth(leaves(8)), [])
    assert not merkle.verify_consistency(8, 8, mth(leaves(8)), mth(leaves(8)), [leaves(1)[0]])


@pytest.mark.parametrize(("index", "size"), [(0, 0), (3, 3), (-1, 3)])
def test_no_proof_of_a_leaf_that_is_not_there(index, size):
    with pytest.raises(merkle.ProofError, match="is not in a tree"):
        merkle.inclusion_proof(index, size, {})
    assert not merkle.verify_inclusion(leaves(1)[0], index, size, [], leaves(1)[0])


@pytest.mark.parametrize(("old", "new"), [(0, 3), (4, 3)])
def test_no_consistency_of_trees_that_cannot_be(old, new):
    with pytest.raises(merkle.ProofError, match="no proof that"):
        merkle.consistency_proof(old, new, {})


def test_a_frontier_with_the_wrong_number_of_peaks_is_refused():
    with pytest.raises(ValueError, match="3 leaves cannot have 1 peaks"):
        merkle.Frontier(3, [bytes(32)])


@pytest.mark.parametrize("size", [1, 2, 3, 7, 8, 13])
def test_by_other_hands(size):
    """pymerkle, a verifier of RFC 9162 proofs by others: its roots and proofs are ours, and it takes ours."""
    theirs = pymerkle.InmemoryTree(algorithm="sha256")
    for number in range(size):
        theirs.append_entry(str(number).encode())
    hashes, nodes = leaves(size), stored(size)
    root = merkle.root_of(hashes)
    assert theirs.get_root() == root
    for index in range(size):
        ours = merkle.inclusion_proof(index, size, nodes)
        proof = theirs.prove_inclusion(index + 1, size)
        assert sorted(proof.path[1:]) == sorted(ours)
        pymerkle.verify_inclusion(hashes[index], root, proof, index=index + 1, size=size, algorithm="sha256")
        assert merkle.verify_inclusion(hashes[index], index, size, ours, root)
        proof.path[0] = bytes(32)
        with pytest.raises(pymerkle.InvalidProof):
            pymerkle.verify_inclusion(hashes[index], root, proof)
    for old in range(1, size + 1):
        proof = theirs.prove_consistency(old, size)
        before = merkle.root_of(hashes[:old])
        pymerkle.verify_consistency(before, root, proof, prior_size=old, later_size=size)
        ours = merkle.consistency_proof(old, size, nodes)
        assert merkle.verify_consistency(old, size, before, root, ours)


@pytest.mark.skipif("MERKLE_TESTDATA" not in os.environ, reason="MERKLE_TESTDATA names no directory")
def test_public_vectors():
    """All of transparency-dev/merkle's `testdata/`, where MERKLE_TESTDATA says it is."""
    vectors = Path(os.environ["MERKLE_TESTDATA"])

    def decode(value):
        return base64.b64decode(value or "")

    seen = 0
    for file in sorted(vectors.glob("inclusion/**/*.json")):
        case = json.loads(file.read_text())
        proof = [decode(node) for node in case["proof"] or []]
        verdict = merkle.verify_inclusion(
            decode(case["leafHash"]), case["leafIdx"], case["treeSize"], proof, decode(case["root"])
        )
        assert verdict is not case["wantErr"], (file.name, case["desc"])
        seen += 1
    for file in sorted(vectors.glob("consistency/**/*.json")):
        case = json.loads(file.read_text())
        proof = [decode(node) for node in case["proof"] or []]
        verdict = merkle.verify_consistency(
            case["size1"], case["size2"], decode(case["root1"]), decode(case["root2"]), proof
        )
        if (
            len(decode(case["root1"])) == merkle.HASH_BYTES
        ):  # one case has a root that is no hash: we refuse it
            assert verdict is not case["wantErr"], (file.name, case["desc"])
        else:
            assert verdict is False
        seen += 1
    assert seen == 196
