"""Who holds the claim, and whether it may be sold."""

from backend.kit import money
from backend.verifier.evidence import Evidence
from backend.verifier.ledger import ACCOUNT_SUSPENDED, Status
from backend.verifier.policy import Policy
from backend.verifier.result import Finding, Word, cannot_tell, check, failed, passed

GROUP = "title"

_REGISTRY_AGE = 7 * 24 * 3600


@check("holder", GROUP)
def holder(evidence: Evidence, _policy: Policy) -> Finding:
    """The account that offers the claim holds units of it."""
    if evidence.holder is None:
        return cannot_tell("verify.holder.unnamed", "/holder")
    units = evidence.ledger.units(evidence.receivable, evidence.holder)
    if units == 0:
        return failed("verify.holder.nothing", "/holder", "/state")
    everything = evidence.ledger.receivable(evidence.receivable).units
    return passed(
        "verify.holder.holds",
        "/holder",
        "/state",
        account="0x" + evidence.holder.hex(),
        part=money.text(units, evidence.terms.currency),
        whole=money.text(everything, evidence.terms.currency),
        currency=evidence.terms.currency,
    )


@check("free", GROUP)
def free(evidence: Evidence, _policy: Policy) -> Finding:
    """The units can be sold: confirmed, not disputed, their holder not suspended, not on offer twice here."""
    found = evidence.ledger.receivable(evidence.receivable)
    if found.status is not Status.CONFIRMED:
        return failed("verify.claim.status", "/state", status=found.status.name.lower())
    if found.disputed:
        return failed("verify.free.disputed", "/state")
    if evidence.holder is None:
        return cannot_tell("verify.holder.unnamed", "/holder")
    if evidence.ledger.account(evidence.holder).flags & ACCOUNT_SUSPENDED:
        return failed("verify.free.suspended", "/holder")
    return passed("verify.free.sellable", "/state")


@check("unpaid", GROUP)
def unpaid(evidence: Evidence, _policy: Policy) -> Finding:
    """How much of the face is still to be paid, and whether it is overdue."""
    found = evidence.ledger.receivable(evidence.receivable)
    if found.unpaid == 0:
        return failed("verify.unpaid.nothing", "/state")
    if evidence.header.time > found.due_end:
        return failed("verify.unpaid.overdue", "/state", due=found.due_end)
    return passed(
        "verify.unpaid.open",
        "/state",
        unpaid=money.text(found.unpaid, evidence.terms.currency),
        face=money.text(found.face, evidence.terms.currency),
        currency=evidence.terms.currency,
    )


@check("registry", GROUP)
def registry(evidence: Evidence, _policy: Policy) -> Finding:
    """Whether a public register of pledges was searched, and what it held."""
    search = evidence.statements.registry
    if search is None:
        return cannot_tell("verify.registry.none")
    params = {"registry": search.registry, "time": search.searched_at}
    if search.hits:
        return failed("verify.registry.hits", "/statements/registry", **params).claimed(Word.OPERATOR)
    if not 0 <= evidence.now - search.searched_at <= _REGISTRY_AGE:
        return cannot_tell("verify.registry.old", "/statements/registry", **params).claimed(Word.OPERATOR)
    return passed("verify.registry.clear", "/statements/registry", **params).claimed(Word.OPERATOR)
