"""Many invoices at once: a zip of files, or a sheet with one invoice a row.

The upload is unpacked and sealed at once; then a loop takes in the next few, and the next, each for itself.
So a batch of a thousand shows its progress, survives a restart at any moment, and one bad file spares the
others.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias
from uuid import UUID

from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession

from backend.invoices import bundles, intake, repository, scanner
from backend.invoices.bundles import Entry
from backend.invoices.formats.errors import Unreadable
from backend.invoices.gates.judge import PROFILES, Profile
from backend.invoices.intake import Read
from backend.invoices.problems import DocumentsLocked, InvoiceUnreadable
from backend.invoices.secrets import Sealed, Secrets, SecretsError
from backend.invoices.tables import BatchEntry, InvoiceBatch
from backend.invoices.validation.check import validate
from backend.invoices.validation.schematron import RulesUnavailableError
from backend.kit.access import Caller, Role
from backend.kit.database import Database, is_lock_error
from backend.kit.ids import uuid7
from backend.kit.messages import LOCALES
from backend.kit.notices import Notice
from backend.kit.problems import Problem

log = logging.getLogger("tallystick.invoices")
STEP = 20
Found: TypeAlias = tuple[Read | Problem, str]
"""What was read, or why not; and what the scanner said."""


async def unpack(data: bytes) -> list[Entry]:
    """The files or rows of an archive or sheet, in a thread. Raises InvoiceUnreadable for what is neither."""
    try:
        entries = await asyncio.to_thread(lambda: list(bundles.unpack(data)))
    except Unreadable as refusal:
        raise InvoiceUnreadable(refusal) from None
    if not entries:
        raise InvoiceUnreadable(Unreadable("batch-is-empty"))
    return entries


async def open_batch(
    session: AsyncSession,
    caller: Caller,
    secrets: Secrets,
    entries: Sequence[Entry],
    *,
    file_name: str | None,
    profile: Profile,
) -> InvoiceBatch:
    """Keeps the entries, sealed; `Steward` takes them in."""
    caller.require(Role.MAKER, Role.CHECKER)
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
    for position, entry in enumerate(entries, start=1):
        sealed = secrets.seal(entry.content, _about(batch.id, position))
        session.add(
            BatchEntry(
                ledger_id=caller.ledger_id,
                party_id=caller.party_id,
                batch_id=batch.id,
                position=position,
                name=entry.name[:255],
                kind=entry.kind,
                state="waiting",
                ciphertext=sealed.ciphertext,
                wrapped_key=sealed.wrapped_key,
                master_key=sealed.master_key,
            )
        )
    await session.flush()
    return batch


class Steward:
    """Takes in what waits in batches, a few entries at a time. Several may run: each entry is locked first.

    Files are scanned and read before the transaction; whatever was not committed waits still.
    """

    def __init__(
        self, database: Database, ledger_id: UUID, secrets: Callable[[], Secrets], clamd: str | None
    ) -> None:
        self.database, self.ledger_id, self.secrets, self.clamd = database, ledger_id, secrets, clamd

    async def step(self) -> bool:
        """Takes in the next entries of the oldest batch; True if there may be more."""
        async with self.database.reading() as session:
            batch = await repository.batch_with_work(session, self.ledger_id)
            waiting = await repository.waiting(session, batch.id, STEP) if batch is not None else []
        if batch is None or not waiting:
            return False
        secrets = self.secrets()
        found = {entry.id: await self._read(secrets, entry) for entry in waiting}
        async with self.database.transaction() as session:
            for entry in await repository.waiting(session, batch.id, STEP, lock=True):
                if entry.id in found:
                    await _take(session, secrets, batch, entry, found[entry.id])
            await session.flush()
            counts = await repository.batch_counts(session, batch.id)
            if "waiting" not in counts:
                session.add(_finished(batch, counts))
        return True

    async def _read(self, secrets: Secrets, entry: BatchEntry) -> Found:
        """What stands in an entry. Raises ScannerUnavailable and DocumentsLocked: then all of it waits."""
        content = _opened(secrets, entry)
        try:
            scan = await scanner.scan(self.clamd, content)
            file = await _read(entry, content)
            await scanner.scan(self.clamd, *file.attached)
            return file, scan
        except (InvoiceUnreadable, scanner.DocumentInfected) as problem:
            return problem, scanner.NOT_SCANNED
        except (scanner.ScannerUnavailable, RulesUnavailableError):
            raise
        except Exception as fault:  # noqa: BLE001 - a fault of ours must not hold up the rest for ever
            return _fault(fault), scanner.NOT_SCANNED


async def _take(
    session: AsyncSession, secrets: Secrets, batch: InvoiceBatch, entry: BatchEntry, found: Found
) -> None:
    """Makes an entry an invoice of whoever uploaded the batch, or writes down why it is none."""
    file, scan = found
    try:
        if isinstance(file, Problem):
            raise file
        async with session.begin_nested():
            record = await intake.receive(
                session,
                Caller(batch.uploaded_by, batch.party_id, batch.ledger_id, frozenset({Role.MAKER})),
                secrets,
                file,
                file_name=entry.name,
                media_type=entry.kind,
                profile=next(name for name in PROFILES if name == batch.profile),
                scan=scan,
            )
        entry.state, entry.invoice_id = "taken", record.id
    except Problem as problem:
        _refuse(entry, problem)
    except DBAPIError as fault:
        if is_lock_error(fault):
            raise
        _refuse(entry, _fault(fault))
    entry.ciphertext = entry.wrapped_key = b""  # kept with the invoice now, or not at all


def _refuse(entry: BatchEntry, problem: Problem) -> None:
    entry.state, entry.problem = "refused", problem.code
    entry.detail = {locale: problem.detail(locale) for locale in LOCALES}


def _fault(fault: Exception) -> InvoiceUnreadable:
    log.error("an entry of a batch met a fault of the reader", exc_info=fault)
    return InvoiceUnreadable(Unreadable("reader-failed", fault=type(fault).__name__))


def _finished(batch: InvoiceBatch, counts: Mapping[str, int]) -> Notice:
    return Notice(
        ledger_id=batch.ledger_id,
        party_id=batch.party_id,
        type="invoice-batch.finished",
        subject=f"invoice-batch:{batch.id}",
        data={"batch": str(batch.id), "file": batch.file_name, **counts},
    )


async def _read(entry: BatchEntry, content: bytes) -> Read:
    """The invoice of an entry, or InvoiceUnreadable."""
    if entry.kind == bundles.FILE:
        try:
            bundles.refuse_nested(content)
        except Unreadable as refusal:
            raise InvoiceUnreadable(refusal) from None
        return await intake.read(content)
    try:
        invoice = bundles.row_invoice(entry.position, content)
    except Unreadable as refusal:
        raise InvoiceUnreadable(refusal) from None
    return Read(content, invoice, validate(invoice, None))


def _opened(secrets: Secrets, entry: BatchEntry) -> bytes:
    try:
        sealed = Sealed(entry.ciphertext, entry.wrapped_key, entry.master_key)
        return secrets.open(sealed, _about(entry.batch_id, entry.position))
    except SecretsError as error:
        raise DocumentsLocked() from error


def _about(batch_id: UUID, position: int) -> bytes:
    return batch_id.bytes + position.to_bytes(4, "big")
