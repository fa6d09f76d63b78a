"""A report as plain text for a terminal or a printer, 80 columns wide, in English or Chinese."""

import unicodedata
from collections.abc import Iterator

from backend.kit import messages, money
from backend.kit.messages import Locale
from backend.verifier import checks
from backend.verifier.evidence import Evidence
from backend.verifier.report import Report, counts_text, sum_text, text_of, visible, when
from backend.verifier.result import CheckResult, Outcome

WIDTH = 80
_INDENT = 4
_CLOSING = frozenset("。，、；：！？）】》”’")
"""What begins no line in Chinese (GB/T 15834-2011)."""


def render(report: Report, locale: Locale) -> str:
    """The whole report."""
    return "\n".join(_lines(report, locale))


def explain(result: CheckResult, locale: Locale) -> str:
    """One check with everything known about it."""
    finding = result.finding
    lines = [*_result(result, locale), ""]
    lines += wrap(messages.text(f"verify.limits.{result.check}", locale), 0)
    if finding.evidence:
        lines += wrap(messages.text("verify.rests-on", locale, places=", ".join(finding.evidence)), 0)
    return "\n".join(lines)


def _lines(report: Report, locale: Locale) -> Iterator[str]:
    evidence = report.evidence
    yield from wrap(
        messages.text(
            "verify.as-of",
            locale,
            id="0x" + evidence.receivable.hex(),
            chain=evidence.chain_id,
            number=evidence.header.number,
            time=when(evidence.header.time),
        ),
        0,
    )
    yield from wrap(_about(evidence, locale), 0)
    for group in checks.GROUPS:
        yield ""
        heading = messages.text(f"verify.group.{group}", locale)
        yield heading
        yield "-" * width(heading)
        for result in report.results:
            if result.group == group:
                yield from _result(result, locale)
    yield ""
    yield "=" * WIDTH
    yield from wrap(sum_text(report, locale), 0)
    yield from wrap(counts_text(report, locale), 0)
    if report.dishonest:
        names = ", ".join(map(visible, report.dishonest))
        yield from wrap(messages.text("verify.sum.forged-report", locale, checks=names), 0)
    if report.unknown:
        yield messages.text("verify.sum.ask", locale)
        for result in report.unknown:
            first, *rest = wrap(f"{_title(result, locale)}: {text_of(result, locale)}", _INDENT)
            yield from ("  - " + first[_INDENT:], *rest)


def _about(evidence: Evidence, locale: Locale) -> str:
    """The claim in a sentence: how much, when, between whom."""
    terms, said = evidence.terms, evidence.statements
    return messages.text(
        "verify.about",
        locale,
        amount=money.text(terms.amount, terms.currency),
        currency=terms.currency,
        due=when(terms.dueEnd),
        supplier=visible(said.supplier.name if said.supplier else "?")[:200],
        supplier_account="0x" + terms.supplier.hex(),
        debtor=visible(said.debtor.name if said.debtor else "?")[:200],
        debtor_account="0x" + terms.debtor.hex(),
    )


def _result(result: CheckResult, locale: Locale) -> Iterator[str]:
    outcome = messages.text(f"verify.outcome.{result.outcome.value}", locale)
    title = _title(result, locale)
    gap = max(2, WIDTH - width(title) - width(outcome))
    yield title + " " + "." * (gap - 2) + " " + outcome
    yield from wrap(text_of(result, locale), _INDENT)
    if result.outcome is not Outcome.NOT_APPLICABLE:
        words = [messages.text(f"verify.word.{word.value}", locale) for word in result.finding.word]
        basis = messages.text(f"verify.basis.{result.finding.basis.value}", locale)
        joined = ("、" if locale == "zh" else ", ").join(words)
        yield from wrap(f"[{basis}; {messages.text('verify.by-word-of', locale, words=joined)}]", _INDENT)


def _title(result: CheckResult, locale: Locale) -> str:
    return messages.text(f"verify.title.{result.check}", locale)


def width(text: str) -> int:
    """Columns a terminal gives the text: two for wide characters (Unicode Standard Annex 11)."""
    return sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in text)


def wrap(text: str, indent: int) -> list[str]:
    """Lines of at most `WIDTH` columns, broken at spaces or between wide characters, words if they must."""
    lines, line = [], ""
    room = WIDTH - indent
    for piece in _pieces(text, room):
        if width(line) + width(piece.rstrip()) > room and line.strip():
            lines.append(line.rstrip())
            line = ""
        line += piece
    return [" " * indent + line for line in [*lines, line.rstrip()] if line]


def _pieces(text: str, room: int) -> Iterator[str]:
    piece = ""
    for character, following in zip(text, text[1:] + " ", strict=True):
        piece += character
        ends = (character == " " or width(character) == 2) and following not in _CLOSING
        if ends or len(piece) == room:
            yield piece
            piece = ""
    if piece:
        yield piece
