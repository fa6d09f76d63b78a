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
    times: dict[str, int] = {}
    places: dict[str, int] = {}
    closed = False
    for each in sent:
        items, unknown = goods.contents(evidence, goods.items_of(each))
        closed |= unknown
        for item in items:
            times[item] = min(each.view.time, times.get(item, each.view.time))
            places[item] = min(each.leaf.sequence, places.get(item, each.leaf.sequence))
    if not times:
        return cannot_tell("verify.circles.lots", "/log/events")
    around = [(each, goods.items_of(each) & times.keys()) for each in record.events(evidence)]
    gone = [pair for pair in around if pair[0].view.step in goods.SHIPPED]
    early = [each for each, items in gone if any(each.view.time < times[item] for item in items)]
    late = [
        each
        for each, items in around
        if each.view.step in goods.RECEIVED and any(each.view.time > times[item] for item in items)
    ]
    for code, word, recorder, found in (
        ("verify.circles.from-debtor", Word.DEBTOR, evidence.terms.debtor, early),
        ("verify.circles.came-back", Word.SUPPLIER, evidence.terms.supplier, late),
    ):
        theirs = [each for each in found if each.leaf.recorder == recorder]
        if any(each.signed for each in theirs):
            return failed(code, *(each.place for each in theirs[:10])).by(word)
        if theirs:
            return cannot_tell(code, *(each.place for each in theirs[:10])).claimed(Word.OPERATOR)
    for each, items in gone:
        sooner = any(each.leaf.sequence < places[item] for item in items)
        if sooner and each.leaf.recorder == evidence.terms.debtor:
            return cannot_tell("verify.circles.order", each.place).by(Word.RECORDER)
    if closed:
        return cannot_tell("verify.circles.closed", "/log/events")
    if not record.is_complete(evidence, policy):
        return cannot_tell("verify.corrections.incomplete", "/log/map_answers")
    return passed("verify.circles.none", "/log/events", count=len(times)).by(Word.RECORDER)
