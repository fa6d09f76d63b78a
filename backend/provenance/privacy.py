"""Showing single fields of an event, each proved; forgetting an event's body while its leaf stays valid."""

from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncSession

from backend.kit.access import Caller
from backend.kit.disclosure import Disclosure
from backend.provenance import repository
from backend.provenance.config import LogConfig
from backend.provenance.epcis.values import loads
from backend.provenance.keys import keys_of
from backend.provenance.log import service as log
from backend.provenance.log.anchoring import bring_map_up
from backend.provenance.preparing import fields_of
from backend.provenance.problems import EventUnknown, FieldUnknown
from backend.provenance.query.search import event_of
from backend.provenance.tables import RecordedEvent


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

    Its leaf stays and with it every proof about the log; nobody can say any more what it commits to. The
    document it came in is forgotten with the last of its events. Raises EventUnknown.
    """
    state = await log.lock(session, caller.ledger_id, config)
    row = await repository.by_sequence(session, caller, sequence)
    if row is None or row.party_id != caller.party_id:
        raise EventUnknown()
    names = keys_of(event_of(row)) if row.body is not None else frozenset()
    await bring_map_up(session, state)  # what the map will say of it must be known before it is forgotten
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
