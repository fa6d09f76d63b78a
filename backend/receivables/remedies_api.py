"""Routes of what is done when things go otherwise than planned."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Request
from pydantic import Field, StrictBool, StrictInt

from backend.chain.api import ActionView, action_view
from backend.kit.web import Route, audit_subject
from backend.receivables import reading, remedies
from backend.receivables.api import AccountBody, Body, CurrentDesk
from backend.receivables.repository import Note, ReceivableRecord
from backend.receivables.views import ACCOUNT, HASH, AddressText, View

router = APIRouter(prefix="/v1/receivables/{receivable_id}", route_class=Route, tags=["remedies"])

_AMOUNT = Field(gt=0, lt=2**64, description="Minor units.", examples=[120_000])
_NUMBER = Field(min_length=1, max_length=200)
Lot = Annotated[int, Path(ge=1, le=255, description="Disputes are numbered from 1.", examples=[1])]


class DisputeBody(Body):
    """How much is disputed, and why. Only against what the supplier still holds."""

    amount: StrictInt = _AMOUNT
    reason: str = Field(min_length=1, max_length=500, examples=["Two of forty pieces arrived broken."])


class CreditNoteBody(Body):
    """A credit note of the supplier's."""

    amount: StrictInt = _AMOUNT
    number: str = _NUMBER
    lot: StrictInt = Field(
        default=0, ge=0, le=255, description="A disputed lot's number; 0 is the claim itself."
    )


class ConsentBody(Body):
    """How much of what is unpaid on its units a holder gives up."""

    amount: StrictInt = _AMOUNT
    account: AddressText | None = Field(default=None, examples=[ACCOUNT])


class OutsideBody(Body):
    """What reached the holder outside the ledger."""

    amount: StrictInt = _AMOUNT
    reference: str = _NUMBER
    account: AddressText | None = Field(default=None, examples=[ACCOUNT])


class WaiverBody(Body):
    """Whether late interest is given back to the debtor."""

    waived: StrictBool
    account: AddressText | None = Field(default=None, examples=[ACCOUNT])


class ReceiptBody(Body):
    """How many units may be received."""

    units: StrictInt = Field(gt=0, lt=2**64, examples=[1_785_000])
    account: AddressText | None = Field(default=None, examples=[ACCOUNT])


class NoteView(View):
    """What was said, with the salt that proves it against the hash on the chain: SHA-256 of
    `tallystick note v1`, a zero byte, the salt, the text."""

    subject: str = Field(examples=["dispute"])
    party_id: UUID
    text: str
    salt: str = Field(examples=[HASH])
    hash: str = Field(examples=[HASH])
    written_at: datetime


def _view(note: Note) -> NoteView:
    return NoteView(
        subject=note.subject,
        party_id=note.party_id,
        text=note.text,
        salt="0x" + note.salt.hex(),
        hash=note.hash,
        written_at=note.created_at,
    )


async def _debtors(receivable_id: UUID, request: Request, desk: CurrentDesk) -> ReceivableRecord:
    audit_subject(request, f"receivable:{receivable_id}")
    return await reading.own(desk, receivable_id, side="debtor")


async def _suppliers(receivable_id: UUID, request: Request, desk: CurrentDesk) -> ReceivableRecord:
    audit_subject(request, f"receivable:{receivable_id}")
    return await reading.own(desk, receivable_id, side="supplier")


async def _seen(receivable_id: UUID, request: Request, desk: CurrentDesk) -> ReceivableRecord:
    audit_subject(request, f"receivable:{receivable_id}")
    return await reading.get(desk.session, desk.caller, receivable_id)


OfDebtor = Annotated[ReceivableRecord, Depends(_debtors)]
OfSupplier = Annotated[ReceivableRecord, Depends(_suppliers)]
Seen = Annotated[ReceivableRecord, Depends(_seen)]


@router.post("/disputes", status_code=201, summary="Dispute an amount")
async def dispute(record: OfDebtor, body: DisputeBody, desk: CurrentDesk) -> ActionView:
    """What the debtor signs: an amount of the supplier's units is set apart until the dispute ends."""
    return action_view(await remedies.dispute(desk, record, body.amount, body.reason))


@router.post("/disputes/{lot}/end", status_code=201, summary="Give a dispute up")
async def end_dispute(record: OfDebtor, lot: Lot, desk: CurrentDesk) -> ActionView:
    """What the debtor signs: the lot stays apart, can be paid, cannot be passed on."""
    return action_view(await remedies.end_dispute(desk, record, lot))


@router.post("/credit-notes", status_code=201, summary="Give a credit note")
async def credit(record: OfSupplier, body: CreditNoteBody, desk: CurrentDesk) -> ActionView:
    """What the supplier signs. Its own units go first; what is left waits for other holders' consent."""
    return action_view(await remedies.credit(desk, record, body.amount, body.number, body.lot))


@router.post("/credit-notes/{note}/consents", status_code=201, summary="Consent to a credit note")
async def consent_to_credit(
    record: Seen,
    note: Annotated[str, Path(pattern="^0x[0-9a-f]{64}$", examples=[HASH])],
    body: ConsentBody,
    desk: CurrentDesk,
) -> ActionView:
    """What a holder signs to give up units of its own for a credit note; nobody's else are touched."""
    holder = await reading.account(desk, body.account)
    return action_view(await remedies.consent_to_credit(desk, record, holder, note, body.amount))


@router.post("/outside-payments", status_code=201, summary="Say that you were paid outside")
async def close_outside(record: Seen, body: OutsideBody, desk: CurrentDesk) -> ActionView:
    """What a holder signs: units of its own are closed against money that reached it elsewhere."""
    holder = await reading.account(desk, body.account)
    return action_view(await remedies.close_outside(desk, record, holder, body.amount, body.reference))


@router.post("/interest-waivers", status_code=201, summary="Give late interest back")
async def waive_interest(record: Seen, body: WaiverBody, desk: CurrentDesk) -> ActionView:
    """What a holder signs; its share of late interest goes to the debtor at redemption."""
    holder = await reading.account(desk, body.account)
    return action_view(await remedies.waive_interest(desk, record, holder, waived=body.waived))


@router.post("/write-offs", status_code=201, summary="Write units off")
async def write_off(record: Seen, body: AccountBody, desk: CurrentDesk) -> ActionView:
    """What a holder signs after default. It gives nothing up: what is recovered is still its own."""
    holder = await reading.account(desk, body.account)
    return action_view(await remedies.write_off(desk, record, holder))


@router.post("/receipts", status_code=201, summary="Consent to receiving units once")
async def allow_receipt(record: Seen, body: ReceiptBody, desk: CurrentDesk) -> ActionView:
    """What an account signs that takes claims only when asked."""
    taker = await reading.account(desk, body.account)
    return action_view(await remedies.allow_receipt(desk, record, taker, body.units))


@router.get("/notes", summary="Read what was said")
async def list_notes(record: Seen, desk: CurrentDesk) -> list[NoteView]:
    """Reasons of disputes, numbers of credit notes, references of payments outside: what the hashes on the
    chain stand for."""
    return [_view(each) for each in await remedies.notes(desk, record)]
