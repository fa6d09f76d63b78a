"""The head of the log can only grow: the contract checks the proofs that the application makes."""

import pytest

from backend.kit.merkle import Frontier, consistency_proof, inclusion_proof, leaf_hash
from tests.contracts.ledger import Ledger, digest_of, refused, sent_by

pytestmark = pytest.mark.main_path
MAP_ROOT = digest_of("map")


class Log:
    """Leaves 0, 1, … and what can be proved of them."""

    def __init__(self, size: int, word: str = "leaf") -> None:
        frontier, self.nodes = Frontier(), {}
        self.leaves = [leaf_hash(digest_of(word, number)) for number in range(size)]
        for leaf in self.leaves:
            self.nodes.update(frontier.append(leaf))
        self.root, self.size = frontier.root(), size


def anchor(ledger: Ledger, log: Log, since: int) -> None:
    proof = consistency_proof(since, log.size, log.nodes) if since else []
    relayer = sent_by(ledger.session.key("relayer"))
    ledger.log.anchor(log.root, log.size, proof, MAP_ROOT, relayer)


def test_a_head_is_anchored_and_extended(ledger: Ledger) -> None:
    anchor(ledger, Log(3), 0)
    anchor(ledger, Log(8), 3)
    anchor(ledger, grown := Log(13), 8)
    root, size, map_root, _ = ledger.log.head()
    assert (bytes(root), size, bytes(map_root)) == (grown.root, 13, MAP_ROOT)
    path = inclusion_proof(5, 13, grown.nodes)
    assert ledger.log.isIncluded(grown.leaves[5], 5, path)
    assert not ledger.log.isIncluded(grown.leaves[5], 6, path)


def test_a_rewritten_past_is_refused(ledger: Ledger) -> None:
    anchor(ledger, honest := Log(5), 0)
    with refused("ProofInvalid"):
        anchor(ledger, Log(9, "another leaf"), 5)
    with refused("NotLarger"):
        anchor(ledger, Log(5, "another leaf"), 5)
    assert bytes(ledger.log.head()[0]) == honest.root


def test_nobody_anchors_who_was_not_appointed(ledger: Ledger) -> None:
    with refused("NotAnchorer"):
        ledger.log.anchor(Log(1).root, 1, [], MAP_ROOT, ledger.bank.sends)
