"""A report: every check answered, what the evidence supports in sum, and what to ask for."""

import unicodedata
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from fractions import Fraction
from typing import Any, TypeVar

from backend.kit import messages, money
from backend.kit.messages import Locale
from backend.verifier import checks
from backend.verifier.checks import goods
from backend.verifier.evidence import Evidence
from backend.verifier.policy import Policy
from backend.verifier.result import Basis, CheckResult, Ends, Outcome

V = TypeVar("V")

FORMAT = "tallystick-report/1"

_PARTIAL = frozenset({"quantities"})
"""Checks whose failure lowers what is supported instead of ending it."""
_TIMES = frozenset({"time", "until", "due"})
_TURNS = frozenset({"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"})
_LAST_SECOND = 253_402_300_799


@dataclass(frozen=True)
class Report:
    """What the checks said of one piece of evidence. `supported` is in minor units of the terms' currency."""

    evidence: Evidence
    results: tuple[CheckResult, ...]
    supported: int
    dishonest: tuple[str, ...]
    """Checks for which the maker of the bundle reported another outcome than its evidence gives."""

    @property
    def failed(self) -> tuple[CheckResult, ...]:
        """Required checks that failed."""
        return self._required(Outcome.FAIL)

    @property
    def unknown(self) -> tuple[CheckResult, ...]:
        """Required checks that could not tell: what to ask for."""
        return self._required(Outcome.CANNOT_TELL)

    def _required(self, outcome: Outcome) -> tuple[CheckResult, ...]:
        return tuple(r for r in self.results if r.severity == "required" and r.outcome is outcome)


def run(evidence: Evidence, policy: Policy, reported_under: Policy | None = None) -> Report:
    """Answers every check, in order.

    `reported_under` is the policy that the maker of the bundle says it applied: its report is made anew as it
    must have been made (then, and vouching for no block) and compared.
    """
    results = _answers(evidence, policy)
    dishonest: tuple[str, ...] = ()
    if evidence.report is not None:
        then = replace(evidence, trusted=None, now=evidence.made_at)
        made = {r.check: r.outcome for r in _answers(then, reported_under or policy)}
        dishonest = tuple(name for name in evidence.report if evidence.report[name] != made.get(name))
    return Report(evidence, results, _supported(evidence, policy, results), dishonest)


def _answers(evidence: Evidence, policy: Policy) -> tuple[CheckResult, ...]:
    return tuple(check.run(evidence, policy) for check in checks.ALL)


def _supported(evidence: Evidence, policy: Policy, results: tuple[CheckResult, ...]) -> int:
    """The most the evidence supports: the holder's share of what is unpaid, and of goods that arrived."""
    fatal = {r.check for r in results if r.outcome is Outcome.FAIL and r.severity == "required"} - _PARTIAL
    if fatal:
        return 0
    try:
        found = evidence.ledger.receivable(evidence.receivable)
        part = Fraction(1)
        if evidence.holder is not None and found.units:
            part = Fraction(evidence.ledger.units(evidence.receivable, evidence.holder), found.units)
        short = any(r.check in _PARTIAL and r.outcome is Outcome.FAIL for r in results)
        arrived = goods.share_received(evidence, policy) if short else Fraction(1)
    except Ends:
        return 0
    return int(found.unpaid * part * arrived)


def text_of(result: CheckResult, locale: Locale) -> str:
    """The finding in words."""
    return messages.text(result.finding.code, locale, **_readable(result.finding.params))


def to_json(report: Report, locale: Locale = "en") -> dict[str, Any]:
    """The report as JSON: codes for programs, texts for people."""
    evidence = report.evidence
    return {
        "format": FORMAT,
        "receivable": "0x" + evidence.receivable.hex(),
        "chain_id": str(evidence.chain_id),
        "block": {
            "number": evidence.header.number,
            "hash": "0x" + evidence.header.hash.hex(),
            "time": when(evidence.header.time),
        },
        "checks": [_result(result, locale) for result in report.results],
        "sum": {
            "supports_at_most": money.text(report.supported, evidence.terms.currency),
            "currency": evidence.terms.currency,
            "text": sum_text(report, locale),
            "outcomes": _counts(report),
        },
        "ask_for": [result.check for result in report.unknown],
        "misreported": [visible(name) for name in report.dishonest],
    }


def visible(value: V) -> V:
    """A text that moves no cursor and hides nothing: a stranger's words in a report look like part of it.

    Control characters, line breaks and marks that turn the direction of writing become U+FFFD.
    """
    if not isinstance(value, str) or value.isprintable():
        return value
    return "".join("\ufffd" if _is_control(each) else each for each in value)  # type: ignore[return-value]


def _is_control(character: str) -> bool:
    unseen = unicodedata.category(character) in {"Cc", "Cs", "Zl", "Zp"}
    return unseen or unicodedata.bidirectional(character) in _TURNS


def sum_text(report: Report, locale: Locale) -> str:
    """The conclusion in one sentence."""
    currency = report.evidence.terms.currency
    if report.supported:
        amount = money.text(report.supported, currency)
        return messages.text("verify.sum.supports", locale, amount=amount, currency=currency)
    names = [messages.text(f"verify.title.{result.check}", locale) for result in report.failed]
    return messages.text("verify.sum.nothing", locale, checks=", ".join(names[:3]) or "-")


def counts_text(report: Report, locale: Locale) -> str:
    """How many checks said what."""
    counts = _counts(report)
    return messages.text(
        "verify.sum.counts",
        locale,
        passed=counts["pass"],
        failed=counts["fail"],
        unknown=counts["cannot-tell"],
        none=counts["not-applicable"],
        proved=sum(1 for r in report.results if _counted(r) and r.finding.basis is Basis.PROVED),
        claimed=sum(1 for r in report.results if _counted(r) and r.finding.basis is Basis.CLAIMED),
    )


def when(time: int) -> str:
    """Unix seconds as UTC, ISO 8601; what lies beyond the year 9999 is its last second."""
    return datetime.fromtimestamp(min(time, _LAST_SECOND), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _counted(result: CheckResult) -> bool:
    return result.outcome in (Outcome.PASS, Outcome.FAIL)


def _counts(report: Report) -> dict[str, int]:
    counts = Counter(result.outcome for result in report.results)
    return {outcome.value: counts[outcome] for outcome in Outcome}


def _result(result: CheckResult, locale: Locale) -> dict[str, Any]:
    finding = result.finding
    return {
        "check": result.check,
        "group": result.group,
        "outcome": result.outcome.value,
        "basis": finding.basis.value,
        "by_word_of": [word.value for word in finding.word],
        "severity": result.severity,
        "code": finding.code,
        "title": messages.text(f"verify.title.{result.check}", locale),
        "text": text_of(result, locale),
        "limits": messages.text(f"verify.limits.{result.check}", locale),
        "evidence": list(finding.evidence),
        "block": result.block,
        "time": None if result.time is None else when(result.time),
    }


def _readable(params: Mapping[str, object]) -> dict[str, object]:
    return {
        name: when(value) if name in _TIMES and isinstance(value, int) else visible(value)
        for name, value in params.items()
    }
