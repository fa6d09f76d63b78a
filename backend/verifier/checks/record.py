"""The log of events: what stands in it, since when, under whose key, and whether anything was left out."""

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache

from backend.kit import disclosure, merkle, sparse
from backend.kit.canonical import CanonicalError, Json, parse
from backend.verifier import capture, checkpoint, epcis, evm, leaf, logmap
from backend.verifier.evidence import Capture, Evidence, Log, RecordedEvent
from backend.verifier.ledger import GRANT_HOSTED, SCOPE_RECORD, Grant, Head
from backend.verifier.names import namespaces_in
from backend.verifier.policy import Policy
from backend.verifier.result import Ends, Finding, Outcome, Word, cannot_tell, check, failed, passed

GROUP = "record"

# CBV 2.0 sections 7.1 and 7.2: what no healthy delivery ends in.
BAD_DISPOSITIONS = frozenset({
    "damaged", "destroyed", "disposed", "expired", "inactive", "mismatch_class", "mismatch_instance",
    "mismatch_quantity", "needs_replacement", "no_pedigree_match", "non_conformant", "non_sellable_other",
    "recalled", "returned", "stolen", "unavailable", "unknown",
})  # fmt: skip
BAD_STEPS = frozenset({"void_shipping", "destroying", "decommissioning"})


@dataclass(frozen=True, eq=False)
class Recorded:
    """An event that is proved to stand in the log."""

    place: str
    leaf: leaf.Leaf
    event: Mapping[str, Json]
    context: Json
    """The JSON-LD context of its document."""
    view: epcis.EventView
    signed: bool
    """By a key that might record for the account when the log received it; otherwise the operator's word."""

    def by(self, account: bytes) -> bool:
        """Whether this is the account's own signed word."""
        return self.signed and self.leaf.recorder == account


@lru_cache(maxsize=8)
def head(evidence: Evidence) -> Head:
    """The log's present head, as the contract holds it. Ends the check where the bundle's is another."""
    present, history = evidence.ledger.head()
    heads = evidence.log.heads
    if heads:
        rolling = evidence.log.history
        for each in heads:
            rolling = rolling_history(rolling, each)
        if heads[-1] != present or rolling != history:
            raise Ends(failed("verify.log.heads", "/log/heads"))
    if present.size == 0:
        raise Ends(cannot_tell("verify.log.empty", "/state"))
    return present


def rolling_history(before: bytes, next_head: Head) -> bytes:
    """`ProvenanceLog.history` after one more head: Keccak-256 of what was before and the head's words."""
    words = (next_head.log_root, next_head.size, next_head.map_root, next_head.time)
    return evm.keccak(before + b"".join(evm.word(value) for value in words))


def events(evidence: Evidence) -> tuple[Recorded, ...]:
    """Every event of the bundle, proved to stand in the log. One that does not ends the check: forged."""
    if not evidence.log.events:
        raise Ends(cannot_tell("verify.events.none", "/log/events"))
    ledger, log = evidence.ledger, evidence.log
    signed_for = (evidence.chain_id, evidence.contracts["ProvenanceLog"])
    included = _included(log, head(evidence), ledger.log_id(), signed_for)
    signers = dict.fromkeys((each.leaf.recorder, each.leaf.key_id) for each in included if each.signed)
    return _judged(included, tuple((signer, ledger.grants(*signer)) for signer in signers))


# What follows is remembered: many reports ask about the same goods while only the rest of the state moves on.
@lru_cache(maxsize=64)
def _included(log: Log, present: Head, log_id: bytes, signed_for: tuple[int, bytes]) -> tuple[Recorded, ...]:
    """The events, proved to stand in the log; `signed` where the leaf's key signed, whatever it might do."""
    opened = _opened(log, log_id, *signed_for)
    found = []
    seen: set[int] = set()
    for index, recorded in enumerate(log.events):
        place, leaf_ = f"/log/events/{index}", recorded.leaf
        if leaf_.log_id != log_id or leaf_.sequence in seen:
            raise Ends(failed("verify.events.forged", place))
        seen.add(leaf_.sequence)
        path = list(recorded.path)
        if not merkle.verify_inclusion(leaf_.hash(), leaf_.sequence, present.size, path, present.log_root):
            raise Ends(failed("verify.events.not-included", place))
        if recorded.capture >= len(opened):
            raise Ends(cannot_tell("verify.events.no-body", place))
        found.append(_recorded(recorded, opened[recorded.capture], place))
    return tuple(found)


Signer = tuple[tuple[bytes, bytes], tuple[Grant, ...]]
"""An account and a key, and what the account granted the key."""


@lru_cache(maxsize=64)
def _judged(included: tuple[Recorded, ...], signers: tuple[Signer, ...]) -> tuple[Recorded, ...]:
    """The events; `signed` only where the key might record for the account when the log received them."""
    grants = dict(signers)
    return tuple(
        replace(each, signed=each.signed and _might(grants[each.leaf.recorder, each.leaf.key_id], each.leaf))
        for each in included
    )


def _might(grants: tuple[Grant, ...], leaf_: leaf.Leaf) -> bool:
    """Whether the key was the account's then. One that the operator holds speaks for the operator."""
    hosted = any(grant.flags & GRANT_HOSTED for grant in grants)
    return not hosted and any(grant.allows(SCOPE_RECORD, leaf_.received_at // 1000) for grant in grants)


@dataclass(frozen=True)
class _Opened:
    """A document with what its leaves must commit to: its hash, and the key that signed it."""

    capture: Capture
    hash: bytes
    key: bytes | None


@lru_cache(maxsize=64)
def _opened(log: Log, log_id: bytes, chain_id: int, contract: bytes) -> tuple[_Opened, ...]:
    return tuple(_open(each, log_id, chain_id, contract) for each in log.captures)


def _open(came_in: Capture, log_id: bytes, chain_id: int, contract: bytes) -> _Opened:
    digest = capture.digest(chain_id, contract, log_id, came_in.account, came_in.body)
    key = capture.signer_key(digest, came_in.signature, came_in.jwk) if came_in.signature else None
    return _Opened(came_in, leaf.body_hash(came_in.salt, came_in.body), key)


def _recorded(recorded: RecordedEvent, opened: _Opened, place: str) -> Recorded:
    leaf_, came_in = recorded.leaf, opened.capture
    event = _from_fields(recorded) if recorded.event else _event_at(came_in.body, leaf_.place)
    context = None if event is None else event.get("@context")
    if not recorded.event and isinstance(document := _document(came_in.body), Mapping):
        context = document.get("@context")
    if opened.hash != leaf_.body_hash or event is None:
        raise Ends(failed("verify.events.body", place))
    try:
        view = epcis.view(event, namespaces_in(event, context))
    except ValueError as error:
        raise Ends(failed("verify.events.body", place)) from error
    if came_in.signature and (opened.key != leaf_.key_id or came_in.account != leaf_.recorder):
        raise Ends(failed("verify.events.signature", place))
    return Recorded(place, leaf_, event, context, view, bool(came_in.signature))


def _from_fields(recorded: RecordedEvent) -> Mapping[str, Json] | None:
    """The event given beside its document, if it has exactly the fields that the leaf commits to."""
    event = _document(recorded.event)
    if not isinstance(event, Mapping):
        return None
    values = disclosure.flatten(event)
    length = disclosure.SALT_BYTES
    salts = [recorded.salts[start : start + length] for start in range(0, len(recorded.salts), length)]
    try:
        fields = disclosure.SaltedFields(values, dict(zip(sorted(values), salts, strict=True)))
    except ValueError:
        return None
    return event if fields.root() == recorded.leaf.fields_root else None


@lru_cache(maxsize=64)
def _document(body: bytes) -> Json:
    try:
        return parse(body.removeprefix(b"\xef\xbb\xbf"))
    except CanonicalError:
        return None


def _event_at(body: bytes, place: int) -> Mapping[str, Json] | None:
    """The event at its place in an EPCIS document, or the document itself where it is a single event."""
    document = _document(body)
    if not isinstance(document, Mapping):
        return None
    inner = document.get("epcisBody")
    if inner is None:
        return document if place == 0 else None
    if not isinstance(inner, Mapping):
        return None
    listed = inner.get("eventList", [inner.get("event")])
    if not isinstance(listed, list | tuple) or place >= len(listed):
        return None
    event = listed[place]
    return event if isinstance(event, Mapping) else None


@check("events-recorded", GROUP, goods=True)
def events_recorded(evidence: Evidence, _policy: Policy) -> Finding:
    """Every event shown stands in the log under the head on the chain."""
    found = events(evidence)
    return passed("verify.events.recorded", "/log/events", "/state", count=len(found))


@check("events-signed", GROUP, goods=True)
def events_signed(evidence: Evidence, _policy: Policy) -> Finding:
    """Every event shown is signed by a key of the party that is said to have recorded it."""
    unsigned = [recorded for recorded in events(evidence) if not recorded.signed]
    if unsigned:
        places = tuple(recorded.place for recorded in unsigned[:10])
        return cannot_tell("verify.events.unsigned", *places, count=len(unsigned)).claimed(Word.OPERATOR)
    return passed("verify.events.signed", "/log/captures").by(Word.RECORDER)


CLOCK_DRIFT = 120
"""Seconds by which the log's clock may be ahead of the chain's: a block's time is that of its beginning."""


@check("recorded-in-time", GROUP, goods=True)
def recorded_in_time(evidence: Evidence, policy: Policy) -> Finding:
    """No event is older, by the log's clock, than a head that should have covered it."""
    found, heads = events(evidence), evidence.log.heads
    sizes = [each.size for each in heads]
    latest = 0
    for recorded in found:
        received = recorded.leaf.received_at // 1000
        place = bisect_right(sizes, recorded.leaf.sequence)  # the history on the chain only grows
        before = heads[place - 1] if place else None
        if before is not None and before.time - received > policy.anchor_delay:
            return failed("verify.in-time.backdated", recorded.place, time=before.time)
        if place == len(heads) or (before is None and evidence.log.history != bytes(32)):
            return cannot_tell("verify.in-time.heads-missing", "/log/heads")
        if received > heads[place].time + CLOCK_DRIFT:
            return failed("verify.in-time.future", recorded.place)
        if heads[place].time - received > policy.anchor_delay:
            return failed("verify.in-time.late", recorded.place, hours=policy.anchor_delay // 3600)
        latest = max(latest, heads[place].time)
    return passed("verify.in-time.anchored", "/log/heads", time=latest)


@check("anchored-before", GROUP, goods=True)
def anchored_before(evidence: Evidence, _policy: Policy) -> Finding:
    """All events were anchored before the block of this evidence, and so before any later offer."""
    events(evidence)
    anchored = head(evidence).time
    if anchored > evidence.header.time:
        return failed("verify.state-invalid", "/state", contract="ProvenanceLog")
    return passed("verify.anchored.before", "/state", time=anchored, number=evidence.header.number)


@check("nothing-left-out", GROUP, goods=True)
def nothing_left_out(evidence: Evidence, policy: Policy) -> Finding:
    """The log holds no other event about these items and documents: no return, recall or correction."""
    found = _compared(evidence.log, evidence.ledger.log_id(), head(evidence), events(evidence))
    return _witnessed(evidence, policy, found) if found.outcome is Outcome.PASS else found


@lru_cache(maxsize=64)
def _compared(log: Log, log_id: bytes, present: Head, proved: tuple[Recorded, ...]) -> Finding:
    """Whether the map says of each thing mentioned what follows from the events shown.

    Where the difference is events that were erased, nothing was kept back and nothing can be told.
    """
    expected = _entries(proved)
    erased = _erased(log, log_id, present, frozenset(each.leaf.sequence for each in proved))
    untold: list[tuple[logmap.Identifier, int]] = []
    nodes = {**log.map_nodes, **_leaves(log.map_secret, expected)}
    for identifier, shown in sorted(expected.items()):
        key = logmap.key(log.map_secret, identifier)
        try:
            stored = sparse.lookup(nodes, present.map_root, key)
        except KeyError:
            return cannot_tell("verify.map.nodes-missing", "/log/map_nodes", identifier=identifier.value)
        gone = erased.get(key, [])
        if stored != _with(shown, gone).value():
            return _differs(log, identifier, shown, stored)
        if gone:
            untold.append((identifier, len(gone)))
    if untold:
        identifier, count = untold[0]
        return cannot_tell("verify.map.erased", "/log/erased", identifier=identifier.value, count=count)
    return passed("verify.map.complete", "/log/map_nodes", count=len(expected))


def _erased(
    log: Log, log_id: bytes, present: Head, shown: frozenset[int]
) -> Mapping[bytes, list[logmap.Entry]]:
    """Key of the map → the erased events said to stand under it, each an entry of its own."""
    found: dict[bytes, list[logmap.Entry]] = {}
    seen = set(shown)
    for index, each in enumerate(log.erased):
        leaf_, path = each.leaf, list(each.path)
        good = leaf_.log_id == log_id and leaf_.sequence not in seen
        if not good or not merkle.verify_inclusion(
            leaf_.hash(), leaf_.sequence, present.size, path, present.log_root
        ):
            raise Ends(failed("verify.events.forged", f"/log/erased/{index}"))
        seen.add(leaf_.sequence)
        for key in set(each.keys):
            found.setdefault(key, []).append(logmap.Entry(1, leaf_.sequence, leaf_.hash()))
    return found


def _with(shown: logmap.Entry, erased: list[logmap.Entry]) -> logmap.Entry:
    last = max((shown, *erased), key=lambda each: each.last_sequence)
    return logmap.Entry(shown.count + len(erased), last.last_sequence, last.last_leaf)


def shown_entries(evidence: Evidence) -> Mapping[logmap.Identifier, logmap.Entry]:
    """What the map holds of each thing that the events mention, if they are all there is.

    A lot goes to many, and what else it did is others' business: classes of goods are left out.
    """
    return _entries(events(evidence))


@lru_cache(maxsize=64)
def _entries(recorded_events: tuple[Recorded, ...]) -> Mapping[logmap.Identifier, logmap.Entry]:
    found: dict[logmap.Identifier, logmap.Entry] = {}
    for recorded in sorted(recorded_events, key=lambda each: each.leaf.sequence):
        leaf_hash = recorded.leaf.hash()
        for name in logmap.identifiers(recorded.event, recorded.context, recorded.leaf):
            if name.kind != "class":
                count = found[name].count if name in found else 0
                found[name] = logmap.Entry(count + 1, recorded.leaf.sequence, leaf_hash)
    return found


def expected_leaves(evidence: Evidence) -> Mapping[bytes, tuple[bytes, bytes]]:
    """The map's leaves that follow from the events shown, by hash; a bundle need not repeat them."""
    return _leaves(evidence.log.map_secret, shown_entries(evidence))


def _leaves(
    secret: bytes, entries: Mapping[logmap.Identifier, logmap.Entry]
) -> Mapping[bytes, tuple[bytes, bytes]]:
    pairs = [(logmap.key(secret, name), entry.value()) for name, entry in entries.items()]
    return {sparse.leaf_hash(*pair): pair for pair in pairs}


def _differs(log: Log, identifier: logmap.Identifier, shown: logmap.Entry, stored: bytes | None) -> Finding:
    """The map on the chain has another entry than follows from the events shown."""
    answers = {answer.identifier: answer.entry for answer in log.map_answers}
    entry = answers.get(identifier)
    if stored is None or (entry is not None and entry.value() == stored and entry.count < shown.count):
        return failed("verify.map.wrong", "/log/map_nodes", identifier=identifier.value)
    if entry is None or entry.value() != stored:
        return failed("verify.map.other", "/log/map_nodes", identifier=identifier.value)
    more = max(1, entry.count - shown.count)
    return failed("verify.map.more", "/log/map_answers", identifier=identifier.value, count=more)


def _witnessed(evidence: Evidence, policy: Policy, finding: Finding) -> Finding:
    """The map is the operator's until a witness the bank believes recomputed it."""
    text = evidence.log.checkpoint
    if text and not checkpoint.is_of(text, head(evidence)):
        return failed("verify.log.heads", "/log/checkpoint")
    origin = checkpoint.origin(evidence.chain_id, evidence.contracts["ProvenanceLog"])
    if text and text.split("\n")[0] != origin:
        return failed("verify.log.origin", "/log/checkpoint")
    if text and checkpoint.key_line(evidence.log.map_secret) not in text.split("\n"):
        return failed("verify.map.secret", "/log/map_secret")
    for name, key in policy.witnesses.items():
        own = (signed for witness, signed in evidence.log.cosignatures if witness == name)
        if any(checkpoint.cosigned(key, signed, text) is not None for signed in own):
            return finding.by(Word.WITNESSES)
    return cannot_tell("verify.map.unwitnessed", "/log/cosignatures").claimed(Word.OPERATOR)


@check("corrections", GROUP, goods=True)
def corrections(evidence: Evidence, policy: Policy) -> Finding:
    """None of the events shown was declared wrong, and none reports a return, recall or loss."""
    found = events(evidence)
    for recorded in found:
        if recorded.view.is_error:
            return failed("verify.corrections.error", recorded.place)
        if recorded.view.disposition in BAD_DISPOSITIONS or recorded.view.step in BAD_STEPS:
            return failed(
                "verify.corrections.trouble",
                recorded.place,
                what=recorded.view.disposition or recorded.view.step,
            )
    if not is_complete(evidence, policy):
        return cannot_tell("verify.corrections.incomplete", "/log/map_answers")
    return passed("verify.corrections.none", "/log/events", count=len(found))


@lru_cache(maxsize=8)
def is_complete(evidence: Evidence, policy: Policy) -> bool:
    """Whether nothing was left out: what is not among the events shown is then not in the log."""
    return nothing_left_out.run(evidence, policy).outcome is Outcome.PASS
