"""Showing single fields of an event, each proved; forgetting an event's body while its leaf stays valid."""

from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy.ext.asyncio import AsyncSession

from backend.kit.access import Caller
from backend.kit.clock import from_unix, iso
from backend.kit.disclosure import Disclosure
from backend.provenance import repository
from backend.provenance.config import LogConfig
from backend.provenance.epcis.values import loads
from backend.provenance.keys import keys_of
from backend.provenance.log import repository as repository_of_log
from backend.provenance.log import service as log
from backend.provenance.log.anchoring import bring_map_up
from backend.provenance.preparing import fields_of
from backend.provenance.problems import ErasureTooEarly, EventUnknown, FieldUnknown
from backend.provenance.query.search import event_of
from backend.provenance.tables import RecordedEvent
from backend.verifier import logmap
from backend.verifier.leaf import Erasure, decode, keys_hash


async def disclose(
    session: AsyncSession, caller: Caller, sequence: int, names: Sequence[str]
) -> list[Disclosure]:
    """The fields of these names (JSON pointers into the event) with what proves them against its leaf.

    Whoever may read the event may pass them on; nothing about its other fields goes with them. Raises
    EventUnknown, FieldUnknown.
    """
    row = await repository.by_sequence(session, caller, sequence)
    if row is None or row.body is None or row.salts is None:
        raise EventUnknown()
    fields = fields_of(loads(row.body), row.context, row.salts)
    for name in names:
        if name not in fields.values:
            raise FieldUnknown(name=name)
    return fields.disclose_all(list(names))


async def erase(session: AsyncSession, caller: Caller, config: LogConfig, sequence: int) -> RecordedEvent:
    """Forgets an event of the caller's own: its body, its salts, what it is found by.

    Its leaf stays and with it every proof about the log; nobody can say any more what it commits to. So
    do the keys under which it stands in the map, and a leaf of its own says that it was forgotten: the map
    can be recomputed, and whoever is shown less than the map counts is told why. Not before everybody who
    watches the log had time to see it. The document it came in is forgotten with the last of its events.

    Raises EventUnknown, ErasureTooEarly.
    """
    state = await log.lock(session, caller.ledger_id, config)
    row = await repository.by_sequence(session, caller, sequence)
    if row is None or row.party_id != caller.party_id:
        raise EventUnknown()
    if row.body is None:
        return row
    moment = log.clock(state)
    leaf = decode(row.leaf)
    allowed = leaf.received_at + config.erasable_after // timedelta(milliseconds=1)
    if moment < allowed or await repository_of_log.anchored(session, caller.ledger_id, sequence + 1) is None:
        raise ErasureTooEarly(moment=iso(from_unix(allowed // 1000)))
    await bring_map_up(session, state)  # what the map will say of it must be known before it is forgotten
    event, secret = event_of(row), bytes.fromhex(state.map_secret[2:])
    counted = logmap.identifiers(event.body, row.context, leaf)
    keys = {logmap.key(secret, identifier) for identifier in counted}
    record = Erasure(config.log_id, state.size, moment, sequence, keys_hash(keys))
    await log.append(session, state, [record])
    await repository_of_log.put_erasure(session, caller.ledger_id, record, keys)
    names = keys_of(event)
    row.body, row.salts, row.context = None, None, []
    row.event_id = row.cbv_hash
    await session.flush()
    await repository.forget_keys(session, row, names)
    if not await repository.document_is_needed(session, row):
        document = await repository.document(session, row.ledger_id, row.document_id)
        if document is not None:
            document.body = document.salt = None
    await session.flush()
    return row
