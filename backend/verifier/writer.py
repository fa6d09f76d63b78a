"""Writing a bundle: the mirror of `bundle.read`. Whoever gathers evidence ends here."""

import base64
from collections.abc import Iterable, Mapping, Set
from dataclasses import asdict
from typing import Any

from backend.kit import canonical
from backend.kit.canonical import Json
from backend.kit.disclosure import Disclosure
from backend.kit.sparse import MapProof
from backend.verifier import bundle
from backend.verifier import evidence as ev
from backend.verifier import policy as policies
from backend.verifier.checks import record
from backend.verifier.ledger import Head
from backend.verifier.logmap import Entry, Identifier
from backend.verifier.result import Ends


def write(
    evidence: ev.Evidence,
    nodes: Iterable[bytes],
    map_nodes: Iterable[tuple[bytes, bytes]],
    policy: policies.Policy,
    report: Mapping[str, str],
) -> bytes:
    """The bundle's bytes. `nodes` are those of the state's tries, `map_nodes` those of the log's map."""
    document: dict[str, Json] = {
        "format": bundle.FORMAT,
        "made_at": str(evidence.made_at),
        "ledger": {
            "chain_id": str(evidence.chain_id),
            "contracts": {name: _hex(address) for name, address in evidence.contracts.items()},
        },
        "block": _hex(evidence.header.encoded),
        "state": [_base64(node) for node in nodes],
        "code": {name: _base64(code) for name, code in evidence.code.items()},
        "terms": _members(asdict(evidence.terms)),
        "fields": [_disclosure(shown) for shown in evidence.fields],
        "absent": [{"name": name} | _proof(proof) for name, proof in evidence.absent.items()],
        "fingerprints": [_members(asdict(each)) for each in evidence.fingerprints],
        "confirmation": None if evidence.confirmation is None else _members(asdict(evidence.confirmation)),
        "holder": None if evidence.holder is None else _hex(evidence.holder),
        "log": _log(evidence, map_nodes),
        "statements": _members(asdict(evidence.statements)),
        "policy": policy_to_json(policy),
        "report": dict(report),
    }
    return canonical.encode(document)


def policy_to_json(policy: policies.Policy) -> dict[str, Json]:
    """A policy as `policy.read` takes it."""
    value = asdict(policy) | {"debtor_keys": sorted(policy.debtor_keys)}
    if policy.temperature is not None:
        lowest, highest = policy.temperature
        value["temperature"] = {"lowest": str(lowest), "highest": str(highest)}
    return _members(value)


def _log(evidence: ev.Evidence, map_nodes: Iterable[tuple[bytes, bytes]]) -> Json:
    log = evidence.log
    known, leaves = _follows(evidence)
    hashes: dict[bytes, int] = {}
    events: list[Json] = []
    for event in log.events:
        written = _placed(event, hashes) | {"capture": event.capture}
        if event.event:
            written["event"] = event.event.decode("utf-8")
            written["salts"] = _base64(event.salts)
        events.append(written)
    erased = [_placed(each, hashes) | {"keys": [_base64(key) for key in each.keys]} for each in log.erased]
    return {
        "heads": [_head(head) for head in log.heads],
        "history": _hex(log.history),
        "captures": [_capture(each) for each in log.captures],
        "events": events,
        "erased": erased,
        "hashes": [_base64(each) for each in hashes],
        "map_secret": _hex(log.map_secret),
        "map_nodes": [_base64(pair[0] + pair[1]) for pair in map_nodes if pair not in leaves],
        "map_answers": [
            {
                "kind": answer.identifier.kind,
                "value": answer.identifier.value,
                "entry": None if answer.entry is None else _members(asdict(answer.entry)),
            }
            for answer in log.map_answers
            if answer.identifier.kind != "class" and known.get(answer.identifier) != answer.entry
        ],
        "checkpoint": log.checkpoint,
        "cosignatures": [{"witness": name, "signature": _hex(value)} for name, value in log.cosignatures],
    }


def _placed(event: ev.RecordedEvent | ev.Erased, hashes: dict[bytes, int]) -> dict[str, Json]:
    """An event's leaf, and its path as places in `hashes`, which grows by what is new."""
    path = [hashes.setdefault(each, len(hashes)) for each in event.path]
    return {"leaf": _base64(event.leaf.encode()), "path": path}


def _follows(
    evidence: ev.Evidence,
) -> tuple[Mapping[Identifier, Entry], Set[tuple[bytes, bytes]]]:
    """What of the map follows from the events themselves, and so need not be written."""
    try:
        return record.shown_entries(evidence), set(record.expected_leaves(evidence).values())
    except Ends:
        return {}, frozenset()


def _head(head: Head) -> Json:
    return _members(asdict(head))


def _capture(capture: ev.Capture) -> Json:
    written = _members(asdict(capture))
    try:
        return written | {"body": capture.body.decode("utf-8")}
    except UnicodeDecodeError:  # XML may be in another encoding
        return {name: each for name, each in written.items() if name != "body"} | {
            "bytes": _base64(capture.body)
        }


def _disclosure(shown: Disclosure) -> Json:
    return {"name": shown.name, "value": shown.value, "salt": _hex(shown.salt)} | _proof(shown.proof)


def _proof(proof: MapProof) -> dict[str, Json]:
    return {
        "siblings": [_hex(each) for each in proof.siblings],
        "other": None if proof.other is None else _hex(proof.other[0] + proof.other[1]),
    }


def _members(values: Mapping[str, Any]) -> dict[str, Json]:
    return {name: _plain(value) for name, value in values.items()}


def _plain(value: Any) -> Json:
    """Bytes as hexadecimal, whole numbers as decimal text, the rest as it is."""
    if isinstance(value, bytes):
        return _hex(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if isinstance(value, Mapping):
        return _members(value)
    if isinstance(value, list | tuple | frozenset):
        return [_plain(item) for item in value]
    result: Json = value
    return result


def _base64(value: bytes) -> str:
    return base64.b64encode(value).decode()


def _hex(value: bytes) -> str:
    return "0x" + value.hex()
