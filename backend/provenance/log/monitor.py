"""Watching a log from outside: recompute both roots, check every head against the chain, co-sign what agrees.

A monitor believes nothing but its own node and its own memory. It needs an auditor's API key to read the log,
an RPC endpoint of its own, and a folder that remembers how far it has come.
"""

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final, Protocol

from backend.kit import merkle, sparse
from backend.kit.canonical import parse
from backend.provenance.log.notes import NoteError, Signer, open_note, read_checkpoint
from backend.verifier import logmap
from backend.verifier.leaf import LeafError, decode

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


class Disagreement(Exception):
    """The log is not what it said before, or not what the chain says. `evidence` shows it to others."""

    def __init__(self, reason: str, evidence: Mapping[str, Any]) -> None:
        super().__init__(reason)
        self.evidence = dict(evidence)


@dataclass(slots=True)
class Memory:
    """How far a monitor has come: the tree's edge and the map's entries at its size."""

    size: int = 0
    peaks: list[str] = field(default_factory=list)
    entries: dict[str, tuple[int, int, str]] = field(default_factory=dict)
    """Key → count, last sequence, last leaf hash; hex."""
    log_id: str = ""
    heads: list[tuple[int, str]] = field(default_factory=list)
    """Sizes and roots of heads seen before and found good."""

    @classmethod
    def load(cls, folder: Path) -> "Memory":
        """The memory in a folder; a new one where there is none."""
        path = folder / "memory.json"
        if not path.exists():
            return cls()
        kept = json.loads(path.read_text(encoding="utf-8"))
        return cls(
            size=kept["size"],
            peaks=kept["peaks"],
            entries={key: (count, last, leaf) for key, (count, last, leaf) in kept["entries"].items()},
            log_id=kept["log_id"],
            heads=[(size, root) for size, root in kept["heads"]],
        )

    def save(self, folder: Path) -> None:
        """Replaces the memory whole: a crash leaves the old one or the new one."""
        folder.mkdir(parents=True, exist_ok=True)
        partial = folder / "memory.json.new"
        with partial.open("w", encoding="utf-8") as file:
            json.dump(asdict(self), file)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(folder / "memory.json")

    def frontier(self) -> merkle.Frontier:
        """The tree's edge."""
        return merkle.Frontier(self.size, [bytes.fromhex(peak) for peak in self.peaks])

    def map_root(self) -> bytes:
        """The map's root from its entries."""
        return sparse.root_of(
            {
                bytes.fromhex(key): logmap.Entry(count, last, bytes.fromhex(leaf)).value()
                for key, (count, last, leaf) in self.entries.items()
            }
        )


def follow(source: Source, chain: Chain, memory: Memory) -> ChainHead | None:
    """Goes on from the memory to the head on the chain; None when there is none yet or nothing new.

    Raises Disagreement when the log, its map, or the operator's checkpoint is not what the chain says.
    """
    head = chain.head()
    _require_known(memory, head)
    if head.size == 0 or head.size == memory.size:
        return None
    frontier = memory.frontier()
    entries = dict(memory.entries)
    secret = b""
    for page in _pages(source, memory.size, head.size):
        secret = _raw(page["map_secret"])
        for entry in page["entries"]:
            if frontier.size >= head.size:
                break
            _take(frontier, entries, secret, entry, memory)
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
    memory.entries = entries
    if memory.map_root() != head.map_root:
        raise Disagreement(
            "the map on the chain is not that of the log: it leaves something out or makes something up",
            {"head": _shown(head), "computed": memory.map_root().hex()},
        )
    memory.size, memory.peaks = frontier.size, [peak.hex() for peak in frontier.peaks]
    memory.heads.append((head.size, head.log_root.hex()))
    return head


def _require_known(memory: Memory, head: ChainHead) -> None:
    """What was seen before stays: a shorter head, or another root at a size seen, is another history."""
    if head.size < memory.size:
        raise Disagreement(
            f"the head on the chain has {head.size} leaves; {memory.size} were seen before",
            {"head": _shown(head), "seen": memory.heads},
        )
    for size, root in memory.heads:
        if size == head.size and root != head.log_root.hex():
            raise Disagreement(
                f"two heads of {size} leaves with different roots",
                {"head": _shown(head), "seen": [size, root]},
            )


def _pages(source: Source, start: int, end: int) -> Iterator[Mapping[str, Any]]:
    while start < end:
        page = source.get(f"/v1/log/entries?start={start}&limit={_PAGE}")
        yield page
        if not page["entries"]:
            return
        start = page["entries"][-1]["sequence"] + 1


def _take(
    frontier: merkle.Frontier,
    entries: dict[str, tuple[int, int, str]],
    secret: bytes,
    entry: Mapping[str, Any],
    memory: Memory,
) -> None:
    encoded = _raw(entry["leaf"])
    try:
        leaf = decode(encoded)
    except LeafError as error:
        raise Disagreement(str(error), {"entry": dict(entry)}) from error
    if leaf.sequence != frontier.size:
        raise Disagreement(f"leaf {leaf.sequence} stands at place {frontier.size}", {"entry": dict(entry)})
    memory.log_id = memory.log_id or leaf.log_id.hex()
    if leaf.log_id.hex() != memory.log_id:
        raise Disagreement("a leaf of another log", {"entry": dict(entry)})
    hashed = merkle.leaf_hash(encoded)
    frontier.append(hashed)
    if entry["event"] is None:
        raise Disagreement(
            f"event {leaf.sequence} was erased before this monitor saw it, so the map cannot be recomputed",
            {"entry": dict(entry)},
        )
    event = parse(entry["event"])
    if isinstance(event, Mapping):
        for identifier in logmap.identifiers(event):
            key = logmap.key(secret, identifier).hex()
            count = entries[key][0] if key in entries else 0
            entries[key] = (count + 1, leaf.sequence, hashed.hex())


def check_checkpoint(note: str, origin: str, public: bytes, head: ChainHead) -> None:
    """Raises Disagreement when the operator's signed checkpoint of the same size has another root.

    Signed by the log's own key, it is evidence that needs nobody's word.
    """
    try:
        checkpoint = read_checkpoint(open_note(note, origin, public))
    except NoteError as error:
        raise Disagreement(f"the checkpoint is not the log's: {error}", {"note": note}) from error
    if checkpoint.size == head.size and checkpoint.root != head.log_root:
        raise Disagreement(
            f"the log signed another root for {head.size} leaves than the chain has",
            {"note": note, "head": _shown(head)},
        )


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
