"""Applies the rules of rules.toml to an invoice. What a rule means is here; what it does is data."""

import re
import tomllib
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from functools import cache
from importlib.resources import files
from typing import Any, Literal, Self

from backend.invoices import amounts
from backend.invoices.formats import contents
from backend.invoices.model import DueDateSource, Format, Invoice
from backend.invoices.validation.result import Outcome, Validation
from backend.kit import messages
from backend.kit.messages import Locale

Profile = Literal["default", "eu", "cn", "in"]
PROFILES: tuple[Profile, ...] = ("default", "eu", "cn", "in")


class Effect(StrEnum):
    """What a rule does, strongest first."""

    BLOCK = "block"
    HOLD = "hold"
    WARN = "warn"
    OFF = "off"


class Verdict(StrEnum):
    """The answer: `hold` means that a person, or the buyer's confirmation, has to settle something first."""

    YES = "yes"
    HOLD = "hold"
    NO = "no"


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What is known beyond the file. None means that nobody has looked."""

    today: date
    credited: int = 0
    """Minor units of credit notes that refer to this invoice."""
    corrected_by: str | None = None
    """The number of the corrected invoice that took its place."""
    seller_admitted: bool | None = None
    buyer_admitted: bool | None = None
    uploaded_by_buyer: bool = False
    filing_number: str | None = None
    """The number of the filing in the registry of assignments (中登网, CERSAI)."""
    before_funding: bool = False
    """The last check before money moves: what must exist by then is asked for only now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """One rule that applies, and what it does in the profile."""

    rule: str
    effect: Effect
    source: str
    settled_by: str | None = None
    """`buyer`: confirming settles it. `terms`: the due date agreed in the end does. None: a person does."""
    params: Mapping[str, object] = field(default_factory=dict)

    def sentence(self, locale: Locale = "en") -> str:
        return messages.text(f"gate.{self.rule}", locale, **self.params)


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """Verdict and reasons, strongest first."""

    verdict: Verdict
    reasons: tuple[Reason, ...]

    @classmethod
    def of(cls, reasons: Collection[Reason]) -> Self:
        """The verdict that these reasons come to."""
        effects = {reason.effect for reason in reasons}
        verdict = Verdict.HOLD if Effect.HOLD in effects else Verdict.YES
        return cls(
            verdict=Verdict.NO if Effect.BLOCK in effects else verdict,
            reasons=tuple(sorted(reasons, key=lambda reason: list(Effect).index(reason.effect))),
        )


Params = Mapping[str, object]
Rule = Callable[["Case"], Iterator[Params]]
RULES: dict[str, Rule] = {}


@dataclass(frozen=True, slots=True)
class Case:
    """All a rule may look at."""

    invoice: Invoice
    validation: Validation
    facts: Facts
    profile: Profile

    def is_type(self, group: str) -> bool:
        return self.invoice.type in rulebook()["codes"][group]


def judge(invoice: Invoice, validation: Validation, facts: Facts, profile: Profile = "default") -> Judgement:
    """Whether the invoice may be financed, with every rule that speaks against it."""
    case = Case(invoice, validation, facts, profile)
    reasons = []
    for entry in rulebook()["rule"]:
        effect = Effect(entry.get(profile, entry["default"]))
        if effect is not Effect.OFF:
            reasons += [
                Reason(
                    rule=entry["id"],
                    effect=effect,
                    source=entry["source"],
                    settled_by=entry.get("settled_by"),
                    params=params,
                )
                for params in RULES[entry["id"]](case)
            ]
    return Judgement.of(reasons)


@cache
def rulebook() -> Mapping[str, Any]:
    """The rules as written in rules.toml."""
    return tomllib.loads(files("backend.invoices.gates").joinpath("rules.toml").read_text(encoding="utf-8"))


def _rule(name: str) -> Callable[[Callable[[Case], bool | Params | None]], Rule]:
    """Registers a rule: it gives False or None when it has nothing to say, else True or its parameters."""

    def register(ask: Callable[[Case], bool | Params | None]) -> Rule:
        def apply(case: Case) -> Iterator[Params]:
            answer = ask(case)
            if answer is True:
                yield {}
            elif answer:
                yield answer

        RULES[name] = apply
        return apply

    return register


@_rule("not-valid")
def _not_valid(case: Case) -> Params | None:
    errors = sum(finding.is_error for finding in case.validation.findings)
    return {"count": errors} if case.validation.outcome is Outcome.INVALID else None


@_rule("not-validated")
def _not_validated(case: Case) -> bool:
    return case.validation.outcome is Outcome.NOT_APPLICABLE


@_rule("lines-off")
def _lines_off(case: Case) -> Params | None:
    off = [str(finding.params["line"]) for finding in case.validation.findings if finding.rule == "TS-LINE"]
    return {"lines": ", ".join(off[:5])} if off else None


@_rule("incomplete")
def _incomplete(case: Case) -> Params | None:
    invoice = case.invoice
    missing = [
        term
        for term, value in (
            ("BT-1", invoice.number),
            ("BT-2", invoice.issue_date),
            ("BT-5", invoice.currency),
            ("BT-27", invoice.seller.name),
            ("BT-44", invoice.buyer.name),
            ("BT-115", invoice.totals.payable),
        )
        if value is None
    ]
    return {"terms": ", ".join(missing)} if missing else None


@_rule("credit-note")
def _credit_note(case: Case) -> bool:
    return case.is_type("credit_note") or case.invoice.format is Format.UBL_CREDIT_NOTE


@_rule("no-claim")
def _no_claim(case: Case) -> Params | None:
    return {"type": case.invoice.type or "-"} if case.is_type("no_claim") else None


@_rule("unusual-type")
def _unusual_type(case: Case) -> Params | None:
    known = any(case.is_type(group) for group in ("invoice", "credit_note", "no_claim", "self_billed"))
    return None if known else {"type": case.invoice.type or "-"}


@_rule("self-billed")
def _self_billed(case: Case) -> bool:
    return case.is_type("self_billed") and not case.facts.uploaded_by_buyer


@_rule("correction-without-predecessor")
def _correction_without_predecessor(case: Case) -> bool:
    return case.is_type("correction") and not case.invoice.references.preceding


@_rule("correction")
def _correction(case: Case) -> Params | None:
    return _predecessors(case) if case.is_type("correction") else None


@_rule("follows-another")
def _follows_another(case: Case) -> Params | None:
    return None if case.is_type("correction") or _credit_note_of(case) else _predecessors(case)


def _credit_note_of(case: Case) -> bool:
    return case.is_type("credit_note") or case.invoice.format is Format.UBL_CREDIT_NOTE


def _predecessors(case: Case) -> Params | None:
    numbers = [preceding.number for preceding in case.invoice.references.preceding]
    return {"numbers": ", ".join(numbers[:5])} if numbers else None


@_rule("nothing-payable")
def _nothing_payable(case: Case) -> bool:
    payable = case.invoice.totals.payable
    return payable is not None and payable - case.facts.credited <= 0


@_rule("credited")
def _credited(case: Case) -> Params | None:
    credited, currency = case.facts.credited, case.invoice.currency
    return (
        {"amount": amounts.text(credited, currency), "currency": currency} if credited and currency else None
    )


@_rule("corrected")
def _corrected(case: Case) -> Params | None:
    return {"number": case.facts.corrected_by} if case.facts.corrected_by else None


@_rule("prepaid")
def _prepaid(case: Case) -> Params | None:
    return _money(case.invoice.totals.prepaid, case.invoice.currency)


def _money(amount: int | None, currency: str | None) -> Params | None:
    return {"amount": amounts.text(amount, currency), "currency": currency} if amount and currency else None


@_rule("due-unknown")
def _due_unknown(case: Case) -> bool:
    return case.invoice.due.source is DueDateSource.TO_BE_CONFIRMED


@_rule("due-derived")
def _due_derived(case: Case) -> Params | None:
    due = case.invoice.due
    if due.source is not DueDateSource.DERIVED or due.day is None:
        return None
    return {"date": due.day.isoformat(), "words": due.wording or ""}


@_rule("due-in-parts")
def _due_in_parts(case: Case) -> Params | None:
    parts = case.invoice.due.instalments
    return {"dates": ", ".join(day.isoformat() for day in parts[:12])} if parts else None


@_rule("due-before-issue")
def _due_before_issue(case: Case) -> bool:
    tenor = _tenor(case)
    return tenor is not None and tenor < 0


@_rule("past-due")
def _past_due(case: Case) -> Params | None:
    day = case.invoice.due.day
    return {"date": day.isoformat()} if day is not None and day < case.facts.today else None


@_rule("tenor-too-long")
def _tenor_too_long(case: Case) -> Params | None:
    limits = rulebook()["limits"]["tenor_days"]
    limit = min(limits.get(case.profile, limits["default"]), limits["absolute"])
    return _longer_than(case, limit)


@_rule("beyond-statutory-term")
def _beyond_statutory_term(case: Case) -> Params | None:
    limit = rulebook()["limits"]["statutory_days"].get(case.profile)
    return _longer_than(case, limit) if limit is not None else None


def _longer_than(case: Case, limit: int) -> Params | None:
    tenor = _tenor(case)
    return {"days": tenor, "limit": limit} if tenor is not None and tenor > limit else None


def _tenor(case: Case) -> int | None:
    due, issued = case.invoice.due.day, case.invoice.issue_date
    return (due - issued).days if due is not None and issued is not None else None


@_rule("other-payee")
def _other_payee(case: Case) -> Params | None:
    payee, seller = case.invoice.payee, case.invoice.seller
    if payee is None:
        return {"payee": "-"} if case.is_type("factored") else None
    same_name = payee.name is not None and payee.name in (seller.name, seller.trading_name)
    shared = {item.value for item in payee.identifiers} & {item.value for item in seller.identifiers}
    return None if same_name or shared else {"payee": payee.name or "-"}


@_rule("assignment-wording")
def _assignment_wording(case: Case) -> Params | None:
    for text in (*case.invoice.notes, case.invoice.terms or ""):
        if match := _assignment().search(text[:4_000]):
            return {"words": text[max(0, match.start() - 40) : match.end() + 40].strip()}
    return None


@cache
def _assignment() -> re.Pattern[str]:
    return re.compile("|".join(rulebook()["wording"]["assignment"]), re.IGNORECASE)


@_rule("same-party")
def _same_party(case: Case) -> bool:
    seller = {item.value for item in (*case.invoice.seller.tax, case.invoice.seller.legal) if item}
    buyer = {item.value for item in (*case.invoice.buyer.tax, case.invoice.buyer.legal) if item}
    return bool(seller & buyer)


@_rule("seller-without-identifier")
def _seller_without_identifier(case: Case) -> bool:
    return not case.invoice.seller.identifiers


@_rule("seller-not-admitted")
def _seller_not_admitted(case: Case) -> bool:
    return case.facts.seller_admitted is False


@_rule("buyer-not-admitted")
def _buyer_not_admitted(case: Case) -> bool:
    return case.facts.buyer_admitted is False


@_rule("filing-number-missing")
def _filing_number_missing(case: Case) -> bool:
    return case.facts.before_funding and not case.facts.filing_number


@_rule("unstructured")
def _unstructured(case: Case) -> bool:
    return case.invoice.format is Format.PDF


@_rule("attachment-suspect")
def _attachment_suspect(case: Case) -> Params | None:
    names = [item.name or "-" for item in case.invoice.attachments if contents.suspect(item) is not None]
    return {"names": ", ".join(names[:5])} if names else None
