"""Routes of what follows an offer that is not simply accepted and paid."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Request
from pydantic import Field, StrictBool, StrictInt

from backend.chain.api import ActionView, OperationView, action_view, show_operation
from backend.financing import remedies
from backend.financing.api import find_offer
from backend.financing.repository import OfferRecord
from backend.kit.web import CurrentLocale, Route, audit_subject
from backend.receivables.api import Body, CurrentDesk

router = APIRouter(prefix="/v1/offers/{offer_id}", route_class=Route, tags=["remedies"])

_PARCEL = Field(default=0, ge=0, lt=2**16, description="Which receivable of the offer, from 0.")


class CashBody(Body):
    """What reached the seller."""

    reference: str = Field(min_length=1, max_length=200, examples=["SEPA 4711"])


class DemandBody(Body):
    """Why the claim must be taken back: it did not exist, was set off or was diluted."""

    parcel: StrictInt = _PARCEL
    evidence: str = Field(min_length=1, max_length=500)


class AnswerBody(Body):
    """What the seller says to a demand."""

    parcel: StrictInt = _PARCEL
    admitted: StrictBool
    answer: str = Field(min_length=1, max_length=500)


class RecourseBody(Body):
    """Which parcel is taken back, on what ground, and for how much at most."""

    parcel: StrictInt = _PARCEL
    warranty: StrictBool = Field(description="Under a warranty demand; otherwise for default.")
    most: StrictInt = Field(gt=0, lt=2**64, description="Minor units.")


async def _found(offer_id: UUID, request: Request, desk: CurrentDesk) -> OfferRecord:
    offer = await find_offer(desk.session, desk.caller, offer_id, lock=True)
    audit_subject(request, f"offer:{offer.id}")
    return offer


Found = Annotated[OfferRecord, Depends(_found)]


@router.post("/withdrawal", status_code=201, summary="Take an offer back")
async def withdraw(offer: Found, desk: CurrentDesk) -> ActionView:
    """What the buyer signs. The seller can accept until the chain has it."""
    return action_view(await remedies.withdraw(desk, offer))


@router.post("/cash-receipts", status_code=201, summary="Sign for cash that came outside")
async def acknowledge_cash(offer: Found, body: CashBody, desk: CurrentDesk) -> ActionView:
    """What the seller signs; the locked claim goes to the buyer. No delivery versus payment: it trusts."""
    return action_view(await remedies.acknowledge_cash(desk, offer, body.reference))


@router.post("/lapse", status_code=202, summary="Unlock what was not paid for")
async def lapse(offer: Found, desk: CurrentDesk, locale: CurrentLocale) -> OperationView:
    """Once the time for cash is up the claim goes back to the seller; anybody may send that."""
    return await show_operation(desk.session, await remedies.lapse(desk, offer), locale)


@router.post("/warranty-demands", status_code=201, summary="Demand under the seller's warranty")
async def demand(offer: Found, body: DemandBody, desk: CurrentDesk) -> ActionView:
    """What the buyer signs. The chain records it and judges no facts."""
    return action_view(await remedies.demand(desk, offer, body.parcel, body.evidence))


@router.post("/warranty-answers", status_code=201, summary="Answer a warranty demand")
async def answer(offer: Found, body: AnswerBody, desk: CurrentDesk) -> ActionView:
    """What the seller signs."""
    return action_view(await remedies.answer(desk, offer, body.parcel, body.answer, admitted=body.admitted))


@router.post("/recourse", status_code=201, summary="Take a claim back")
async def perform(offer: Found, body: RecourseBody, desk: CurrentDesk) -> ActionView:
    """What the seller signs; the money comes from the signer's wallet, the units come back at once."""
    return action_view(await remedies.perform(desk, offer, body.parcel, body.most, warranty=body.warranty))


@router.post("/reserve-release", status_code=202, summary="Collect from the reserve")
async def release(offer: Found, desk: CurrentDesk, locale: CurrentLocale) -> OperationView:
    """Pays your side what is due to it of the part of the price that was kept back."""
    return await show_operation(desk.session, await remedies.release(desk, offer), locale)
