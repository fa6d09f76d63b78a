"""The checks on a whole small ledger: everything passes, then one thing is wrong at a time."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from backend.kit import disclosure, messages, vrf
from backend.kit.canonical import Number, encode, parse
from backend.verifier import bundle, checkpoint, checks, evidence, ledger, page, report, terms
from backend.verifier.checks import record
from tests.backend.verifier import world as w

UNPROVABLE = {
    "equal-elsewhere": "cannot-tell",
    "look-alikes": "cannot-tell",
    "not-behind-others": "cannot-tell",
    "related": "cannot-tell",
    "circles": "cannot-tell",
    "cold-chain": "not-applicable",
}


@pytest.fixture(scope="module")
def healthy():
    return w.build(w.world())


def differences(built):
    """Outcomes that are not those of the healthy claim."""
    usual = dict.fromkeys(checks.BY_NAME, "pass") | UNPROVABLE
    return {check: outcome for check, outcome in built.outcomes().items() if outcome != usual[check]}


def test_a_healthy_claim_passes_every_check_that_can_be_passed(healthy):
    assert differences(healthy) == {}
    assert healthy.report().supported == 1_190_000
    assert healthy.report().dishonest == ()


@pytest.mark.parametrize("trusted", [None, bytes(32)])
def test_without_a_block_that_the_reader_trusts(healthy, trusted):
    read, _ = bundle.read(healthy.raw, block_hash=trusted, now=w.NOW)
    result = report.run(read, healthy.policy).results[0]
    assert result.outcome == ("cannot-tell" if trusted is None else "fail")


# Checks that need to know which events are about the invoice, and so whose numbers its documents have.
TIED = ("ordered", "held", "shipped", "received", "match", "quantities", "custody")

# What is wrong, and what the checks make of it: a function that changes the world before it is built.
SERIAL = "urn:epc:id:sgtin:4012345.067890.S1"


def _box(made):
    """The item goes into a box."""
    packing = w.event("packing", "AggregationEvent", day=2, parentID=w.SSCC, childEPCs=[SERIAL])
    made.record([packing | {"action": "ADD"}], w.SUPPLIER, "supplier")


def _dated(made, day, item):
    event = w.event("shipping", day=day, transactions=[("desadv", "DA-12")], epcList=[item])
    made.record([event], w.SUPPLIER, "supplier")


def _ship(made, item=SERIAL):
    """One item on its way that has a serial number."""
    event = w.event("transporting", day=3, transactions=[("desadv", "DA-12")], epcList=[item])
    made.record([event], w.CARRIER, "carrier")


WRONG = {
    "stale state": (lambda m: setattr(m, "policy", replace(m.policy, state_age=60)), {"freshness": "fail"}),
    "wrong chain": (lambda m: setattr(m, "policy", replace(m.policy, chain_id=1)), {"contracts": "fail"}),
    "other contract": (
        lambda m: setattr(m, "policy", replace(m.policy, contracts={"Receivables": w.address("copy")})),
        {"contracts": "fail"},
    ),
    "only the log pinned": (
        lambda m: setattr(
            m, "policy", replace(m.policy, contracts={"ProvenanceLog": w.CONTRACTS["ProvenanceLog"]})
        ),
        {"contracts": "cannot-tell"},
    ),
    "what does not follow from the code of others pinned": (
        lambda m: setattr(
            m,
            "policy",
            replace(
                m.policy, contracts={name: w.CONTRACTS[name] for name in ("Receivables", "ProvenanceLog")}
            ),
        ),
        {},
    ),
    "nothing pinned": (
        lambda m: setattr(
            m, "policy", replace(m.policy, contracts={}, debtor_keys=frozenset(), witnesses={})
        ),
        {
            "contracts": "cannot-tell",
            "debtor-key": "cannot-tell",
            "nothing-left-out": "cannot-tell",
            "corrections": "cannot-tell",
        },
    ),
    "supplier never admitted": (
        lambda m: m.admit(w.SUPPLIER, 0, since=0, until=0),
        {"supplier-admitted": "fail"},
    ),
    "debtor admitted afterwards": (
        lambda m: m.admit(w.DEBTOR, ledger.ROLE_DEBTOR, since=w.CONFIRMED + 1),
        {"debtor-admitted": "fail"},
    ),
    "debtor's admission ended since": (
        lambda m: m.admit(w.DEBTOR, ledger.ROLE_DEBTOR, until=w.BLOCK_TIME),
        {"debtor-admitted": "fail"},
    ),
    "signer admitted afterwards": (
        lambda m: m.grant(w.DEBTOR, "debtor", since=w.CONFIRMED + 1),
        {
            "signer": "fail",
            "events-signed": "cannot-tell",
            "ordered": "cannot-tell",
            "received": "cannot-tell",
            "quantities": "fail",
        },
    ),
    "signer without the scope": (
        lambda m: m.grant(w.DEBTOR, "debtor", scopes=1023 & ~ledger.SCOPE_CONFIRM),
        {"signer": "fail"},
    ),
    "hosted key": (
        lambda m: m.grant(w.DEBTOR, "debtor", flags=ledger.GRANT_HOSTED),
        {
            "debtor-key": "cannot-tell",
            "events-signed": "cannot-tell",
            "ordered": "cannot-tell",
            "received": "cannot-tell",
            "quantities": "fail",
        },
    ),
    "takeover pending": (
        lambda m: m.put("Participants", 1, "_takeovers", w.DEBTOR, "key"),
        {"pending": "fail"},
    ),
    "payout change pending": (
        lambda m: m.put("Participants", 1, "_payoutChanges", w.BANK, "payout"),
        {"pending": "fail"},
    ),
    "holder suspended": (
        lambda m: m.admit(w.BANK, ledger.ROLE_FUNDER, flags=ledger.ACCOUNT_SUSPENDED),
        {"free": "fail"},
    ),
    "holder holds nothing": (lambda m: setattr(m, "holder", w.SUPPLIER), {"holder": "fail"}),
    "nobody offers": (
        lambda m: setattr(m, "holder", None),
        {"holder": "cannot-tell", "free": "cannot-tell"},
    ),
    "amount hidden": (lambda m: m.fields.pop("BT-115"), {"amount": "cannot-tell"}),
    "invoice for less": (lambda m: m.fields.update({"BT-115": Number("11899.99")}), {"amount": "fail"}),
    "invoice in another currency": (lambda m: m.fields.update({"BT-5": "USD"}), {"amount": "fail"}),
    "invoice with a third decimal": (lambda m: m.fields.update({"BT-115": "11900.001"}), {"amount": "fail"}),
    "due another day": (lambda m: m.fields.update({"BT-9": "2026-09-30"}), {"due-date": "cannot-tell"}),
    "order number unknown to the events": (
        lambda m: m.fields.update({"BT-13": "PO-78"}),
        {"ordered": "cannot-tell", "match": "cannot-tell"},
    ),
    "fingerprint of another invoice": (lambda m: m.fields.update({"BT-1": "R-2032"}), {"identity": "fail"}),
    "fingerprint of another year": (lambda m: m.fields.update({"BT-2": "2025-06-05"}), {"identity": "fail"}),
    "fingerprint of another seller": (
        lambda m: m.fields.update({"BT-31": "DE999999911"}),
        {"identity": "cannot-tell"},
    ),
    "a credit note": (lambda m: m.fields.update({"BT-3": "381"}), {"identity": "fail"}),
    "type of invoice hidden": (
        lambda m: m.fields.update({"BT-3": "386"}) or m.hidden.add("BT-3"),
        {"identity": "cannot-tell"},
    ),
    "tax number of another length": (
        lambda m: m.fields.update({"BT-31": "DE1234567890"}),
        {"identity": "cannot-tell"},
    ),
    "tax number of another country": (
        lambda m: m.fields.update({"BT-31": "AT123456789"}),
        {"identity": "cannot-tell"},
    ),
    "tax number without its country": (lambda m: m.fields.update({"BT-31": "123 456 789"}), {}),
    "no tax number": (lambda m: m.fields.pop("BT-31"), {"identity": "cannot-tell"}),
    "number in another spelling": (lambda m: m.fields.update({"BT-1": "r 2031"}), {}),
    "due date hidden": (lambda m: m.hidden.add("BT-9"), {"due-date": "cannot-tell"}),
    "seller hidden": (lambda m: m.hidden.add("BT-31"), {"identity": "cannot-tell"}),
    "a line hidden": (
        lambda m: m.fields.update({"BG-25/1/BT-129": Number("9")}) or m.hidden.add("BG-25/1/BT-129"),
        {"quantities": "cannot-tell"},
    ),
    "no due date": (lambda m: m.fields.pop("BT-9"), {}),
    "more billed than received": (
        lambda m: m.fields.update({"BG-25/0/BT-129": Number("50")}),
        {"quantities": "fail"},
    ),
    "billed in grams": (
        lambda m: m.fields.update({"BG-25/0/BT-129": Number("40000"), "BG-25/0/BT-130": "GRM"}),
        {},
    ),
    "billed in another unit": (lambda m: m.fields.update({"BG-25/0/BT-130": "LTR"}), {"quantities": "fail"}),
    "no GTIN": (lambda m: m.fields.pop("BG-25/0/BT-157"), {"quantities": "cannot-tell"}),
    "receipt not by the debtor": (
        lambda m: _recapture(m, 2, w.CARRIER, "carrier"),
        {"received": "cannot-tell", "ordered": "cannot-tell", "quantities": "fail"},
    ),
    "receipt not signed": (
        lambda m: _recapture(m, 2, w.DEBTOR, None),
        {
            "received": "cannot-tell",
            "events-signed": "cannot-tell",
            "ordered": "cannot-tell",
            "quantities": "fail",
        },
    ),
    "receipt signed by another key": (
        lambda m: _recapture(m, 2, w.DEBTOR, "carrier"),
        {
            "received": "cannot-tell",
            "events-signed": "cannot-tell",
            "ordered": "cannot-tell",
            "quantities": "fail",
        },
    ),
    "nothing received": (
        lambda m: m.captures.pop(2),
        {
            "received": "cannot-tell",
            "ordered": "cannot-tell",
            "match": "cannot-tell",
            "quantities": "fail",
        },
    ),
    "another key of the map than the log committed to": (
        lambda m: setattr(m, "committed_secret", b"told to somebody else"),
        {"nothing-left-out": "fail", "corrections": "cannot-tell"},
    ),
    "a witness's signature for another log": (
        lambda m: setattr(m, "origin", checkpoint.origin(1, w.CONTRACTS["ProvenanceLog"])),
        {"nothing-left-out": "fail", "corrections": "cannot-tell"},
    ),
    "hidden error declaration": (
        lambda m: m.hidden_events.append(
            w.event("receiving", day=4, transactions=[("recadv", "RA-5")]) | {"errorDeclaration": {}}
        ),
        {"nothing-left-out": "fail", "corrections": "cannot-tell"},
    ),
    "an event about the goods erased": (
        lambda m: m.erased_events.append(w.event("inspecting", day=9, transactions=[("desadv", "DA-12")])),
        {"nothing-left-out": "cannot-tell", "corrections": "cannot-tell"},
    ),
    "one erased, another hidden": (
        lambda m: (
            m.erased_events.append(w.event("inspecting", day=9, transactions=[("desadv", "DA-12")])),
            m.hidden_events.append(w.event("inspecting", day=9, transactions=[("recadv", "RA-5")])),
        ),
        {"nothing-left-out": "fail", "corrections": "cannot-tell"},
    ),
    "hidden return": (
        lambda m: m.hidden_events.append(
            w.event("shipping", day=9, transactions=[("desadv", "DA-12")], quantityList=w.CLASS)
        ),
        {"nothing-left-out": "fail", "corrections": "cannot-tell"},
    ),
    "hidden return under another spelling": (
        lambda m: m.hidden_events.append(
            w.event("shipping", day=9)
            | {
                "bizTransactionList": [
                    {
                        "type": "cbv:BTT-desadv",
                        "bizTransaction": "URN:epcglobal:cbv:bt:4012345000009:%44A%2D12",
                    }
                ]
            }
        ),
        {"nothing-left-out": "fail", "corrections": "cannot-tell"},
    ),
    "shown error declaration": (
        lambda m: m.record([w.event("receiving", day=4) | {"errorDeclaration": {}}], w.DEBTOR, "debtor"),
        {"corrections": "fail"},
    ),
    "shown recall": (
        lambda m: m.record([w.event("inspecting", day=9, disposition="recalled")], w.SUPPLIER, "supplier"),
        {"corrections": "fail"},
    ),
    "backdated event": (
        lambda m: _redate(m, 2, w.ANCHORED - 3 * w.DAY),
        {"recorded-in-time": "fail"},
    ),
    "event from the future": (lambda m: _redate(m, 2, w.ANCHORED + 121), {"recorded-in-time": "fail"}),
    "clock a little ahead of the chain's": (lambda m: _redate(m, 2, w.ANCHORED + 120), {}),
    "shipped after receipt": (
        lambda m: m.captures.insert(
            2, _capture([w.event("receiving", day=1, transactions=[("desadv", "DA-12")])], w.DEBTOR, "debtor")
        ),
        {"shipped": "fail"},
    ),
    "another invoice on the same delivery": (
        lambda m: m.record(
            [w.event("loading", day=3, transactions=[("desadv", "DA-12"), ("inv", "R-9999")])],
            w.CARRIER,
            "carrier",
        ),
        {"not-behind-others": "fail"},
    ),
    "invoice not valid": (
        lambda m: setattr(m, "statements", replace(m.statements, invoice_verdict="invalid")),
        {"invoice-valid": "fail"},
    ),
    "validation did not run": (
        lambda m: setattr(m, "statements", replace(m.statements, invoice_verdict=None)),
        {"invoice-valid": "cannot-tell"},
    ),
    "equal fingerprint elsewhere": (
        lambda m: setattr(m, "statements", replace(m.statements, equal_elsewhere=1)),
        {"equal-elsewhere": "fail"},
    ),
    "nobody says anything": (
        lambda m: setattr(m, "statements", evidence.Statements()),
        dict.fromkeys(
            ("supplier-screened", "debtor-screened", "invoice-valid", "registry", "conduct", *TIED),
            "cannot-tell",
        ),
    ),
    "registry entry": (
        lambda m: setattr(
            m, "statements", replace(m.statements, registry=evidence.RegistrySearch("R", w.NOW, 1))
        ),
        {"registry": "fail"},
    ),
    "late payer": (
        lambda m: setattr(
            m, "statements", replace(m.statements, conduct=evidence.Conduct(12, 31, 0, 0, ("mirror",)))
        ),
        {"conduct": "fail", "related": "fail"},
    ),
    "single items, and all their events": (
        _ship,
        {"circles": "pass"},
    ),
    "an item that the debtor had sent before": (
        lambda m: (
            m.record([w.event("departing", day=1, epcList=[SERIAL])], w.DEBTOR, "debtor"),
            _ship(m),
        ),
        {"circles": "fail"},
    ),
    "an item that the debtor had sent, in a box of the supplier's": (
        lambda m: (
            m.record([w.event("departing", day=1, epcList=[SERIAL])], w.DEBTOR, "debtor"),
            _box(m),
            _ship(m, w.SSCC),
        ),
        {"circles": "fail"},
    ),
    "an item that the debtor had sent, behind another that the supplier dates first": (
        lambda m: (
            m.record([w.event("departing", day=2, epcList=[SERIAL])], w.DEBTOR, "debtor"),
            _dated(m, 1, SERIAL[:-1] + "2"),
            _ship(m),
        ),
        {"circles": "fail"},
    ),
    "a box of the supplier's, and what is in it": (
        lambda m: (_box(m), _ship(m, w.SSCC)),
        {"circles": "pass"},
    ),
    "a box that nobody packed": (lambda m: _ship(m, w.SSCC), {}),
    "an item that the debtor had sent before, by the log's order alone": (
        lambda m: (
            m.record([w.event("departing", day=5, epcList=[SERIAL])], w.DEBTOR, "debtor"),
            _ship(m),
        ),
        {},
    ),
    "an item that somebody says the debtor had sent": (
        lambda m: (
            m.record([w.event("departing", day=1, epcList=[SERIAL])], w.DEBTOR),
            _ship(m),
        ),
        {"events-signed": "cannot-tell"},
    ),
    "an item that came back to the supplier": (
        lambda m: (
            _ship(m),
            m.record([w.event("arriving", day=9, epcList=[SERIAL])], w.SUPPLIER, "supplier"),
        ),
        {"circles": "fail"},
    ),
    "title at shipment": (
        lambda m: setattr(m, "policy", replace(m.policy, title_at_shipment=True)),
        {"received": "not-applicable"},
    ),
    "title at shipment, and only the seller says that it shipped": (
        lambda m: (m.captures.pop(1), setattr(m, "policy", replace(m.policy, title_at_shipment=True))),
        {"received": "not-applicable", "quantities": "fail"},
    ),
    "title at shipment, and the seller's key signs for another account of its own": (
        lambda m: (
            _recapture(m, 1, w.CARRIER, "supplier"),
            m.grant(w.CARRIER, "supplier"),
            setattr(m, "policy", replace(m.policy, title_at_shipment=True)),
        ),
        {"received": "not-applicable", "quantities": "fail"},
    ),
    "a receipt brought twice, under two keys": (
        lambda m: (
            m.grant(w.DEBTOR, "second"),
            m.captures.append((*m.captures[2][:2], "second", *m.captures[2][3:])),
            m.fields.update({"BG-25/0/BT-129": Number("80")}),
        ),
        {"quantities": "fail"},
    ),
    "packed by the seller": (lambda m: _pack(m, w.SUPPLIER, "supplier"), {}),
    "packed by a carrier that had taken the goods": (lambda m: _pack(m, w.CARRIER, "carrier"), {}),
    "packed by somebody who never had the goods": (
        lambda m: (m.grant(w.BANK, "bank"), _pack(m, w.BANK, "bank")),
        {"quantities": "fail"},
    ),
    "packed by nobody's signed word": (
        lambda m: _pack(m, w.SUPPLIER, None),
        {"events-signed": "cannot-tell", "quantities": "fail"},
    ),
    "documents numbered by somebody else": (
        lambda m: setattr(
            m,
            "statements",
            replace(
                m.statements, supplier=replace(m.statements.supplier, identifiers=("gln:4098765000010",))
            ),
        ),
        {"match": "cannot-tell"},
    ),
    "nobody says who numbers documents": (
        lambda m: setattr(m, "statements", replace(m.statements, supplier=None, debtor=None)),
        dict.fromkeys(("supplier-screened", "debtor-screened", *TIED), "cannot-tell"),
    ),
    "another invoice with the same number, of another seller": (
        lambda m: m.record(
            [
                w.event("inspecting", day=5)
                | {
                    "bizTransactionList": [
                        {"type": "inv", "bizTransaction": "urn:epcglobal:cbv:bt:4099999000004:R-2031"},
                        {"type": "desadv", "bizTransaction": "urn:epcglobal:cbv:bt:4012345000009:DA-12"},
                    ]
                }
            ],
            w.CARRIER,
            "carrier",
        ),
        {"not-behind-others": "fail"},
    ),
    "services": (
        lambda m: setattr(m, "policy", replace(m.policy, services=True)),
        {check.name: "not-applicable" for check in checks.ALL if check.goods and check.name != "cold-chain"},
    ),
}


def _pack(made, account, who):
    """The goods go into a pallet, and the debtor signs for the pallet alone."""
    packed = w.event(
        "packing", "AggregationEvent", day=2, action="ADD", parentID=w.SSCC, childQuantityList=w.CLASS
    )
    receipt = w.event("receiving", transactions=(*w.REFERENCES, ("recadv", "RA-5")), day=4, epcList=[w.SSCC])
    made.captures[2] = _capture([packed], account, who)
    made.record([receipt], w.DEBTOR, "debtor", w.ANCHORED - 3600)


def _capture(events, account, who, at=w.ANCHORED - 7200):
    made = w.World()
    made.record(events, account, who, at)
    return made.captures[0]


def _recapture(made, index, account, who):
    body, _, _, at, count = made.captures[index]
    made.captures[index] = (body, account, who, at, count)


def _redate(made, index, at):
    body, account, who, _, count = made.captures[index]
    made.captures[index] = (body, account, who, at, count)


@pytest.mark.parametrize("what", WRONG)
def test_one_thing_wrong(what):
    change, expected = WRONG[what]
    made = w.world()
    change(made)
    assert differences(w.build(made)) == expected


AFTER_TERMS = {
    "not confirmed": (
        lambda m, c: m.put("Receivables", 1, "_book", "states", c, "status"),
        {"claim": "fail", "free": "fail"},
    ),
    "disputed": (
        lambda m, c: m.put("Receivables", 1, "_book", "states", c, "openDisputes"),
        {"free": "fail"},
    ),
    "overdue": (
        lambda m, c: m.put("Receivables", w.BLOCK_TIME - 1, "_book", "states", c, "dueEnd"),
        {"claim": "fail", "unpaid": "fail"},
    ),
    "confirmed after the signature expired": (
        lambda m, c: m.put("Receivables", w.CONFIRMED + w.DAY + 1, "_book", "states", c, "confirmedAt"),
        {"signer": "fail"},
    ),
    "another holds all": (
        lambda m, c: m.put("Receivables", w.SUPPLIER, "_book", "mains", c, "account"),
        {"holder": "fail"},
    ),
    "holds some beside the main holder": (
        lambda m, c: (
            m.put("Receivables", w.SUPPLIER, "_book", "mains", c, "account"),
            m.put("Receivables", 5, "_book", "holders", c, w.BANK, "units"),
        ),
        {},
    ),
    "slot of another claim": (
        lambda m, c: m.put("Fingerprints", 7, "_slots", w.DEBTOR, m.terms.fingerprint, "id"),
        {"slot": "fail"},
    ),
    "second key": (
        lambda m, c: (
            m.put("Fingerprints", 2, "_keys", 1, "length"),
            m.put("Fingerprints", 9, "_keys", 1, 1),
        ),
        {"fingerprint": "fail"},
    ),
    "signature of another key": (
        lambda m, c: setattr(
            m, "confirmation", replace(w.confirm(m.terms, "carrier"), signer=m.confirmation.signer)
        ),
        {"signature": "fail"},
    ),
    "signature for another chain": (
        lambda m, c: setattr(m, "confirmation", w.confirm(m.terms, "debtor", chain=1)),
        {"signature": "fail"},
    ),
    "signature for another contract": (
        lambda m, c: setattr(m, "confirmation", w.confirm(m.terms, "debtor", contract=w.address("copy"))),
        {"signature": "fail"},
    ),
    "signature of a contract": (
        lambda m, c: setattr(m, "confirmation", replace(m.confirmation, signature=b"")),
        {"signature": "cannot-tell"},
    ),
    "no signature": (
        lambda m, c: setattr(m, "confirmation", None),
        {"signature": "cannot-tell", "signer": "cannot-tell", "debtor-key": "cannot-tell"},
    ),
}


@pytest.mark.parametrize("what", AFTER_TERMS)
def test_one_thing_wrong_about_the_claim(what):
    change, expected = AFTER_TERMS[what]
    made = w.world()
    w.build(made, reported=False)
    if what == "no signature":
        made.confirmation = None
        built = w.build(made, confirmed=False)
    else:
        change(made, made.terms.id())
        built = w.build(made)
    assert differences(built) == expected


def test_the_part_that_arrived_is_what_the_evidence_supports():
    made = w.world()
    made.fields["BG-25/0/BT-129"] = Number("50")
    assert w.build(made).report().supported == 1_190_000 * 40 // 50


def test_a_forged_report_is_shown_as_such(healthy):
    forged = healthy.raw.replace(b'"look-alikes":"cannot-tell"', b'"look-alikes":"pass"')
    assert forged != healthy.raw
    assert healthy.report(forged).dishonest == ("look-alikes",)


def test_every_text_is_there_and_every_text_is_used():
    """In both languages, with the same placeholders: `messages.read` refuses anything else."""
    sources = "".join(path.read_text() for path in Path(checks.__file__).parents[1].rglob("*.py"))
    used = set(re.findall(r"""["'](verify\.[a-z.-]+)["']""", sources))
    used |= {f"verify.title.{name}" for name in checks.BY_NAME} | {
        f"verify.limits.{name}" for name in checks.BY_NAME
    }
    used |= {f"verify.group.{name}" for name in checks.GROUPS}
    used -= {"verify.equal-elsewhere", "verify.look-alikes"}
    families = (
        "verify.outcome.",
        "verify.basis.",
        "verify.word.",
        "verify.equal-elsewhere.",
        "verify.look-alikes.",
    )
    known = {code for code in messages.catalogue() if code.startswith("verify.")}
    assert used <= known
    assert {code for code in known - used if not code.startswith(families)} == set()


@pytest.mark.parametrize("locale", ["en", "zh"])
def test_a_report_fits_eighty_columns_and_explains_each_check(healthy, locale):
    found = healthy.report()
    text = page.render(found, locale)
    assert max(page.width(line) for line in text.splitlines()) <= page.WIDTH
    assert not [line for line in text.splitlines() if line.strip()[:1] in tuple("。，、；：！？）")]
    for result in found.results:
        assert page.explain(result, locale)
    assert report.to_json(found, locale)["sum"]["supports_at_most"] == "11900.00"


def test_fingerprints_of_other_identifiers_are_bound_by_their_hash():
    """The terms hold the hash of the further fingerprints; leaving one out or adding one is seen."""
    made = w.world()
    other = vrf.fingerprint(vrf.output(vrf.prove(w.VRF_SECRET, b"other")))
    w.build(made, reported=False)
    made.terms = replace(made.terms, otherFingerprints=other)
    made.confirmation = None
    found = differences(w.build(made))
    assert found == {"fingerprint": "fail", "identity": "fail", "slot": "fail"}


def test_a_second_value_for_a_field_cannot_be_shown():
    """Two documents, one root: only the value under the root is accepted."""
    made = w.world()
    built = w.build(made)
    lie = disclosure.SaltedFields.of(made.fields | {"BT-115": Number("99999.00")}).disclose("BT-115")
    read, policy = bundle.read(built.raw, block_hash=built.block_hash, now=w.NOW)
    others = tuple(shown for shown in read.fields if shown.name != "BT-115")
    found = report.run(replace(read, fields=(*others, lie)), policy)
    assert {r.check for r in found.results if r.outcome == "fail"} == {"document", "amount"}


def as_xml(healthy, event=None, salts=None):
    """The healthy evidence with the receipt's document in a binding the verifier does not read."""
    read, _ = bundle.read(healthy.raw, block_hash=healthy.block_hash, now=w.NOW)
    recorded = read.log.events[-1]
    document = parse(read.log.captures[recorded.capture].body)
    values = disclosure.flatten(document["epcisBody"]["eventList"][recorded.leaf.place])
    fields = disclosure.SaltedFields.of(values)
    honest = replace(
        recorded,
        leaf=replace(recorded.leaf, fields_root=fields.root()),
        event=encode(document["epcisBody"]["eventList"][recorded.leaf.place]),
        salts=b"".join(fields.salts[name] for name in sorted(values)),
    )
    return record._from_fields(
        replace(honest, **({"event": event} if event else {}), **({"salts": salts} if salts else {}))
    )


def test_an_event_in_another_binding_is_proved_by_all_its_fields(healthy):
    assert as_xml(healthy)["bizStep"] == "receiving"
    assert as_xml(healthy, event=encode(w.event("receiving", day=5))) is None
    assert as_xml(healthy, salts=bytes(range(160))) is None
    assert as_xml(healthy, event=b"<xml/>") is None


def test_terms_of_another_claim_are_not_on_the_ledger(healthy):
    read, policy = bundle.read(healthy.raw, block_hash=healthy.block_hash, now=w.NOW)
    other = replace(read, terms=replace(read.terms, amount=read.terms.amount - 1))
    assert isinstance(other.terms, terms.Terms)
    found = report.run(other, policy)
    failed = {r.check for r in found.results if r.outcome == "fail"}
    assert "signature" in failed
    assert found.supported == 0


@pytest.mark.parametrize("what", ["another root", "a head left out", "a time moved"])
def test_two_histories_of_the_log(healthy, what):
    """Heads that do not lead to the rolling hash on the chain are another history than the contract's."""
    read, policy = bundle.read(healthy.raw, block_hash=healthy.block_hash, now=w.NOW)
    first, last = read.log.heads
    heads = {
        "another root": (replace(first, log_root=bytes(32)), last),
        "a head left out": (last,),
        "a time moved": (replace(first, time=first.time - 1), last),
    }[what]
    other = replace(read, log=replace(read.log, heads=heads))
    outcomes = {r.check: r.outcome.value for r in report.run(other, policy).results}
    assert {outcomes[name] for name in ("events-recorded", "recorded-in-time", "received")} == {"fail"}


def test_an_event_of_another_log_or_shown_twice_is_forged(healthy):
    read, policy = bundle.read(healthy.raw, block_hash=healthy.block_hash, now=w.NOW)
    event = read.log.events[0]
    for events in (
        (replace(event, leaf=replace(event.leaf, log_id=bytes(32))), *read.log.events[1:]),
        (*read.log.events, event),
    ):
        other = replace(read, log=replace(read.log, events=events))
        outcomes = {r.check: r.outcome.value for r in report.run(other, policy).results}
        assert outcomes["events-recorded"] == "fail"
