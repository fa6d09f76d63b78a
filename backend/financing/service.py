"""Offers: a buyer signs one, the seller compares them in plain words and accepts; cash and claim change hands
at once.

prepared ──the buyer signs──► open ──the seller signs──► accepted ──► a sale on the chain
                                └─ past its expiry it can no longer be accepted
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from backend.chain import outbox
from backend.chain.actions import Actions, Signature
from backend.chain.contracts import Call, Relay
from backend.chain.repository import ActionRecord, Operation
from backend.financing import repository
from backend.financing.model import Quote, QuoteError
from backend.financing.repository import OfferedReceivable, OfferRecord
from backend.kit.clock import now
from backend.kit.problems import NotFound, Problem
from backend.parties.service import account_in_role, party_of_account
from backend.receivables.desk import Desk, Scope
from backend.receivables.movements import confirmed
from backend.receivables.reading import get as receivable
from backend.receivables.repository import ReceivableRecord, holding
from backend.receivables.service import NoAccount, recheck_sale

OFFER, ACCEPT = "offer.make", "offer.accept"
STATUS_OF_SALE = {"done": "sold", "locked": "locked", "lapsed": "lapsed", "cancelled": "withdrawn"}
"""What an offer is called once the chain knows it."""
LONGEST = timedelta(days=30)
"""No offer stays open longer."""
_FUNDER = 1 << 2


class NotAFunder(Problem):
    """The caller's party has no account that may buy claims."""

    status, code = 422, "not-a-funder"


class OwnClaim(Problem):
    """Buyer and seller are the same account."""

    status, code = 422, "own-claim"


class SellerHoldsLess(Problem):
    """The seller holds fewer units than the offer is for."""

    status, code = 422, "seller-holds-less"


class CurrenciesDiffer(Problem):
    """Receivables of one offer are in one currency."""

    status, code = 422, "currencies-differ"


class PriceImpossible(Problem):
    """A price of nothing, or above what is still due."""

    status, code = 422, "price-impossible"


class ExpiryImpossible(Problem):
    """An offer that ends in the past, or too far ahead."""

    status, code = 422, "expiry-impossible"


class OfferNotOpen(Problem):
    """The offer was not signed, was accepted already, withdrawn, or its time is over."""

    status, code = 409, "offer-not-open"


class WrongWallet(Problem):
    """The offer names another wallet than the one that signed."""

    status, code = 422, "wrong-wallet"


@dataclass(frozen=True, slots=True)
class Wanted:
    """A receivable a buyer offers for: all units the seller has of it, or some."""

    receivable_id: UUID
    units: int | None = None


@dataclass(frozen=True, slots=True)
class Bid:
    """What a buyer offers."""

    wanted: Sequence[Wanted]
    price: int
    reserve: int
    recourse: bool
    repurchase_price: int
    wallet: str
    agreement: str
    law: str
    expires_at: datetime
    seller: str | None = None
    lock_time: int = 0
    """Seconds in which the seller signs for cash paid outside; 0 for cash on the ledger, at once."""


@dataclass(frozen=True, slots=True)
class _Parcel:
    record: ReceivableRecord
    units: int
    unpaid: int
    token: str
    currency: str

    def message(self) -> dict[str, Any]:
        return {"id": self.record.chain_id, "units": self.units, "minUnpaid": self.unpaid}


async def prepare_offer(desk: Desk, bid: Bid) -> ActionRecord:
    """What the buyer signs. Refuses early what the chain would refuse."""
    buyer = await account_in_role(desk.session, desk.ledger_id, desk.caller.party_id, _FUNDER)
    if buyer is None:
        raise NotAFunder()
    if not now() < bid.expires_at <= now() + LONGEST:
        raise ExpiryImpossible(days=LONGEST.days)
    records = [await receivable(desk.session, desk.caller, each.receivable_id) for each in bid.wanted]
    seller = bid.seller or records[0].supplier_account
    if seller == buyer:
        raise OwnClaim()
    parcels = [
        await _parcel(desk, record, seller, each.units)
        for record, each in zip(records, bid.wanted, strict=True)
    ]
    if len({parcel.token for parcel in parcels}) > 1:
        raise CurrenciesDiffer()
    due_on = max(date.fromisoformat(parcel.record.due_date) for parcel in parcels)
    due_value = sum(parcel.unpaid for parcel in parcels)
    try:
        Quote(due_value, bid.price - bid.reserve, bid.reserve, now().date(), due_on, bid.recourse)
    except QuoteError as error:
        raise PriceImpossible(due=due_value) from error
    party = await party_of_account(desk.session, desk.ledger_id, seller)
    if party is None:
        raise NoAccount(role="seller")
    terms = {
        "buyer": buyer,
        "seller": seller,
        "parcels": [parcel.message() for parcel in parcels],
        "token": parcels[0].token,
        "price": bid.price,
        "reserve": bid.reserve,
        "recourse": int(bid.recourse),
        "repurchasePrice": bid.repurchase_price,
        "acceptDispute": False,
        "agreement": bid.agreement,
        "law": bid.law,
        "lockTime": bid.lock_time,
        "expiry": int(bid.expires_at.timestamp()),
        "signer": bid.wallet,
        "salt": secrets.randbits(128),
    }
    action = await desk.prepare(
        "Offer",
        terms,
        kind=OFFER,
        subject=f"receivable:{parcels[0].record.chain_id}",
        account=buyer,
        scope=Scope.BUY,
        effect={},
        expires_at=bid.expires_at,
    )
    offer = OfferRecord(
        ledger_id=desk.ledger_id,
        party_id=desk.caller.party_id,
        seller_party_id=party.id,
        terms=action.typed_data["message"],
        sale=action.digest,
        currency=parcels[0].currency,
        price=bid.price,
        reserve=bid.reserve,
        due_value=due_value,
        due_on=due_on.isoformat(),
        expires_at=bid.expires_at,
    )
    desk.session.add(offer)
    await desk.session.flush()
    desk.session.add_all(
        OfferedReceivable(offer_id=offer.id, receivable_id=parcel.record.id) for parcel in parcels
    )
    action.effect = {"offer": str(offer.id)}
    action.links = {"offer": f"/v1/offers/{offer.id}"}
    await desk.session.flush()
    return action


async def _parcel(desk: Desk, record: ReceivableRecord, seller: str, units: int | None) -> _Parcel:
    state = await confirmed(desk, record.chain_id)
    held = await holding(desk.session, desk.ledger_id, record.chain_id, seller)
    wanted = units if units is not None else (held.units if held else 0)
    if held is None or wanted <= 0 or held.units < wanted:
        raise SellerHoldsLess(units=wanted, held=held.units if held else 0)
    return _Parcel(record, wanted, wanted * state.unpaid // state.units, state.token, state.currency)


async def prepare_acceptance(desk: Desk, offer: OfferRecord, least: int | None) -> ActionRecord:
    """What the seller signs. `least` is the lowest price it takes, that of the offer if not given."""
    if offer.seller_party_id != desk.caller.party_id:
        raise NotFound()
    await _require_open(desk.session, offer)
    for parcel in offer.terms["parcels"]:
        await confirmed(desk, parcel["id"])
        held = await holding(desk.session, desk.ledger_id, parcel["id"], offer.terms["seller"])
        if held is None or held.units < int(parcel["units"]):
            raise SellerHoldsLess(units=int(parcel["units"]), held=held.units if held else 0)
    return await desk.prepare(
        "Accept",
        {"offer": offer.terms, "minPrice": offer.price if least is None else least},
        kind=ACCEPT,
        subject=f"receivable:{offer.terms['parcels'][0]['id']}",
        account=offer.terms["seller"],
        scope=Scope.SELL,
        effect={"offer": str(offer.id), "minPrice": offer.price if least is None else least},
        expires_at=offer.expires_at,
        parts=len(offer.terms["parcels"]),
    )


def quote(offer: OfferRecord, today: date) -> Quote:
    """The offer in the supplier's terms, if it were accepted `today`."""
    return Quote(
        due_value=offer.due_value,
        received=offer.price - offer.reserve,
        deferred=offer.reserve,
        paid_on=today,
        due_on=date.fromisoformat(offer.due_on),
        recourse=bool(int(offer.terms["recourse"])),
    )


def ranked(offers: Sequence[OfferRecord], today: date) -> list[OfferRecord]:
    """Best for the seller first: see `Quote.rank`; the older of equals first."""
    return sorted(offers, key=lambda offer: (*quote(offer, today).rank, offer.id))


async def _require_open(session: AsyncSession, offer: OfferRecord) -> None:
    """An acceptance that failed on the chain changed nothing there: the offer is open as before."""
    if offer.status == "accepted" and await outbox.has_failed(session, offer.operation_id):
        offer.status = "open"
    sale = await repository.sale(session, offer.ledger_id, offer.sale)
    if sale is not None:
        raise OfferNotOpen(status=STATUS_OF_SALE[sale.status])
    if offer.status != "open" or offer.expires_at < now():
        raise OfferNotOpen(status="expired" if offer.status == "open" else offer.status)


class SignedHandlers:
    """What signatures of offers and acceptances set going; `app.py` registers them with the mechanism."""

    def __init__(self, actions: Actions) -> None:
        self.actions = actions
        actions.register(OFFER, self.offered)
        actions.register(ACCEPT, self.accepted)

    async def offered(
        self, session: AsyncSession, action: ActionRecord, signatures: Sequence[Signature]
    ) -> None:
        """Shows the offer to the seller. Raises WrongWallet when another key signed than the offer names."""
        offer = await self._offer(session, action)
        if signatures[0].signer != offer.terms["signer"]:
            raise WrongWallet(wallet=offer.terms["signer"], signer=signatures[0].signer)
        offer.signature, offer.cosignature, offer.status = (
            signatures[0].signature,
            _second(signatures),
            "open",
        )

    async def accepted(
        self, session: AsyncSession, action: ActionRecord, signatures: Sequence[Signature]
    ) -> Operation:
        """Sends both signatures to the chain."""
        offer = await self._offer(session, action)
        await _require_open(session, offer)
        sold = [parcel["id"] for parcel in offer.terms["parcels"]]
        await recheck_sale(session, action.ledger_id, sold, offer.terms["seller"])
        contract = self.actions.contracts["Financing"]
        arguments = {
            "offer": numbers(offer.terms),
            "minPrice": int(action.effect["minPrice"]),
            "signature": offer.signature,
        }
        if offer.cosignature in ("0x", None):
            data = contract.abi.function("accept").encode(arguments)
        else:
            second = {"cosignature": offer.cosignature, "permit": "0x"}
            data = contract.abi.function("acceptWith").encode(arguments | second)
        relay = Relay(
            signer=signatures[0].signer,
            nonce=int(action.effect["nonce"]),
            deadline=int(action.effect["deadline"]),
            gas_floor=int(action.effect["gasFloor"]),
            signature=signatures[0].signature,
            cosignature=_second(signatures),
        )
        call = Call(contract.name, contract.address, data, relay)
        operation = await self.actions.enqueue(session, action, call)
        offer.status, offer.operation_id = "accepted", operation.id
        return operation

    async def _offer(self, session: AsyncSession, action: ActionRecord) -> OfferRecord:
        offer = await repository.by_id(session, action.ledger_id, UUID(action.effect["offer"]))
        if offer is None:
            raise NotFound()
        return offer


def _second(signatures: Sequence[Signature]) -> str:
    return "0x" + "".join(each.signer[2:] + each.signature[2:] for each in signatures[1:])


def numbers(terms: dict[str, Any]) -> dict[str, Any]:
    """The offer's message with its integers as integers, as the ABI takes them."""
    text = {"price", "reserve", "recourse", "repurchasePrice", "lockTime", "expiry", "salt"}
    parcels = [{**p, "units": int(p["units"]), "minUnpaid": int(p["minUnpaid"])} for p in terms["parcels"]]
    return {key: int(value) if key in text else value for key, value in terms.items()} | {"parcels": parcels}
