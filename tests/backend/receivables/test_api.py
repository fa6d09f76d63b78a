"""From an invoice to the last payment through the API, with a chain that is only its events."""

import asyncio
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest

from backend.invoices.problems import InvoiceHeld
from backend.receivables import service as receivables
from backend.receivables.model import Terms
from tests.backend.market import DEBTOR, FUNDER, SUPPLIER, TOKEN, ZERO, address

TODAY = datetime.now(UTC).date()


def code(answer) -> str:
    return answer.json()["type"].removeprefix("urn:tallystick:problem:")


async def test_both_signatures_go_to_the_chain_in_one_call(market):
    supplier, debtor = await market.member(SUPPLIER), await market.member(DEBTOR)

    made = await market.agreed(supplier, debtor, time_zone="Asia/Shanghai", late_rate=80_000)

    assert made["stage"] == "agreed"
    assert made["chain"] is None
    assert Terms.from_message(made["terms"]).id == made["chain_id"]
    assert (made["terms"]["supplier"], made["terms"]["debtor"]) == (supplier.account, debtor.account)
    assert made["amount"] == {"minor": 5_950_000, "text": "59500.00", "currency": "EUR"}
    (operation,) = await market.operations()
    assert (operation.kind, operation.contract) == ("receivable.confirm", "Receivables")
    assert operation.relayed["signer"] == supplier.key.address
    call = market.contracts["Receivables"].abi.function("issueAndConfirm").decode_input(operation.data)
    assert call["terms"] == made["terms"]
    assert call["confirmation"]["signer"] == debtor.key.address


async def test_the_words_are_those_of_the_typed_data_with_names(market):
    supplier, debtor = await market.member(SUPPLIER), await market.member(DEBTOR)
    invoice = market.invoice(supplier, debtor)
    made = await supplier.user.post("/v1/receivables", json={"invoice_id": str(invoice)})

    action = (await supplier.user.post(made.json()["links"]["issue"])).json()

    assert "Amount EUR 59,500.00" in action["words"]["en"]
    assert f"Party 2 ({debtor.account})" in action["words"]["en"]
    assert "EUR 59,500.00" in action["words"]["zh"]


async def test_the_chain_says_where_it_stands_and_what_each_side_has(market):
    supplier, debtor, bank = [await market.member(role) for role in (SUPPLIER, DEBTOR, FUNDER)]
    made = await market.on_chain(supplier, debtor)
    key, place = made["chain_id"], made["links"]["self"]

    assert (made["chain"]["status"], made["chain"]["phase"]) == ("confirmed", "not_yet_due")
    assert made["holdings"][0]["units"] == 5_950_000

    assert (await bank.user.get(place)).status_code == 404
    await market.transferred(key, supplier.account, bank.account, 1_785_000)
    paid = {"id": key, "interest": 0, "settled": False}
    await market.happened("Receivables", "Paid", **paid, face=3_000_000, unpaid=2_950_000)

    seen = (await bank.user.get(place)).json()
    assert [(h["account"], h["units"]) for h in seen["holdings"]] == [(bank.account, 1_785_000)]
    assert seen["holdings"][0]["redeemable"]["minor"] == 899_999, "the fraction of a unit waits for more"
    assert seen["chain"]["unpaid"]["minor"] == 2_950_000

    await market.happened("Receivables", "Paid", **paid | {"settled": True}, face=2_950_000, unpaid=0)
    for member, units in ((bank, 1_785_000), (supplier, 4_165_000)):
        await market.transferred(key, member.account, ZERO, units)
        await market.happened(
            "Receivables", "Redeemed", id=key, account=member.account, face=units, interest=0
        )

    settled = (await supplier.user.get(place)).json()
    assert (settled["chain"]["status"], settled["chain"]["redeemed"]["minor"]) == ("settled", 5_950_000)
    assert (settled["holdings"][0]["units"], settled["holdings"][0]["redeemed"]["minor"]) == (0, 4_165_000)
    names = [entry["name"] for entry in (await supplier.user.get(f"{place}/timeline")).json()]
    assert names[:3] == ["Issued", "TransferSingle", "Confirmed"]
    assert names.count("Redeemed") == 2


async def test_the_same_invoice_is_refused_with_a_sentence_whatever_its_date(market):
    supplier, debtor = await market.member(SUPPLIER), await market.member(DEBTOR)
    await market.on_chain(supplier, debtor)
    again = market.invoice(supplier, debtor, due_date=TODAY + timedelta(days=90), payable=5_950_001)

    answer = await supplier.user.post("/v1/receivables", json={"invoice_id": str(again)})

    assert (answer.status_code, code(answer)) == (409, "same-invoice")
    assert "the same invoice already stands for a claim" in answer.json()["detail"]
    assert len((await supplier.user.get("/v1/receivables")).json()["items"]) == 1


async def test_the_same_invoice_is_refused_even_when_only_the_chain_knows_it(market):
    supplier, debtor = await market.member(SUPPLIER), await market.member(DEBTOR)
    invoice = market.invoice(supplier, debtor, fingerprints=["0x" + "0a" * 32, "0x" + "0b" * 32])
    await market.happened(
        "Fingerprints",
        "FingerprintTaken",
        debtor=debtor.account,
        fingerprint="0x" + "0b" * 32,
        id="0x" + "0c" * 32,
    )

    answer = await supplier.user.post("/v1/receivables", json={"invoice_id": str(invoice)})

    assert (answer.status_code, code(answer)) == (409, "same-invoice")


async def test_another_supplier_cannot_bring_the_invoice(market):
    supplier, debtor, other = [await market.member(role) for role in (SUPPLIER, DEBTOR, SUPPLIER)]
    invoice = market.invoice(supplier, debtor)

    answer = await other.user.post("/v1/receivables", json={"invoice_id": str(invoice)})

    assert (answer.status_code, code(answer)) == (403, "not-the-seller")


async def test_turned_down_it_never_goes_to_the_chain_and_may_be_brought_again(market):
    supplier, debtor = await market.member(SUPPLIER), await market.member(DEBTOR)
    invoice = market.invoice(supplier, debtor)
    made = (await supplier.user.post("/v1/receivables", json={"invoice_id": str(invoice)})).json()
    place = made["links"]["self"]
    assert (await debtor.user.get(place)).status_code == 404, "a draft is the supplier's own business"
    await market.sign(supplier, await supplier.user.post(f"{place}/issue"))

    turned_down = await debtor.user.post(f"{place}/rejection", json={"reason": "Two pieces are missing."})

    assert (turned_down.status_code, turned_down.json()["stage"]) == (200, "rejected")
    assert code(await debtor.user.post(f"{place}/confirmation")) == "wrong-stage"
    assert await market.operations() == []
    again = await supplier.user.post(
        "/v1/receivables", json={"invoice_id": str(invoice), "amount": 5_652_500}
    )
    assert again.status_code == 201


@pytest.mark.parametrize(
    ("problem", "invoice", "wishes"),
    [
        ("past-due", {"due_date": date(2018, 4, 13)}, {}),
        ("tenor-too-long", {}, {"due_date": str(TODAY + timedelta(days=190))}),
        ("due-date-missing", {"due_date": None}, {}),
        ("currency-not-settled", {"currency": "USD"}, {}),
        ("invalid-request", {}, {"amount": 5_950_001}),
        ("invalid-request", {}, {"time_zone": "Mars/Olympus"}),
        ("invalid-request", {}, {"undertaking": "perhaps"}),
        ("invalid-request", {}, {"colour": "red"}),
        ("buyer-unknown", {"buyer_party_id": None}, {}),
    ],
)
async def test_what_could_never_be_confirmed_is_refused_at_once(market, problem, invoice, wishes):
    supplier, debtor = await market.member(SUPPLIER), await market.member(DEBTOR)
    made = market.invoice(supplier, debtor, **invoice)

    answer = await supplier.user.post("/v1/receivables", json={"invoice_id": str(made)} | wishes)

    assert (answer.status_code, code(answer)) == (422, problem)
    assert (await supplier.user.get("/v1/receivables")).json()["items"] == []


async def test_a_wrong_key_signs_nothing(market):
    supplier, debtor = await market.member(SUPPLIER), await market.member(DEBTOR)
    invoice = market.invoice(supplier, debtor)
    made = (await supplier.user.post("/v1/receivables", json={"invoice_id": str(invoice)})).json()
    place = made["links"]["self"]

    stranger = await market.sign(supplier, await supplier.user.post(f"{place}/issue"), key=debtor.key)

    assert (stranger.status_code, code(stranger)) == (403, "signer-not-authorised")
    assert (await supplier.user.get(place)).json()["stage"] == "draft"
    assert (await debtor.user.post(f"{place}/issue")).status_code == 404


async def test_units_move_only_where_the_chain_would_let_them(market):
    supplier, debtor, bank = [await market.member(role) for role in (SUPPLIER, DEBTOR, FUNDER)]
    place = (await market.on_chain(supplier, debtor))["links"]["self"]

    async def give(units: int, to: str) -> str:
        answer = await supplier.user.post(f"{place}/transfers", json={"to": to, "units": units})
        return code(answer) if answer.status_code != 201 else "prepared"

    assert await give(1_785_000, bank.account) == "receiver-has-not-consented"
    consent = await market.sign(bank, await bank.user.post("/v1/consents", json={"open": True}))
    assert consent.status_code == 202
    await market.happened("Participants", "StandingConsentSet", account=bank.account, open=True)
    assert await give(1_785_000, bank.account) == "prepared"
    assert await give(99, bank.account) == "below-minimum"
    assert await give(5_950_001, bank.account) == "not-enough-units"
    assert await give(1_000, address(1)) == "receiver-unknown"
    assert await give(1_000, "0x12") == "invalid-request"


async def test_paying_and_collecting(market):
    supplier, debtor = await market.member(SUPPLIER), await market.member(DEBTOR)
    made = await market.on_chain(supplier, debtor)
    place = made["links"]["self"]
    wanted = {"currency": "EUR", "purpose": "payments", "amount": 5_950_000, "wallet": debtor.key.address}

    permitted = await market.sign(debtor, await debtor.user.post("/v1/permits", json=wanted))
    paid = await market.sign(debtor, await debtor.user.post(f"{place}/payments", json={"amount": 2_000_000}))

    assert (permitted.status_code, paid.status_code) == (202, 202)
    permit, payment = (await market.operations())[-2:]
    assert (permit.target, permit.relayed) == (TOKEN, None)
    assert int.from_bytes(permit.data[68:100], "big") == Decimal(59500) * 10**6
    assert payment.relayed["signer"] == debtor.key.address
    too_much = await debtor.user.post(f"{place}/payments", json={"amount": 5_950_001})
    assert code(too_much) == "more-than-owed"
    other = await market.sign(debtor, await debtor.user.post("/v1/permits", json=wanted), key=supplier.key)
    assert other.status_code in {403, 422}
    nothing = await supplier.user.post(f"{place}/redemptions", json={})
    assert code(nothing) == "nothing-to-redeem"
    paid = {"face": 2_000_000, "interest": 0, "unpaid": 3_950_000, "settled": False}
    await market.happened("Receivables", "Paid", id=made["chain_id"], **paid)
    collected = await market.sign(supplier, await supplier.user.post(f"{place}/redemptions", json={}))
    assert collected.status_code == 202


async def test_the_first_actions_of_an_account_at_the_same_moment(market):
    """Both want the counter's first row: one gets it, the other is asked to try again, and nothing breaks."""
    member = await market.member(SUPPLIER)

    answers = await asyncio.gather(*(member.user.post("/v1/consents", json={"open": True}) for _ in range(4)))

    assert {answer.status_code for answer in answers} <= {201, 503}
    made = [answer.json() for answer in answers if answer.status_code == 201]
    assert made
    assert len({action["typed_data"]["message"]["nonce"] for action in made}) == len(made)
    assert all(code(answer) == "busy" for answer in answers if answer.status_code == 503)


async def test_inviting_a_bank_twice_at_the_same_moment(market):
    supplier, debtor, bank = [await market.member(role) for role in (SUPPLIER, DEBTOR, FUNDER)]
    place = (await market.agreed(supplier, debtor))["links"]["self"]
    body = {"party_id": str(bank.party_id)}

    answers = await asyncio.gather(*(supplier.user.post(f"{place}/invitations", json=body) for _ in range(4)))

    assert {answer.status_code for answer in answers} <= {200, 503}
    assert (await bank.user.get(place)).status_code == 200


async def test_both_of_two_prepared_confirmations_signed_at_the_same_moment(market):
    supplier, debtor = await market.member(SUPPLIER), await market.member(DEBTOR)
    invoice = market.invoice(supplier, debtor)
    made = await supplier.user.post("/v1/receivables", json={"invoice_id": str(invoice)})
    place = made.json()["links"]["self"]
    await market.sign(supplier, await supplier.user.post(f"{place}/issue"))
    prepared = [await debtor.user.post(f"{place}/confirmation") for _ in range(2)]

    answers = await asyncio.gather(*(market.sign(debtor, each) for each in prepared))

    assert sorted(answer.status_code for answer in answers) == [202, 409]
    assert len(await market.operations()) == 1


async def test_one_invoice_drafted_many_times_at_the_same_moment(market):
    supplier, debtor = await market.member(SUPPLIER), await market.member(DEBTOR)
    invoices = [market.invoice(supplier, debtor, number=f"RE-{n}") for n in range(4)]

    answers = await asyncio.gather(
        *(supplier.user.post("/v1/receivables", json={"invoice_id": str(each)}) for each in invoices)
    )

    assert sorted(answer.status_code for answer in answers) == [201, 409, 409, 409]


@pytest.mark.parametrize("amount", [True, 1.0, "1", 0, -1, 2**64, 10**400, None, [1]])
async def test_money_is_a_whole_number_and_nothing_that_could_be_taken_for_one(market, amount):
    member = await market.member(DEBTOR)
    body = {"currency": "EUR", "purpose": "payments", "wallet": member.key.address, "amount": amount}

    answer = await member.user.post("/v1/permits", json=body)

    assert (answer.status_code, code(answer)) == (422, "invalid-request")
    assert answer.json()["errors"][0]["pointer"] == "/amount"


async def test_an_invoice_that_is_held_by_now_goes_no_further(market, monkeypatch):
    """Compared again in the transaction that would have queued it: nothing of it stays."""
    supplier, debtor = await market.member(SUPPLIER), await market.member(DEBTOR)
    made = await supplier.user.post(
        "/v1/receivables", json={"invoice_id": str(market.invoice(supplier, debtor))}
    )
    place = made.json()["links"]["self"]
    await market.sign(supplier, await supplier.user.post(f"{place}/issue"))

    async def held(_session, _ledger_id, invoice_ids):
        return {each: InvoiceHeld(number="RE-1") for each in invoice_ids}

    monkeypatch.setattr(receivables, "recheck_all", held)
    refused = await market.sign(debtor, await debtor.user.post(f"{place}/confirmation"))

    assert (refused.status_code, code(refused)) == (409, "invoice-held")
    assert await market.operations() == []
    assert (await debtor.user.get(place)).json()["stage"] == "put_forward"
