"""An invoice in one flat object: what the command line prints and the API answers, amounts in minor units."""

from datetime import date
from typing import Any

from backend.invoices.gates.judge import Judgement
from backend.invoices.model import Invoice, Party
from backend.invoices.validation.result import Validation
from backend.kit.messages import Locale


def fields(invoice: Invoice) -> dict[str, Any]:
    """The fields a reader looks at first."""
    references = invoice.references
    return {
        "format": invoice.format.value,
        "number": invoice.number,
        "type": invoice.type,
        "issue_date": _iso(invoice.issue_date),
        "due_date": _iso(invoice.due.day),
        "due_date_source": invoice.due.source.value,
        "currency": invoice.currency,
        "payable": invoice.totals.payable,
        "net": invoice.totals.net,
        "tax": invoice.totals.tax,
        "gross": invoice.totals.gross,
        "prepaid": invoice.totals.prepaid,
        "seller": party(invoice.seller),
        "buyer": party(invoice.buyer),
        "order": references.order,
        "despatch": references.despatch or _of_lines(invoice, "despatch"),
        "receipt": references.receipt or _of_lines(invoice, "receipt"),
        "payee": party(invoice.payee) if invoice.payee else None,
        "preceding": [preceding.number for preceding in references.preceding],
    }


def party(who: Party) -> dict[str, str | None]:
    """Name, tax number and legal registration."""
    return {"name": who.name, "vat": who.vat, "registration": who.legal.value if who.legal else None}


def validation(result: Validation, locale: Locale) -> dict[str, Any]:
    """Outcome, rule sets with versions, and each finding in words."""
    return {
        "result": result.outcome.value,
        "rules": list(result.rules),
        "findings": [
            {
                "rule": finding.rule,
                "severity": "error" if finding.is_error else "warning",
                "place": finding.place,
                "sentence": finding.sentence(locale),
            }
            for finding in result.findings
        ],
    }


def financeable(judgement: Judgement, locale: Locale) -> dict[str, Any]:
    """The verdict and why."""
    return {
        "result": judgement.verdict.value,
        "reasons": [
            {
                "rule": reason.rule,
                "effect": reason.effect.value,
                "sentence": reason.sentence(locale),
                "source": reason.source,
            }
            for reason in judgement.reasons
        ],
    }


def _iso(day: date | None) -> str | None:
    return day.isoformat() if day else None


def _of_lines(invoice: Invoice, name: str) -> str | None:
    """A reference all lines share that name one; None if they name several."""
    named = {getattr(line, name) for line in invoice.lines} - {None}
    return str(named.pop()) if len(named) == 1 else None
