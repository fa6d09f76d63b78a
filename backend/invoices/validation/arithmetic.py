"""Whether the numbers of an invoice add up (EN 16931-1, section 6.3), in whatever format it came.

Sums of totals are exact. A line may be off by two minor units (the slack of PEPPOL-EN16931-R120) and their
sum by one, since some programs round each line and others the sum. Paying less than the totals give is a
warning, since there is withholding; claiming more is an error. A line that is not quantity times price is an
error where the specification it claims says so.
"""

import re
from collections.abc import Iterator
from dataclasses import replace
from decimal import ROUND_HALF_UP, Decimal, localcontext

from backend.invoices import amounts
from backend.invoices.model import Invoice, Line
from backend.invoices.validation.result import Finding

_PRECISION = 200  # digits: the product of any two numbers a file can state is exact
# Peppol BIS Billing 3 (PEPPOL-EN16931-R120). XRechnung only warns, and EN 16931 alone does not say so.
_LINES_BIND = re.compile(r"peppol\.eu:2017:poacc:billing:3", re.IGNORECASE)

# Denmark's OIOUBL and Colombia's DIAN profile put the taxable base or the tax itself into TaxExclusiveAmount.
_OTHER_TOTALS = re.compile(r"^OIOUBL|^DIAN\b", re.IGNORECASE)


def check(invoice: Invoice) -> Iterator[Finding]:
    """Every sum that does not come out. Nothing where the currency is unknown: there are no amounts then."""
    if invoice.currency is None:
        return
    with localcontext(prec=_PRECISION):
        yield from list(_lines(invoice, invoice.currency))
    yield from _totals(invoice)


def _totals(invoice: Invoice) -> Iterator[Finding]:
    totals = invoice.totals
    claims = (invoice.specification or "", invoice.process or "")
    if any(_OTHER_TOTALS.match(claim) for claim in claims):
        totals = replace(totals, net=None)
    if totals.net is not None and totals.lines is not None:
        expected = totals.lines - (totals.allowances or 0) + (totals.charges or 0)
        yield from _equal(invoice, "TS-NET", "BT-109", totals.net, expected)
    stated = [line.amount for line in invoice.taxes]
    if totals.tax is not None and stated:
        known = [amount for amount in stated if amount is not None]
        if len(known) == len(stated):
            yield from _equal(invoice, "TS-TAX", "BT-110", totals.tax, sum(known))
    if totals.gross is not None and totals.net is not None:
        yield from _equal(invoice, "TS-GROSS", "BT-112", totals.gross, totals.net + (totals.tax or 0))
    if totals.payable is not None and totals.gross is not None:
        expected = totals.gross - (totals.prepaid or 0) + (totals.rounding or 0)
        # An extension may add what a third party is owed (XRechnung, BG-DEX-09).
        is_error = totals.payable > expected and "#conformant#" not in (invoice.specification or "")
        yield from _equal(invoice, "TS-PAYABLE", "BT-115", totals.payable, expected, is_error=is_error)


def _lines(invoice: Invoice, currency: str) -> Iterator[Finding]:
    is_error = bool(_LINES_BIND.search(invoice.specification or ""))
    unit = Decimal(1).scaleb(-(amounts.exponent(currency) or 0))
    for line in invoice.lines:
        expected = _line_net(line)
        if expected is not None and line.net is not None and abs(line.net - expected) > 2 * unit:
            params = {
                "line": line.id or "?",
                "stated": str(line.net),
                "expected": str(expected.quantize(unit)),
                "currency": currency,
            }
            yield Finding(
                rule="TS-LINE", is_error=is_error, place="BT-131", code="line-is-off", params=params
            )
    nets = [line.net for line in invoice.lines]
    total = invoice.totals.lines
    if total is not None and nets and None not in nets:
        added = sum((net for net in nets if net is not None), start=Decimal(0)).quantize(unit, ROUND_HALF_UP)
        if abs(amounts.minor_units(added, currency) - total) > 1:
            yield from _equal(invoice, "TS-LINES", "BT-106", total, amounts.minor_units(added, currency))


def _line_net(line: Line) -> Decimal | None:
    """Quantity times price, less allowances, plus charges (EN 16931-1, PEPPOL-EN16931-R120)."""
    if line.quantity is None or line.price is None or line.price_quantity == 0:
        return None
    return line.quantity * line.price / (line.price_quantity or 1) - line.allowances + line.charges


def _equal(
    invoice: Invoice, rule: str, place: str, stated: int, expected: int, *, is_error: bool = True
) -> Iterator[Finding]:
    if stated != expected:
        currency = invoice.currency or ""
        params = {
            "stated": amounts.text(stated, currency),
            "expected": amounts.text(expected, currency),
            "currency": currency,
        }
        yield Finding(rule=rule, is_error=is_error, place=place, code="sum-is-off", params=params)
