"""The answer about one invoice: which official rules apply, what they and our own checks found."""

import re

from lxml import etree

from backend.invoices.formats import tokens, ubl, xml
from backend.invoices.model import Format, Invoice, Issue
from backend.invoices.validation import arithmetic, identifiers, schematron
from backend.invoices.validation.result import Finding, Outcome, Validation
from backend.invoices.validation.schematron import RuleSet

OWN_RULES = "Tallystick arithmetic and identifiers 1"

# BT-24 names what the sender followed. CEN's rules bind EN 16931 itself and its CIUS ("#compliant#"), but not
# extensions ("#conformant#"): they change the rules, as Australia's and Singapore's do.
_EN16931 = re.compile(r"urn:cen\.eu:en16931:2017(?!.*#conformant#)", re.IGNORECASE)
_CII_PROFILES: tuple[tuple[re.Pattern[str], RuleSet], ...] = tuple(
    (re.compile(pattern, re.IGNORECASE), rules)
    for pattern, rules in (
        (
            r"urn:cen\.eu:en16931:2017#conformant#urn:(?:factur-x|zugferd)\S*:extended",
            schematron.CII_EXTENDED,
        ),
        (r"urn:cen\.eu:en16931:2017#compliant#urn:(?:factur-x|zugferd)\S*:basic$", schematron.CII_BASIC),
        (r"urn:(?:factur-x|zugferd)\S*:basicwl$", schematron.CII_BASIC_WL),
        (r"urn:(?:factur-x|zugferd)\S*:minimum$", schematron.CII_MINIMUM),
        (_EN16931.pattern, schematron.CII),
    )
)
# What no total depends on: the breakdown of the tax, which some places state more finely than they pay.
_BREAKDOWN = {"BT-116", "BT-117"}
# A step as ISO Schematron and as SchXslt write it.
_PREFIXES = re.compile(r"(?:\*:|Q\{[^}]*\})(\w+)(?:\[namespace-uri\(\)='[^']*'\])?(?:\[(\d+)\])?")


def validate(invoice: Invoice, root: etree._Element | None) -> Validation:
    """Runs every rule that applies. Raises RulesUnavailableError rather than call anything valid unseen."""
    findings = [_unread(issue) for issue in invoice.issues]
    findings += _signature(invoice)
    rules = applicable(invoice, root)
    official = None
    if rules is not None and root is not None:
        official = schematron.run(rules, root)
        findings += map(_finding, official.failed)
    findings += arithmetic.check(invoice)
    findings += identifiers.check(invoice)
    if any(finding.is_error for finding in findings):
        outcome = Outcome.INVALID
    else:
        # A sheet that looked at nothing has said nothing.
        outcome = Outcome.VALID if official is not None and official.fired else Outcome.NOT_APPLICABLE
    ran = (rules.title, OWN_RULES) if rules is not None and official is not None else (OWN_RULES,)
    return Validation(outcome=outcome, rules=ran, findings=tuple(findings))


def applicable(invoice: Invoice, root: etree._Element | None) -> RuleSet | None:
    """The official rule set for this document, by its root element first and its claim (BT-24) second."""
    claim = (invoice.specification or "").strip()
    if root is None:
        return None
    if root.tag in (ubl.INVOICE, ubl.CREDIT_NOTE):
        return schematron.UBL if _EN16931.match(claim) else None
    if xml.local(root) == "CrossIndustryInvoice" and invoice.format is not Format.ZUGFERD_1:
        return next((rules for pattern, rules in _CII_PROFILES if pattern.match(claim)), None)
    return None


def _signature(invoice: Invoice) -> list[Finding]:
    """That nobody checked a signature is said, lest a signed invoice pass for a verified one."""
    if invoice.signature not in (tokens.NOT_CHECKED, tokens.WRONG):
        return []
    is_error, code = invoice.signature == tokens.WRONG, f"signature-{invoice.signature}"
    return [Finding(rule="TS-SIGNATURE", is_error=is_error, place="/", code=code)]


def _unread(issue: Issue) -> Finding:
    is_error = issue.place not in _BREAKDOWN
    return Finding(rule="TS-READ", is_error=is_error, place=issue.place, code=issue.code, params=issue.params)


def _finding(assertion: schematron.Assertion) -> Finding:
    if assertion.rule == schematron.NOT_EVALUATED:
        params = {"reason": assertion.words[:200]}
        return Finding(rule="TS-RUN", is_error=True, place="/", code="rules-not-evaluated", params=params)
    return Finding(
        rule=assertion.rule,
        is_error=not assertion.is_warning,
        place=_place(assertion.location),
        words=assertion.words,
    )


def _place(location: str) -> str:
    """An XPath a person can follow: local names, with a position only where it is not the first."""
    return _PREFIXES.sub(
        lambda step: step[1] + (f"[{step[2]}]" if step[2] not in (None, "1") else ""), location
    )
