"""The tampering campaign: whatever is done to a good bundle, no check gets better, and nothing forged passes.

`TAMPERING_MUTATIONS` says how many changes each test tries; the suite tries a sample, the campaign thousands.
"""

import os
import random
from dataclasses import replace

import pytest

from backend.verifier import bundle, report
from backend.verifier.reader import BundleError
from backend.verifier.result import Outcome
from tests.backend.verifier import mutations as m
from tests.backend.verifier import world as w

COUNT = int(os.environ.get("TAMPERING_MUTATIONS", "100"))
SEED = int(os.environ.get("TAMPERING_SEED", "20261124"))

# Answers that are somebody's word: the word is in the bundle, so changing it changes the answer, which says
# that it is claimed.
CLAIMS = frozenset({
    "supplier-screened", "debtor-screened", "invoice-valid", "equal-elsewhere", "look-alikes", "registry",
    "conduct", "related",
})  # fmt: skip

# Answers about what is shown: leave out what is bad and the rest is good. That something was left out is for
# `nothing-left-out` to say. `holder` is a question the bundle asks.
SHOWN = frozenset({
    "events-recorded", "events-signed", "recorded-in-time", "document", "holder", "shipped", "freshness",
})  # fmt: skip


@pytest.fixture(scope="module")
def good():
    return w.build(w.world())


@pytest.fixture(scope="module")
def troubled():
    """A claim about which much is wrong: here a forger has something to gain."""
    made = w.world()
    made.fields["BT-115"] = "11899.99"
    made.fields["BG-25/0/BT-129"] = "50"
    made.record([w.event("receiving", day=4) | {"errorDeclaration": {}}], w.DEBTOR, "debtor")
    made.hidden_events.append(w.event("shipping", day=9, transactions=[("desadv", "DA-12")]))
    made.captures[1] = (made.captures[1][0], w.CARRIER, None, *made.captures[1][3:])
    return w.build(made)


@pytest.fixture(scope="module")
def other():
    """Another valid bundle, to take parts from: another claim, other events, the same ledger's keys."""
    made = w.world()
    made.fields["BT-1"] = "R-9"
    made.record([w.event("inspecting", day=5)], w.SUPPLIER, "supplier")
    return w.build(made)


def judge(built, raw):
    """The results of a tampered bundle, or None where it is refused as no bundle."""
    try:
        read, _ = bundle.read(raw, block_hash=built.block_hash, now=w.NOW)
    except BundleError:
        return None
    return report.run(replace(read, report=None), built.policy)


def improved(before, after, exempt):
    """Answers that became a pass, or went away."""
    was = {r.check: r.outcome for r in before.results}
    better = (Outcome.PASS, Outcome.NOT_APPLICABLE)
    return [
        r.check
        for r in after.results
        if r.check not in exempt and r.outcome in better and r.outcome != was[r.check]
    ]


def campaign(built, other, count, seed, exempt=CLAIMS):
    choose = random.Random(seed)  # noqa: S311  (to be repeated)
    before = built.report()
    document, donor = m.load(built.raw), m.load(other.raw)
    seen = {"refused": 0, "worse": 0, "same": 0}
    for number in range(count):
        changed, what = m.mutate(document, donor, choose)
        if number % 3 == 1:
            changed, what = m.rehash(changed), f"{what}, rehashed"
        elif number % 3 == 2:
            changed, again = m.mutate(changed, donor, choose) if isinstance(changed, dict) else (changed, "")
            what = f"{what}, {again}"
        after = judge(built, m.dump(changed))
        if after is None:
            seen["refused"] += 1
            continue
        assert improved(before, after, exempt) == [], what
        seen[
            "worse" if [r.outcome for r in after.results] != [r.outcome for r in before.results] else "same"
        ] += 1
    return seen


def test_no_check_of_a_good_bundle_improves(good, other):
    seen = campaign(good, other, COUNT, SEED)
    assert seen["worse"] > COUNT // 10


def test_no_check_of_a_troubled_bundle_improves(troubled, other):
    seen = campaign(troubled, other, COUNT, SEED + 1, CLAIMS | SHOWN)
    assert seen["worse"] + seen["refused"] > COUNT // 10


def test_every_single_field_of_a_good_bundle_matters_or_says_nothing(good):
    """Each leaf of the bundle, changed a little, one at a time: nothing improves, nothing crashes."""
    document, choose = m.load(good.raw), random.Random(SEED)  # noqa: S311
    before = good.report()
    leaves = [p for p in m.paths(document) if p and not isinstance(m.at(document, p), dict | list)]
    for path in choose.sample(leaves, min(COUNT, len(leaves))):
        changed = m.load(good.raw)
        m.at(changed, path[:-1])[path[-1]] = m._nudge(m.at(document, path), choose)
        after = judge(good, m.dump(changed))
        assert after is None or improved(before, after, CLAIMS) == [], path


def test_every_part_removed_alone_never_improves(good):
    document = m.load(good.raw)
    before, choose = good.report(), random.Random(SEED)  # noqa: S311
    every = list(m.paths(document))[1:]
    for path in choose.sample(every, min(COUNT, len(every))):
        changed = m.load(good.raw)
        parent = m.at(changed, path[:-1])
        del parent[path[-1]]
        after = judge(good, m.dump(changed))
        assert after is None or improved(before, after, CLAIMS) == [], path


def test_missing_evidence_is_cannot_tell_and_forged_evidence_fails(good):
    document = m.load(good.raw)
    without_state = judge(good, m.dump(document | {"state": []}))
    assert {
        r.outcome for r in without_state.results if r.check in ("claim", "slot", "signer", "received")
    } == {Outcome.CANNOT_TELL}
    forged = m.load(good.raw)
    forged["confirmation"]["nonce"] = "8"
    assert {r.check for r in judge(good, m.dump(forged)).results if r.outcome is Outcome.FAIL} == {
        "signature"
    }


def test_a_valid_bundle_is_never_rejected():
    for number in ("R-1", "R-2", "R 3/b"):
        made = w.world()
        made.fields["BT-1"] = number
        made.fields["BT-9"] = "2026-08-30"
        failed = [name for name, outcome in w.build(made).outcomes().items() if outcome == "fail"]
        assert failed == ["identity"]  # the fingerprint of this little world is made over R-2031
