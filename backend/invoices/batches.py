"""Many invoices at once: a zip of files, or a sheet with one invoice a row.

The upload is unpacked and sealed at once; then each call of `step` takes in the next few, each for itself.
So a batch of a thousand shows its progress, survives a restart between two steps, and one bad file spares the
others.
"""

import json
from collections.abc import Iterator
from pathlib import PurePosixPath
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from backend.invoices import intake, reading, repository
from backend.invoices.formats import archive, sheets
from backend.invoices.formats.errors import Unreadable
from backend.invoices.gates.judge import PROFILES, Profile
from backend.invoices.intake import Read
from backend.invoices.model import Format
from backend.invoices.problems import DocumentsLocked, InvoiceUnreadable
from backend.invoices.repository import BatchEntry, InvoiceBatch
from backend.invoices.secrets import Sealed, Secrets, SecretsError
from backend.invoices.validation.check import validate
from backend.kit import canonical
from backend.kit.access import Caller, Role
from backend.kit.ids import uuid7
from backend.kit.problems import NotFound, Problem

STEP = 20
_ROW = "application/vnd.tallystick.row+json"
_FILE = "application/octet-stream"


async def open_batch(
    session: AsyncSession,
    caller: Caller,
    secrets: Secrets,
    data: bytes,
    *,
    file_name: str | None,
    profile: Profile,
) -> InvoiceBatch:
    """Unpacks an archive or sheet into entries that wait. Raises InvoiceUnreadable for what is neither."""
    caller.require(Role.MAKER, Role.CHECKER)
    try:
        entries = list(_unpack(data))
    except Unreadable as refusal:
        raise InvoiceUnreadable(refusal) from None
    if not entries:
        raise InvoiceUnreadable(Unreadable("batch-is-empty"))
    batch = InvoiceBatch(
        id=uuid7(),
        ledger_id=caller.ledger_id,
        party_id=caller.party_id,
        uploaded_by=caller.user_id,
        file_name=file_name[:255] if file_name else None,
        profile=profile,
        total=len(entries),
    )
    session.add(batch)
    await session.flush()
    for position, (name, kind, content) in enumerate(entries, start=1):
        sealed = secrets.seal(content, _about(batch.id, position))
        session.add(
            BatchEntry(
                ledger_id=caller.ledger_id,
                party_id=caller.party_id,
                batch_id=batch.id,
                position=position,
                name=name[:255],
                kind=kind,
                state="waiting",
                ciphertext=sealed.ciphertext,
                wrapped_key=sealed.wrapped_key,
                master_key=sealed.master_key,
            )
        )
    await session.flush()
    return batch


async def step(session: AsyncSession, caller: Caller, secrets: Secrets, batch: InvoiceBatch) -> int:
    """Takes in the next entries; how many still wait afterwards."""
    caller.require(Role.MAKER, Role.CHECKER)
    if batch.party_id != caller.party_id:
        raise NotFound()
    profile = next(name for name in PROFILES if name == batch.profile)
    for entry in await repository.waiting(session, batch.id, STEP):
        content = _opened(secrets, entry)
        try:
            file = await _read(entry, content)
            async with session.begin_nested():
                record = await intake.receive(
                    session,
                    caller,
                    secrets,
                    file,
                    file_name=entry.name,
                    media_type=entry.kind,
                    profile=profile,
                )
            entry.state, entry.invoice_id = "taken", record.id
        except Problem as problem:
            entry.state, entry.problem = "refused", problem.code
            entry.detail = {locale: problem.detail(locale) for locale in ("en", "zh")}
        entry.ciphertext = entry.wrapped_key = b""  # kept with the invoice now, or not at all
    await session.flush()
    return (await repository.batch_counts(session, batch.id)).get("waiting", 0)


def _unpack(data: bytes) -> Iterator[tuple[str, str, bytes]]:
    """Name, kind and content of each entry."""
    kind = reading.sniff(data)
    if kind == "text" and sheets.looks_like_one(data):
        yield from _row_entries(sheets.csv_rows(data))
    elif kind != "zip":
        raise Unreadable("batch-is-no-archive")
    else:
        container = archive.open_archive(data)
        if sheets.is_workbook(container):
            yield from _row_entries(sheets.workbook(data))
        else:
            for name in archive.files(container):
                yield PurePosixPath(name).name, _FILE, archive.member(container, name)


def _row_entries(rows: Iterator[sheets.Row]) -> Iterator[tuple[str, str, bytes]]:
    for row in rows:
        yield f"row {row.position}", _ROW, canonical.encode(dict(row.values))


async def _read(entry: BatchEntry, content: bytes) -> Read:
    """The invoice of an entry. An archive in an archive is not opened, unless it is an OFD or a workbook."""
    if entry.kind != _ROW:
        if reading.sniff(content) == "zip" and not _is_document(content):
            raise InvoiceUnreadable(Unreadable("zip-in-zip"))
        return await intake.read(content)
    row = sheets.row(entry.position, json.loads(content), Format.CSV)
    if row.invoice is None:
        raise InvoiceUnreadable(row.refusal or Unreadable("sheet-is-empty"))
    return Read(content, row.invoice, validate(row.invoice, None))


def _is_document(content: bytes) -> bool:
    try:
        names = archive.open_archive(content).namelist()
    except Unreadable:
        return False
    return "OFD.xml" in names or "xl/workbook.xml" in names


def _opened(secrets: Secrets, entry: BatchEntry) -> bytes:
    try:
        sealed = Sealed(entry.ciphertext, entry.wrapped_key, entry.master_key)
        return secrets.open(sealed, _about(entry.batch_id, entry.position))
    except SecretsError as error:
        raise DocumentsLocked() from error


def _about(batch_id: UUID, position: int) -> bytes:
    return batch_id.bytes + position.to_bytes(4, "big")
