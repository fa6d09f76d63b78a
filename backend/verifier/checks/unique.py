"""One invoice, one claim: the fingerprint can be no other, and its slot is this claim's."""

import unicodedata
from functools import lru_cache

from backend.kit import vrf
from backend.verifier import evm
from backend.verifier.checks import document
from backend.verifier.evidence import Evidence
from backend.verifier.policy import Policy
from backend.verifier.result import Ends, Finding, Word, cannot_tell, check, failed, passed

GROUP = "unique"

_SHORTEST_TAX_NUMBER = 8

IDENTITY_VERSION = "tallystick-invoice-1"


@lru_cache(maxsize=8)
def _fingerprints(evidence: Evidence) -> list[bytes]:
    """The proved fingerprints, the terms' own first. Ends the check where one is missing or forged."""
    if not evidence.fingerprints:
        raise Ends(cannot_tell("verify.fingerprint.missing", "/fingerprints"))
    found = []
    for place, claimed in enumerate(evidence.fingerprints):
        beta = vrf.verify(claimed.key, claimed.identity.encode("utf-8"), claimed.proof)
        if beta is None:
            raise Ends(failed("verify.fingerprint.proof", f"/fingerprints/{place}"))
        found.append(vrf.fingerprint(beta))
    others = evm.keccak(b"".join(found[1:])) if found[1:] else bytes(32)
    if found[0] != evidence.terms.fingerprint or others != evidence.terms.otherFingerprints:
        raise Ends(failed("verify.fingerprint.other", "/terms/fingerprint"))
    return found


@check("fingerprint", GROUP)
def fingerprint(evidence: Evidence, _policy: Policy) -> Finding:
    """Under the ledger's keys this invoice can have no other fingerprint."""
    _fingerprints(evidence)
    keys = evidence.ledger.fingerprint_keys(evidence.terms.keySet)
    used = {claimed.key for claimed in evidence.fingerprints}
    if used != set(keys):
        return failed("verify.fingerprint.keys", "/fingerprints", used=len(used), keys=len(keys))
    return passed("verify.fingerprint.only", "/fingerprints", "/state", count=len(evidence.fingerprints))


@check("identity", GROUP)
def identity(evidence: Evidence, _policy: Policy) -> Finding:
    """The fingerprints are over this invoice's own number, year and seller."""
    number, issued, seller = (document.field_of(evidence, name) for name in ("BT-1", "BT-2", "BT-31"))
    if number is None or issued is None:
        return cannot_tell("verify.document.hidden", "/fields", fields="BT-1, BT-2")
    _fingerprints(evidence)
    sellers = set()
    for place, claimed in enumerate(evidence.fingerprints):
        who, year, _class, spelled = _parts(claimed.identity)
        if _letters(spelled) != _letters(number) or year != issued[:4]:
            return failed("verify.identity.other", f"/fingerprints/{place}", identity=claimed.identity[:80])
        sellers.add(_letters(who.partition(":")[2]))
    if seller is None and not document.is_absent(evidence, "BT-31"):
        return cannot_tell("verify.document.hidden", "/fields", fields="BT-31")
    if seller is not None and not any(_same_number(_letters(seller), each) for each in sellers):
        return cannot_tell("verify.identity.seller", "/fingerprints").claimed(Word.OPERATOR)
    return passed("verify.identity.own", "/fingerprints", "/fields", number=number[:60]).by(Word.DEBTOR)


def _parts(text: str) -> tuple[str, str, str, str]:
    """Seller, year, class and number of `tallystick-invoice-1|TAX:DE:…|2026|INV|…`."""
    version, *parts = text.split("|")
    if version != IDENTITY_VERSION or len(parts) != 4:
        raise Ends(failed("verify.identity.other", "/fingerprints", identity=text[:80]))
    return parts[0], parts[1], parts[2], parts[3]


def _same_number(stated: str, admitted: str) -> bool:
    """Whether a tax number is the admitted one, with or without the country before it or letters after it."""
    shorter, longer = sorted((stated, admitted), key=len)
    return len(shorter) >= _SHORTEST_TAX_NUMBER and shorter in longer


def _letters(text: str) -> str:
    """Letters and digits alone, in upper case: an invoice's number is spelled in many ways."""
    return "".join(filter(str.isalnum, unicodedata.normalize("NFKC", text).upper()))


@check("slot", GROUP)
def slot(evidence: Evidence, _policy: Policy) -> Finding:
    """Every slot of the invoice under this debtor is taken by this claim and no other."""
    for found in _fingerprints(evidence):
        holder = evidence.ledger.slot(evidence.terms.debtor, found)
        if holder == bytes(32):
            return failed("verify.slot.free", "/state")
        if holder != evidence.receivable:
            return failed("verify.slot.other", "/state", id="0x" + holder.hex())
    return passed("verify.slot.ours", "/state")


@check("equal-elsewhere", GROUP)
def equal_elsewhere(evidence: Evidence, _policy: Policy) -> Finding:
    """Whether the same invoice was confirmed by another debtor."""
    return _counted(
        evidence.statements.equal_elsewhere, "verify.equal-elsewhere", "/statements/equal_elsewhere"
    )


@check("look-alikes", GROUP)
def look_alikes(evidence: Evidence, _policy: Policy) -> Finding:
    """Whether there are claims that look like this one under another number."""
    return _counted(evidence.statements.look_alikes, "verify.look-alikes", "/statements/look_alikes")


def _counted(count: int | None, code: str, place: str) -> Finding:
    """An absence by the operator's word is never a pass."""
    if not count:
        return cannot_tell(f"{code}.none" if count == 0 else f"{code}.unknown", place).claimed(Word.OPERATOR)
    return failed(f"{code}.some", place, count=count).claimed(Word.OPERATOR)
