"""What everything else stands on: the block, the contracts, and that the claim is theirs."""

from backend.verifier import evm, layout
from backend.verifier.evidence import Evidence
from backend.verifier.ledger import Status
from backend.verifier.policy import Policy
from backend.verifier.result import Ends, Finding, Word, cannot_tell, check, failed, passed

GROUP = "ground"

_PINNED_FOR_SERVICES = ("Receivables",)
_PINNED = (*_PINNED_FOR_SERVICES, "ProvenanceLog")
"""Contracts whose address must be known; those of the others follow from their code."""


@check("block", GROUP)
def block(evidence: Evidence, _policy: Policy) -> Finding:
    """The block is one the reader vouches for."""
    params = {"number": evidence.header.number, "hash": "0x" + evidence.header.hash.hex()}
    if evidence.trusted is None:
        return cannot_tell("verify.block.unknown", "/block", **params)
    if not evidence.trusted:
        return failed("verify.block.other", "/block", **params)
    return passed("verify.block.trusted", "/block", **params).by(Word.BANK)


@check("freshness", GROUP)
def freshness(evidence: Evidence, policy: Policy) -> Finding:
    """The state is recent enough to act on."""
    age = evidence.now - evidence.header.time
    if age > policy.state_age:
        return failed("verify.freshness.stale", "/block", hours=age // 3600, most=policy.state_age // 3600)
    return passed("verify.freshness.recent", "/block", minutes=max(0, age) // 60)


@check("contracts", GROUP)
def contracts(evidence: Evidence, policy: Policy) -> Finding:
    """The contracts are those the reader knows, at the addresses it knows, on the chain it knows."""
    if policy.chain_id is not None and policy.chain_id != evidence.chain_id:
        return failed("verify.contracts.chain", "/ledger/chain_id", chain=evidence.chain_id)
    for name, address in evidence.contracts.items():
        if policy.contracts.get(name, address) != address:
            return failed("verify.contracts.address", f"/ledger/contracts/{name}", contract=name)
    _code(evidence)
    for name in _PINNED_FOR_SERVICES if policy.services else _PINNED:
        if name not in policy.contracts:
            return cannot_tell("verify.contracts.not-pinned", "/ledger/contracts", contract=name)
    return passed("verify.contracts.known", "/code").by(Word.BANK)


def _code(evidence: Evidence) -> None:
    """Ends the check unless every contract runs this release's code and works with the others named."""
    for name, code in evidence.code.items():
        known = layout.contracts()[name]
        if layout.code_hash(code, known) != known.code_hash:
            raise Ends(failed("verify.contracts.code", f"/code/{name}", contract=name))
    for name in evidence.contracts:
        if name not in evidence.code:
            raise Ends(cannot_tell("verify.contracts.no-code", "/code", contract=name))
        if evidence.ledger.code_hash(name) != evm.remembered(evidence.code[name]):
            raise Ends(failed("verify.contracts.code", f"/code/{name}", contract=name))
    for (name, other), words in layout.links(evidence.code).items():
        if words - {evm.word(evidence.contracts[other])}:
            raise Ends(failed("verify.contracts.linked", "/ledger/contracts", contract=name, other=other))


@check("claim", GROUP)
def claim(evidence: Evidence, _policy: Policy) -> Finding:
    """The claim with exactly these terms stands on the ledger, confirmed."""
    found = evidence.ledger.receivable(evidence.receivable)
    if found.status is Status.NONE:
        return failed("verify.claim.unknown", "/terms")
    if found.status is not Status.CONFIRMED:
        return failed("verify.claim.status", "/terms", status=found.status.name.lower())
    if found.due_end != evidence.terms.dueEnd:
        raise Ends(failed("verify.state-invalid", "/state", contract="Receivables"))
    return passed("verify.claim.confirmed", "/terms", "/state", id="0x" + evidence.receivable.hex())
