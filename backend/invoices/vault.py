"""Originals at rest: each encrypted under a key of its own, beside its fields with their salts.

The root over the salted fields goes into the terms of a receivable. Whoever may see a field can have it with
the proof that it belongs to that root; erasing both documents leaves the root and nothing else.
"""

import json
from uuid import UUID

from sqlalchemy import delete
from sqlalchemy.ext.asyncio import AsyncSession

from backend.invoices import codec, repository
from backend.invoices.model import Invoice
from backend.invoices.problems import DocumentsLocked, FieldUnknown, InvoiceErased
from backend.invoices.secrets import Sealed, Secrets, SecretsError
from backend.invoices.tables import InvoiceRecord, SealedDocument
from backend.kit.disclosure import Disclosure, SaltedFields


def seal(
    secrets: Secrets, record: InvoiceRecord, data: bytes, invoice: Invoice, file_name: str | None
) -> list[SealedDocument]:
    """The original and its salted fields, sealed; sets the record's `document_root`."""
    fields = SaltedFields.of(codec.business_terms(invoice, record.sha256))
    record.document_root = "0x" + fields.root().hex()
    salted = {name: [fields.salts[name].hex(), value] for name, value in fields.values.items()}
    contents = {"original": data, "fields": json.dumps(salted, ensure_ascii=False).encode()}
    return [_row(secrets, record, kind, content, file_name) for kind, content in contents.items()]


def _row(
    secrets: Secrets, record: InvoiceRecord, kind: str, content: bytes, file_name: str | None
) -> SealedDocument:
    sealed = secrets.seal(content, _about(record.id, kind))
    return SealedDocument(
        ledger_id=record.ledger_id,
        party_id=record.party_id,
        invoice_id=record.id,
        kind=kind,
        file_name=file_name[:255] if file_name and kind == "original" else None,
        ciphertext=sealed.ciphertext,
        wrapped_key=sealed.wrapped_key,
        master_key=sealed.master_key,
    )


async def original(
    session: AsyncSession, secrets: Secrets, record: InvoiceRecord
) -> tuple[bytes, str | None]:
    """The bytes as they were brought, and their name. Raises InvoiceErased, DocumentsLocked."""
    row, content = await _open(session, secrets, record, "original")
    return content, row.file_name


async def salted_fields(session: AsyncSession, secrets: Secrets, record: InvoiceRecord) -> SaltedFields:
    """The fields the root commits to, with their salts. Raises InvoiceErased, DocumentsLocked."""
    _, content = await _open(session, secrets, record, "fields")
    salted = json.loads(content)
    return SaltedFields(
        values={name: value for name, (_, value) in salted.items()},
        salts={name: bytes.fromhex(salt) for name, (salt, _) in salted.items()},
    )


async def disclose(
    session: AsyncSession, secrets: Secrets, record: InvoiceRecord, names: list[str]
) -> list[Disclosure]:
    """Single fields, each with its proof against the record's root. Raises FieldUnknown and as above."""
    fields = await salted_fields(session, secrets, record)
    for name in names:
        if name not in fields.values:
            raise FieldUnknown(field=name[:60])
    return fields.disclose_all(names)


async def erase(session: AsyncSession, record: InvoiceRecord) -> None:
    """Destroys the sealed documents with their keys. Backups keep them until they are rotated out."""
    await session.execute(delete(SealedDocument).where(SealedDocument.invoice_id == record.id))


async def _open(
    session: AsyncSession, secrets: Secrets, record: InvoiceRecord, kind: str
) -> tuple[SealedDocument, bytes]:
    row = await repository.document(session, record.id, kind)
    if row is None:
        raise InvoiceErased()
    try:
        sealed = Sealed(row.ciphertext, row.wrapped_key, row.master_key)
        return row, secrets.open(sealed, _about(record.id, kind))
    except SecretsError as error:
        raise DocumentsLocked() from error


def _about(invoice_id: UUID, kind: str) -> bytes:
    return invoice_id.bytes + kind.encode()
