"""Claims and cash change hands together, or not at all."""

import itertools
from typing import Any

import brownie
import pytest

from tests.contracts.ledger import (
    CASH,
    DAY,
    FACE,
    NOTHING,
    Actor,
    Ledger,
    digest_of,
    refused,
    sign,
    values,
)

PRICE = FACE * 97 // 100
DONE = 2
_salt = itertools.count(1)


def offer_for(ledger: Ledger, *claims: bytes, **changes: object) -> dict[str, Any]:
    """The bank's offer to the supplier for whole claims, delivery versus payment."""
    return {
        "buyer": ledger.bank.account,
        "seller": ledger.supplier.account,
        "parcels": [(claim, FACE, FACE) for claim in claims],
        "token": ledger.euro.address,
        "price": PRICE * len(claims),
        "reserve": 0,
        "recourse": 0,
        "repurchasePrice": PRICE * len(claims),
        "acceptDispute": False,
        "agreement": digest_of("master agreement"),
        "law": digest_of("law"),
        "lockTime": 0,
        "expiry": brownie.chain.time() + DAY,
        "signer": ledger.bank.key.address,
        "salt": next(_salt),
    } | changes


def signature_of(ledger: Ledger, offer: dict[str, Any], by: Actor | None = None, **elsewhere: Any) -> bytes:
    parcels = [dict(zip(("id", "units", "minUnpaid"), parcel, strict=True)) for parcel in offer["parcels"]]
    return sign(by or ledger.bank, ledger.financing, "Offer", offer | {"parcels": parcels}, **elsewhere)


def permit_for(ledger: Ledger, amount: int) -> bytes:
    """The bank's ERC-2612 permit of that many minor units, packed as `acceptWith` takes it."""
    owner, deadline = ledger.bank.key, brownie.chain.time() + DAY
    message = {
        "owner": owner.address,
        "spender": ledger.financing.address,
        "value": amount * ledger.scale,
        "nonce": ledger.euro.nonces(owner),
        "deadline": deadline,
    }
    signature = sign(ledger.bank, ledger.euro, "Permit", message)
    words = (message["value"], deadline, signature[64])
    return b"".join(word.to_bytes(32, "big") for word in words) + signature[:64]


def accept(ledger: Ledger, offer: dict[str, Any], least: int = 0, permit: bytes | None = None) -> Any:
    signature = signature_of(ledger, offer)
    paid = permit_for(ledger, offer["price"]) if permit is None else permit
    return ledger.financing.acceptWith(values(offer), least, signature, NOTHING, paid, ledger.supplier.sends)


@pytest.mark.main_path
def test_cash_and_claim_change_hands_in_one_transaction(ledger: Ledger) -> None:
    claim = ledger.claim()
    offer = offer_for(ledger, claim)
    sold = accept(ledger, offer, least=PRICE)
    assert ledger.units(ledger.bank, claim) == FACE
    assert ledger.units(ledger.supplier, claim) == 0
    assert ledger.cash(ledger.supplier.payout) == PRICE
    assert ledger.cash(ledger.bank.key) == CASH - PRICE
    assert ledger.euro.allowance(ledger.bank.key, ledger.financing) == 0
    sale = sold.events["OfferAccepted"]["sale"]
    assert sale == ledger.financing.offerDigest(values(offer))
    assert ledger.financing.saleOf(sale)[0] == DONE
    with refused("SaleStatusIs"):
        accept(ledger, offer)


def test_several_claims_are_sold_together_or_none(ledger: Ledger) -> None:
    first, second = ledger.claim(), ledger.claim()
    accept(ledger, offer_for(ledger, first, second))
    assert ledger.units(ledger.bank, first) == ledger.units(ledger.bank, second) == FACE

    third = ledger.claim()
    with refused("NotEnoughUnits"):
        accept(ledger, offer_for(ledger, third, first))
    assert ledger.units(ledger.supplier, third) == FACE


@pytest.mark.main_path
def test_without_the_cash_nothing_moves(ledger: Ledger) -> None:
    claim = ledger.claim()
    with refused("ERC20InsufficientAllowance"):
        accept(ledger, offer_for(ledger, claim), permit=NOTHING)
    assert ledger.units(ledger.supplier, claim) == FACE
    assert ledger.cash(ledger.supplier.payout) == 0


@pytest.mark.main_path
def test_an_offer_ends_with_its_time_or_its_cancellation(ledger: Ledger) -> None:
    claim = ledger.claim()
    taken_back = offer_for(ledger, claim)
    ledger.financing.cancelOffer(values(taken_back), ledger.bank.sends)
    with refused("SaleStatusIs"):
        accept(ledger, taken_back)
    late = offer_for(ledger, claim)
    brownie.chain.sleep(DAY + 60)
    brownie.chain.mine()
    with refused("OfferExpired"):
        accept(ledger, late)
    assert ledger.units(ledger.supplier, claim) == FACE


def test_only_its_signer_takes_an_offer_back(ledger: Ledger) -> None:
    offer = offer_for(ledger, ledger.claim())
    with refused("NotAuthorised"):
        ledger.financing.cancelOffer(values(offer), ledger.other_bank.sends)
    accept(ledger, offer)


def test_what_the_buyer_did_not_sign_is_refused(ledger: Ledger) -> None:
    claim = ledger.claim()
    offer = offer_for(ledger, claim)
    dearer = offer | {"price": PRICE + 1}
    permit = permit_for(ledger, FACE)
    elsewhere = signature_of(ledger, offer, chain_id=brownie.chain.id + 1)
    for shown, signature in ((dearer, signature_of(ledger, offer)), (offer, elsewhere)):
        with refused("SignatureInvalid"):
            ledger.financing.acceptWith(values(shown), 0, signature, NOTHING, permit, ledger.supplier.sends)


def test_the_seller_gets_no_less_than_it_asked_and_nobody_sells_for_it(ledger: Ledger) -> None:
    claim = ledger.claim()
    offer = offer_for(ledger, claim)
    with refused("PriceTooLow"):
        accept(ledger, offer, least=PRICE + 1)
    with refused("NotAuthorised"):
        ledger.financing.accept(values(offer), 0, signature_of(ledger, offer), ledger.other_bank.sends)


def test_an_offer_is_bound_to_the_state_it_saw(ledger: Ledger) -> None:
    claim = ledger.claim()
    offer = offer_for(ledger, claim)
    ledger.receivables.pay(claim, 1_000_00, ledger.debtor.sends)
    with refused("PaidSince"):
        accept(ledger, offer)
    # Nobody voids with a cent what says it can bear it.
    tolerant = offer_for(ledger, claim, parcels=[(claim, FACE, FACE - 1_000_00)])
    accept(ledger, tolerant)
    assert ledger.units(ledger.bank, claim) == FACE
