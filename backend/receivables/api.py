"""Routes of receivables: from an invoice to a confirmed claim, and what can be done with it."""

from collections.abc import Awaitable, Callable
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictInt
from sqlalchemy.ext.asyncio import AsyncSession

from backend.chain.api import ActionView, CurrentActions, action_view
from backend.invoices.service import InvoiceFacts
from backend.kit.access import Caller
from backend.kit.strict import Day
from backend.kit.web import CurrentCaller, Page, Paging, Route, Session, audit_subject
from backend.receivables import movements, reading, service
from backend.receivables.calendar import BusinessDayRule
from backend.receivables.desk import Desk
from backend.receivables.service import Wishes
from backend.receivables.views import (
    ACCOUNT,
    ID,
    AddressText,
    HoldingView,
    ReceivableView,
)
from backend.signing.ledger import Ledger, parse

router = APIRouter(prefix="/v1", route_class=Route, tags=["receivables"])

InvoiceReader = Callable[[AsyncSession, Caller, UUID], Awaitable[InvoiceFacts]]


@lru_cache(maxsize=4)
def _ledger(path: Path, _modified: float) -> Ledger:
    return parse(path)


def current_desk(
    request: Request, session: Session, caller: CurrentCaller, mechanism: CurrentActions
) -> Desk:
    """What the use cases work with."""
    path: Path = request.app.state.settings.deployment
    return Desk(session, caller, mechanism, _ledger(path, path.stat().st_mtime))


CurrentDesk = Annotated[Desk, Depends(current_desk)]


class Body(BaseModel):
    """A request body; members nobody asked for are refused."""

    model_config = ConfigDict(extra="forbid")


class ReceivableBody(Body):
    """A receivable to be made from an invoice of yours."""

    invoice_id: UUID = Field(examples=[ID])
    due_date: Day | None = Field(
        default=None, description="Where the invoice names none, or the buyer agreed to another."
    )
    amount: StrictInt | None = Field(
        default=None, gt=0, description="Minor units; less than payable where the buyer keeps some back."
    )
    time_zone: str = Field(default="UTC", max_length=64, examples=["Europe/Berlin"])
    business_day_rule: BusinessDayRule = BusinessDayRule.FOLLOWING
    calendar: Literal["WEEKENDS", "TARGET"] = "WEEKENDS"
    undertaking: Literal["acknowledged", "irrevocable"] = "irrevocable"
    grace_days: StrictInt = Field(default=30, ge=0, le=365)
    late_rate: StrictInt = Field(
        default=0, ge=0, lt=2**24, description="Millionths a year.", examples=[80_000]
    )


class ReasonBody(Body):
    """Why."""

    reason: str = Field(min_length=1, max_length=500, examples=["Only 38 of 40 pieces arrived."])


class InvitationBody(Body):
    """Whom to show it to."""

    party_id: UUID = Field(examples=[ID])


class TransferBody(Body):
    """Units to give away."""

    to: AddressText = Field(examples=[ACCOUNT])
    units: StrictInt = Field(gt=0, lt=2**64, examples=[1_785_000])
    account: AddressText | None = Field(
        default=None, description="The giving account; not needed if you have one."
    )


class PaymentBody(Body):
    """Money to pay out of the signer's wallet."""

    amount: StrictInt = Field(gt=0, lt=2**64, description="Minor units; what is more than owed is not taken.")
    account: AddressText | None = None


class AccountBody(Body):
    """Which account of yours it is for."""

    account: AddressText | None = Field(default=None, description="Not needed if you have one account.")


class PermitBody(Body):
    """How much a contract may take from a wallet of yours."""

    currency: str = Field(pattern="^[A-Z]{3}$", examples=["EUR"])
    purpose: Literal["payments", "purchases"]
    amount: StrictInt = Field(
        gt=0, lt=2**64, description="Minor units, all later payments or purchases together."
    )
    wallet: AddressText = Field(examples=[ACCOUNT], description="Whoever signs, and whose money it is.")
    account: AddressText | None = None


class ConsentBody(Body):
    """Whether an account takes claims without being asked each time."""

    open: StrictBool
    account: AddressText | None = None


@router.post("/receivables", status_code=201, summary="Make a receivable from an invoice")
async def draft_receivable(body: ReceivableBody, request: Request, desk: CurrentDesk) -> ReceivableView:
    """A draft with the terms both sides will sign. Refused where the chain would refuse it, or the same
    invoice is claimed already."""
    read: InvoiceReader = request.app.state.read_invoice
    wishes = Wishes(
        **body.model_dump(exclude={"invoice_id", "undertaking"}),
        undertaking=1 if body.undertaking == "irrevocable" else 0,
    )
    invoice = await read(desk.session, desk.caller, body.invoice_id)
    record = await service.draft(desk, invoice, wishes)
    audit_subject(request, f"receivable:{record.id}")
    return await reading.show(desk.session, desk.caller, record)


@router.get("/receivables", summary="List receivables")
async def list_receivables(
    caller: CurrentCaller,
    session: Session,
    paging: Paging,
    stage: Annotated[
        Literal["draft", "put_forward", "agreed", "rejected", "withdrawn"] | None, Query()
    ] = None,
    invoice_id: Annotated[UUID | None, Query()] = None,
) -> Page[ReceivableView]:
    """Receivables you are supplier, debtor or holder of, newest first."""
    items, following = await reading.listing(session, caller, paging, stage=stage, invoice_id=invoice_id)
    return Page(items=items, next=following)


@router.get("/receivables/{receivable_id}", summary="Read a receivable")
async def get_receivable(receivable_id: UUID, caller: CurrentCaller, session: Session) -> ReceivableView:
    """Terms, where it stands, what your accounts have of it, and before you confirm, what was delivered."""
    return await reading.show_with_goods(session, caller, await reading.get(session, caller, receivable_id))


@router.post("/receivables/{receivable_id}/issue", status_code=201, summary="Put a receivable forward")
async def issue(receivable_id: UUID, request: Request, desk: CurrentDesk) -> ActionView:
    """What the supplier signs. Its signature is kept until the debtor has signed the same terms."""
    record = await reading.own(desk, receivable_id, side="supplier")
    audit_subject(request, f"receivable:{record.id}")
    return action_view(await service.prepare_issue(desk, record))


@router.post("/receivables/{receivable_id}/confirmation", status_code=201, summary="Confirm a receivable")
async def confirm(receivable_id: UUID, request: Request, desk: CurrentDesk) -> ActionView:
    """What the debtor signs. With its signature the receivable goes to the chain, issued and confirmed."""
    record = await reading.own(desk, receivable_id, side="debtor")
    audit_subject(request, f"receivable:{record.id}")
    return action_view(await service.prepare_confirmation(desk, record))


@router.post("/receivables/{receivable_id}/rejection", summary="Turn a receivable down")
async def reject(
    receivable_id: UUID, body: ReasonBody, request: Request, desk: CurrentDesk
) -> ReceivableView:
    """The debtor does not confirm it; nothing of it shows on the chain."""
    record = await reading.own(desk, receivable_id, side="debtor")
    audit_subject(request, f"receivable:{record.id}")
    await service.reject(desk, record, body.reason)
    return await reading.show(desk.session, desk.caller, record)


@router.post("/receivables/{receivable_id}/withdrawal", summary="Withdraw a receivable")
async def withdraw(
    receivable_id: UUID, body: ReasonBody, request: Request, desk: CurrentDesk
) -> ReceivableView:
    """The supplier takes it back before the debtor has signed."""
    record = await reading.own(desk, receivable_id, side="supplier")
    audit_subject(request, f"receivable:{record.id}")
    await service.withdraw(desk, record, body.reason)
    return await reading.show(desk.session, desk.caller, record)


@router.post("/receivables/{receivable_id}/invitations", summary="Show a receivable to a bank")
async def invite(
    receivable_id: UUID, body: InvitationBody, request: Request, desk: CurrentDesk
) -> ReceivableView:
    """Lets another party read it, check it and offer for it."""
    record = await reading.own(desk, receivable_id, side="supplier")
    audit_subject(request, f"receivable:{record.id}")
    await service.invite(desk, record, body.party_id)
    return await reading.show(desk.session, desk.caller, record)


@router.post("/receivables/{receivable_id}/transfers", status_code=201, summary="Give a part away")
async def transfer(
    receivable_id: UUID, body: TransferBody, request: Request, desk: CurrentDesk
) -> ActionView:
    """What the holder signs to pass units on to another party's account."""
    record = await reading.get(desk.session, desk.caller, receivable_id)
    audit_subject(request, f"receivable:{record.id}")
    giver = await reading.account(desk, body.account)
    return action_view(await movements.transfer(desk, record.chain_id, giver, body.to, body.units))


@router.post("/receivables/{receivable_id}/payments", status_code=201, summary="Pay")
async def pay(receivable_id: UUID, body: PaymentBody, request: Request, desk: CurrentDesk) -> ActionView:
    """What the payer signs; the money comes from the signer's wallet, which must have permitted it."""
    record = await reading.get(desk.session, desk.caller, receivable_id)
    audit_subject(request, f"receivable:{record.id}")
    payer = await reading.account(desk, body.account)
    return action_view(await movements.pay(desk, record.chain_id, payer, body.amount))


@router.post("/receivables/{receivable_id}/redemptions", status_code=201, summary="Collect what was paid")
async def redeem(receivable_id: UUID, body: AccountBody, request: Request, desk: CurrentDesk) -> ActionView:
    """What the holder signs; the money goes to its account's payout address."""
    record = await reading.get(desk.session, desk.caller, receivable_id)
    audit_subject(request, f"receivable:{record.id}")
    holder = await reading.account(desk, body.account)
    return action_view(await movements.redeem(desk, record.chain_id, holder))


@router.get("/holdings", summary="List what you hold")
async def list_holdings(caller: CurrentCaller, session: Session) -> list[HoldingView]:
    """Everything your accounts have of any receivable."""
    return await reading.holdings(session, caller)


@router.post("/permits", status_code=201, summary="Permit a contract to take money")
async def permit(body: PermitBody, request: Request, desk: CurrentDesk) -> ActionView:
    """What a wallet signs (EIP-2612) before its payments or purchases can take money from it."""
    spender = "Receivables" if body.purpose == "payments" else "Financing"
    account = await reading.account(desk, body.account)
    action = await movements.permit(desk, account, body.wallet, body.currency, spender, body.amount)
    audit_subject(request, action.subject)
    return action_view(action)


@router.post("/consents", status_code=201, summary="Consent to receiving claims")
async def consent(body: ConsentBody, request: Request, desk: CurrentDesk) -> ActionView:
    """What an account's manager signs so that others may send it claims."""
    account = await reading.account(desk, body.account)
    audit_subject(request, f"account:{account}")
    return action_view(await movements.consent(desk, account, is_open=body.open))
