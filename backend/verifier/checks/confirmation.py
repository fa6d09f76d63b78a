"""The debtor's signature: what it signed, whose key it was, and whether that key might sign then."""

from backend.verifier import evm, typed_data
from backend.verifier.checks.document import bound_terms
from backend.verifier.evidence import Confirmation, Evidence
from backend.verifier.ledger import SCOPE_CONFIRM
from backend.verifier.policy import Policy
from backend.verifier.result import Ends, Finding, Word, cannot_tell, check, failed, passed
from backend.verifier.terms import DOMAIN_NAME, IRREVOCABLE

GROUP = "confirmation"


def _confirmation(evidence: Evidence) -> Confirmation:
    if evidence.confirmation is None:
        raise Ends(cannot_tell("verify.confirmation.missing", "/confirmation"))
    return evidence.confirmation


@check("signature", GROUP)
def signature(evidence: Evidence, _policy: Policy) -> Finding:
    """The debtor signed exactly these terms, for this contract on this chain."""
    confirmation = _confirmation(evidence)
    domain = typed_data.Domain(DOMAIN_NAME, evidence.chain_id, evidence.contracts["Receivables"])
    digest = evidence.terms.confirmation_digest(
        domain, confirmation.nonce, confirmation.deadline, confirmation.replaced
    )
    if not confirmation.signature:
        return cannot_tell("verify.signature.contract", "/confirmation")
    if typed_data.recover(digest, confirmation.signature) != confirmation.signer:
        return failed("verify.signature.invalid", "/confirmation/signature")
    second = _second_signer(confirmation)
    if second is not None and typed_data.recover(digest, confirmation.cosignature[20:]) != second:
        return failed("verify.signature.invalid", "/confirmation/cosignature")
    return passed("verify.signature.valid", "/confirmation", "/terms").by(Word.DEBTOR)


@check("signer", GROUP)
def signer(evidence: Evidence, _policy: Policy) -> Finding:
    """The key might confirm for the debtor's account when the signature was recorded."""
    confirmation = _confirmation(evidence)
    then = evidence.ledger.receivable(evidence.receivable).confirmed_at
    if then == 0:
        return failed("verify.signer.not-recorded", "/state")
    if then > confirmation.deadline:
        return failed("verify.signer.late", "/confirmation/deadline")
    for key in filter(None, (confirmation.signer, _second_signer(confirmation))):
        grants = evidence.ledger.grants(evidence.terms.debtor, evm.word(key))
        if not any(grant.allows(SCOPE_CONFIRM, then) for grant in grants):
            return failed("verify.signer.not-authorised", "/state", key="0x" + key.hex(), time=then)
    return passed("verify.signer.authorised", "/state", time=then)


@check("undertaking", GROUP)
def undertaking(evidence: Evidence, _policy: Policy) -> Finding:
    """What the debtor promised, in its words."""
    if bound_terms(evidence).undertaking == IRREVOCABLE:
        return passed("verify.undertaking.irrevocable", "/terms/undertaking").by(Word.DEBTOR)
    return passed("verify.undertaking.acknowledged", "/terms/undertaking").by(Word.DEBTOR)


def _second_signer(confirmation: Confirmation) -> bytes | None:
    return confirmation.cosignature[:20] if confirmation.cosignature else None
