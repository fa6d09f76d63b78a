"""Watching a log from outside: recompute both roots, check every head against the chain, co-sign what agrees.

A monitor believes nothing but its own node and its own memory. It needs an auditor's API key to read the log,
an RPC endpoint of its own, and a folder that remembers how far it has come.
"""

import json
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

from backend.kit import merkle
from backend.provenance.epcis.document import Event
from backend.provenance.epcis.values import Object, loads
from backend.provenance.log.memory import Memory
from backend.provenance.log.notes import (
    Checkpoint,
    NoteError,
    Signer,
    cosigned_at,
    open_note,
    read_checkpoint,
)
from backend.provenance.preparing import fields_of
from backend.verifier import logmap
from backend.verifier.checkpoint import extensions
from backend.verifier.leaf import (
    ERASURE,
    FILLER,
    Erasure,
    Leaf,
    LeafError,
    cbv_digest,
    decode,
    decode_erasure,
    filler,
    keys_hash,
)
from backend.verifier.names import namespaces_in

_PAGE: Final = 500


class Source(Protocol):
    """Where a monitor reads the log: the operator's API."""

    def get(self, path: str) -> Any:
        """The JSON at a path, or its text where it is none."""
        ...

    def post(self, path: str, body: Mapping[str, Any]) -> None:
        """Sends JSON."""
        ...


class Chain(Protocol):
    """Where a monitor reads heads: a node of its own."""

    def head(self) -> "ChainHead":
        """What the contract holds now."""
        ...


@dataclass(frozen=True, slots=True)
class ChainHead:
    """The head in the contract."""

    log_root: bytes
    size: int
    map_root: bytes
    now: int
    """The time of the block it was read at, in Unix seconds."""


class Disagreement(Exception):
    """The log is not what it said before, or not what the chain says. `evidence` shows it to others."""

    def __init__(self, reason: str, evidence: Mapping[str, Any]) -> None:
        super().__init__(reason)
        self.evidence = dict(evidence)


def follow(
    source: Source, chain: Chain, memory: Memory, *, check: Callable[[ChainHead], None] | None = None
) -> ChainHead | None:
    """Goes on from the memory to the head on the chain; None when there is none yet or nothing new.

    What was seen is remembered when all of it agrees, `check` of a new head among it, and else forgotten.
    Raises Disagreement when the log, its map, or the time a head took is not what was promised or what the
    chain says.
    """
    head = chain.head()
    _require_known(memory, head)
    with memory.changes():
        if head.size > memory.size:
            _catch_up(source, memory, head)
            if check is not None:
                check(head)
        _require_in_time(source, memory, head)
    return head if memory.grew else None


def _catch_up(source: Source, memory: Memory, head: ChainHead) -> None:
    frontier = memory.frontier()
    for page in _pages(source, frontier.size, head.size):
        secret = _raw(page["map_secret"])
        memory.secret = memory.secret or secret
        if secret != memory.secret:
            raise Disagreement("the log shows another secret of its map than before", {"head": _shown(head)})
        mentions: dict[bytes, list[tuple[int, bytes]]] = {}
        for entry in page["entries"][: head.size - frontier.size]:
            for key, place in _take(source, frontier, secret, entry, memory, head.now):
                mentions.setdefault(key, []).append(place)
        memory.count(mentions)
    if frontier.size != head.size:
        raise Disagreement(
            f"the chain has a head of {head.size} leaves, and the log shows {frontier.size}",
            {"head": _shown(head), "shown": frontier.size},
        )
    if frontier.root() != head.log_root:
        raise Disagreement(
            "the leaves shown do not have the root on the chain: something was altered, removed or inserted",
            {"head": _shown(head), "computed": frontier.root().hex()},
        )
    if memory.map_root != head.map_root:
        raise Disagreement(
            "the map on the chain is not that of the log: it leaves something out or makes something up",
            {"head": _shown(head), "computed": memory.map_root.hex()},
        )
    memory.grow(frontier, head.log_root)


def _require_known(memory: Memory, head: ChainHead) -> None:
    """What was seen before stays: a shorter head, or another root at a size seen, is another history."""
    seen = memory.head(head.size)
    if head.size < memory.size:
        raise Disagreement(
            f"the head on the chain has {head.size} leaves; {memory.size} were seen before",
            {"head": _shown(head), "seen": [memory.size, memory.frontier().root().hex()]},
        )
    if seen is not None and seen != (head.log_root, head.map_root):
        raise Disagreement(
            f"two heads of {head.size} leaves with different roots",
            {"head": _shown(head), "seen": [head.size, *(root.hex() for root in seen)]},
        )


def _require_in_time(source: Source, memory: Memory, head: ChainHead) -> None:
    """No leaf waits for its head longer than the log promised when it took it."""
    page = source.get(f"/v1/log/entries?start={head.size}&limit=1")
    require_pinned(memory, "longest delay", str(page["longest_delay"]))
    require_pinned(memory, "time until an event may be erased", str(page["erasable_after"]))
    missing = memory.overdue(head.size, head.now)
    if missing is not None:
        raise Disagreement(
            f"the leaf at place {missing}, said to say that an event was erased, has no head on the chain",
            {"head": _shown(head), "place": missing, "now": head.now},
        )
    for entry in page["entries"][:1]:
        encoded = _raw(entry["leaf"])
        if encoded[:1] == bytes([FILLER]):
            continue
        waits = _erasure if encoded[:1] == bytes([ERASURE]) else _decoded
        received = waits(encoded, entry).received_at // 1000
        if head.now - received > page["longest_delay"]:
            raise Disagreement(
                f"leaf {entry['sequence']} has waited {head.now - received} seconds for a head on the chain; "
                f"{page['longest_delay']} were promised",
                {"head": _shown(head), "entry": dict(entry), "now": head.now},
            )


def _pages(source: Source, start: int, end: int) -> Iterator[Mapping[str, Any]]:
    while start < end:
        page = source.get(f"/v1/log/entries?start={start}&limit={_PAGE}")
        yield page
        if not page["entries"]:
            return
        start = page["entries"][-1]["sequence"] + 1


def _take(
    source: Source,
    frontier: merkle.Frontier,
    secret: bytes,
    entry: Mapping[str, Any],
    memory: Memory,
    now: int,
) -> list[tuple[bytes, tuple[int, bytes]]]:
    """Puts an entry into the tree; under which keys of the map it counts, and where it stands."""
    encoded = _raw(entry["leaf"])
    if memory.owed(frontier.size) not in {None, encoded}:
        raise Disagreement(
            f"place {frontier.size} does not say which event was erased, as it was said to",
            {"entry": dict(entry)},
        )
    if encoded[:1] in _RECORDS_NOTHING:
        memory.log_id = memory.log_id or encoded[1:33]
        _require_nothing(encoded, frontier.size, secret, memory.log_id, entry)
        frontier.append(merkle.leaf_hash(encoded))
        return []
    leaf = _decoded(encoded, entry)
    if leaf.sequence != frontier.size:
        raise Disagreement(f"leaf {leaf.sequence} stands at place {frontier.size}", {"entry": dict(entry)})
    memory.log_id = memory.log_id or leaf.log_id
    if leaf.log_id != memory.log_id:
        raise Disagreement("a leaf of another log", {"entry": dict(entry)})
    hashed = merkle.leaf_hash(encoded)
    frontier.append(hashed)
    if entry["event"] is None:
        keys = _erased_keys(source, leaf, entry, memory, now)
    else:
        event = _committed(leaf, entry)
        found = logmap.identifiers(event, entry["context"], leaf)
        keys = [logmap.key(secret, identifier) for identifier in found]
    return [(key, (leaf.sequence, hashed)) for key in keys]


_RECORDS_NOTHING: Final = {bytes([FILLER]), bytes([ERASURE])}


def _require_nothing(
    encoded: bytes, place: int, secret: bytes, log_id: bytes, entry: Mapping[str, Any]
) -> None:
    """A leaf that records no event is this place's filler, or says of an earlier event that it was erased."""
    if encoded[0] == FILLER:
        good = encoded == filler(secret, log_id, place)
    else:
        record = _erasure(encoded, entry)
        good = (record.log_id, record.sequence) == (log_id, place) and record.erased < place
    if not good:
        raise Disagreement(f"place {place} is filled with something", {"entry": dict(entry)})


def _erased_keys(
    source: Source, leaf: Leaf, entry: Mapping[str, Any], memory: Memory, now: int
) -> list[bytes]:
    """Where an erased event stands in the map, as the leaf that says that it was erased commits to it.

    That nobody may say so later of other keys follows from the map: its root was on the chain before.
    """
    if entry.get("erased_by") is None:
        raise Disagreement(
            f"event {leaf.sequence} is not shown, and no leaf of the log says that it was erased",
            {"entry": dict(entry)},
        )
    keys = [_raw(key) for key in entry["map_keys"] or ()]
    page = source.get(f"/v1/log/entries?start={entry['erased_by']}&limit=1")
    evidence = {"entry": dict(entry), "record": [dict(each) for each in page["entries"][:1]]}
    if not page["entries"]:
        raise Disagreement(f"the leaf that says that event {leaf.sequence} was erased is not shown", evidence)
    record = _erasure(_raw(page["entries"][0]["leaf"]), evidence)
    said = (record.sequence, record.erased, record.keys)
    if said != (entry["erased_by"], leaf.sequence, keys_hash(keys)):
        raise Disagreement(f"another leaf is said to say that event {leaf.sequence} was erased", evidence)
    age = (record.received_at - leaf.received_at) // 1000
    if age < page["erasable_after"]:
        raise Disagreement(
            f"event {leaf.sequence} was erased after {age} seconds; {page['erasable_after']} were promised",
            evidence,
        )
    memory.owe(record.sequence, record.encode(), now + page["longest_delay"])
    return keys


def _erasure(encoded: bytes, entry: Mapping[str, Any]) -> Erasure:
    try:
        return decode_erasure(encoded)
    except LeafError as error:
        raise Disagreement(str(error), {"entry": dict(entry)}) from error


def _committed(leaf: Leaf, entry: Mapping[str, Any]) -> Object:
    """The event shown, which is the one the leaf commits to, field for field, under the CBV hash it names."""
    try:
        body, context = loads(entry["event"]), entry["context"]
        agrees = fields_of(body, context, _raw(entry["salts"])).root() == leaf.fields_root
        named = Event(body, namespaces_in(body, context), "").cbv_hash()
        if agrees and cbv_digest(named) == leaf.cbv_hash:
            return body  # type: ignore[no-any-return]  # `fields_of` took it for an object
    except (KeyError, TypeError, ValueError, AttributeError):
        pass
    raise Disagreement(
        f"event {leaf.sequence} as it is shown is not what its leaf commits to", {"entry": dict(entry)}
    )


def _decoded(encoded: bytes, entry: Mapping[str, Any]) -> Leaf:
    try:
        return decode(encoded)
    except LeafError as error:
        raise Disagreement(str(error), {"entry": dict(entry)}) from error


def require_pinned(memory: Memory, name: str, shown: str) -> None:
    """Raises Disagreement when the log shows another value than when the monitor first looked."""
    first = memory.pin(name, shown)
    if shown != first:
        raise Disagreement(
            f"the log shows another {name} than before: {shown}, not {first}",
            {"what": name, "shown": shown, "seen": first},
        )


def check_checkpoint(note: str, origin: str, public: bytes, memory: Memory, head: ChainHead) -> None:
    """Raises Disagreement when the operator's signed checkpoint of the same size has another root or map.

    Signed by the log's own key, it is evidence that needs nobody's word.
    """
    try:
        checkpoint = read_checkpoint(open_note(note, origin, public))
    except NoteError as error:
        raise Disagreement(f"the checkpoint is not the log's: {error}", {"note": note}) from error
    if checkpoint.size == head.size:
        _require_roots(checkpoint, (head.log_root, head.map_root), memory, note)


def _require_roots(checkpoint: Checkpoint, seen: tuple[bytes, bytes], memory: Memory, note: str) -> None:
    evidence = {"note": note, "seen": [checkpoint.size, *(root.hex() for root in seen)]}
    if checkpoint.root != seen[0]:
        raise Disagreement(f"the log signed another root for {checkpoint.size} leaves than it had", evidence)
    if checkpoint.extensions and not {*extensions(seen[1], memory.secret)} <= {*checkpoint.extensions}:
        raise Disagreement(
            f"the log signed another map for {checkpoint.size} leaves than it had, or another key of it",
            evidence | {"map_key": logmap.commitment(memory.secret).hex()},
        )


def is_agreed(note: str, origin: str, public: bytes, memory: Memory) -> bool:
    """Whether the checkpoint is the log's, of a head this monitor has recomputed and found good.

    Raises Disagreement when the log signed another root or map for a size that was found good.
    """
    try:
        checkpoint = read_checkpoint(open_note(note, origin, public))
    except NoteError:
        return False
    seen = memory.head(checkpoint.size)
    if seen is None:
        return False
    _require_roots(checkpoint, seen, memory, note)
    return bool(checkpoint.extensions)  # before its first head the log says nothing of its map


def has_signed(note: str, witness: Signer) -> bool:
    """Whether the witness's signature stands under the note already."""
    try:
        cosigned_at(note, witness.name, witness.public)
    except NoteError:
        return False
    return True


def cosign(source: Source, witness: Signer, note: str, seconds: int) -> str:
    """Signs the checkpoint as a witness and leaves the signature with the log. Returns the co-signed note."""
    signed = witness.cosign(note, seconds)
    source.post(
        "/v1/log/cosignatures",
        {"note": signed, "witness": witness.name, "public_key": "0x" + witness.public.hex()},
    )
    return signed


def keep(folder: Path, disagreement: Disagreement, seconds: int) -> Path:
    """Writes down what does not agree, for others to see. Never in place of an earlier one."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"disagreement-{seconds}.json"
    content = {"reason": str(disagreement), "at": seconds, **disagreement.evidence}
    with path.open("x", encoding="utf-8") as file:
        json.dump(content, file, indent=2)
        file.flush()
        os.fsync(file.fileno())
    return path


def _raw(text: str) -> bytes:
    return bytes.fromhex(text.removeprefix("0x"))


def _shown(head: ChainHead) -> dict[str, Any]:
    return {"size": head.size, "log_root": head.log_root.hex(), "map_root": head.map_root.hex()}
