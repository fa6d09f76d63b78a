"""May it be financed? Each rule speaks when it should, and only then."""

from dataclasses import replace
from datetime import date

import pytest

from backend.invoices.gates.judge import PROFILES, RULES, Effect, Facts, Judgement, Verdict, judge, rulebook
from backend.invoices.model import Attachment, Format, Invoice
from backend.invoices.reading import read_with_xml
from backend.invoices.validation.check import validate
from backend.kit import messages
from tests.backend.invoices import samples

STATED_DUE = "<cbc:DueDate>2027-01-31</cbc:DueDate>"
NOTE = "Goods remain ours until paid."
FACTS = Facts(today=date(2026, 11, 20))


def judged(*edits: tuple[str, str], facts: Facts = FACTS, profile: str = "default") -> Judgement:
    invoice, root = read_with_xml(samples.changed(samples.UBL, *edits))
    return judge(invoice, validate(invoice, root), facts, profile)  # type: ignore[arg-type]


def of(invoice: Invoice, **facts: object) -> dict[str, Effect]:
    _, root = read_with_xml(samples.UBL)
    judgement = judge(invoice, validate(invoice, root), replace(FACTS, **facts))  # type: ignore[arg-type]
    return {reason.rule: reason.effect for reason in judgement.reasons}


def test_a_plain_trade_invoice_may_be_financed() -> None:
    assert judged() == Judgement(verdict=Verdict.YES, reasons=())


def test_every_rule_has_an_effect_a_source_a_meaning_and_a_sentence() -> None:
    rules = rulebook()["rule"]

    assert {entry["id"] for entry in rules} == set(RULES)
    for entry in rules:
        assert entry["source"]
        assert messages.has(f"gate.{entry['id']}")
        assert {Effect(entry[name]) for name in ("default", *PROFILES) if name in entry}


@pytest.mark.parametrize(
    ("edits", "rule", "verdict"),
    [
        ([("Code>380<", "Code>381<")], "credit-note", Verdict.NO),
        ([("Code>380<", "Code>325<")], "no-claim", Verdict.NO),
        ([("Code>380<", "Code>751<")], "no-claim", Verdict.NO),
        ([("Code>380<", "Code>326<")], "unusual-type", Verdict.HOLD),
        ([("Code>380<", "Code>389<")], "self-billed", Verdict.HOLD),
        ([("Code>380<", "Code>384<")], "correction-without-predecessor", Verdict.NO),
        ([(STATED_DUE, ""), ("90 days net", "by agreement")], "due-unknown", Verdict.HOLD),
        ([(STATED_DUE, "")], "due-derived", Verdict.HOLD),
        ([("2027-01-31", "2026-11-01")], "due-before-issue", Verdict.NO),
        ([("2027-01-31", "2026-11-19")], "past-due", Verdict.NO),
        ([("2027-01-31", "2027-05-02")], "tenor-too-long", Verdict.NO),
        ([(NOTE, "Denna faktura har överlåtits till Exempel Factoring AB")],
         "assignment-wording", Verdict.HOLD),
        ([(NOTE, "Die Forderung ist abgetreten.")], "assignment-wording", Verdict.HOLD),
        ([("DE888888885", "DE999999911")], "same-party", Verdict.NO),
        ([("120.00</cbc:Price", "12.00</cbc:Price")], "lines-off", Verdict.HOLD),
        ([("5949.41</cbc:Payable", "6949.41</cbc:Payable")], "not-valid", Verdict.NO),
        ([(">urn:cen.eu:en16931:2017<", ">urn:peppol:pint:billing-1@jp-1<")], "not-validated", Verdict.YES),
    ],
)  # fmt: skip
def test_what_an_invoice_says(edits: list[tuple[str, str]], rule: str, verdict: Verdict) -> None:
    judgement = judged(*edits)

    assert rule in {reason.rule for reason in judgement.reasons}
    assert judgement.verdict is verdict


def test_the_day_it_falls_due_is_not_past_and_180_days_are_not_too_long() -> None:
    assert judged(("2027-01-31", "2026-11-20")).verdict is Verdict.YES
    assert judged(("2027-01-31", "2027-05-01")).verdict is Verdict.YES


def test_what_is_left_after_prepayment_and_credit_notes() -> None:
    invoice, _ = read_with_xml(samples.UBL)

    assert "nothing-payable" not in of(invoice, credited=594940)
    assert of(invoice, credited=594941)["nothing-payable"] is Effect.BLOCK
    for payable in (0, -594941):
        settled = replace(invoice, totals=replace(invoice.totals, payable=payable))
        assert of(settled)["nothing-payable"] is Effect.BLOCK


def test_another_payee_is_held_and_the_seller_itself_is_none() -> None:
    invoice, _ = read_with_xml(samples.UBL)
    factor = replace(invoice.seller, name="Sample Factoring AG", trading_name=None, tax=(), legal=None)

    assert of(replace(invoice, payee=factor))["other-payee"] is Effect.HOLD
    assert "other-payee" not in of(replace(invoice, payee=invoice.seller))


def test_self_billing_is_fine_when_the_buyer_brings_it() -> None:
    invoice, _ = read_with_xml(samples.UBL)

    assert "self-billed" not in of(replace(invoice, type="389"), uploaded_by_buyer=True)


def test_parties_are_admitted_ones() -> None:
    invoice, _ = read_with_xml(samples.UBL)

    assert of(invoice, seller_admitted=False)["seller-not-admitted"] is Effect.BLOCK
    assert of(invoice, buyer_admitted=False)["buyer-not-admitted"] is Effect.BLOCK


def test_profiles_ask_for_what_their_place_asks_for() -> None:
    before = replace(FACTS, before_funding=True)

    assert judged(facts=before).verdict is Verdict.YES
    assert judged(facts=before, profile="cn").verdict is Verdict.NO
    assert judged(facts=replace(before, filing_number="0123"), profile="cn").verdict is Verdict.YES
    assert {reason.rule for reason in judged(profile="eu").reasons} == {"beyond-statutory-term"}
    assert {reason.rule for reason in judged(profile="in").reasons} == {"beyond-statutory-term"}


def test_an_entry_by_hand_and_a_lying_attachment_are_not_financed() -> None:
    invoice, _ = read_with_xml(samples.UBL)
    lie = Attachment(name="terms.pdf", media_type="application/pdf", content=b"MZ\x90\0")

    assert of(replace(invoice, format=Format.PDF))["unstructured"] is Effect.HOLD
    assert of(replace(invoice, attachments=(lie,)))["attachment-suspect"] is Effect.BLOCK


def test_what_is_missing_is_named() -> None:
    judgement = judged(("<cbc:IssueDate>2026-11-02</cbc:IssueDate>", ""))
    reason = next(reason for reason in judgement.reasons if reason.rule == "incomplete")

    assert reason.sentence("en") == "The invoice does not give BT-2."
    assert reason.sentence("zh") == "发票缺少 BT-2。"
