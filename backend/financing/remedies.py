"""What follows an offer that is not simply accepted and paid: withdrawal, cash outside, warranty, recourse.

Each prepares what a party signs; the chain decides. What nobody needs to sign, because anybody may send it (a
lock whose time is up, a reserve that is due), goes straight into the outbox.
"""

from collections.abc import Mapping
from typing import Any, Final

from backend.chain import outbox
from backend.chain.actions import relayed
from backend.chain.contracts import Call
from backend.chain.repository import ActionRecord, Operation
from backend.financing import repository
from backend.financing.repository import OfferRecord, Sale
from backend.financing.service import OfferNotOpen, numbers
from backend.kit.access import WRITERS
from backend.kit.clock import now
from backend.kit.problems import NotFound, Problem
from backend.receivables.desk import Desk, Scope
from backend.receivables.remedies import Subject, write_note

CANCEL, CASH, LAPSE = "offer.cancel", "sale.cash", "sale.lapse"
DEMAND, ANSWER, RECOURSE, RESERVE = "sale.warranty", "sale.warranty.answer", "sale.recourse", "sale.reserve"
_NOTHING: Final[Mapping[str, list[int]]] = {"sent": [], "reduced": []}


class NotSold(Problem):
    """No sale came of the offer, so nothing of it can be asked for."""

    status, code = 409, "not-sold"


class NotLocked(Problem):
    """The sale does not wait for cash."""

    status, code = 409, "not-locked"


class CashTime(Problem):
    """The time for the cash of a sale is up, or not yet."""

    status, code = 409, "cash-time"


class ParcelUnknown(Problem):
    """The offer has no parcel of that number."""

    status, code = 404, "parcel-unknown"


class NoRecourse(Problem):
    """The sale was without recourse for default."""

    status, code = 409, "no-recourse"


class NoReserve(Problem):
    """Nothing of the price was kept back."""

    status, code = 409, "no-reserve"


async def withdraw(desk: Desk, offer: OfferRecord) -> ActionRecord:
    """The buyer takes a signed offer back: until the chain has that, the seller may still accept."""
    _only(desk, offer, buyer=True)
    if offer.status not in {"open", "accepted"} or offer.expires_at < now():
        raise OfferNotOpen(status=offer.status)
    if await repository.sale(desk.session, desk.ledger_id, offer.sale) is not None:
        raise OfferNotOpen(status="sold")
    return await _prepare(desk, offer, "CancelOffer", {}, CANCEL, offer.terms["buyer"], Scope.BUY)


async def acknowledge_cash(desk: Desk, offer: OfferRecord, reference: str) -> ActionRecord:
    """The seller signs that the cash reached it outside; the locked units go to the buyer."""
    _only(desk, offer, buyer=False)
    sale = await _locked(desk, offer)
    if _until(sale) < now().timestamp():
        raise CashTime(until=_until(sale))
    note = await _note(desk, offer, 0, "cash", reference)
    seller = offer.terms["seller"]
    args = {"paymentReference": note}
    return await _prepare(desk, offer, "AcknowledgeCash", args, CASH, seller, Scope.SELL)


async def lapse(desk: Desk, offer: OfferRecord) -> Operation:
    """Gives locked units back to the seller once the time for cash is up. Needs nobody's signature."""
    desk.caller.require(*WRITERS)
    sale = await _locked(desk, offer)
    if _until(sale) >= now().timestamp():
        raise CashTime(until=_until(sale))
    return await _send(desk, offer, "lapse", {"offer": numbers(offer.terms)}, LAPSE)


async def demand(desk: Desk, offer: OfferRecord, parcel: int, evidence: str) -> ActionRecord:
    """The buyer demands that the seller take a parcel back under its warranty, and says why."""
    _only(desk, offer, buyer=True)
    await _sold(desk, offer)
    note = await _note(desk, offer, parcel, "warranty", evidence)
    args = {"parcel": parcel, "evidence": note}
    return await _prepare(desk, offer, "DemandWarranty", args, DEMAND, offer.terms["buyer"], Scope.ADJUST)


async def answer(desk: Desk, offer: OfferRecord, parcel: int, said: str, *, admitted: bool) -> ActionRecord:
    """The seller answers a warranty demand."""
    _only(desk, offer, buyer=False)
    await _sold(desk, offer)
    note = await _note(desk, offer, parcel, "warranty-answer", said)
    args = {"parcel": parcel, "admitted": admitted, "answer": note}
    return await _prepare(desk, offer, "AnswerWarranty", args, ANSWER, offer.terms["seller"], Scope.ADJUST)


async def perform(desk: Desk, offer: OfferRecord, parcel: int, most: int, *, warranty: bool) -> ActionRecord:
    """The seller takes a parcel back for cash out of the signer's wallet, `most` minor units at most."""
    _only(desk, offer, buyer=False)
    sale = await _sold(desk, offer)
    _parcel(offer, parcel)
    if not warranty and not int(offer.terms["recourse"]):
        raise NoRecourse()
    args = {"parcel": parcel, "warranty": warranty, "maxPrice": most}
    rest = {"facts": _facts(sale)}
    seller = offer.terms["seller"]
    return await _prepare(desk, offer, "PerformRecourse", args, RECOURSE, seller, Scope.PAY, rest)


async def release(desk: Desk, offer: OfferRecord) -> Operation:
    """Pays the caller what is due to it of the sale's reserve. Needs nobody's signature."""
    desk.caller.require(*WRITERS)
    sale = await _sold(desk, offer)
    if not int(offer.terms["reserve"]):
        raise NoReserve()
    account = offer.terms["buyer" if desk.caller.party_id == offer.party_id else "seller"]
    args = {"offer": numbers(offer.terms), "facts": _facts(sale), "account": account}
    return await _send(desk, offer, "releaseReserve", args, RESERVE)


async def _prepare(
    desk: Desk,
    offer: OfferRecord,
    name: str,
    args: Mapping[str, Any],
    kind: str,
    account: str,
    scope: Scope,
    unsigned: Mapping[str, Any] | None = None,
) -> ActionRecord:
    """What is signed is the offer and `args`; `unsigned` follows them in the call."""
    action = await desk.prepare(
        name,
        {"offer": offer.terms, **args},
        kind=kind,
        subject=f"offer:{offer.id}",
        account=account,
        scope=scope,
        effect={},
        parts=len(offer.terms["parcels"]),
    )
    function = desk.actions.contracts["Financing"].abi.function(name[0].lower() + name[1:])
    action.effect = relayed(
        "Financing",
        function.encode([numbers(offer.terms), *args.values(), *(unsigned or {}).values()]),
        nonce=int(action.effect["nonce"]),
        deadline=int(action.effect["deadline"]),
        gas_floor=int(action.effect["gasFloor"]),
    )
    await desk.session.flush()
    return action


async def _send(desk: Desk, offer: OfferRecord, name: str, args: Mapping[str, Any], kind: str) -> Operation:
    contract = desk.actions.contracts["Financing"]
    call = Call(contract.name, contract.address, contract.abi.function(name).encode(args))
    return await outbox.enqueue(
        desk.session,
        call,
        ledger_id=desk.ledger_id,
        party_id=desk.caller.party_id,
        user_id=desk.caller.user_id,
        kind=kind,
        subject=f"offer:{offer.id}",
    )


def _only(desk: Desk, offer: OfferRecord, *, buyer: bool) -> None:
    if desk.caller.party_id != (offer.party_id if buyer else offer.seller_party_id):
        raise NotFound()


def _parcel(offer: OfferRecord, parcel: int) -> str:
    parcels = offer.terms["parcels"]
    if parcel >= len(parcels):
        raise ParcelUnknown(parcel=parcel, parcels=len(parcels))
    return str(parcels[parcel]["id"])


async def _note(desk: Desk, offer: OfferRecord, parcel: int, subject: Subject, text: str) -> str:
    """Keeps what is said with the receivable the parcel is of; answers its hash."""
    key = _parcel(offer, parcel)
    record = await repository.offered(desk.session, offer, key)
    return await write_note(desk, record, subject, text)


async def _sold(desk: Desk, offer: OfferRecord) -> Sale:
    sale = await repository.sale(desk.session, desk.ledger_id, offer.sale)
    if sale is None or sale.status != "done":
        raise NotSold(status=sale.status if sale else offer.status)
    return sale


async def _locked(desk: Desk, offer: OfferRecord) -> Sale:
    sale = await repository.sale(desk.session, desk.ledger_id, offer.sale)
    if sale is None or sale.status != "locked":
        raise NotLocked(status=sale.status if sale else offer.status)
    return sale


def _until(sale: Sale) -> int:
    return int(sale.time.timestamp()) + int(sale.offer["lockTime"])


def _facts(sale: Sale) -> Mapping[str, Any]:
    """What held at the sale, as its event said; nothing where it said nothing."""
    found: Mapping[str, Any] = sale.offer.get("facts", _NOTHING)
    return found
