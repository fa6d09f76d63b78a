"""What can be wrong with bringing an invoice, each with its sentence."""

from typing import ClassVar

from backend.invoices.formats.errors import Unreadable
from backend.kit import messages
from backend.kit.messages import Locale
from backend.kit.problems import Problem


class InvoiceUnreadable(Problem):
    """The file is no invoice that can be read, or is not safe to read. `reason` says which in one word."""

    status, code = 422, "invoice-unreadable"

    def __init__(self, refusal: Unreadable) -> None:
        self.refusal = refusal
        super().__init__(extra={"reason": refusal.code})

    def detail(self, locale: Locale) -> str:
        return self.refusal.sentence(locale)


class InvoiceIncomplete(Problem):
    """Without number, issue date and currency an invoice has no identity."""

    status, code = 422, "invoice-incomplete"

    def __init__(self, *terms: str) -> None:
        self.terms = terms
        super().__init__()

    def detail(self, locale: Locale) -> str:
        joint = "、" if locale == "zh" else ", "
        names = joint.join(f"{messages.text(term, locale)} ({term})" for term in self.terms)
        return messages.text(self.code, locale, terms=names)


class InvoiceOfAnother(Problem):
    """The seller in the file is not the party that brings it."""

    status, code = 403, "invoice-of-another"


class AnswerRowUnclear(Problem):
    """A cell of a row of answers cannot be read, or names several invoices."""

    status, code = 422, "answer-row-unclear"


class DeputyUnfit(Problem):
    """Who is to stand in for whom does not fit."""

    status, code = 422, "deputy-unfit"


class InvoiceHeld(Problem):
    """Something about the invoice has to be looked at before anything may rest on it."""

    status, code = 409, "invoice-held"


class InvoiceKnown(Problem):
    """The same invoice is here already: same seller, year, class and number, whatever else was changed."""

    status, code = 409, "invoice-known"


class InvoiceInUse(Problem):
    """The invoice cannot be changed any more: something rests on it."""

    status, code = 409, "invoice-in-use"


class InvoiceWithdrawn(Problem):
    """The invoice was taken back; bring it again to use it."""

    status, code = 409, "invoice-withdrawn"


class InvoiceErased(Problem):
    """The original and its fields were erased; hash, root and identity remain."""

    status, code = 410, "invoice-erased"


class FilingMissing(Problem):
    """The place asks for a filing in its registry of assignments before money moves."""

    status, code = 409, "invoice-filing-missing"


class FieldUnknown(Problem):
    """The invoice has no such field."""

    status, code = 404, "invoice-field-unknown"


class HoldUnknown(Problem):
    """The invoice is not held for that reason."""

    status, code = 404, "invoice-hold-unknown"


class DocumentsLocked(Problem):
    """A key of this server is missing or wrong; nothing is lost, the operator has to put it back."""

    status, code = 503, "documents-locked"
    headers: ClassVar = {"Retry-After": "60"}


class FingerprintKeyMissing(Problem):
    """This server does not hold the secret of a fingerprint key that the chain says is active."""

    status, code = 503, "fingerprint-key-missing"
    headers: ClassVar = {"Retry-After": "60"}


class NotTheBuyer(Problem):
    """Only the buyer answers an invoice."""

    status, code = 403, "invoice-not-the-buyer"


class AnswerOutOfTurn(Problem):
    """After the answer that was given, this one cannot follow."""

    status, code = 409, "invoice-answer-out-of-turn"


class AnswerIncomplete(Problem):
    """The answer lacks what its code needs: conditions with CA, a reason with RE and UQ."""

    status, code = 422, "invoice-answer-incomplete"


class AnswerNotOpen(Problem):
    """The answer does not wait for anybody."""

    status, code = 409, "invoice-answer-not-open"


class SecondPersonNeeded(Problem):
    """Whoever proposed an acceptance cannot be the second person too."""

    status, code = 403, "invoice-second-person-needed"
