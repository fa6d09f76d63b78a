"""Dispute, credit note, payment outside, waiver and write-off by the API: what is signed is what is sent."""

from datetime import UTC, datetime, timedelta
from hashlib import sha256

import pytest
from sqlalchemy import update

from backend.receivables.repository import ReceivableState
from tests.backend.market import DEBTOR, FUNDER, SUPPLIER, Market, Member

FACE = 5_950_000
LOT = "0x" + "0e" * 32
FUNCTIONS = {
    "disputes": "dispute",
    "end": "endDispute",
    "credit-notes": "issueCreditNote",
    "consents": "joinCreditNote",
    "outside-payments": "closeOutside",
    "interest-waivers": "waiveInterest",
    "write-offs": "writeOff",
    "receipts": "allowReceipt",
}


def code(answer) -> str:
    return answer.json()["type"].removeprefix("urn:tallystick:problem:")


@pytest.fixture
async def sides(market: Market) -> list[Member]:
    return [await market.member(role) for role in (SUPPLIER, DEBTOR, FUNDER)]


async def sent(market: Market, member: Member, place: str, body: dict | None = None):
    """Prepares, signs, and answers the call that waits to be sent."""
    answer = await market.sign(member, await member.user.post(place, json=body or {}))
    assert answer.status_code == 202, answer.text
    operation = (await market.operations())[-1]
    assert operation.relayed["signer"] == member.key.address
    abi = market.contracts["Receivables"].abi
    return abi.function(FUNCTIONS[place.rpartition("/")[2]]).decode_input(operation.data)


def says(note: dict) -> str:
    salt = bytes.fromhex(note["salt"][2:])
    return "0x" + sha256(b"tallystick note v1\0" + salt + note["text"].encode()).hexdigest()


async def test_a_dispute_and_its_end(market, sides):
    supplier, debtor, _ = sides
    made = await market.on_chain(supplier, debtor, undertaking="acknowledged")
    place = made["links"]["self"]

    call = await sent(market, debtor, f"{place}/disputes", {"amount": 120_000, "reason": "Two broke."})

    assert (call["terms"], call["disputed"]) == (made["terms"], 120_000)
    (note,) = (await supplier.user.get(f"{place}/notes")).json()
    assert (note["subject"], note["text"]) == ("dispute", "Two broke.")
    assert note["hash"] == says(note) == call["reason"]
    early = await debtor.user.post(f"{place}/disputes/1/end")
    assert (early.status_code, code(early)) == (404, "no-such-dispute")
    disputed = {"lot": LOT, "amount": 120_000, "units": 120_000, "reason": call["reason"]}
    await market.happened("Receivables", "Disputed", id=made["chain_id"], **disputed)
    assert (await sent(market, debtor, f"{place}/disputes/1/end"))["lot"] == 1


async def test_who_undertook_irrevocably_cannot_dispute(market, sides):
    supplier, debtor, bank = sides
    place = (await market.on_chain(supplier, debtor))["links"]["self"]
    body = {"amount": 1, "reason": "late"}

    assert code(await debtor.user.post(f"{place}/disputes", json=body)) == "irrevocable"
    assert (await supplier.user.post(f"{place}/disputes", json=body)).status_code == 404
    assert (await bank.user.post(f"{place}/disputes", json=body)).status_code == 404


async def test_only_what_the_supplier_still_holds_can_be_disputed(market, sides):
    supplier, debtor, bank = sides
    made = await market.on_chain(supplier, debtor, undertaking="acknowledged")
    await market.transferred(made["chain_id"], supplier.account, bank.account, FACE - 100)

    body = {"amount": 101, "reason": "x"}
    answer = await debtor.user.post(f"{made['links']['self']}/disputes", json=body)

    assert (answer.status_code, code(answer)) == (422, "more-than-unpaid")


async def test_a_credit_note_and_a_holders_consent(market, sides):
    supplier, debtor, bank = sides
    made = await market.on_chain(supplier, debtor)
    key, place = made["chain_id"], made["links"]["self"]
    await market.transferred(key, supplier.account, bank.account, 1_000_000)

    call = await sent(market, supplier, f"{place}/credit-notes", {"amount": 200_000, "number": "GS-7"})
    assert (call["lot"], call["total"]) == (0, 200_000)
    consents = f"{place}/credit-notes/{call['note']}/consents"
    early = await bank.user.post(consents, json={"amount": 5})
    assert (early.status_code, code(early)) == (404, "credit-note-unknown")

    given = {"note": call["note"], "total": 200_000, "own": 0, "left": 200_000}
    await market.happened("Receivables", "CreditNoteIssued", id=key, **given)
    joined = await sent(market, bank, consents, {"amount": 150_000})

    assert joined == {"id": key, "account": bank.account, "note": call["note"], "amount": 150_000}
    much = await bank.user.post(consents, json={"amount": 1_000_001})
    assert (much.status_code, code(much)) == (422, "more-than-unpaid")
    theirs = await bank.user.post(f"{place}/credit-notes", json={"amount": 1, "number": "x"})
    assert theirs.status_code == 404


async def test_a_holder_closes_its_own_units_only(market, sides):
    supplier, debtor, bank = sides
    made = await market.on_chain(supplier, debtor)
    place = made["links"]["self"]
    await market.transferred(made["chain_id"], supplier.account, bank.account, 1_000)

    call = await sent(market, bank, f"{place}/outside-payments", {"amount": 1_000, "reference": "SEPA 4711"})
    (note,) = (await debtor.user.get(f"{place}/notes")).json()

    assert (call["account"], call["amount"], call["paymentReference"]) == (bank.account, 1_000, says(note))
    other = {"amount": 1_000, "reference": "x", "account": supplier.account}
    assert code(await bank.user.post(f"{place}/outside-payments", json=other)) == "account-not-yours"


async def test_units_are_written_off_after_default_and_not_before(market, sides):
    supplier, debtor, _ = sides
    made = await market.on_chain(supplier, debtor, grace_days=0)
    place, key = made["links"]["self"], made["chain_id"]

    early = await supplier.user.post(f"{place}/write-offs", json={})
    assert (early.status_code, code(early)) == (409, "not-in-default")

    async with market.world.database.transaction() as session:
        past = datetime.now(UTC) - timedelta(days=2)
        await session.execute(update(ReceivableState).values(due_end=past))
    assert await sent(market, supplier, f"{place}/write-offs") == {"id": key, "account": supplier.account}


async def test_there_must_be_late_interest_to_be_waived(market, sides):
    supplier, debtor, _ = sides
    place = (await market.on_chain(supplier, debtor))["links"]["self"]

    answer = await supplier.user.post(f"{place}/interest-waivers", json={"waived": True})

    assert code(answer) == "no-late-interest"


async def test_late_interest_is_waived_and_the_waiver_taken_back(market, sides):
    supplier, debtor, _ = sides
    place = (await market.on_chain(supplier, debtor, late_rate=80_000))["links"]["self"]

    assert (await sent(market, supplier, f"{place}/interest-waivers", {"waived": True}))["waived"] is True
    assert (await sent(market, supplier, f"{place}/interest-waivers", {"waived": False}))["waived"] is False
    wrong = await supplier.user.post(f"{place}/interest-waivers", json={"waived": 1})
    assert wrong.status_code == 422


async def test_receiving_is_allowed_once(market, sides):
    supplier, debtor, bank = sides
    made = await market.on_chain(supplier, debtor)
    place = made["links"]["self"]
    await supplier.user.post(f"{place}/invitations", json={"party_id": str(bank.party_id)})

    call = await sent(market, bank, f"{place}/receipts", {"units": 77})

    assert call == {"id": made["chain_id"], "account": bank.account, "units": 77}


BODIES = {
    "outside-payments": {"amount": 1, "reference": "x"},
    "interest-waivers": {"waived": True},
    "receipts": {"units": 1},
    "write-offs": {},
}


async def test_strangers_see_neither_notes_nor_ways_to_act(market, sides):
    supplier, debtor, bank = sides
    place = (await market.on_chain(supplier, debtor))["links"]["self"]

    assert (await bank.user.get(f"{place}/notes")).status_code == 404
    for way, body in BODIES.items():
        assert (await bank.user.post(f"{place}/{way}", json=body)).status_code == 404, way
