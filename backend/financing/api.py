"""Routes of offers and sales."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictInt
from sqlalchemy.ext.asyncio import AsyncSession

from backend.chain.api import ActionView, action_view
from backend.financing import repository, service
from backend.financing.model import RATE_FORMULA
from backend.financing.repository import OfferRecord, Sale
from backend.kit import messages, money
from backend.kit.access import Caller
from backend.kit.clock import now
from backend.kit.problems import NotFound
from backend.kit.strict import Moment
from backend.kit.web import CurrentCaller, Page, Paging, Route, Session, audit_subject, page
from backend.parties.service import accounts_of, names_of_accounts
from backend.receivables import reading
from backend.receivables.api import Body, CurrentDesk
from backend.receivables.model import ZERO_HASH
from backend.receivables.views import (
    ACCOUNT,
    HASH,
    ID,
    AddressText,
    Money,
    TimelineView,
    amount,
    timeline_view,
)

router = APIRouter(prefix="/v1", route_class=Route, tags=["financing"])

_HASH = r"^0x[0-9a-f]{64}$"


class WantedBody(Body):
    """A receivable, or a part of it."""

    receivable_id: UUID = Field(examples=[ID])
    units: StrictInt | None = Field(
        default=None, gt=0, lt=2**64, description="All the seller has, if not given."
    )


class OfferBody(Body):
    """An offer to buy, all or nothing."""

    receivables: Annotated[Sequence[WantedBody], Field(min_length=1, max_length=50)]
    seller: AddressText | None = Field(
        default=None, description="The selling account; the supplier's if not given."
    )
    price: StrictInt = Field(gt=0, lt=2**64, description="Minor units.", examples=[5_790_000])
    reserve: StrictInt = Field(
        default=0, ge=0, lt=2**64, description="Part of the price kept back until payment."
    )
    recourse: StrictBool = Field(description="Whether the seller takes it back if the debtor does not pay.")
    repurchase_price: StrictInt | None = Field(
        default=None, gt=0, lt=2**64, description="The price if not given."
    )
    wallet: AddressText = Field(
        examples=[ACCOUNT], description="Whoever signs the offer and pays out of its wallet."
    )
    expires_at: Moment
    agreement: str = Field(default=ZERO_HASH, pattern=_HASH, description="Hash of the master agreement.")
    law: str = Field(default=ZERO_HASH, pattern=_HASH, description="Hash of the law and venue.")
    cash_days: StrictInt | None = Field(
        default=None,
        ge=1,
        le=30,
        description="Where no money token may be used: the claim is locked for so many days until the seller "
        "signs for cash paid outside. Not delivery versus payment.",
    )


class AcceptanceBody(Body):
    """How the seller accepts."""

    min_price: StrictInt | None = Field(
        default=None, gt=0, lt=2**64, description="The offer's price if not given."
    )


class OfferView(BaseModel):
    """An offer, in figures and in words."""

    model_config = ConfigDict(frozen=True)

    id: UUID = Field(examples=[ID])
    status: Literal["prepared", "open", "accepted", "sold", "locked", "lapsed", "withdrawn", "expired"]
    buyer: str = Field(examples=[ACCOUNT])
    buyer_name: str | None = Field(examples=["Example Bank One"])
    seller: str = Field(examples=[ACCOUNT])
    receive: Money = Field(description="What comes at once.")
    later: Money = Field(description="What comes when the debtor has paid.")
    receive_on: date
    instead_of: Money = Field(description="What would come on the due date.")
    due_on: date
    cost: Money
    annual_rate_percent: str | None = Field(examples=["10.40"], description=RATE_FORMULA)
    recourse: bool
    words: dict[str, str] = Field(examples=[{"en": "You receive EUR 57,900.00 …", "zh": "您将收到……"}])
    expires_at: datetime
    sale: str = Field(examples=[HASH], description="Id of the sale that comes of it.")
    terms: dict[str, Any]
    links: dict[str, str]


def words(offer: OfferRecord, today: date) -> dict[str, str]:
    """The offer as its seller should hear it: receive what, when, at what cost, with or without recourse."""
    quote = service.quote(offer, today)
    params = {
        "receive": _grouped(quote.received, offer.currency),
        "date": today.isoformat(),
        "cost": _grouped(quote.cost, offer.currency),
        "due": quote.due_on.isoformat(),
        "instead": _grouped(quote.due_value, offer.currency),
        "later": _grouped(quote.deferred, offer.currency),
        "rate": quote.annual_rate,
        "days": int(offer.terms["lockTime"]) // 86_400,
    }
    said: dict[str, str] = {}
    for locale in messages.LOCALES:
        parts = ["offer-receive"]
        parts += ["offer-later"] if quote.deferred else []
        parts += ["offer-cost" if quote.annual_rate is not None else "offer-cost-no-rate"]
        parts += ["offer-recourse" if quote.recourse else "offer-no-recourse"]
        parts += ["offer-cash"] if params["days"] else []
        said[locale] = messages.text("offer-joint", locale).join(
            messages.text(part, locale, **params) for part in parts
        )
    return said


async def offer_view(session: AsyncSession, offer: OfferRecord) -> OfferView:
    """An offer as it is shown."""
    today, terms = now().date(), offer.terms
    quote = service.quote(offer, today)
    status = offer.status
    if (sale := await repository.sale(session, offer.ledger_id, offer.sale)) is not None:
        status = service.STATUS_OF_SALE[sale.status]
    elif status == "open" and offer.expires_at < now():
        status = "expired"
    names = await names_of_accounts(session, offer.ledger_id, [terms["buyer"]])
    return OfferView(
        id=offer.id,
        status=status,
        buyer=terms["buyer"],
        buyer_name=names.get(terms["buyer"]),
        seller=terms["seller"],
        receive=amount(quote.received, offer.currency),
        later=amount(quote.deferred, offer.currency),
        receive_on=today,
        instead_of=amount(quote.due_value, offer.currency),
        due_on=quote.due_on,
        cost=amount(quote.cost, offer.currency),
        annual_rate_percent=None if quote.annual_rate is None else str(quote.annual_rate),
        recourse=quote.recourse,
        words=words(offer, today),
        expires_at=offer.expires_at,
        sale=offer.sale,
        terms=terms,
        links={"self": f"/v1/offers/{offer.id}", "acceptance": f"/v1/offers/{offer.id}/acceptance"},
    )


@router.post("/offers", status_code=201, summary="Offer to buy")
async def make_offer(body: OfferBody, request: Request, desk: CurrentDesk) -> ActionView:
    """What the buyer signs. Only then does the seller see it; the chain sees it when it is accepted."""
    bid = service.Bid(
        wanted=[service.Wanted(each.receivable_id, each.units) for each in body.receivables],
        price=body.price,
        reserve=body.reserve,
        recourse=body.recourse,
        repurchase_price=body.price if body.repurchase_price is None else body.repurchase_price,
        wallet=body.wallet,
        agreement=body.agreement,
        law=body.law,
        expires_at=body.expires_at,
        seller=body.seller,
        lock_time=(body.cash_days or 0) * 86_400,
    )
    action = await service.prepare_offer(desk, bid)
    audit_subject(request, f"offer:{action.effect['offer']}")
    return action_view(action)


@router.get("/offers", summary="List offers")
async def list_offers(caller: CurrentCaller, session: Session, paging: Paging) -> Page[OfferView]:
    """Offers you made or were made, newest first."""
    rows, following = await page(session, repository.offers(caller), OfferRecord.id, paging)
    return Page(items=[await offer_view(session, row) for row in rows], next=following)


@router.get("/receivables/{receivable_id}/offers", summary="Compare offers")
async def compare_offers(
    receivable_id: UUID,
    caller: CurrentCaller,
    session: Session,
    open_only: Annotated[bool, Query(description="Leave out what cannot be accepted any more.")] = False,
) -> list[OfferView]:
    """The offers for one receivable, best for the seller first, each in a sentence."""
    record = await reading.get(session, caller, receivable_id)
    offers = await repository.for_receivable(session, caller, record.id)
    shown = [await offer_view(session, each) for each in service.ranked(offers, now().date())]
    return [each for each in shown if each.status == "open"] if open_only else shown


@router.get("/receivables/{receivable_id}/timeline", summary="Follow a receivable's life")
async def get_timeline(receivable_id: UUID, caller: CurrentCaller, session: Session) -> list[TimelineView]:
    """Every event of it on the chain, oldest first, its sales among them; their terms for both sides only."""
    record = await reading.get(session, caller, receivable_id)
    entries = [timeline_view(entry) for entry in await reading.timeline(session, caller, record)]
    own = frozenset(await accounts_of(session, caller.party_id))
    for sale in await repository.sales_of(session, record.ledger_id, record.id, record.chain_id):
        together = [
            place
            for place, entry in enumerate(entries)
            if entry.tx_hash == sale.tx_hash and entry.args.get("from") == sale.seller
        ]
        if together:
            told = caller.sees_everything or not own.isdisjoint({sale.seller, sale.buyer})
            last = together[-1]
            entries.insert(last + 1, _sale_view(sale, entries[last].block_number, told=told))
    return entries


def _sale_view(sale: Sale, block_number: int, *, told: bool) -> TimelineView:
    sides = {"sale": sale.sale, "seller": sale.seller, "buyer": sale.buyer, "status": sale.status}
    terms = {key: str(value) if isinstance(value, int) else value for key, value in sale.offer.items()}
    return TimelineView(
        name="OfferAccepted",
        time=sale.time,
        block_number=block_number,
        tx_hash=sale.tx_hash,
        args=sides | terms if told else sides,
    )


@router.get("/offers/{offer_id}", summary="Read an offer")
async def get_offer(offer_id: UUID, caller: CurrentCaller, session: Session) -> OfferView:
    """One offer, in figures and in words."""
    return await offer_view(session, await find_offer(session, caller, offer_id))


@router.post("/offers/{offer_id}/acceptance", status_code=201, summary="Accept an offer")
async def accept_offer(
    offer_id: UUID, body: AcceptanceBody, request: Request, desk: CurrentDesk
) -> ActionView:
    """What the seller signs; then cash and claim change hands in one transaction."""
    offer = await find_offer(desk.session, desk.caller, offer_id, lock=True)
    audit_subject(request, f"offer:{offer.id}")
    return action_view(await service.prepare_acceptance(desk, offer, body.min_price))


async def find_offer(
    session: AsyncSession, caller: Caller, offer_id: UUID, *, lock: bool = False
) -> OfferRecord:
    """An offer the caller may see, or NotFound."""
    if (offer := await repository.offer(session, caller, offer_id, lock=lock)) is None:
        raise NotFound()
    return offer


def _grouped(minor: int, currency: str) -> str:
    return f"{currency} {money.from_minor(minor, currency):,f}"
