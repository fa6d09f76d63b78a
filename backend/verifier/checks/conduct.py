"""How this debtor paid before, by the operator's count, and signs that it trades with itself."""

from backend.verifier.checks import goods, record
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
    """Signs of related parties, or of claims going both ways between them."""
    if evidence.terms.supplier == evidence.terms.debtor:
        return failed("verify.related.same", "/terms/debtor")
    record = evidence.statements.conduct
    if record is None or not record.signs:
        return cannot_tell("verify.related.unknown", "/statements/conduct").claimed(Word.OPERATOR)
    signs = ", ".join(record.signs)[:200]
    return failed("verify.related.signs", "/statements/conduct", signs=signs).claimed(Word.OPERATOR)


@check("circles", GROUP, goods=True)
def circles(evidence: Evidence, policy: Policy) -> Finding:
    """No single item behind the claim came from the debtor before, or went back to the supplier after."""
    sent = [each for each in goods.story_of(evidence).all if each.view.step in goods.SHIPPED]
    items = frozenset().union(*(goods.items_of(each) for each in sent))
    if not items:
        return cannot_tell("verify.circles.lots", "/log/events")
    first = min(each.view.time for each in sent)
    around = [each for each in record.events(evidence) if goods.items_of(each) & items]
    early = [each for each in around if each.view.step in goods.SHIPPED and each.view.time < first]
    late = [each for each in around if each.view.step in goods.RECEIVED and each.view.time > first]
    for code, word, recorder, found in (
        ("verify.circles.from-debtor", Word.DEBTOR, evidence.terms.debtor, early),
        ("verify.circles.came-back", Word.SUPPLIER, evidence.terms.supplier, late),
    ):
        theirs = [each for each in found if each.leaf.recorder == recorder]
        if any(each.signed for each in theirs):
            return failed(code, *(each.place for each in theirs[:10])).by(word)
        if theirs:
            return cannot_tell(code, *(each.place for each in theirs[:10])).claimed(Word.OPERATOR)
    if not record.is_complete(evidence, policy):
        return cannot_tell("verify.corrections.incomplete", "/log/map_answers")
    return passed("verify.circles.none", "/log/events", count=len(items)).by(Word.RECORDER)
