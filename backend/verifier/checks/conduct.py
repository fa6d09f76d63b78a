"""How this debtor paid before, as the operator counts it from the chain. Never proved, worth asking."""

from backend.verifier.evidence import Evidence
from backend.verifier.policy import Policy
from backend.verifier.result import Finding, Word, cannot_tell, check, failed, passed

GROUP = "conduct"


@check("conduct", GROUP)
def conduct(evidence: Evidence, policy: Policy) -> Finding:
    """The debtor's record of payments, dilution and disputes."""
    record = evidence.statements.conduct
    place = "/statements/conduct"
    if record is None or record.settled < policy.least_paid or record.settled == 0:
        settled = 0 if record is None else record.settled
        return cannot_tell("verify.conduct.little", place, settled=settled).claimed(Word.OPERATOR)
    if record.days_late > policy.most_days_late:
        return failed("verify.conduct.late", place, days=record.days_late).claimed(Word.OPERATOR)
    if record.diluted > policy.most_diluted:
        return failed("verify.conduct.diluted", place, percent=f"{record.diluted / 10_000:.2f}").claimed(
            Word.OPERATOR
        )
    return passed("verify.conduct.good", place, settled=record.settled, days=record.days_late).claimed(
        Word.OPERATOR
    )


@check("related", GROUP)
def related(evidence: Evidence, _policy: Policy) -> Finding:
    """Signs of related parties, or of goods going in circles."""
    if evidence.terms.supplier == evidence.terms.debtor:
        return failed("verify.related.same", "/terms/debtor")
    record = evidence.statements.conduct
    if record is None or not record.signs:
        return cannot_tell("verify.related.unknown", "/statements/conduct").claimed(Word.OPERATOR)
    signs = ", ".join(record.signs)[:200]
    return failed("verify.related.signs", "/statements/conduct", signs=signs).claimed(Word.OPERATOR)
