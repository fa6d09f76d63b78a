"""Offers taken back, cash outside, warranty, recourse and reserve: what is signed is what is sent."""

from datetime import UTC, datetime, timedelta
from hashlib import sha256

import pytest

from backend.financing.projection import TERMS
from tests.backend.financing.test_offers import code, offer
from tests.backend.market import DEBTOR, FUNDER, SUPPLIER

DAY = 86_400


@pytest.fixture
async def stage(market):
    """A supplier with a confirmed receivable, a bank that may see it and one that may not."""
    supplier, debtor = await market.member(SUPPLIER), await market.member(DEBTOR)
    bank, other = await market.member(FUNDER), await market.member(FUNDER)
    made = await market.on_chain(supplier, debtor)
    invited = {"party_id": str(bank.party_id)}
    await supplier.user.post(f"{made['links']['self']}/invitations", json=invited)
    return market, supplier, bank, other, made


async def offered(market, made, bank, **changes) -> dict:
    """An offer the bank signed."""
    signed = await market.sign(bank, await offer(made, bank, 5_800_000, **changes))
    assert signed.status_code == 202, signed.text
    return (await bank.user.get("/v1/offers")).json()["items"][0]


async def sold(market, shown: dict, supplier, bank, when=None, **facts) -> None:
    """The chain tells of the sale, its facts first as the contract does."""
    terms = shown["terms"]
    if facts:
        await market.happened("Financing", "FactsRecorded", when, sale=shown["sale"], facts=facts)
    said = {
        name: terms[name] if name in {"token", "agreement", "law"} else int(terms[name]) for name in TERMS
    }
    await market.happened(
        "Financing", "OfferAccepted", when, sale=shown["sale"], seller=supplier.account, buyer=bank.account,
        **said,
    )  # fmt: skip


async def sent(market, member, shown: dict, way: str, function: str, body: dict | None = None) -> dict:
    answer = await member.user.post(f"{shown['links']['self']}/{way}", json=body or {})
    if answer.status_code == 201:
        answer = await market.sign(member, answer)
    assert answer.status_code == 202, answer.text
    operation = (await market.operations())[-1]
    return market.contracts["Financing"].abi.function(function).decode_input(operation.data)


async def test_an_offer_is_taken_back_by_its_buyer_alone(stage):
    market, supplier, bank, other, made = stage
    shown = await offered(market, made, bank)

    assert (await supplier.user.post(f"{shown['links']['self']}/withdrawal")).status_code == 404
    assert (await other.user.post(f"{shown['links']['self']}/withdrawal")).status_code == 404
    call = await sent(market, bank, shown, "withdrawal", "cancelOffer")

    assert call["offer"]["price"] == 5_800_000
    assert (await bank.user.get(shown["links"]["self"])).json()["status"] == "open", "until the chain has it"
    await market.happened("Financing", "OfferCancelled", sale=shown["sale"], buyer=bank.account)
    assert (await supplier.user.get(shown["links"]["self"])).json()["status"] == "withdrawn"
    for member, way in ((supplier, "acceptance"), (bank, "withdrawal")):
        late = await member.user.post(f"{shown['links']['self']}/{way}", json={})
        assert (late.status_code, code(late)) == (409, "offer-not-open")


async def test_a_sale_against_cash_that_is_signed_for(stage):
    market, supplier, bank, _, made = stage
    shown = await offered(market, made, bank, cash_days=5)
    assert "locked for up to 5 days" in shown["words"]["en"]
    early = await supplier.user.post(f"{shown['links']['self']}/cash-receipts", json={"reference": "x"})
    assert (early.status_code, code(early)) == (409, "not-locked")
    await sold(market, shown, supplier, bank)
    assert (await bank.user.get(shown["links"]["self"])).json()["status"] == "locked"

    soon = await bank.user.post(f"{shown['links']['self']}/lapse")
    assert (soon.status_code, code(soon)) == (409, "cash-time")
    call = await sent(market, supplier, shown, "cash-receipts", "acknowledgeCash", {"reference": "SEPA 4711"})

    (note,) = (await bank.user.get(f"{made['links']['self']}/notes")).json()
    salt = bytes.fromhex(note["salt"][2:])
    digest = sha256(b"tallystick note v1\0" + salt + b"SEPA 4711").hexdigest()
    assert (note["subject"], call["paymentReference"]) == ("cash", "0x" + digest)
    await market.happened("Financing", "CashAcknowledged", sale=shown["sale"], paymentReference=note["hash"])
    assert (await bank.user.get(shown["links"]["self"])).json()["status"] == "sold"


async def test_what_was_paid_while_units_were_locked_is_the_buyers(stage):
    market, supplier, bank, _, made = stage
    key, lock, face = made["chain_id"], "0x" + "10c4" * 10, made["terms"]["amount"]
    half = face // 2
    await market.transferred(key, supplier.account, lock, face)
    await market.happened(
        "Receivables", "Paid", id=key, interest=0, settled=False, face=half, unpaid=face - half
    )
    await market.happened("Receivables", "Unlocked", id=key, lock=lock, to=bank.account, units=face)
    await market.transferred(key, lock, bank.account, face)

    (held,) = (await bank.user.get("/v1/holdings")).json()
    assert (held["units"], held["redeemable"]["minor"]) == (face, half)
    await market.happened("Receivables", "Redeemed", id=key, account=bank.account, face=half, interest=0)
    (held,) = (await bank.user.get("/v1/holdings")).json()
    assert (held["redeemable"]["minor"], held["redeemed"]["minor"]) == (0, half)


async def test_what_was_not_paid_in_time_is_unlocked_by_anybody(stage):
    market, supplier, bank, other, made = stage
    shown = await offered(market, made, bank, cash_days=1)
    await sold(market, shown, supplier, bank, datetime.now(UTC) - timedelta(days=2))

    late = await supplier.user.post(f"{shown['links']['self']}/cash-receipts", json={"reference": "x"})
    assert (late.status_code, code(late)) == (409, "cash-time")
    assert (await other.user.post(f"{shown['links']['self']}/lapse")).status_code == 404
    call = await sent(market, supplier, shown, "lapse", "lapse")

    assert call["offer"]["lockTime"] == DAY
    await market.happened("Financing", "SaleLapsed", sale=shown["sale"])
    assert (await supplier.user.get(shown["links"]["self"])).json()["status"] == "lapsed"


async def test_warranty_is_demanded_answered_and_performed(stage):
    market, supplier, bank, _, made = stage
    shown = await offered(market, made, bank)
    body = {"evidence": "The goods never existed."}
    early = await bank.user.post(f"{shown['links']['self']}/warranty-demands", json=body)
    assert (early.status_code, code(early)) == (409, "not-sold")
    await sold(market, shown, supplier, bank, sent=[700], reduced=[0])

    demand = await sent(market, bank, shown, "warranty-demands", "demandWarranty", body)
    body = {"admitted": True, "answer": "They did not."}
    answer = await sent(market, supplier, shown, "warranty-answers", "answerWarranty", body)
    body = {"warranty": True, "most": 5_800_000}
    taken = await sent(market, supplier, shown, "recourse", "performRecourse", body)

    notes = (await supplier.user.get(f"{made['links']['self']}/notes")).json()
    assert [note["hash"] for note in notes] == [demand["evidence"], answer["answer"]]
    assert (answer["admitted"], taken["warranty"], taken["maxPrice"]) == (True, True, 5_800_000)
    assert taken["facts"] == {"sent": [700], "reduced": [0]}
    assert (await supplier.user.post(f"{shown['links']['self']}/warranty-demands", json={"evidence": "x"})
            ).status_code == 404  # fmt: skip
    none = await bank.user.post(
        f"{shown['links']['self']}/warranty-demands", json={"evidence": "x", "parcel": 1}
    )
    assert (none.status_code, code(none)) == (404, "parcel-unknown")


async def test_there_is_no_recourse_for_default_in_a_sale_without(stage):
    market, supplier, bank, _, made = stage
    shown = await offered(market, made, bank)
    await sold(market, shown, supplier, bank)

    body = {"warranty": False, "most": 1}
    answer = await supplier.user.post(f"{shown['links']['self']}/recourse", json=body)

    assert (answer.status_code, code(answer)) == (409, "no-recourse")


async def test_each_side_collects_its_share_of_a_reserve(stage):
    market, supplier, bank, _, made = stage
    shown = await offered(market, made, bank, reserve=200_000)
    await sold(market, shown, supplier, bank)

    for member in (supplier, bank):
        call = await sent(market, member, shown, "reserve-release", "releaseReserve")
        assert (call["account"], call["facts"]) == (member.account, {"sent": [], "reduced": []})


async def test_nothing_is_kept_back_where_there_is_no_reserve(stage):
    market, supplier, bank, _, made = stage
    shown = await offered(market, made, bank)
    await sold(market, shown, supplier, bank)

    answer = await supplier.user.post(f"{shown['links']['self']}/reserve-release")

    assert (answer.status_code, code(answer)) == (409, "no-reserve")
