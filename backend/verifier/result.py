"""What a check answers, and how it gets there: evidence that is missing or wrong ends a check early."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from backend.verifier.evidence import Evidence
    from backend.verifier.policy import Policy


class Outcome(StrEnum):
    """The four answers. What is not known is never a pass."""

    PASS = "pass"  # noqa: S105  (no password)
    FAIL = "fail"
    CANNOT_TELL = "cannot-tell"
    NOT_APPLICABLE = "not-applicable"


class Basis(StrEnum):
    """Whether the answer follows from proofs, or is somebody's word."""

    PROVED = "proved"
    CLAIMED = "claimed"


class Word(StrEnum):
    """By whose word an answer stands, where proofs end."""

    CHAIN = "chain"
    """Whoever validates the chain's blocks: that this block is the chain's."""
    DEBTOR = "debtor"
    SUPPLIER = "supplier"
    RECORDER = "recorder"
    OPERATOR = "operator"
    BANK = "bank"
    """The reader itself: what it pinned."""
    WITNESSES = "witnesses"


@dataclass(frozen=True)
class Finding:
    """One answer before it is put on paper. `code` names its sentence in `messages.toml`."""

    outcome: Outcome
    code: str
    params: Mapping[str, object] = field(default_factory=dict)
    basis: Basis = Basis.PROVED
    word: tuple[Word, ...] = (Word.CHAIN,)
    evidence: tuple[str, ...] = ()
    """JSON pointers into the bundle: what the answer rests on."""

    def claimed(self, *word: Word) -> "Finding":
        """The same answer, as somebody's word only."""
        return replace(self, basis=Basis.CLAIMED, word=word)

    def by(self, *word: Word) -> "Finding":
        """The same answer, proved to be these parties' word (their signature), on this chain."""
        return replace(self, word=(*word, Word.CHAIN))


def passed(code: str, *evidence: str, **params: object) -> Finding:
    """The evidence shows it."""
    return Finding(Outcome.PASS, code, params, evidence=evidence)


def failed(code: str, *evidence: str, **params: object) -> Finding:
    """The evidence shows the contrary, or was tampered with."""
    return Finding(Outcome.FAIL, code, params, evidence=evidence)


def cannot_tell(code: str, *evidence: str, **params: object) -> Finding:
    """The evidence does not say."""
    return Finding(Outcome.CANNOT_TELL, code, params, evidence=evidence)


def not_applicable(code: str, **params: object) -> Finding:
    """The question does not arise."""
    return Finding(Outcome.NOT_APPLICABLE, code, params)


class Ends(Exception):
    """Ends a check with a finding, from however deep."""

    def __init__(self, finding: Finding) -> None:
        super().__init__(finding.code)
        self.finding = finding


CheckFunction: TypeAlias = "Callable[[Evidence, Policy], Finding]"


@dataclass(frozen=True)
class Check:
    """A named question and the pure function that answers it from evidence."""

    name: str
    group: str
    function: CheckFunction
    goods: bool = False
    """Whether it asks about goods, and so does not arise for services."""

    def run(self, evidence: "Evidence", policy: "Policy") -> "CheckResult":
        """The answer, with the block it is as of."""
        if self.goods and policy.services:
            finding = not_applicable("verify.services")
        else:
            try:
                finding = self.function(evidence, policy)
            except Ends as end:
                finding = end.finding
        if evidence.trusted is False and finding.outcome is Outcome.PASS and finding.basis is Basis.PROVED:
            finding = cannot_tell("verify.block.not-yours", "/block")
        return CheckResult(
            check=self.name,
            group=self.group,
            finding=finding,
            severity=policy.severity(self.name),
            block=evidence.header.number if finding.basis is Basis.PROVED else None,
            time=evidence.header.time if finding.basis is Basis.PROVED else None,
        )


@dataclass(frozen=True)
class CheckResult:
    """An answered check. `block` and `time` (Unix seconds) say as of when, where it was proved."""

    check: str
    group: str
    finding: Finding
    severity: str
    block: int | None
    time: int | None

    @property
    def outcome(self) -> Outcome:
        return self.finding.outcome


def check(name: str, group: str, *, goods: bool = False) -> Callable[[CheckFunction], Check]:
    """Makes a check out of a function."""
    return lambda function: Check(name, group, function, goods)
