"""What measurements fill the tables with is what capture would have written."""

from typing import Any

from sqlalchemy import select

from backend.kit.database import Database
from backend.provenance.tables import EventKey, EventReader, RecordedEvent
from backend.verifier.leaf import decode
from bench.provenance import copy_of, document, event, sample_of
from tests.backend.provenance.conftest import Recorder

DRAWN = {"id", "identity", "event_id", "cbv_hash", "salts", "leaf"}


async def test_copies_are_the_rows_capture_writes(
    buyer: Recorder, seller: Recorder, database: Database
) -> None:
    await buyer.capture(document([event(number) for number in (31, *range(1, 60))]))

    async with database.reading() as session:
        rows = (await session.scalars(select(RecordedEvent).order_by(RecordedEvent.sequence))).all()
        sample = await sample_of(session, rows[0])
        for row in rows[1:]:
            if row.sequence == 31:  # was recorded first, under another number
                continue
            number = row.sequence if row.sequence < 31 else row.sequence + 1
            wanted = await sample_of(session, row)
            copied = copy_of(sample, number)
            assert told(copied[RecordedEvent][0]) == told(wanted[RecordedEvent][0] | {"sequence": number})
            leaf, other = (decode(each[RecordedEvent][0]["leaf"]) for each in (copied, wanted))
            assert (leaf.recorder, leaf.body_hash) == (other.recorder, other.body_hash)
            assert len(copied[RecordedEvent][0]["salts"]) == len(wanted[RecordedEvent][0]["salts"])
            for table in (EventKey, EventReader):
                assert unordered(copied[table]) == unordered(wanted[table])


def told(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name not in DRAWN | {"place"}}


def unordered(rows: list[dict[str, Any]]) -> list[str]:
    return sorted(str({name: value for name, value in row.items() if name != "sequence"}) for row in rows)
