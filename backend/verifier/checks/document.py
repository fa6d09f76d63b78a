"""The invoice behind the claim: what of it is shown, and whether it says what the terms say."""

from datetime import UTC, datetime

from backend.kit import disclosure
from backend.kit.canonical import Json, Number
from backend.kit.money import AmountError, to_minor
from backend.verifier.evidence import Evidence
from backend.verifier.ledger import Status
from backend.verifier.policy import Policy
from backend.verifier.result import Ends, Finding, Word, cannot_tell, check, failed, passed
from backend.verifier.terms import Terms

GROUP = "document"

NUMBER, CURRENCY, DUE, PAYABLE = "BT-1", "BT-5", "BT-9", "BT-115"
ORDER, DESPATCH, RECEIPT = "BT-13", "BT-16", "BT-15"

_DAY = 24 * 3600
_ZONES = 14 * 3600
"""A day begins up to so many seconds earlier or later elsewhere."""
_DUE_ROLL = 10 * _DAY
"""A business-day rule may move a due date over the longest run of holidays, no further."""


def bound_terms(evidence: Evidence) -> Terms:
    """The terms, once the ledger is seen to hold a claim with exactly these. Otherwise they are anybody's."""
    if evidence.ledger.receivable(evidence.receivable).status is Status.NONE:
        raise Ends(failed("verify.claim.unknown", "/terms"))
    return evidence.terms


def field_of(evidence: Evidence, name: str) -> str | None:
    """A disclosed and proved field as text, None if it is not disclosed. Ends the check if it is forged."""
    root = bound_terms(evidence).documentRoot
    place = evidence.places.get(name)
    if place is None:
        return None
    shown = evidence.fields[place]
    if not disclosure.verify(root, shown):
        raise Ends(failed("verify.document.forged", f"/fields/{place}", field=name))
    return _text(shown.value)


def is_absent(evidence: Evidence, name: str) -> bool:
    """Whether the document is proved to have no such field. Hiding one is not the same as not having it."""
    proof = evidence.absent.get(name)
    return proof is not None and disclosure.verify_absent(bound_terms(evidence).documentRoot, name, proof)


def _text(value: Json) -> str:
    return value.text if isinstance(value, Number) else str(value)


@check("document", GROUP)
def document(evidence: Evidence, _policy: Policy) -> Finding:
    """Every disclosed field belongs to the document whose root the debtor signed."""
    names = [shown.name for shown in evidence.fields]
    if not names:
        return cannot_tell("verify.document.nothing", "/fields")
    if len(set(names)) != len(names):
        return failed("verify.document.twice", "/fields")
    for name in names:
        field_of(evidence, name)
    return passed("verify.document.belongs", "/fields", count=len(names)).by(Word.DEBTOR)


@check("amount", GROUP)
def amount(evidence: Evidence, _policy: Policy) -> Finding:
    """The claim is for no more than the invoice's amount due, in its currency."""
    currency, payable = field_of(evidence, CURRENCY), field_of(evidence, PAYABLE)
    if currency is None or payable is None:
        return cannot_tell("verify.document.hidden", "/fields", fields=f"{CURRENCY}, {PAYABLE}")
    if currency != evidence.terms.currency:
        return failed("verify.amount.currency", "/terms/currency", currency=currency)
    try:
        most = to_minor(payable, currency)
    except AmountError:
        return failed("verify.amount.unreadable", "/fields", value=payable[:40])
    if evidence.terms.amount > most:
        return failed("verify.amount.more", "/terms/amount", payable=payable, currency=currency)
    return passed("verify.amount.within", "/terms/amount", payable=payable, currency=currency).by(Word.DEBTOR)


@check("due-date", GROUP)
def due_date(evidence: Evidence, _policy: Policy) -> Finding:
    """The claim falls due when the invoice says, or the debtor's signature is the only source."""
    stated = field_of(evidence, DUE)
    due = evidence.terms.dueEnd
    if stated is None and not is_absent(evidence, DUE):
        return cannot_tell("verify.document.hidden", "/fields", fields=DUE)
    if stated is None:
        return passed("verify.due-date.by-debtor", "/terms/dueEnd", due=due).by(Word.DEBTOR)
    try:
        day = int(datetime.strptime(stated, "%Y-%m-%d").replace(tzinfo=UTC).timestamp())
    except ValueError:
        return failed("verify.due-date.unreadable", "/fields", value=stated[:40])
    if not day - _ZONES <= due <= day + _DAY + _ZONES + _DUE_ROLL:
        return cannot_tell("verify.due-date.differs", "/terms/dueEnd", stated=stated, due=due)
    return passed("verify.due-date.matches", "/terms/dueEnd", stated=stated).by(Word.DEBTOR)


@check("invoice-valid", GROUP)
def invoice_valid(evidence: Evidence, _policy: Policy) -> Finding:
    """The file passed the rules of its format."""
    verdict, rules = evidence.statements.invoice_verdict, evidence.statements.invoice_rules or "?"
    if verdict == "valid":
        return passed("verify.invoice.valid", "/statements", rules=rules).claimed(Word.OPERATOR)
    if verdict == "invalid":
        return failed("verify.invoice.invalid", "/statements", rules=rules).claimed(Word.OPERATOR)
    return cannot_tell("verify.invoice.not-run", "/statements").claimed(Word.OPERATOR)
