"""Offers: compared in plain words, accepted by signature, open only to buyer and seller."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from backend.financing.projection import TERMS
from backend.invoices.problems import InvoiceHeld
from backend.receivables import service as receivables
from tests.backend.market import DEBTOR, FUNDER, SUPPLIER


def code(answer) -> str:
    return answer.json()["type"].removeprefix("urn:tallystick:problem:")


def soon() -> str:
    return (datetime.now(UTC) + timedelta(days=2)).isoformat()


@pytest.fixture
async def stage(market):
    """A supplier with a confirmed receivable, two invited banks and one that was not."""
    supplier, debtor = await market.member(SUPPLIER), await market.member(DEBTOR)
    banks = [await market.member(FUNDER) for _ in range(3)]
    made = await market.on_chain(supplier, debtor)
    for bank in banks[:2]:
        invitation = {"party_id": str(bank.party_id)}
        shown = await supplier.user.post(f"{made['links']['self']}/invitations", json=invitation)
        assert shown.status_code == 200
    return market, supplier, debtor, banks, made


def offer(made, bank, price: int, **changes):
    body = {
        "receivables": [{"receivable_id": made["id"]}],
        "price": price,
        "recourse": False,
        "wallet": bank.key.address,
        "expires_at": soon(),
    }
    return bank.user.post("/v1/offers", json=body | changes)


async def test_the_supplier_compares_in_plain_words_and_accepts_the_better(stage):
    market, supplier, debtor, (first, second, _), made = stage
    for bank, price, recourse in ((first, 5_780_000, False), (second, 5_860_000, True)):
        signed = await market.sign(bank, await offer(made, bank, price, recourse=recourse))
        assert signed.status_code == 202, signed.text
        assert signed.json()["status"] == "signed", "an offer goes nowhere before it is accepted"

    compared = (await supplier.user.get(f"/v1/receivables/{made['id']}/offers")).json()

    assert [(o["receive"]["text"], o["cost"]["text"], o["recourse"]) for o in compared] == [
        ("58600.00", "900.00", True),
        ("57800.00", "1700.00", False),
    ]
    better = compared[0]
    today = datetime.now(UTC).date().isoformat()
    assert better["words"]["en"] == (
        f"You receive EUR 58,600.00 on {today}; it costs EUR 900.00 compared with EUR 59,500.00 on "
        f"{better['due_on']}, that is {better['annual_rate_percent']} % a year; "
        "with recourse: you take it back if the debtor does not pay"
    )
    assert 9.0 < float(better["annual_rate_percent"]) < 9.7
    assert (await debtor.user.get(f"/v1/receivables/{made['id']}/offers")).json() == []
    assert len((await first.user.get(f"/v1/receivables/{made['id']}/offers")).json()) == 1

    accepted = await market.sign(supplier, await supplier.user.post(better["links"]["acceptance"], json={}))

    assert accepted.status_code == 202
    operation = (await market.operations())[-1]
    call = market.contracts["Financing"].abi.function("accept").decode_input(operation.data)
    assert (operation.kind, operation.relayed["signer"]) == ("offer.accept", supplier.key.address)
    assert (call["minPrice"], call["offer"]["price"]) == (5_860_000, 5_860_000)
    assert call["offer"]["parcels"] == [{"id": made["chain_id"], "units": 5_950_000, "minUnpaid": 5_950_000}]
    again = await supplier.user.post(better["links"]["acceptance"], json={})
    assert (again.status_code, code(again)) == (409, "offer-not-open")

    await market.happened(
        "Financing",
        "OfferAccepted",
        sale=better["sale"],
        seller=supplier.account,
        buyer=second.account,
        **{name: call["offer"][name] for name in TERMS},
    )
    assert (await supplier.user.get(better["links"]["self"])).json()["status"] == "sold"


async def test_the_timeline_tells_of_sales_and_their_terms_to_both_sides_only(stage):
    market, supplier, debtor, (bank, other, _), made = stage
    await market.sign(bank, await offer(made, bank, 5_800_000))
    (mine,) = (await bank.user.get(f"/v1/receivables/{made['id']}/offers")).json()
    unknown = "0x" + "5a" * 32
    for number, (sale, buyer) in enumerate(((mine["sale"], bank), (unknown, other))):
        tx = f"0x{number + 1:064x}"
        await market.transferred(made["chain_id"], supplier.account, buyer.account, 1_000_000, tx)
        sides = {"seller": supplier.account, "buyer": buyer.account}
        terms = dict.fromkeys(TERMS, 0) | {"price": 5_800_000}
        await market.happened("Financing", "OfferAccepted", tx=tx, sale=sale, **sides, **terms)
    await market.happened("Financing", "OfferAccepted", sale="0x" + "5b" * 32, **sides, **terms)

    async def sales(member):
        told = (await member.user.get(made["links"]["timeline"])).json()
        return [each for each in told if each["name"] == "OfferAccepted"]

    assert [each["args"]["sale"] for each in await sales(supplier)] == [mine["sale"], unknown]
    assert [each["args"].get("price") for each in await sales(supplier)] == ["5800000", "5800000"]
    assert [each["args"].get("price") for each in await sales(bank)] == ["5800000", None]
    assert [each["args"].get("price") for each in await sales(debtor)] == [None, None]
    names = [each["name"] for each in (await supplier.user.get(made["links"]["timeline"])).json()]
    assert names[-4:] == ["TransferSingle", "OfferAccepted", "TransferSingle", "OfferAccepted"]


async def test_an_offer_accepted_twice_at_the_same_moment_is_sold_once(stage):
    market, supplier, _, (bank, _, _), made = stage
    await market.sign(bank, await offer(made, bank, 5_800_000))
    (mine,) = (await supplier.user.get(f"/v1/receivables/{made['id']}/offers")).json()
    prepared = [await supplier.user.post(mine["links"]["acceptance"], json={}) for _ in range(2)]

    answers = await asyncio.gather(*(market.sign(supplier, each) for each in prepared))

    assert sorted(answer.status_code for answer in answers) == [202, 409]
    assert [each.kind for each in await market.operations()].count("offer.accept") == 1


async def test_a_bank_that_was_not_invited_sees_and_offers_nothing(stage):
    _, _, _, (_, _, stranger), made = stage
    assert (await stranger.user.get(made["links"]["self"])).status_code == 404
    assert (await offer(made, stranger, 5_800_000)).status_code == 404


async def test_an_impossible_offer_is_refused_at_once(stage):
    _, supplier, _, (bank, _, _), made = stage
    impossible = [
        ("price-impossible", {"price": 5_950_001}),
        ("price-impossible", {"price": 5_900_000, "reserve": 5_900_000}),
        ("expiry-impossible", {"expires_at": "2020-01-01T00:00:00Z"}),
        ("expiry-impossible", {"expires_at": "2999-01-01T00:00:00Z"}),
        ("invalid-request", {"expires_at": "2027-01-01T00:00:00"}),
        ("invalid-request", {"wallet": "0x12"}),
        ("invalid-request", {"receivables": []}),
        ("invalid-request", {"agreement": "0x12"}),
        ("invalid-request", {"repurchase_price": 0}),
    ]
    for problem, changes in impossible:
        answer = await offer(made, bank, **({"price": 5_800_000} | changes))
        assert (answer.status_code, code(answer)) == (422, problem), changes
    assert (await supplier.user.get("/v1/offers")).json()["items"] == []


async def test_who_cannot_buy_cannot_offer(stage):
    _, supplier, debtor, _, made = stage
    assert code(await offer(made, debtor, 5_800_000)) == "not-a-funder"
    assert code(await offer(made, supplier, 5_800_000)) == "not-a-funder"


async def test_an_offer_is_signed_by_the_wallet_it_names(stage):
    market, supplier, _, (bank, _, _), made = stage
    prepared = await offer(made, bank, 5_800_000, wallet=supplier.key.address)
    signed = await market.sign(bank, prepared)
    assert (signed.status_code, code(signed)) == (422, "wrong-wallet")
    assert (await supplier.user.get("/v1/offers")).json()["items"] == []


async def test_an_unsigned_offer_is_the_banks_own_business(stage):
    _, supplier, _, (bank, _, _), made = stage
    prepared = await offer(made, bank, 5_800_000)
    place = prepared.json()["links"]["offer"]
    assert (await bank.user.get(place)).json()["status"] == "prepared"
    assert (await supplier.user.get(place)).status_code == 404
    assert code(await bank.user.post(f"{place}/acceptance", json={})) == "not-found"


async def test_a_supplier_does_not_sell_what_is_held_by_now(stage, monkeypatch):
    market, supplier, _, (bank, _, _), made = stage
    await market.sign(bank, await offer(made, bank, 5_780_000))
    (open_offer,) = (await supplier.user.get(f"/v1/receivables/{made['id']}/offers")).json()
    before = len(await market.operations())

    async def held(_session, _ledger_id, invoice_ids):
        return {each: InvoiceHeld(number="RE-1") for each in invoice_ids}

    monkeypatch.setattr(receivables, "recheck_all", held)
    refused = await market.sign(
        supplier, await supplier.user.post(open_offer["links"]["acceptance"], json={})
    )

    assert (refused.status_code, code(refused)) == (409, "invoice-held")
    assert len(await market.operations()) == before
    assert (await supplier.user.get(open_offer["links"]["self"])).json()["status"] == "open"
