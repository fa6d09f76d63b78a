"""Many invoices at once: a zip of files, or a sheet with one invoice a row.

The upload is unpacked and sealed at once; then each call of `step` takes in the next few, each for itself.
So a batch of a thousand shows its progress, survives a restart between two steps, and one bad file spares the
others.
"""

from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from backend.invoices import bundles, intake, repository
from backend.invoices.formats.errors import Unreadable
from backend.invoices.gates.judge import PROFILES, Profile
from backend.invoices.intake import Read
from backend.invoices.problems import DocumentsLocked, InvoiceUnreadable
from backend.invoices.repository import BatchEntry, InvoiceBatch
from backend.invoices.secrets import Sealed, Secrets, SecretsError
from backend.invoices.validation.check import validate
from backend.kit.access import Caller, Role
from backend.kit.ids import uuid7
from backend.kit.problems import NotFound, Problem

STEP = 20


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
        entries = list(bundles.unpack(data))
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
