"""What a validation says: one of three outcomes, the rules that ran, and every finding in words."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from backend.kit import messages
from backend.kit.messages import Locale

_TERM = re.compile(r"\bB[TG]-\d{1,3}\b")


class Outcome(StrEnum):
    """Valid only when an official rule set ran, looked at the document and found no error."""

    VALID = "valid"
    INVALID = "invalid"
    NOT_APPLICABLE = "not-applicable"
    """No official rule set covers this kind of document, and our own checks found no error."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One rule that is not kept. `place` is a business term (BT-115) or a path in the document."""

    rule: str
    is_error: bool
    place: str
    words: str = ""
    """The rule's own text, for official rules."""
    code: str = ""
    """The message code, for our own checks."""
    params: Mapping[str, object] = field(default_factory=dict)

    def sentence(self, locale: Locale = "en") -> str:
        """What is wrong, for a clerk who does not know the standard."""
        if self.code:
            return messages.text(self.code, locale, place=term(self.place, locale), **self.params)
        if messages.has(f"rule.{self.rule}"):
            return messages.text(f"rule.{self.rule}", locale)
        concerned = dict.fromkeys(_TERM.findall(self.words)) or {self.place.rsplit("/", 1)[-1]: None}
        joint = "、" if locale == "zh" else ", "
        names = joint.join(term(name, locale) for name in concerned)
        return messages.text("rule-broken", locale, rule=self.rule, terms=names, words=self.words)


@dataclass(frozen=True, slots=True, kw_only=True)
class Validation:
    """The answer about one invoice."""

    outcome: Outcome
    rules: tuple[str, ...]
    """The rule sets that ran, each with its version."""
    findings: tuple[Finding, ...]


def term(place: str, locale: Locale) -> str:
    """A business term with its name: `Payment due date (BT-9)`; a path stays a path."""
    return f"{messages.text(place, locale)} ({place})" if messages.has(place) else place
