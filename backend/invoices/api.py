"""Routes of invoices: bring one as it is, see what was read and found, show single fields with proof."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated, Any
from urllib.parse import quote
from uuid import UUID

from fastapi import APIRouter, Path, Query, Request, Response
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.datastructures import UploadFile

from backend.invoices import (
    fingerprints,
    goods,
    holds,
    intake,
    repository,
    retention,
    scanner,
    service,
    vault,
    views,
)
from backend.invoices.formats.errors import Unreadable
from backend.invoices.gates.judge import Profile
from backend.invoices.problems import DocumentsLocked, InvoiceUnreadable, NotTheBuyer
from backend.invoices.secrets import Secrets, SecretsError
from backend.invoices.service import InvoiceFacts
from backend.invoices.tables import InvoiceRecord
from backend.invoices.views import (
    ID,
    FieldView,
    FilingBody,
    FingerprintsView,
    GoodsView,
    InvoiceLine,
    InvoiceView,
    LegalHoldBody,
    ReleaseBody,
)
from backend.kit.access import Caller
from backend.kit.web import (
    CurrentCaller,
    CurrentLocale,
    Page,
    Paging,
    Route,
    Session,
    audit_subject,
    page,
    prepared,
    prepared_by,
)

router = APIRouter(prefix="/v1/invoices", route_class=Route, tags=["invoices"])

InvoiceId = Annotated[UUID, Path(examples=[ID])]
_FILE = {"type": "string", "format": "binary"}
_FORM = {"file": _FILE, "fields": {"type": "string"}}
_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "description": "The file itself, or a form with `file`; its kind shows in its content. "
        "`fields` is JSON typed in from a PDF without data.",
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "properties": {"file": _FILE, "fields": {"type": "string"}},
                }
            },
            "application/xml": {"schema": _FILE},
            "application/pdf": {"schema": _FILE},
            "application/octet-stream": {"schema": _FILE},
        },
    }
}


def secrets_of(request: Request) -> Secrets:
    """This process's keys. Raises DocumentsLocked when a key file is missing or malformed."""
    return load_secrets(request.app.state)


def load_secrets(state: Any) -> Secrets:
    """The keys of an application, read from their files on first use."""
    if not hasattr(state, "invoice_secrets"):
        try:
            state.invoice_secrets = Secrets.load(state.settings)
        except SecretsError as error:
            raise DocumentsLocked() from error
    loaded: Secrets = state.invoice_secrets
    return loaded


def reader(state: Any) -> Callable[[AsyncSession, Caller, UUID], Awaitable[InvoiceFacts]]:
    """What other rooms are handed to read an invoice with, without knowing of keys."""

    async def read(session: AsyncSession, caller: Caller, invoice_id: UUID) -> InvoiceFacts:
        return await service.facts(session, caller, load_secrets(state), invoice_id)

    return read


@dataclass(frozen=True, slots=True)
class Brought:
    """A file that was scanned and read, with what it is called and claims to be."""

    file: intake.Read
    name: str | None
    media_type: str
    scan: str


async def _read(request: Request) -> Brought:
    data, name, media_type, fields = await read_file(request)
    clamd = request.app.state.settings.clamd
    scan = await scanner.scan(clamd, data)
    file = await (intake.read(data) if fields is None else intake.by_hand(data, fields))
    await scanner.scan(clamd, *file.attached)
    return Brought(file, name, media_type, scan)


@router.post("", status_code=201, summary="Bring an invoice", openapi_extra=_BODY)
@prepared_by(_read)
async def bring(
    request: Request,
    response: Response,
    caller: CurrentCaller,
    session: Session,
    locale: CurrentLocale,
    profile: Annotated[Profile, Query(description="Rules of the place.")] = "default",
    buyer_party_id: Annotated[
        UUID | None,
        Query(description="The buyer, where the file's numbers do not lead to an admitted party."),
    ] = None,
) -> InvoiceView:
    """Reads the file, finds seller and buyer among the admitted parties, and keeps the original encrypted.

    Refused when it cannot be read, when you are not its seller, or when it is here already.
    """
    brought: Brought = prepared(request)
    record = await intake.receive(
        session,
        caller,
        secrets_of(request),
        brought.file,
        file_name=brought.name,
        media_type=brought.media_type,
        profile=profile,
        buyer_party_id=buyer_party_id,
        scan=brought.scan,
    )
    audit_subject(request, f"invoice:{record.id}")
    response.headers["Location"] = f"/v1/invoices/{record.id}"
    return views.invoice(caller, await service.standing(session, caller, record), locale)


async def read_file(request: Request) -> tuple[bytes, str | None, str, str | None]:
    """Bytes, name and claimed type of what was sent, and fields typed in. Name and type are not believed."""
    claimed = (
        request.headers.get("content-type", "application/octet-stream").partition(";")[0].strip().lower()
    )
    if claimed != "multipart/form-data":
        return await request.body(), None, claimed, None
    async with request.form(max_files=1, max_fields=4) as form:
        part, fields = form.get("file"), form.get("fields")
        if not isinstance(part, UploadFile):
            raise InvoiceUnreadable(Unreadable("form-without-file"))
        media_type = part.content_type or "application/octet-stream"
        return await part.read(), part.filename, media_type, fields if isinstance(fields, str) else None


@router.get("", summary="List invoices")
async def list_invoices(
    caller: CurrentCaller,
    session: Session,
    paging: Paging,
    number: Annotated[str | None, Query(max_length=200, description="Exactly this number.")] = None,
) -> Page[InvoiceLine]:
    """Your invoices as seller and as buyer, newest first; all of the ledger for auditors."""
    statement = repository.visible(caller)
    if number is not None:
        statement = statement.where(InvoiceRecord.number == number)
    rows, following = await page(session, statement, InvoiceRecord.id, paging)
    return Page(items=[views.line(row) for row in rows], next=following)


@router.get("/{invoice_id}", summary="Read an invoice")
async def get_invoice(
    invoice_id: InvoiceId, caller: CurrentCaller, session: Session, locale: CurrentLocale
) -> InvoiceView:
    """What the file says, what the rules say of it, and whether it may be financed as of today."""
    record = await service.get(session, caller, invoice_id)
    return views.invoice(caller, await service.standing(session, caller, record), locale)


@router.get(
    "/{invoice_id}/document",
    summary="Download the original",
    response_class=Response,
    responses={200: {"content": {"application/octet-stream": {"schema": _FILE}}}},
)
async def get_document(
    invoice_id: InvoiceId, request: Request, caller: CurrentCaller, session: Session
) -> Response:
    """The bytes as they were brought. Always as a download: a browser must not run what it finds in there."""
    record = await service.get(session, caller, invoice_id)
    content, name = await vault.original(session, secrets_of(request), record)
    return Response(
        content,
        media_type="application/octet-stream",
        headers={
            "Content-Disposition": f"attachment; filename*=UTF-8''{quote(name or str(record.id), safe='')}",
            "X-Content-Type-Options": "nosniff",
            "Digest": f"sha-256={record.sha256}",
        },
    )


@router.get("/{invoice_id}/fields", summary="Show single fields with proof")
async def get_fields(
    invoice_id: InvoiceId,
    request: Request,
    caller: CurrentCaller,
    session: Session,
    name: Annotated[list[str], Query(min_length=1, max_length=50, examples=[["BT-1", "BT-115"]])],
) -> list[FieldView]:
    """Each field with its salt and the proof that it belongs to the root in the receivable's terms."""
    record = await service.get(session, caller, invoice_id)
    shown = await vault.disclose(session, secrets_of(request), record, name)
    return [views.field(each) for each in shown]


@router.get("/{invoice_id}/deliveries", summary="See what a delivery brought and what of it is accepted")
async def get_deliveries(invoice_id: InvoiceId, caller: CurrentCaller, session: Session) -> list[GoodsView]:
    """For the buyer, before it answers: what it received, and what of it it accepted already."""
    record = await service.get(session, caller, invoice_id)
    if caller.party_id != record.buyer_party_id and not caller.sees_everything:
        raise NotTheBuyer()
    return [views.goods(each) for each in await goods.behind(session, record)]


@router.get("/{invoice_id}/fingerprints", summary="Show the fingerprints with proof")
async def get_fingerprints(
    invoice_id: InvoiceId, request: Request, caller: CurrentCaller, session: Session
) -> FingerprintsView:
    """What the buyer checks before signing: under the ledger's keys the invoice can have no other."""
    record = await service.get(session, caller, invoice_id)
    return views.fingerprints(await fingerprints.of(session, secrets_of(request), record))


@router.post("/{invoice_id}/withdrawal", status_code=204, summary="Take an invoice back")
async def withdraw(
    invoice_id: InvoiceId, request: Request, caller: CurrentCaller, session: Session
) -> Response:
    """Before anybody relied on it; it may be brought again afterwards."""
    record = await service.get(session, caller, invoice_id)
    audit_subject(request, f"invoice:{record.id}")
    await service.withdraw(session, caller, record)
    return Response(status_code=204)


@router.post("/{invoice_id}/erasure", status_code=204, summary="Erase an invoice")
async def erase(invoice_id: InvoiceId, request: Request, caller: CurrentCaller, session: Session) -> Response:
    """Destroys the original and what was read from it. Its hash, root and identity remain."""
    record = await service.get(session, caller, invoice_id)
    audit_subject(request, f"invoice:{record.id}")
    await service.erase(session, caller, record)
    return Response(status_code=204)


@router.put("/{invoice_id}/filing", status_code=204, summary="Note the filing of the assignment")
async def note_filing(
    invoice_id: InvoiceId, body: FilingBody, request: Request, caller: CurrentCaller, session: Session
) -> Response:
    """By the seller, before it sells: China's rules ask for it (中登网), India's remind (CERSAI)."""
    record = await service.get(session, caller, invoice_id)
    audit_subject(request, f"invoice:{record.id}")
    await service.note_filing(session, caller, record, body.number)
    return Response(status_code=204)


@router.put("/{invoice_id}/legal-hold", status_code=204, summary="Keep an invoice from being erased")
async def keep(
    invoice_id: InvoiceId, body: LegalHoldBody, request: Request, caller: CurrentCaller, session: Session
) -> Response:
    """By the operator, for a lawsuit or an inspection; null ends it. The schedule goes on afterwards."""
    record = await service.get(session, caller, invoice_id)
    audit_subject(request, f"invoice:{record.id}")
    await retention.keep(session, caller, record, body.reason)
    return Response(status_code=204)


@router.post("/{invoice_id}/holds/{rule}/release", summary="Let a held invoice go")
async def release(
    invoice_id: InvoiceId,
    rule: Annotated[str, Path(max_length=40, examples=["same-f"])],
    body: ReleaseBody,
    request: Request,
    caller: CurrentCaller,
    session: Session,
    locale: CurrentLocale,
) -> InvoiceView:
    """By the operator, after a look at what it met."""
    record = await service.get(session, caller, invoice_id)
    audit_subject(request, f"invoice:{record.id}")
    await holds.release(session, caller, record, rule, body.reason)
    return views.invoice(caller, await service.standing(session, caller, record), locale)
