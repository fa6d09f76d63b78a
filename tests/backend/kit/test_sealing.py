"""What is sealed opens with its master key alone, and only unchanged."""

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from backend.kit.clock import now
from backend.kit.database import Database
from backend.kit.ids import uuid7
from backend.kit.sealing import MAGIC, Keyring, SecretsError, hand_over
from backend.kit.settings import load
from backend.provenance.tables import CaptureJob, ReceivedDocument

OLD, NEW = bytes([1]) * 32, bytes([2]) * 32


def test_each_seal_is_another_and_opens_with_keys_old_and_new() -> None:
    box = Keyring([OLD]).seal(b"forty boards")

    assert Keyring([OLD]).seal(b"forty boards") != box
    assert b"forty" not in box
    assert Keyring([NEW, OLD]).open(box) == b"forty boards"
    with pytest.raises(SecretsError, match="not here"):
        Keyring([NEW]).open(box)


def test_a_changed_byte_is_found_wherever_it_lies() -> None:
    ring = Keyring([OLD])
    box = ring.seal(b"forty boards")
    for place in range(len(MAGIC), len(box)):
        changed = bytes([*box[:place], box[place] ^ 1, *box[place + 1 :]])
        with pytest.raises(SecretsError):
            ring.open(changed)


async def add(session: AsyncSession, body: bytes) -> Any:
    owner = {"ledger_id": uuid7(), "party_id": uuid7(), "created_at": now()}
    job = CaptureJob(
        **owner, user_id=uuid7(), running=False, success=True, behaviour="rollback", errors=[], captured=0,
        duplicates=0,
    )  # fmt: skip
    session.add(job)
    await session.flush()
    row = ReceivedDocument(
        **owner, job_id=job.id, media_type="x", body=body, salt=bytes(32), body_hash="0x" + "00" * 32
    )
    session.add(row)
    await session.flush()
    return row.id


async def test_the_database_holds_nothing_readable(database: Database, tmp_path: Path) -> None:
    hand_over(database.engine.dialect, load({}, data_directory=tmp_path))
    async with database.transaction() as session:
        key = await add(session, b"forty boards")

    async with database.reading() as session:
        raw = (await session.execute(text("SELECT body FROM received_documents"))).scalar_one()
        body = await session.scalar(select(ReceivedDocument.body).where(ReceivedDocument.id == key))
    assert bytes(raw).startswith(MAGIC)
    assert b"forty" not in bytes(raw)
    assert body == b"forty boards"


async def test_what_was_written_before_is_read_as_it_lies(database: Database, tmp_path: Path) -> None:
    hand_over(database.engine.dialect, load({}, data_directory=tmp_path))
    async with database.transaction() as session:
        await add(session, b"x")
        old = b"{}".hex()
        literal = f"'\\x{old}'::bytea" if not database.is_sqlite else f"x'{old}'"
        await session.execute(text(f"UPDATE received_documents SET body = {literal}"))

    async with database.reading() as session:
        assert (await session.scalars(select(ReceivedDocument.body))).one() == b"{}"


async def test_without_keys_nothing_is_written_in_the_clear(database: Database) -> None:
    database.engine.dialect.__dict__.pop("tallystick_keyring", None)  # of a test before this one
    with pytest.raises(Exception, match="no key to open them"):
        async with database.transaction() as session:
            await add(session, b"forty boards")
