"""Whatever is done to a bundle, no check gets better, and what was forged fails for its own reason.

The suite tries a sample on a ledger made by hand; `make deep-tampering` tries every change of every field, on
bundles of a real one too. `TAMPERING_MUTATIONS` and `TAMPERING_SEED` make the sample larger, and another.
"""

import os

import pytest

from backend.verifier import bundle
from backend.verifier.result import Outcome
from tests.backend.verifier import campaign as c
from tests.backend.verifier import mutations as m
from tests.backend.verifier import world as w

COUNT = int(os.environ.get("TAMPERING_MUTATIONS", "80"))
SEED = int(os.environ.get("TAMPERING_SEED", "20261124"))


def subject(name, built, exempt=c.CLAIMS):
    return c.Subject(name, built.raw, built.block_hash, built.policy, w.NOW, exempt)


@pytest.fixture(scope="module")
def good():
    return subject("good", w.build(w.world()))


@pytest.fixture(scope="module")
def troubled():
    return subject("troubled", w.build(w.troubled()), c.CLAIMS | c.SHOWN)


@pytest.fixture(scope="module")
def other():
    """Another valid bundle, to take parts from: another claim, other events, the same ledger's keys."""
    return subject("other", w.build(w.another()))


def sample(tampered, donor, seed):
    tally = c.Tally()
    c.run(tampered, donor, c.plan(tampered, seed)[:COUNT], tally)
    assert tally.wrongs == []
    return tally.outcomes


def test_no_check_of_a_good_bundle_improves(good, other):
    assert sample(good, other, SEED)["worse"] > COUNT // 3


def test_no_check_improves_where_an_event_was_erased(other):
    """Whatever is said of the erased event, nobody learns that it was harmless."""
    tampered = subject("forgotten", w.build(w.forgotten()))
    every = [
        each for each in c.plan(tampered, SEED) if each[0][:2] in {("log", "erased"), ("log", "map_nodes")}
    ]
    tally = c.Tally()
    c.run(tampered, other, every[:COUNT], tally)
    assert tally.wrongs == []
    assert tally.outcomes["worse"] + tally.outcomes["refused"] > len(every[:COUNT]) // 3


def test_no_check_of_a_troubled_bundle_improves(troubled, other):
    assert sample(troubled, other, SEED + 1)["worse"] > COUNT // 10


@pytest.mark.parametrize("finish", ["rehashed", "signed anew", "state and block made anew"])
def test_the_forger_gets_as_far_as_it_can(good, other, finish):
    """The recomputed parts fit one another again: only what the forger cannot make still gives it away."""
    changed = m.load(good.raw)
    body = changed["log"]["captures"][0]["body"]
    changed["log"]["captures"][0]["body"] = body.replace('"quantity": 40', '"quantity": 41')
    found = {r.check: r.finding for r in good.judge(m.dump(m.FINISHES[finish](changed))).results}
    reasons = {found["events-recorded"].code, found["block"].code}
    expected = {
        "rehashed": {"verify.log.heads", "verify.block.trusted"},
        "signed anew": {"verify.log.heads", "verify.block.trusted"},
        "state and block made anew": {"verify.block.not-yours", "verify.block.other"},
    }
    assert reasons == expected[finish]


def test_a_forged_state_is_consistent_and_only_the_block_hash_refutes_it(good):
    """Without a hash of its own a reader would be shown a whole other world: then `block` cannot tell."""
    changed = m.load(good.raw)
    changed["terms"]["amount"] = "990000"
    raw = m.dump(m.restate(changed))
    read, _ = bundle.read(raw, block_hash=None, now=w.NOW)
    assert read.ledger.receivable(read.receivable).face == 990_000
    outcomes = {r.check: r.outcome for r in good.judge(raw).results}
    assert outcomes["block"] is Outcome.FAIL
    assert outcomes["claim"] is Outcome.CANNOT_TELL


@pytest.mark.parametrize("currency", ["E9R", "XXX", "EUROS", "eur", ""])
def test_a_currency_that_is_none_is_refused_even_where_a_forged_state_holds_the_claim(good, currency):
    """Found by the campaign: amounts in it cannot be written, and the verifier broke."""
    changed = m.load(good.raw)
    changed["terms"]["currency"] = currency
    assert good.judge(m.dump(m.restate(changed))) is None


def test_missing_evidence_is_cannot_tell_and_forged_evidence_fails(good):
    document = m.load(good.raw)
    without_state = good.judge(m.dump(document | {"state": []}))
    assert {
        r.outcome for r in without_state.results if r.check in ("claim", "slot", "signer", "received")
    } == {Outcome.CANNOT_TELL}
    forged = m.load(good.raw)
    forged["confirmation"]["nonce"] = "8"
    assert {r.check for r in good.judge(m.dump(forged)).results if r.outcome is Outcome.FAIL} == {"signature"}


def test_a_valid_bundle_is_never_rejected(good):
    """Not for its numbers, nor for how its JSON is laid out."""
    laid_out = good.raw.replace(b',"', b',\r\n "')
    assert good.judge(laid_out).results == good.before.results
    for number in ("R-1", "R-2", "R 3/b"):
        made = w.world()
        made.fields["BT-1"] = number
        made.fields["BT-9"] = "2026-08-30"
        failed = [name for name, outcome in w.build(made).outcomes().items() if outcome == "fail"]
        assert failed == ["identity"]  # the fingerprint of this little world is made over R-2031
