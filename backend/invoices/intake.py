"""Taking an invoice in: read, seller and buyer found, identity claimed, original sealed, holds noted."""

import asyncio
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from backend.invoices import codec, holds, matching, reading, repository, uniqueness, vault
from backend.invoices.formats import bounds, contents, json
from backend.invoices.formats.errors import Unreadable
from backend.invoices.gates.judge import Effect, Facts, Profile, judge
from backend.invoices.matching import Admitted
from backend.invoices.model import Format, Invoice
from backend.invoices.problems import (
    InvoiceIncomplete,
    InvoiceKnown,
    InvoiceOfAnother,
    InvoiceUnreadable,
)
from backend.invoices.secrets import Secrets
from backend.invoices.tables import InvoiceIdentity, InvoiceRecord, InvoiceToken
from backend.invoices.uniqueness import Kind, Token
from backend.invoices.validation.check import validate
from backend.invoices.validation.result import Validation
from backend.kit.access import Caller, Role
from backend.kit.clock import now
from backend.kit.ids import uuid7
from backend.kit.spelling import spelling

_SELF_BILLED = {"389", "527"}  # UNTDID 1001
_NEEDED = ("BT-1", "BT-2", "BT-5")


@dataclass(frozen=True, slots=True)
class Read:
    """A file and what it says, before anything is believed."""

    data: bytes
    invoice: Invoice
    validation: Validation

    @property
    def attached(self) -> list[bytes]:
        """What is embedded in it, decoded: a scanner cannot look through an encoding."""
        return [each.content for each in self.invoice.attachments if each.content]


async def read(data: bytes) -> Read:
    """Reads and validates a file, in a thread: it is the server's heaviest work. Raises InvoiceUnreadable."""
    try:
        return await asyncio.to_thread(_read, data)
    except Unreadable as refusal:
        raise InvoiceUnreadable(refusal) from None


async def by_hand(data: bytes, fields: str) -> Read:
    """A PDF without data, and what a person typed in from it (our own JSON). Raises InvoiceUnreadable."""
    try:
        if not reading.is_picture_only(data):
            raise Unreadable("manual-needs-picture")
        invoice = replace(bounds.within(json.read(fields.encode())), format=Format.PDF)
    except Unreadable as refusal:
        raise InvoiceUnreadable(refusal) from None
    return Read(data, invoice, validate(invoice, None))


def _read(data: bytes) -> Read:
    invoice, root = reading.read_with_xml(data)
    for each in invoice.attachments:
        if reason := contents.suspect(each):
            raise Unreadable(
                f"attachment-{reason}", name=(each.name or "-")[:100], type=each.media_type or "-"
            )
    return Read(data, invoice, validate(invoice, root))


async def receive(
    session: AsyncSession,
    caller: Caller,
    secrets: Secrets,
    file: Read,
    *,
    file_name: str | None = None,
    media_type: str = "application/octet-stream",
    profile: Profile = "default",
    buyer_party_id: UUID | None = None,
    scan: str = "not-scanned",
) -> InvoiceRecord:
    """Takes an invoice in: its seller must be the caller, and nobody may have brought it before.

    `buyer_party_id` names the buyer where the file's own numbers do not lead to an admitted party. Raises
    InvoiceIncomplete, InvoiceOfAnother, InvoiceKnown.
    """
    caller.require(Role.MAKER, Role.CHECKER)
    invoice = file.invoice
    _complete(invoice)
    seller, buyer = await _parties(session, caller, invoice, buyer_party_id)
    record = InvoiceRecord(
        id=uuid7(),
        ledger_id=caller.ledger_id,
        party_id=seller.id,
        buyer_party_id=buyer.id if buyer else None,
        uploaded_by=caller.user_id,
        state="open",
        number=(invoice.number or "")[:200],
        issue_date=invoice.issue_date.isoformat() if invoice.issue_date else "",
        currency=invoice.currency or "",
        profile=profile,
        fields=codec.dump(invoice),
        validation=codec.dump_validation(file.validation),
        sha256="0x" + hashlib.sha256(file.data).hexdigest(),
        media_type=media_type[:100],
        scan=scan,
    )
    documents = vault.seal(secrets, record, file.data, invoice, file_name)
    await _claim_identity(session, caller, record, _tokens(file, secrets, seller, buyer))
    session.add_all(documents)
    facts = Facts(
        today=now().date(),
        seller_admitted=True,
        buyer_admitted=buyer is not None,
        uploaded_by_buyer=caller.party_id != seller.id,
    )
    for reason in judge(invoice, file.validation, facts, profile).reasons:
        if reason.effect is Effect.HOLD and reason.settled_by is None:
            holds.hold(session, record, reason.rule, params=reason.params)
    await holds.compare(session, record)
    return record


def _complete(invoice: Invoice) -> None:
    spelled = spelling(invoice.number or "")
    values = (spelled or None, invoice.issue_date, invoice.currency)
    missing = [term for term, value in zip(_NEEDED, values, strict=True) if value is None]
    if missing:
        raise InvoiceIncomplete(*missing)


async def _parties(
    session: AsyncSession, caller: Caller, invoice: Invoice, buyer_party_id: UUID | None
) -> tuple[Admitted, Admitted | None]:
    """Seller and buyer as admitted. The caller is the seller, or the buyer of a self-billed invoice."""
    own = await matching.admitted(session, caller.ledger_id, caller.party_id)
    if matching.is_party(invoice.seller, own):
        if buyer_party_id is not None:
            return own, await matching.admitted(session, caller.ledger_id, buyer_party_id)
        return own, await matching.find(session, caller.ledger_id, invoice.buyer)
    if invoice.type in _SELF_BILLED and matching.is_party(invoice.buyer, own):
        seller = await matching.find(session, caller.ledger_id, invoice.seller)
        if seller is not None:
            return seller, own
    raise InvoiceOfAnother(seller=invoice.seller.name or invoice.seller.vat or "?", caller=own.name)


def _tokens(file: Read, secrets: Secrets, seller: Admitted, buyer: Admitted | None) -> Sequence[Token]:
    """The tokens under every key this server has: what was kept under an old one is still found."""
    debtor = buyer.identifiers[0] if buyer else None
    return [
        token
        for key in secrets.masters
        for token in uniqueness.tokens(file.invoice, file.data, seller.identifiers, debtor, key.tokens)
    ]


async def _claim_identity(
    session: AsyncSession, caller: Caller, record: InvoiceRecord, tokens: Sequence[Token]
) -> None:
    """Stores the record and its tokens. Raises InvoiceKnown for an identity that is here already."""
    identities = {token.value for token in tokens if token.kind is Kind.E}
    if known := await repository.identity_owner(session, record.ledger_id, identities):
        # Who bills itself in the seller's name learns nothing of what the seller billed others.
        told = known if caller.party_id in (known.party_id, known.buyer_party_id) else record
        raise InvoiceKnown(number=told.number, issue_date=told.issue_date)
    session.add(record)
    await session.flush()
    session.add_all(
        InvoiceIdentity(ledger_id=record.ledger_id, value=value, invoice_id=record.id)
        for value in sorted(identities)
    )
    session.add_all(
        InvoiceToken(
            ledger_id=record.ledger_id,
            invoice_id=record.id,
            kind=token.kind.value,
            value=token.value,
            items={item: format(quantity, "f") for item, quantity in token.items.items()},
            delivery=token.delivery,
            units=dict(token.units),
        )
        for token in tokens
        if token.kind is not Kind.E
    )
    try:
        await session.flush()
    except IntegrityError as error:  # another request was faster by a moment
        raise InvoiceKnown(number=record.number, issue_date=record.issue_date) from error
