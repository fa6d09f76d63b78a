"""Who the parties are, by whose word, and whether they might do this then and may now."""

from backend.verifier import evm
from backend.verifier.evidence import Evidence, Party
from backend.verifier.ledger import GRANT_HOSTED, ROLE_DEBTOR, ROLE_SUPPLIER, AccountState
from backend.verifier.policy import Policy
from backend.verifier.result import Finding, Word, cannot_tell, check, failed, passed

GROUP = "parties"

_SCREENING_AGE = 365 * 24 * 3600


@check("supplier-admitted", GROUP)
def supplier_admitted(evidence: Evidence, _policy: Policy) -> Finding:
    """The supplier was admitted when the claim was confirmed, and is now."""
    return _admitted(evidence, evidence.ledger.account(evidence.terms.supplier), ROLE_SUPPLIER)


@check("debtor-admitted", GROUP)
def debtor_admitted(evidence: Evidence, _policy: Policy) -> Finding:
    """The debtor was admitted when it confirmed, and is now."""
    return _admitted(evidence, evidence.ledger.account(evidence.terms.debtor), ROLE_DEBTOR)


@check("supplier-screened", GROUP)
def supplier_screened(evidence: Evidence, _policy: Policy) -> Finding:
    """When the supplier was last screened."""
    return _screened(evidence, evidence.statements.supplier, "/statements/supplier")


@check("debtor-screened", GROUP)
def debtor_screened(evidence: Evidence, _policy: Policy) -> Finding:
    """When the debtor was last screened."""
    return _screened(evidence, evidence.statements.debtor, "/statements/debtor")


@check("debtor-key", GROUP)
def debtor_key(evidence: Evidence, policy: Policy) -> Finding:
    """Who vouches that the key which confirmed is the debtor's, and who holds it."""
    confirmation = evidence.confirmation
    if confirmation is None:
        return cannot_tell("verify.confirmation.missing", "/confirmation")
    key = evm.word(confirmation.signer)
    grants = evidence.ledger.grants(evidence.terms.debtor, key)
    if any(grant.flags & GRANT_HOSTED for grant in grants):
        return cannot_tell("verify.debtor-key.hosted", "/confirmation/signer").claimed(Word.OPERATOR)
    if key not in policy.debtor_keys:
        signer = "0x" + confirmation.signer.hex()
        return cannot_tell("verify.debtor-key.operator", "/confirmation/signer", key=signer).claimed(
            Word.OPERATOR
        )
    return passed("verify.debtor-key.pinned", "/confirmation/signer").by(Word.BANK)


@check("pending", GROUP)
def pending(evidence: Evidence, _policy: Policy) -> Finding:
    """Whether a recovery, a succession or a change of payout address is under way."""
    for role, account in _accounts(evidence).items():
        found = evidence.ledger.account(account)
        if found.takeover_pending:
            return failed("verify.pending.takeover", "/state", party=role)
        if found.payout_pending:
            return failed("verify.pending.payout", "/state", party=role)
    return passed("verify.pending.none", "/state")


def _admitted(evidence: Evidence, account: AccountState, role: int) -> Finding:
    then = evidence.ledger.receivable(evidence.receivable).confirmed_at
    if not account.admissions:
        return failed("verify.admitted.never", "/state")
    if not account.admitted(role, then):
        return failed("verify.admitted.not-then", "/state", time=then)
    if not account.admitted(role, evidence.header.time):
        return failed("verify.admitted.not-now", "/state")
    return passed("verify.admitted.both", "/state", time=then, until=account.valid_until)


def _screened(evidence: Evidence, party: Party | None, place: str) -> Finding:
    if party is None or party.screened_at is None:
        return cannot_tell("verify.screened.unknown").claimed(Word.OPERATOR)
    age = evidence.now - party.screened_at
    if not 0 <= age <= _SCREENING_AGE:
        return failed("verify.screened.old", place, time=party.screened_at).claimed(Word.OPERATOR)
    return passed(
        "verify.screened.recent", place, time=party.screened_at, source=(party.screening or "?")[:200]
    ).claimed(Word.OPERATOR)


def _accounts(evidence: Evidence) -> dict[str, bytes]:
    accounts = {"supplier": evidence.terms.supplier, "debtor": evidence.terms.debtor}
    return accounts if evidence.holder is None else accounts | {"holder": evidence.holder}
