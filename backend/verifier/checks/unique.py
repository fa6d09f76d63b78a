"""One invoice, one claim: the fingerprint can be no other, and its slot is this claim's."""

from functools import lru_cache
from itertools import product

from backend.kit import spelling, vrf
from backend.verifier import evm
from backend.verifier.checks import document
from backend.verifier.evidence import Evidence
from backend.verifier.policy import Policy
from backend.verifier.result import Ends, Finding, Word, cannot_tell, check, failed, passed

GROUP = "unique"

_IDENTIFYING = ("BT-1", "BT-2", "BT-3", "BT-31")


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
    made = {(claimed.key, claimed.identity) for claimed in evidence.fingerprints}
    if made != set(product(keys, {text for _, text in made})):
        used = len({key for key, _ in made})
        return failed("verify.fingerprint.keys", "/fingerprints", used=used, keys=len(keys))
    return passed("verify.fingerprint.only", "/fingerprints", "/state", count=len(evidence.fingerprints))


@check("identity", GROUP)
def identity(evidence: Evidence, _policy: Policy) -> Finding:
    """The fingerprints are over this invoice's own number, year, class and seller, in their one spelling."""
    number, issued, kind, seller = (document.field_of(evidence, name) for name in _IDENTIFYING)
    if number is None or issued is None:
        return cannot_tell("verify.document.hidden", "/fields", fields="BT-1, BT-2")
    for name, value in (("BT-3", kind), ("BT-31", seller)):
        if value is None and not document.is_absent(evidence, name):
            return cannot_tell("verify.document.hidden", "/fields", fields=name)
    _fingerprints(evidence)
    tail = (issued[:4], spelling.class_of_type(kind), spelling.spelling(number))
    sellers = set()
    for place, claimed in enumerate(evidence.fingerprints):
        version, _, rest = claimed.identity.partition("|")
        who, *others = rest.split("|")
        if version != spelling.IDENTITY_VERSION or (*others,) != tail:
            return failed("verify.identity.other", f"/fingerprints/{place}", identity=claimed.identity[:80])
        sellers.add(who)
    if seller is None or not any(_is_taxed(who, seller) for who in sellers):
        return cannot_tell("verify.identity.seller", "/fingerprints").claimed(Word.OPERATOR)
    return passed("verify.identity.own", "/fingerprints", "/fields", number=number[:60]).by(Word.DEBTOR)


def _is_taxed(who: str, stated: str) -> bool:
    """Whether the seller of an identity, `TAX:DE:…`, is that of the tax number as an invoice states it.

    A number that begins with letters names its country; of one that does not, the country is believed.
    """
    scheme, _, rest = who.partition(":")
    country, _, number = rest.partition(":")
    try:
        bare = spelling.canonical_tax_number(country, stated)
        named = spelling.canonical_tax_number("", stated)
    except spelling.MalformedError:
        return False
    return scheme == "TAX" and bare == number and (bare != named or named[0].isdigit())


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
