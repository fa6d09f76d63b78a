"""What comes after an invoice and changes what it is worth: credit notes, corrections, filings; and races."""

import asyncio
from typing import Any
from uuid import UUID

import pytest

from backend.invoices import repository, service
from backend.invoices.problems import FilingMissing, InvoiceWithdrawn
from backend.kit.access import Caller, Role
from tests.backend.invoices import samples
from tests.backend.invoices.conftest import Shop

DESPATCH = "<cac:DespatchDocumentReference>"
NAMED = "<cac:InvoiceDocumentReference><cbc:ID>et 2026-0117</cbc:ID></cac:InvoiceDocumentReference>"
NAMING = (DESPATCH, f"<cac:BillingReference>{NAMED}</cac:BillingReference>{DESPATCH}")


def credit_note(number: str, gross: str = "949.41") -> bytes:
    return samples.changed(
        samples.UBL, ("ET-2026/0117", number), ("Code>380<", "Code>381<"), ("5949.41", gross), NAMING
    )


async def facts(shop: Shop, invoice_id: str) -> service.InvoiceFacts:
    caller = Caller(shop.seller.user_id, shop.seller.party_id, shop.world.ledger_id, frozenset({Role.MAKER}))
    async with shop.world.database.transaction() as session:
        found: service.InvoiceFacts = await shop.world.app.state.read_invoice(
            session, caller, UUID(invoice_id)
        )
    return found


async def rules(shop: Shop, invoice_id: str) -> dict[str, str]:
    shown = (await shop.seller.get(f"/v1/invoices/{invoice_id}")).json()
    return {reason["rule"]: reason["effect"] for reason in shown["financeable"]["reasons"]}


async def test_a_credit_note_takes_from_what_can_be_financed(shop: Shop) -> None:
    invoice = (await shop.bring()).json()["id"]
    await shop.bring(credit_note("CN-1"))

    assert (await facts(shop, invoice)).payable == 500_000
    assert (await rules(shop, invoice))["credited"] == "warn"
    second = (await shop.bring(credit_note("CN-2", "5000.00"))).json()["id"]
    assert (await rules(shop, invoice))["nothing-payable"] == "block"
    await shop.seller.post(f"/v1/invoices/{second}/withdrawal")
    assert (await facts(shop, invoice)).payable == 500_000


async def test_a_credit_note_to_another_buyer_takes_nothing(shop: Shop) -> None:
    invoice = (await shop.bring()).json()["id"]
    await shop.bring(samples.changed(credit_note("CN-1"), ("DE888888885", "DE777777708")))

    assert (await facts(shop, invoice)).payable == 594_941


async def test_a_correction_takes_the_place_of_the_invoice_it_names(shop: Shop) -> None:
    invoice = (await shop.bring()).json()["id"]
    corrected = samples.changed(
        samples.UBL, ("ET-2026/0117", "ET-2026/0118"), ("Code>380<", "Code>384<"), NAMING
    )
    later = (await shop.bring(corrected)).json()["id"]

    assert (await rules(shop, invoice))["corrected"] == "block"
    assert (await rules(shop, later))["correction"] == "hold"
    assert "corrected" not in await rules(shop, later)


async def test_money_waits_for_the_filing_where_the_place_asks_for_it(shop: Shop) -> None:
    invoice = (await shop.bring(profile="cn")).json()["id"]
    place = f"/v1/invoices/{invoice}/filing"

    async def may_be_sold() -> None:
        async with shop.world.database.transaction() as session:
            await service.require_filing(session, shop.world.ledger_id, UUID(invoice))

    with pytest.raises(FilingMissing):
        await may_be_sold()
    assert (await shop.buyer.client.put(place, json={"number": "0123456"})).status_code == 404
    assert (await shop.seller.client.put(place, json={"number": "=1+1"})).status_code == 422
    assert (await shop.seller.client.put(place, json={"number": "0123456"})).status_code == 204
    await may_be_sold()
    assert (await shop.seller.get(f"/v1/invoices/{invoice}")).json()["filing_number"] == "0123456"


async def test_who_bills_itself_in_a_sellers_name_learns_nothing_of_its_business(shop: Shop) -> None:
    await shop.bring()
    probe = samples.changed(
        samples.UBL, ("DE888888885", "DE777777708"), ("Code>380<", "Code>389<"), ("2026-11-02", "2026-11-09")
    )
    refused = await shop.bring(probe, by=shop.stranger)

    assert refused.status_code == 409
    assert "2026-11-02" not in refused.text


async def test_one_delivery_in_more_invoices_than_can_be_added_up(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(repository, "ENOUGH", 3)

    async def delivered(_session: Any, _ledger: UUID, delivery: Any) -> Any:
        return dict.fromkeys(delivery.items, 10**9)

    monkeypatch.setattr("backend.invoices.holds.Deliveries.ask", delivered)
    brought = [
        (
            await shop.bring(
                samples.changed(
                    samples.UBL,
                    ("ET-2026/0117", f"N-{number}"),
                    ("2026-11-02", f"2026-11-0{number}"),
                    ("5949.41", f"5949.5{number}"),
                )
            )
        ).json()["id"]
        for number in range(1, 5)
    ]

    assert ["same-d" in await rules(shop, each) for each in brought] == [False, False, False, True]


async def test_of_two_opposite_answers_at_one_moment_one_is_given(shop: Shop) -> None:
    invoice = (await shop.bring()).json()["id"]
    bodies: list[dict[str, Any]] = [{"code": "AP"}, {"code": "RE", "reasons": ["QTY"]}] * 3
    given = await asyncio.gather(
        *(shop.buyer.post(f"/v1/invoices/{invoice}/answers", json=body) for body in bodies)
    )

    assert sorted(each.status_code for each in given) == [201, 409, 409, 409, 409, 409]
    assert len((await shop.seller.get(f"/v1/invoices/{invoice}/answers")).json()) == 1


async def test_what_was_taken_back_meanwhile_backs_no_receivable(shop: Shop) -> None:
    invoice = (await shop.bring()).json()["id"]
    await facts(shop, invoice)
    await shop.seller.post(f"/v1/invoices/{invoice}/withdrawal")

    with pytest.raises(InvoiceWithdrawn):
        async with shop.world.database.transaction() as session:
            await service.mark_in_use(session, shop.world.ledger_id, UUID(invoice))


async def test_taking_back_waits_for_who_is_about_to_rely_on_it(shop: Shop) -> None:
    """The withdrawal has read the invoice as open; then a receivable is made of it."""
    world = shop.world
    invoice = UUID((await shop.bring()).json()["id"])
    caller = Caller(shop.seller.user_id, shop.seller.party_id, world.ledger_id, frozenset({Role.MAKER}))
    relied = asyncio.Event()

    async def rely() -> None:
        async with world.database.transaction() as session:
            await service.mark_in_use(session, world.ledger_id, invoice)
            relied.set()
            await asyncio.sleep(0.2)

    async def take_back() -> None:
        await relied.wait()
        async with world.database.transaction() as session:
            record = await service.get(session, caller, invoice)
            await service.withdraw(session, caller, record)

    done = await asyncio.gather(rely(), take_back(), return_exceptions=True)

    assert type(done[1]).__name__ == "InvoiceInUse"
    async with world.database.reading() as session:
        assert await repository.tokens_of(session, invoice)


async def test_an_erased_invoice_keeps_no_number_of_its_deliveries(shop: Shop) -> None:
    invoice = (await shop.bring()).json()["id"]
    await shop.seller.post(f"/v1/invoices/{invoice}/erasure")

    async with shop.world.database.reading() as session:
        kept = await repository.tokens_of(session, UUID(invoice))
    assert kept
    assert {token.delivery for token in kept} == {""}


async def test_a_character_the_database_cannot_keep_is_a_mistake_of_who_sends_it(shop: Shop) -> None:
    invoice = (await shop.bring()).json()["id"]
    body = {"code": "UQ", "reasons": ["QTY"], "note": "which\0order?"}
    answer = await shop.buyer.post(f"/v1/invoices/{invoice}/answers", json=body)

    assert answer.status_code == (201 if shop.world.database.is_sqlite else 422)
