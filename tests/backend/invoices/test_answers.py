"""The buyer's answer: who may give it, what may follow, two people above a limit, and what comes of it."""

import csv
import io
from datetime import date
from typing import Any
from uuid import UUID

import httpx
import openpyxl
import pytest

from backend.invoices import answers, service
from backend.kit.access import Caller, Role
from tests.backend.conftest import User
from tests.backend.invoices import samples
from tests.backend.invoices.conftest import Shop


async def answered(user: User, invoice_id: str, **body: Any) -> httpx.Response:
    return await user.post(f"/v1/invoices/{invoice_id}/answers", json=body)


async def brought(shop: Shop) -> str:
    return str((await shop.bring()).json()["id"])


async def facts(shop: Shop, invoice_id: str) -> Any:
    caller = Caller(shop.seller.user_id, shop.seller.party_id, shop.world.ledger_id, frozenset({Role.MAKER}))
    async with shop.world.database.transaction() as session:
        return await shop.world.app.state.read_invoice(session, caller, UUID(invoice_id))


async def test_from_received_to_paid(shop: Shop) -> None:
    invoice_id = await brought(shop)

    for code in ("AB", "IP", "AP", "PD"):
        assert (await answered(shop.buyer, invoice_id, code=code)).json()["state"] == "given"
    assert (await shop.seller.get(f"/v1/invoices/{invoice_id}")).json()["answer"] == "PD"
    given = (await shop.seller.get(f"/v1/invoices/{invoice_id}/answers")).json()
    assert [each["code"] for each in given] == ["AB", "IP", "AP", "PD"]


@pytest.mark.parametrize(
    ("first", "then"),
    [
        ({"code": "AP"}, {"code": "RE", "reasons": ["QTY"]}),
        ({"code": "RE", "reasons": ["QUA"]}, {"code": "AP"}),
        ({"code": "AP"}, {"code": "AP"}),
        (None, {"code": "PD"}),
    ],
)
async def test_what_cannot_follow(shop: Shop, first: dict[str, Any] | None, then: dict[str, Any]) -> None:
    invoice_id = await brought(shop)
    if first:
        assert (await answered(shop.buyer, invoice_id, **first)).status_code == 201

    refused = await answered(shop.buyer, invoice_id, **then)
    assert refused.status_code == 409
    assert refused.json()["type"] == "urn:tallystick:problem:invoice-answer-out-of-turn"


@pytest.mark.parametrize(
    "body",
    [
        {"code": "CA"},
        {"code": "RE"},
        {"code": "UQ"},
        {"code": "AP", "amount": 5},
        {"code": "CA", "amount": 594942},
        {"code": "CA", "amount": 0},
        {"code": "XX"},
        {"code": "RE", "reasons": ["nonsense"]},
    ],
)
async def test_an_answer_is_complete_or_refused(shop: Shop, body: dict[str, Any]) -> None:
    invoice_id = await brought(shop)

    assert (await answered(shop.buyer, invoice_id, **body)).status_code == 422
    assert (await shop.seller.get(f"/v1/invoices/{invoice_id}")).json()["answer"] is None


async def test_conditions_become_the_terms_and_a_rejection_stops_it(shop: Shop) -> None:
    invoice_id = await brought(shop)
    await answered(shop.buyer, invoice_id, code="UQ", reasons=["PRI"])
    assert [each.code for each in (await facts(shop, invoice_id)).obstacles] == ["gate.answer-uq"]

    await answered(shop.buyer, invoice_id, code="CA", amount=500000, due_date="2027-02-15")
    agreed = await facts(shop, invoice_id)

    assert (agreed.payable, agreed.due_date.isoformat(), agreed.obstacles) == (500000, "2027-02-15", ())


async def test_only_the_buyer_answers(shop: Shop) -> None:
    invoice_id = await brought(shop)

    assert (await answered(shop.seller, invoice_id, code="AP")).status_code == 403
    assert (await answered(shop.stranger, invoice_id, code="AP")).status_code == 404


async def test_two_people_above_the_limit(shop: Shop) -> None:
    invoice_id = await brought(shop)
    limit = await shop.buyer.client.put("/v1/answer-limits/EUR", json={"amount": 594940})
    assert limit.status_code == 204
    proposed = (await answered(shop.buyer, invoice_id, code="AP")).json()
    path = f"/v1/invoices/{invoice_id}/answers/{proposed['id']}/approval"
    maker = await shop.world.user(Role.MAKER, party_id=shop.buyer.party_id)
    second = await shop.world.user(Role.CHECKER, party_id=shop.buyer.party_id)

    assert proposed["state"] == "proposed"
    assert (await shop.seller.get(f"/v1/invoices/{invoice_id}")).json()["answer"] is None
    assert (await shop.buyer.post(path)).json()[
        "type"
    ] == "urn:tallystick:problem:invoice-second-person-needed"
    assert (await maker.post(path)).status_code == 403
    assert (await shop.seller.post(path)).status_code == 403
    assert (await second.post(path)).json()["state"] == "given"
    assert (await second.post(path)).status_code == 409
    assert (await shop.seller.get(f"/v1/invoices/{invoice_id}")).json()["answer"] == "AP"


async def test_many_answers_each_for_itself(shop: Shop) -> None:
    first = await brought(shop)
    second = (await shop.bring(samples.changed(samples.UBL, ("ET-2026/0117", "ET-9")))).json()["id"]
    body = {"answers": [
        {"invoice_id": first, "code": "AP"},
        {"invoice_id": second, "code": "CA"},
        {"invoice_id": "0190b8a7-5c00-7000-8000-000000000001", "code": "AP"},
        {"invoice_id": second, "code": "AP"},
    ]}  # fmt: skip
    results = (await shop.buyer.post("/v1/invoice-answers", json=body)).json()

    assert [each["state"] for each in results] == ["given", None, None, "given"]
    assert [each["problem"] for each in results] == [None, "invoice-answer-incomplete", "not-found", None]


async def test_the_pay_run_names_what_is_accepted_and_due(shop: Shop) -> None:
    first = await brought(shop)
    formula = ("ET-2026/0117", '=HYPERLINK("http://x")')
    second = (await shop.bring(samples.changed(samples.UBL, formula))).json()["id"]
    for invoice_id in (first, second):
        await answered(shop.buyer, invoice_id, code="AP")

    early = (await shop.buyer.get("/v1/pay-run", params={"until": "2027-01-30"})).text
    run = (await shop.buyer.get("/v1/pay-run", params={"until": "2027-01-31"})).text
    assert early.count("\n") == 1
    paid = "2027-01-31,Example Tools GmbH,5949.41,EUR"
    assert f"{paid},account,DE23100000001234567890,ET-2026/0117 2026-11-02" in run
    assert '"\'=HYPERLINK(""http://x"") 2026-11-02"' in run
    assert (await shop.stranger.get("/v1/pay-run", params={"until": "2027-01-31"})).text.count("\n") == 1

    async with shop.world.database.transaction() as session:
        await service.mark_in_use(session, shop.world.ledger_id, UUID(first))
    await shop.seller.post(f"/v1/invoices/{second}/erasure")
    run = (await shop.buyer.get("/v1/pay-run", params={"until": "2027-01-31"})).text
    assert f"{paid},ledger,,ET-2026/0117 2026-11-02" in run
    assert run.count("\n") == 2


async def test_answers_by_file_row_by_row(shop: Shop) -> None:
    numbers = ("F-1", "G-20", "H-300", "K-4000")
    for number in numbers:
        await shop.bring(samples.changed(samples.UBL, ("ET-2026/0117", number)))
    sheet = (await shop.buyer.get("/v1/invoice-answers/sheet")).content.decode("utf-8-sig")
    rows = list(csv.DictReader(io.StringIO(sheet)))
    assert [(row["invoice_no"], row["payable"], row["code"]) for row in rows] == [
        (number, "5949.41", "") for number in numbers
    ]

    rows[0] |= {"code": "ap"}
    rows[1] |= {
        "code": "CA",
        "amount": "5.500,00",
        "agreed_due_date": "15.02.2027",
        "note": "two less",
    }
    rows[2] |= {"code": "RE", "reasons": "QTY, PRI"}
    rows.append({"invoice_no": "F-1", "seller_tax_no": "de 999 999 911", "code": "PD"})
    rows.append({"invoice_no": "none", "code": "AP"})
    rows.append({"invoice_id": rows[3]["invoice_id"], "code": "yes"})
    target = io.StringIO()
    writer = csv.DictWriter(target, rows[0])
    writer.writeheader()
    writer.writerows(rows)
    done = await shop.buyer.post("/v1/invoice-answers/file", content=target.getvalue().encode())

    report = done.json()
    assert [(row["position"], row["state"], row["problem"]) for row in report] == [
        (2, "given", None),
        (3, "given", None),
        (4, "given", None),
        (6, "given", None),
        (7, None, "not-found"),
        (8, None, "answer-row-unclear"),
    ]
    assert '"yes"' in report[-1]["detail"]
    agreed = (await shop.buyer.get(f"/v1/invoices/{rows[1]['invoice_id']}/answers")).json()[0]
    assert (agreed["amount"], agreed["due_date"], agreed["note"]) == (550000, "2027-02-15", "two less")
    left = (await shop.buyer.get("/v1/invoice-answers/sheet")).content.decode("utf-8-sig")
    assert left.count("\n") == 2
    terms = await facts(shop, rows[1]["invoice_id"])
    assert (terms.payable, terms.due_date) == (550000, date(2027, 2, 15))


async def test_a_workbook_of_answers_and_what_is_none(shop: Shop) -> None:
    invoice_id = await brought(shop)
    book = openpyxl.load_workbook(
        io.BytesIO((await shop.buyer.get("/v1/invoice-answers/sheet?format=xlsx")).content)
    )
    sheet = book.worksheets[0]
    sheet.cell(2, [cell.value for cell in sheet[1]].index("code") + 1, "AP")
    target = io.BytesIO()
    book.save(target)
    done = await shop.buyer.post("/v1/invoice-answers/file?format=csv", content=target.getvalue())

    assert done.text.splitlines()[1] == "2,ET-2026/0117,given,,"
    assert (await shop.seller.get(f"/v1/invoices/{invoice_id}")).json()["answer"] == "AP"
    for content in (b"a,b\n1,2\n", b"PK\x03\x04", b"\xff\xfe\x00"):
        refused = await shop.buyer.post("/v1/invoice-answers/file", content=content)
        assert refused.status_code == 422


@pytest.mark.parametrize(
    ("amount", "day", "code"),
    [
        (594_941, date(2027, 1, 31), "AP"),
        (500_000, date(2027, 1, 31), "CA"),
        (594_941, date(2027, 2, 5), "CA"),
    ],
)
async def test_a_signature_on_the_claim_answers_the_invoice(
    shop: Shop, amount: int, day: date, code: str
) -> None:
    """Whoever has signed is not asked again, and pays what it signed."""
    invoice_id = UUID(await brought(shop))
    async with shop.world.database.transaction() as session:
        for _ in range(2):  # a signature sent again says nothing new
            await answers.signed(session, shop.world.ledger_id, invoice_id, shop.buyer.user_id, amount, day)

    (given,) = (await shop.seller.get(f"/v1/invoices/{invoice_id}/answers")).json()
    assert (given["code"], given["state"]) == (code, "given")
    assert str(invoice_id) not in (await shop.buyer.get("/v1/invoice-answers/sheet")).text
    run = (await shop.buyer.get("/v1/pay-run", params={"until": "2027-12-31"})).text
    assert f"{day},Example Tools GmbH,{amount / 100:.2f},EUR" in run
