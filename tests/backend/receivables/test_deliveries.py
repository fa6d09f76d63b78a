"""What a buyer sees of its deliveries before it confirms."""

import json
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from backend.invoices import codec
from backend.invoices.holds import Delivery
from backend.invoices.model import DueDate, Format, Invoice, Line, Party, References, Totals
from backend.invoices.tables import InvoiceRecord
from backend.parties.repository import PartyIdentifier
from backend.receivables import deliveries
from tests.backend.market import DEBTOR, SUPPLIER, Market, Member

SELLER_GLN, BUYER_GLN = "4012345000009", "4098765000010"
GTIN = "09520000000400"
HASH = "0x" + "0d" * 32


@pytest.fixture
async def sides(market: Market) -> tuple[Member, Member]:
    supplier, debtor = await market.member(SUPPLIER), await market.member(DEBTOR)
    async with market.world.database.transaction() as session:
        for member, gln in ((supplier, SELLER_GLN), (debtor, BUYER_GLN)):
            session.add(
                PartyIdentifier(
                    ledger_id=market.world.ledger_id,
                    party_id=member.party_id,
                    scheme="gln",
                    value=gln,
                )
            )
    return supplier, debtor


async def put_forward(
    market: Market, sides: tuple[Member, Member], mark: int, *lines: Line, **references: str
) -> str:
    """A receivable the supplier signed, on an invoice with these lines."""
    supplier, debtor = sides
    invoice_id = market.invoice(supplier, debtor, fingerprints=["0x" + f"{mark:064x}"])
    invoice = Invoice(
        format=Format.JSON,
        number=f"RE-{mark}",
        type="380",
        issue_date=date(2026, 1, 1),
        due=DueDate(),
        currency="EUR",
        totals=Totals(payable=5_950_000),
        seller=Party(),
        buyer=Party(),
        references=References(**references),
        lines=lines,
    )
    async with market.world.database.transaction() as session:
        session.add(
            InvoiceRecord(
                id=invoice_id,
                ledger_id=market.world.ledger_id,
                party_id=supplier.party_id,
                buyer_party_id=debtor.party_id,
                uploaded_by=supplier.user.user_id,
                number=f"RE-{mark}",
                issue_date="2026-01-01",
                currency="EUR",
                profile="default",
                fields=codec.dump(invoice),
                validation={},
                sha256=HASH,
                document_root=HASH,
                media_type="application/json",
            )
        )
    made = await supplier.user.post("/v1/receivables", json={"invoice_id": str(invoice_id)})
    place: str = made.json()["links"]["self"]
    await market.sign(supplier, await supplier.user.post(f"{place}/issue"))
    return place


async def received(member: Member, quantity: float, unit: str | None = None, **changes: Any) -> None:
    """The member records that it received so much under order PO-1 and despatch advice DN-1."""
    amount = {"epcClass": f"https://id.gs1.org/01/{GTIN}", "quantity": quantity}
    event = {
        "type": "ObjectEvent",
        "eventTime": "2026-02-20T08:00:00Z",
        "eventTimeZoneOffset": "+00:00",
        "action": "OBSERVE",
        "bizStep": "receiving",
        "bizTransactionList": [
            {"type": "po", "bizTransaction": f"urn:epcglobal:cbv:bt:{BUYER_GLN}:PO-1"},
            {"type": "desadv", "bizTransaction": f"urn:epcglobal:cbv:bt:{SELLER_GLN}:DN-1"},
        ],
        "quantityList": [amount | ({"uom": unit} if unit else {})],
    }
    document = {
        "@context": "https://ref.gs1.org/standards/epcis/2.0.0/epcis-context.jsonld",
        "type": "EPCISDocument",
        "schemaVersion": "2.0",
        "creationDate": "2026-02-20T08:00:00Z",
        "epcisBody": {"eventList": [event | changes]},
    }
    headers = {"Content-Type": "application/json"}
    answer = await member.user.client.post("/epcis/capture", content=json.dumps(document), headers=headers)
    assert answer.json()["success"], answer.text


async def goods(member: Member, place: str) -> list[dict[str, Any]]:
    return (await member.user.get(place)).json()["goods"]


def pieces(quantity: int, **changes: Any) -> Line:
    return Line(**({"id": "1", "name": "Pump", "gtin": GTIN, "quantity": Decimal(quantity)} | changes))


async def test_a_delivery_confirmed_once_does_not_stand_behind_a_second_claim(market, sides):
    supplier, debtor = sides
    await received(debtor, 40)
    first = await put_forward(market, sides, 1, pieces(40), order="PO-1")

    (seen,) = await goods(debtor, first)
    assert (seen["billed"], seen["received"], seen["confirmed_before"]) == ("40", "40", "0")
    assert seen["enough"] is True
    assert "you received 40 and confirmed 0" in seen["words"]["en"]
    assert await goods(supplier, first) is None, "what else its buyer confirmed is not the supplier's to know"

    await market.sign(debtor, await debtor.user.post(f"{first}/confirmation"))
    second = await put_forward(market, sides, 2, pieces(40), despatch="DN-1")

    (seen,) = await goods(debtor, second)
    assert (seen["received"], seen["confirmed_before"], seen["enough"]) == ("40", "40", False)


async def test_lines_of_one_article_count_together_and_in_one_unit(market, sides):
    _, debtor = sides
    await received(debtor, 2, "KGM")
    place = await put_forward(
        market, sides, 1, pieces(1500, unit="GRM"), pieces(1, id="2", unit="KGM"), order="PO-1"
    )

    (seen,) = await goods(debtor, place)
    assert (seen["lines"], seen["unit"]) == ("1, 2", "GRM")
    assert (seen["billed"], seen["received"], seen["enough"]) == ("2500", "2000", False)


async def test_what_cannot_be_told_is_not_guessed(market, sides):
    supplier, debtor = sides
    nothing = await put_forward(market, sides, 1, pieces(40), order="PO-1")
    assert [each["doubt"] for each in await goods(debtor, nothing)] == ["no-receipt"]

    await received(supplier, 40)
    assert [each["doubt"] for each in await goods(debtor, nothing)] == ["no-receipt"], "the seller's word"

    await received(debtor, 40)
    without = await put_forward(market, sides, 2, pieces(40, gtin=None), order="PO-1")
    weighed = await put_forward(market, sides, 3, pieces(40, unit="KGM"), order="PO-1")
    for place, doubt in ((without, "no-article"), (weighed, "no-quantity")):
        (seen,) = await goods(debtor, place)
        assert (seen["doubt"], seen["received"], seen["enough"]) == (doubt, None, None)

    await market.sign(debtor, await debtor.user.post(f"{without}/confirmation"))
    (seen,) = await goods(debtor, nothing)
    assert (seen["doubt"], seen["received"], seen["confirmed_before"]) == ("other-claims", "40", None)


async def test_what_one_delivery_brought_caps_what_invoices_take_of_it(market, sides):
    supplier, debtor = sides
    await received(debtor, 40)
    ledger = market.world.ledger_id

    async def brought(unit: str = "H87", number: str = "DN-1", item: str = GTIN) -> Any:
        delivery = Delivery(
            "despatch", number, supplier.party_id, debtor.party_id, {item: Decimal(25)}, {item: unit}
        )
        async with market.world.database.reading() as session:
            return await deliveries.received(session, ledger, delivery)

    assert await brought() == {GTIN: Decimal(40)}
    assert await brought(item=GTIN[1:]) == {GTIN[1:]: Decimal(40)}
    assert await brought(unit="KGM") is None
    assert await brought(number="DN-2") is None
    assert await brought(item="TW200") is None
