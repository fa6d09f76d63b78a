"""The log's part of a verification bundle: documents, events, leaves and paths, heads, the map's answers.

Gathered for whoever may show the claim they stand behind; the offline checks take it from there.
"""

from collections.abc import Iterable, Sequence
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from backend.kit.merkle import leaf_hash
from backend.provenance import repository as events
from backend.provenance.capture import NO_ACCOUNT
from backend.provenance.epcis.validation import is_xml
from backend.provenance.epcis.values import encode, loads
from backend.provenance.log import repository, service
from backend.provenance.log.notes import cosignature_of
from backend.provenance.preparing import committed
from backend.provenance.tables import AnchoredHead, LogState, ReceivedDocument, RecordedEvent
from backend.verifier import evidence, logmap
from backend.verifier.leaf import decode
from backend.verifier.ledger import Head


async def gather(
    session: AsyncSession, ledger_id: UUID, rows: Sequence[RecordedEvent], *, origin: str
) -> evidence.Log:
    """What proves these events, as of the newest head on the chain that covers them. `origin` names the log.

    Events whose body was erased, or that no head covers yet, are left out: nothing could be proved of them.
    """
    head = await repository.newest_anchored(session, ledger_id)
    state = await repository.state(session, ledger_id)
    if head is None or state is None:
        return evidence.Log()
    covered = [row for row in rows if row.sequence < head.size and row.body is not None]
    documents = await events.documents(session, ledger_id, (row.document_id for row in covered))
    usable = {key: each for key, each in documents.items() if each.body is not None and each.salt is not None}
    order = {key: place for place, key in enumerate(usable)}
    paths = await service.inclusions(session, ledger_id, (row.sequence for row in covered), head.size)
    recorded = [
        _recorded(row, paths[row.sequence], usable[row.document_id], order[row.document_id])
        for row in covered
        if row.document_id in usable
    ]
    first = min((row.sequence for row in covered), default=head.size)
    around = await repository.anchored_around(session, ledger_id, first)
    witnessed = await repository.cosignatures(session, ledger_id, head.size)
    answers, nodes = await _map(session, ledger_id, state, head, covered)
    secret = bytes.fromhex(state.map_secret[2:])
    keys = {logmap.key(secret, each.identifier) for each in answers if each.identifier.kind != "class"}
    return evidence.Log(
        heads=tuple(_head(each) for each in around.covering),
        history=bytes.fromhex(around.history_before[2:]),
        captures=tuple(_capture(each) for each in usable.values()),
        events=tuple(recorded),
        erased=await _erased(session, ledger_id, keys, head.size),
        map_secret=bytes.fromhex(state.map_secret[2:]),
        map_nodes=nodes,
        map_answers=tuple(answers),
        checkpoint=service.checkpoint_text(origin, state, head),
        cosignatures=tuple(cosignature_of(line) for line in witnessed),
    )


def _head(row: AnchoredHead) -> Head:
    return Head(
        bytes.fromhex(row.log_root[2:]),
        row.size,
        bytes.fromhex(row.map_root[2:]),
        int(row.anchored_at.timestamp()),
    )


def _capture(document: ReceivedDocument) -> evidence.Capture:
    return evidence.Capture(
        body=document.body or b"",
        salt=document.salt or b"",
        account=bytes.fromhex(document.account[2:]) if document.account else NO_ACCOUNT,
        signature=document.signature or b"",
        jwk=document.jwk,
    )


def _recorded(
    row: RecordedEvent, path: Sequence[bytes], document: ReceivedDocument, capture: int
) -> evidence.RecordedEvent:
    if not is_xml(document.body or b""):
        return evidence.RecordedEvent(decode(row.leaf), tuple(path), capture)
    event = encode(committed(loads(row.body or "{}"), row.context))
    return evidence.RecordedEvent(decode(row.leaf), tuple(path), capture, event, row.salts or b"")


async def _erased(
    session: AsyncSession, ledger_id: UUID, keys: Iterable[bytes], size: int
) -> tuple[evidence.Erased, ...]:
    """The erased events that the map still counts under any of the keys, as far as the head covers them."""
    found = await repository.erased_under(session, ledger_id, keys)
    covered = sorted(sequence for sequence in found if sequence < size)
    leaves = await repository.leaf_at(session, ledger_id, covered)
    paths = await service.inclusions(session, ledger_id, covered, size)
    return tuple(
        evidence.Erased(decode(leaves[each]), tuple(paths[each]), tuple(sorted(found[each])))
        for each in covered
    )


async def _map(
    session: AsyncSession,
    ledger_id: UUID,
    state: LogState,
    head: AnchoredHead,
    rows: Iterable[RecordedEvent],
) -> tuple[list[evidence.MapAnswer], dict[bytes, tuple[bytes, bytes]]]:
    """What the map says of everything the events name, and the nodes that prove it."""
    secret = bytes.fromhex(state.map_secret[2:])
    named = (logmap.identifiers(loads(row.body or "{}"), row.context, decode(row.leaf)) for row in rows)
    identifiers = sorted(set[logmap.Identifier]().union(*named))
    by_key = {logmap.key(secret, identifier): identifier for identifier in identifiers}
    nodes = await service.load_paths(session, ledger_id, bytes.fromhex(head.map_root[2:]), list(by_key))
    entries = await repository.map_entries(session, ledger_id, by_key, head.size)
    lasts = await repository.leaf_at(session, ledger_id, (last for _, last in entries.values()))
    answers = []
    for key, identifier in by_key.items():
        entry = None
        if key in entries:
            count, last = entries[key]
            entry = logmap.Entry(count, last, leaf_hash(lasts[last]))
        answers.append(evidence.MapAnswer(identifier, entry))
    return answers, nodes
