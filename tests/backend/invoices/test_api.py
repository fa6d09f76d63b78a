"""From an uploaded file to what a receivable is made from, with everybody's part of it."""

import asyncio
from dataclasses import replace
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from backend.invoices import intake, repository, service, vault
from backend.invoices.holds import Deliveries, Delivery
from backend.invoices.problems import InvoiceHeld, InvoiceWithdrawn
from backend.invoices.secrets import MasterKey
from backend.kit import vrf
from backend.kit.access import Caller, Role
from backend.kit.disclosure import Disclosure, verify
from backend.kit.sparse import MapProof
from tests.backend.conftest import User
from tests.backend.invoices import samples
from tests.backend.invoices.conftest import VRF_KEY, Shop

LOOK_ALIKE = ("ET-2026/0117", "ET-2O26/0117")


async def reasons(user: User, invoice_id: str) -> dict[str, str]:
    body = (await user.get(f"/v1/invoices/{invoice_id}")).json()
    return {reason["rule"]: reason["effect"] for reason in body["financeable"]["reasons"]}


async def test_fields_are_read_problems_shown_and_the_buyer_is_found(shop: Shop) -> None:
    answer = await shop.bring()
    body = answer.json()

    assert answer.status_code == 201
    assert answer.headers["location"] == f"/v1/invoices/{body['id']}"
    assert (body["number"], body["payable"], body["currency"]) == ("ET-2026/0117", 594941, "EUR")
    assert body["seller_party_id"] == str(shop.seller.party_id)
    assert body["buyer_party_id"] == str(shop.buyer.party_id)
    assert body["validation"]["result"] == "valid"
    assert body["document"]["scan"] == "not-scanned"


@pytest.mark.parametrize("form", [True, False])
async def test_as_a_form_or_as_it_is(shop: Shop, form: bool) -> None:
    if form:
        answer = await shop.seller.post(
            "/v1/invoices", files={"file": ("july.pdf", samples.UBL, "application/pdf")}
        )
    else:
        answer = await shop.bring()
    original = await shop.seller.get(answer.json()["links"]["document"])

    assert original.content == samples.UBL
    assert original.headers["x-content-type-options"] == "nosniff"
    assert original.headers["content-disposition"].startswith("attachment")
    assert ("july.pdf" in original.headers["content-disposition"]) is form


@pytest.mark.parametrize(
    "edits",
    [
        [],
        [("<cbc:IssueDate>2026-11-02", "<cbc:IssueDate>2026-11-03")],
        [("5949.41", "5949.42")],
        [("ET-2026/0117", "et 2026-0117")],
        [("ET-2026/0117", "ＥＴ２０２６/０１１７")],
        [("ET-2026/0117", "ET\u200b-2026/0117")],
        [("DE888888885", "DE777777708")],
    ],
)
async def test_the_same_invoice_again_is_refused_with_a_sentence(
    shop: Shop, edits: list[tuple[str, str]]
) -> None:
    """Pitfall 5 of money: the same invoice again, with another date, case, spacing or buyer."""
    assert (await shop.bring()).status_code == 201
    again = await shop.bring(samples.changed(samples.UBL, *edits))

    assert again.status_code == 409
    assert again.json()["type"] == "urn:tallystick:problem:invoice-known"
    assert "ET-2026/0117 of 2026-11-02" in again.json()["detail"]
    assert len((await shop.seller.get("/v1/invoices")).json()["items"]) == 1


async def test_the_same_invoice_in_another_format_is_refused(shop: Shop) -> None:
    await shop.bring()

    assert (await shop.bring(samples.CII)).status_code == 409
    assert (await shop.bring(samples.pdf({"factur-x.xml": samples.CII}))).status_code == 409


async def test_another_supplier_is_not_the_seller_in_the_file(shop: Shop) -> None:
    for brought in (False, True):
        if brought:
            await shop.bring()
        answer = await shop.bring(by=shop.stranger)

        assert answer.status_code == 403
        assert answer.json()["detail"] == (
            "The seller in the file is Example Tools GmbH; you are Other Trading GmbH. "
            "An invoice is brought by its seller."
        )


async def test_two_requests_at_once_take_one_invoice(shop: Shop) -> None:
    answers = await asyncio.gather(*(shop.bring() for _ in range(3)), shop.bring(samples.CII))

    assert sorted(answer.status_code for answer in answers) == [201, 409, 409, 409]


@pytest.mark.parametrize(
    ("edits", "kind"),
    [
        ([LOOK_ALIKE], "same-f"),
        ([("ET-2026/0117", "ET20260117")], "same-f"),
        ([("ET-2026/0117", "ET-2026/00117")], "same-f"),
        ([("ET-2026/0117", "EТ-2026/0117")], "same-f"),
        ([("2026-11-02", "2025-11-02")], "same-f"),
        ([("ET-2026/0117", "ET-2026/0118")], "same-a"),
        ([("ET-2026/0117", "ET-2026/0118"), ("2026-11-02", "2026-11-04")], "same-p"),
        ([("ET-2026/0117", "ET-2026/0118"), ("2026-11-02", "2026-11-04"), ("5949.41", "5949.42")], "same-d"),
    ],
)
async def test_one_like_it_is_held_until_the_operator_lets_it_go(
    shop: Shop, edits: list[tuple[str, str]], kind: str
) -> None:
    first = (await shop.bring()).json()
    second = await shop.bring(samples.changed(samples.UBL, *edits))
    invoice_id = second.json()["id"]

    assert second.status_code == 201
    assert (await reasons(shop.seller, invoice_id))[kind] == "hold"
    assert await reasons(shop.seller, first["id"]) == {}

    path = f"/v1/invoices/{invoice_id}/holds"
    assert (await shop.seller.post(f"{path}/{kind}/release", json={"reason": "mine"})).status_code == 403
    seen = (await shop.operator.get(f"/v1/invoices/{invoice_id}")).json()
    assert {hold["against"] for hold in seen["holds"]} == {first["id"]}
    for held in {hold["rule"] for hold in seen["holds"]}:
        released = await shop.operator.post(f"{path}/{held}/release", json={"reason": "two deliveries"})
        assert released.status_code == 200
    assert not {rule for rule in await reasons(shop.seller, invoice_id) if rule.startswith("same-")}
    assert (await shop.operator.post(f"{path}/{kind}/release", json={"reason": "again"})).status_code == 404


async def test_no_party_learns_of_anothers_business(shop: Shop) -> None:
    """Two sellers claim the same order of the same buyer: each is told only that somebody looks at it."""
    other = samples.changed(
        samples.UBL,
        ("DE999999911", "DE777777708"),
        ("Example Tools GmbH", "Other Trading GmbH"),
        ("ET-2026/0117", "OT-5"),
    )
    await shop.bring()
    answer = await shop.bring(other, by=shop.stranger)
    shown = answer.json()

    assert answer.status_code == 201
    assert {hold["rule"] for hold in shown["holds"]} == {"under-review"}
    assert {hold["against"] for hold in shown["holds"]} == {None}
    assert "Example" not in answer.text
    assert "same-" not in answer.text
    as_operator = (await shop.operator.get(f"/v1/invoices/{shown['id']}")).json()
    assert {hold["rule"] for hold in as_operator["holds"]} == {"same-p", "same-d"}


async def test_who_sees_what(shop: Shop) -> None:
    invoice_id = (await shop.bring()).json()["id"]
    auditor = await shop.world.user(Role.AUDITOR)

    for user in (shop.seller, shop.buyer, shop.operator, auditor):
        assert (await user.get(f"/v1/invoices/{invoice_id}")).status_code == 200
        assert len((await user.get("/v1/invoices")).json()["items"]) == 1
    for path in ("", "/document", "/fields?name=BT-1", "/fingerprints"):
        assert (await shop.stranger.get(f"/v1/invoices/{invoice_id}{path}")).status_code == 404
    assert (await shop.stranger.get("/v1/invoices")).json()["items"] == []
    assert (await shop.buyer.post(f"/v1/invoices/{invoice_id}/withdrawal")).status_code == 404
    assert (await auditor.post(f"/v1/invoices/{invoice_id}/withdrawal")).status_code == 403


async def test_withdrawn_it_may_be_brought_again_and_in_use_it_may_not_be_withdrawn(shop: Shop) -> None:
    from backend.invoices import service

    first = (await shop.bring()).json()["id"]
    assert (await shop.seller.post(f"/v1/invoices/{first}/withdrawal")).status_code == 204
    assert (await shop.buyer.get(f"/v1/invoices/{first}")).status_code == 404
    caller = Caller(shop.seller.user_id, shop.seller.party_id, shop.world.ledger_id, frozenset({Role.MAKER}))
    async with shop.world.database.transaction() as session:
        with pytest.raises(InvoiceWithdrawn):
            await shop.world.app.state.read_invoice(session, caller, UUID(first))
    second = (await shop.bring()).json()["id"]
    async with shop.world.database.transaction() as session:
        await service.mark_in_use(session, shop.world.ledger_id, UUID(second))

    for path in ("withdrawal", "erasure"):
        assert (await shop.seller.post(f"/v1/invoices/{second}/{path}")).status_code == 409
    assert (await shop.bring()).status_code == 409


async def test_erased_nothing_is_left_but_hash_root_and_identity(shop: Shop) -> None:
    before = (await shop.bring()).json()
    assert (await shop.seller.post(f"/v1/invoices/{before['id']}/erasure")).status_code == 204

    assert (await shop.seller.get(f"/v1/invoices/{before['id']}")).status_code == 410
    assert (await shop.seller.get(before["links"]["document"])).status_code == 410
    assert (await shop.bring()).status_code == 409
    async with shop.world.database.reading() as session:
        record = await repository.get(session, shop.world.ledger_id, UUID(before["id"]))
    assert record is not None
    assert (record.fields, record.document_root) == ({}, before["document"]["root"])


async def test_single_fields_are_proved_against_the_root(shop: Shop) -> None:
    body = (await shop.bring()).json()
    answer = await shop.buyer.get(
        body["links"]["fields"], params={"name": ["BT-115", "BG-25/0/BT-129", "document"]}
    )
    root = bytes.fromhex(body["document"]["root"][2:])

    assert [field["value"] for field in answer.json()] == ["5949.41", "40", body["document"]["sha256"]]
    for field in answer.json():
        shown = Disclosure(
            name=field["name"],
            value=field["value"],
            salt=bytes.fromhex(field["salt"][2:]),
            proof=MapProof(tuple(bytes.fromhex(sibling[2:]) for sibling in field["siblings"])),
        )
        assert verify(root, shown)
        assert not verify(root, replace(shown, value="1.00"))
    missing = await shop.buyer.get(body["links"]["fields"], params={"name": "BT-999"})
    assert missing.json()["type"] == "urn:tallystick:problem:invoice-field-unknown"


async def test_the_original_is_encrypted_at_rest_and_tampering_shows(shop: Shop) -> None:
    body = (await shop.bring()).json()
    async with shop.world.database.transaction() as session:
        document = await repository.document(session, UUID(body["id"]), "original")
        assert document is not None
        assert b"Example Tools" not in document.ciphertext
        document.ciphertext = document.ciphertext[:-1] + bytes([document.ciphertext[-1] ^ 1])

    answer = await shop.seller.get(body["links"]["document"])

    assert answer.status_code == 503
    assert answer.json()["type"] == "urn:tallystick:problem:documents-locked"


async def test_after_a_change_of_keys_old_originals_open_and_old_tokens_still_meet(shop: Shop) -> None:
    body = (await shop.bring()).json()
    secrets = shop.world.app.state.invoice_secrets
    shop.world.app.state.invoice_secrets = replace(
        secrets, masters=(MasterKey.of(b"n" * 32), *secrets.masters)
    )

    assert (await shop.seller.get(body["links"]["document"])).content == samples.UBL
    assert (await shop.bring(samples.CII)).status_code == 409
    held = await shop.bring(samples.changed(samples.UBL, LOOK_ALIKE))
    assert "same-f" in {hold["rule"] for hold in held.json()["holds"]}


async def test_fingerprints_one_for_each_identifier_each_with_its_proof(shop: Shop) -> None:
    body = (await shop.bring()).json()
    shown = (await shop.buyer.get(body["links"]["fingerprints"])).json()

    assert shown["key_set"] == 1
    assert [each["identity"] for each in shown["fingerprints"]] == [
        "tallystick-invoice-1|TAX:DE:999999911|2026|INV|ET2026-0117",
        "tallystick-invoice-1|GLN:4000001000005|2026|INV|ET2026-0117",
    ]
    for each in shown["fingerprints"]:
        proof = bytes.fromhex(each["proof"][2:])
        beta = vrf.verify(bytes.fromhex(VRF_KEY[2:]), each["identity"].encode(), proof)
        assert beta is not None
        assert each["value"] == "0x" + vrf.fingerprint(beta).hex()


async def test_what_a_receivable_is_made_from(shop: Shop) -> None:
    body = (await shop.bring()).json()
    read = shop.world.app.state.read_invoice
    caller = Caller(shop.seller.user_id, shop.seller.party_id, shop.world.ledger_id, frozenset({Role.MAKER}))
    async with shop.world.database.transaction() as session:
        facts = await read(session, caller, UUID(body["id"]))

    assert (facts.number, facts.payable, facts.currency) == ("ET-2026/0117", 594941, "EUR")
    assert (facts.seller_party_id, facts.buyer_party_id) == (shop.seller.party_id, shop.buyer.party_id)
    assert (facts.document_root, facts.key_set) == (body["document"]["root"], 1)
    assert len(facts.fingerprints) == 2
    assert facts.obstacles == ()


@pytest.mark.parametrize(
    ("edits", "obstacle"),
    [
        ([("Code>380<", "Code>381<")], "gate.credit-note"),
        ([("Goods remain ours until paid.", "assigned to Sample Factoring")], "gate.assignment-wording"),
        ([("DE888888885", "DE111111125")], "gate.buyer-not-admitted"),
        ([("<cbc:DueDate>2027-01-31</cbc:DueDate>", "")], None),
        ([("2027-01-31", "2026-11-03")], None),
    ],
)
async def test_obstacles_are_what_neither_buyer_nor_terms_can_settle(
    shop: Shop, edits: list[tuple[str, str]], obstacle: str | None
) -> None:
    body = (await shop.bring(samples.changed(samples.UBL, *edits))).json()
    caller = Caller(shop.seller.user_id, shop.seller.party_id, shop.world.ledger_id, frozenset({Role.MAKER}))
    async with shop.world.database.transaction() as session:
        facts = await shop.world.app.state.read_invoice(session, caller, UUID(body["id"]))

    assert obstacle in {each.code for each in facts.obstacles} if obstacle else facts.obstacles == ()
    assert all(each.render("zh")["detail"] for each in facts.obstacles)


async def test_a_buyer_without_numbers_is_named_by_whoever_brings_it(shop: Shop) -> None:
    nameless = samples.changed(samples.UBL, ("DE888888885", ""), ("Sample Machines AG", "The machine people"))
    found = await shop.bring(nameless)
    assert found.json()["buyer_party_id"] is None

    await shop.seller.post(f"/v1/invoices/{found.json()['id']}/withdrawal")
    named = await shop.bring(nameless, buyer_party_id=str(shop.buyer.party_id))
    assert named.json()["buyer_party_id"] == str(shop.buyer.party_id)


async def test_a_self_billed_invoice_is_brought_by_the_buyer_and_is_the_sellers(shop: Shop) -> None:
    answer = await shop.bring(samples.changed(samples.UBL, ("Code>380<", "Code>389<")), by=shop.buyer)

    assert answer.status_code == 201
    assert answer.json()["seller_party_id"] == str(shop.seller.party_id)
    assert (await shop.seller.get("/v1/invoices")).json()["items"][0]["number"] == "ET-2026/0117"


@pytest.mark.parametrize(
    ("document", "code"),
    [
        (b"", "file-is-empty"),
        (b"<Order/>", "xml-is-no-invoice"),
        (b'<!DOCTYPE a SYSTEM "http://127.0.0.1:1/"><a/>', "xml-has-doctype"),
        (samples.UBL[:900], "xml-broken"),
    ],
)
async def test_what_cannot_be_read_is_one_clear_problem(shop: Shop, document: bytes, code: str) -> None:
    answer = await shop.bring(document)

    assert answer.status_code == 422
    assert (answer.json()["type"], answer.json()["reason"]) == (
        "urn:tallystick:problem:invoice-unreadable",
        code,
    )
    assert (await shop.seller.get("/v1/invoices")).json()["items"] == []


async def test_without_a_number_there_is_no_identity(shop: Shop) -> None:
    answer = await shop.bring(
        samples.changed(samples.UBL, ("<cbc:ID>ET-2026/0117</cbc:ID>", "<cbc:ID>-/-</cbc:ID>"))
    )

    assert answer.status_code == 422
    assert "Invoice number (BT-1)" in answer.json()["detail"]


async def test_a_form_without_a_file(shop: Shop) -> None:
    answer = await shop.seller.post("/v1/invoices", files={"other": ("a", b"b")})

    assert answer.json()["reason"] == "form-without-file"


async def test_a_key_the_chain_does_not_know_makes_no_fingerprint(shop: Shop) -> None:
    body: dict[str, Any] = (await shop.bring()).json()
    async with shop.world.database.transaction() as session:
        await repository.replace_key_sets(
            session, shop.world.ledger_id, [(1, [VRF_KEY]), (2, ["0x" + "07" * 32])]
        )

    answer = await shop.seller.get(body["links"]["fingerprints"])

    assert answer.status_code == 503
    assert answer.json()["type"] == "urn:tallystick:problem:fingerprint-key-missing"


async def test_a_sealed_document_opens_for_its_own_invoice_only(shop: Shop) -> None:
    first = (await shop.bring()).json()["id"]
    second = (await shop.bring(samples.changed(samples.UBL, ("ET-2026/0117", "ET-9")))).json()["id"]
    async with shop.world.database.transaction() as session:
        one = await repository.document(session, UUID(first), "original")
        two = await repository.document(session, UUID(second), "original")
        assert one is not None
        assert two is not None
        two.ciphertext, two.wrapped_key = one.ciphertext, one.wrapped_key

    assert (await shop.seller.get(f"/v1/invoices/{second}/document")).status_code == 503
    assert vault._about(UUID(first), "original") != vault._about(UUID(second), "original")


NEXT = (
    [("ET-2026/0117", "P-1"), (">40<", ">20<"), ("5949.41", "5949.42")],
    [("ET-2026/0117", "P-2"), (">40<", ">20<"), ("5949.41", "5949.43"), ("2026-11-02", "2026-11-03")],
    [("ET-2026/0117", "P-3"), (">40<", ">20<"), ("5949.41", "5949.44"), ("2026-11-02", "2026-11-04")],
)


async def delivered_forty(_session: Any, _ledger: UUID, delivery: Delivery) -> dict[str, Decimal]:
    assert (delivery.kind, delivery.number) in {("despatch", "DN-5530"), ("receipt", "GR-70418")}
    return dict.fromkeys(delivery.items, Decimal(40))


async def test_one_delivery_backs_no_more_than_it_brought(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Deliveries, "ask", delivered_forty)
    brought = [(await shop.bring(samples.changed(samples.UBL, *edits))).json()["id"] for edits in NEXT]

    assert "same-d" not in await reasons(shop.seller, brought[0])
    assert "same-d" not in await reasons(shop.seller, brought[1])
    assert (await reasons(shop.seller, brought[2]))["same-d"] == "hold"


async def test_the_buyer_sees_what_a_delivery_brought_before_it_answers(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = [
        (await shop.bring(samples.changed(samples.UBL, *edits))).json()["id"] for edits in NEXT[:2]
    ]

    async def seen(invoice_id: str) -> list[tuple[Any, ...]]:
        rows = (await shop.buyer.get(f"/v1/invoices/{invoice_id}/deliveries")).json()
        names = ("billed", "received", "accepted", "enough")
        return [tuple(row[name] for name in names) for row in rows if row["kind"] == "receipt"]

    assert await seen(second) == [("20", None, "0", None), ("10", None, "0", None)]
    monkeypatch.setattr(Deliveries, "ask", delivered_forty)
    await shop.buyer.post(f"/v1/invoices/{first}/answers", json={"code": "AP"})
    assert await seen(second) == [("20", "40", "20", True), ("10", "40", "10", True)]
    assert (await shop.seller.get(f"/v1/invoices/{second}/deliveries")).status_code == 403


async def test_quantities_in_other_units_are_not_added_up(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Deliveries, "ask", delivered_forty)
    await shop.bring(samples.changed(samples.UBL, *NEXT[0]))
    second = await shop.bring(samples.changed(samples.UBL, *NEXT[1], ('"H87"', '"XBX"')))

    assert (await reasons(shop.seller, second.json()["id"]))["same-d"] == "hold"


async def test_of_two_that_came_at_the_same_moment_one_is_relied_on(shop: Shop) -> None:
    """Neither saw the other when it came; whichever is about to be queued looks once more."""
    world = shop.world
    ids: list[UUID] = []
    inside = asyncio.Barrier(2)

    async def bring(number: str) -> None:
        file = await intake.read(samples.changed(samples.UBL, ("ET-2026/0117", number)))
        async with world.database.transaction() as session:
            secrets, user = world.app.state.invoice_secrets, shop.seller
            caller = Caller(user.user_id, user.party_id, world.ledger_id, frozenset({Role.MAKER}))
            ids.append((await intake.receive(session, caller, secrets, file)).id)
            if not world.database.is_sqlite:  # there one writes after the other
                await inside.wait()

    async def rely(invoice_id: UUID) -> bool:
        async with world.database.transaction() as session:
            refused = await service.recheck_all(session, world.ledger_id, [invoice_id])
        assert {type(each) for each in refused.values()} <= {InvoiceHeld}
        return not refused

    await asyncio.gather(bring("R-1"), bring("R-2"))
    first, second = sorted(ids)

    assert await asyncio.gather(rely(second), rely(first), rely(second)) == [False, True, False]
    assert (await reasons(shop.seller, str(second)))["same-a"] == "hold"
    released = await shop.operator.post(
        f"/v1/invoices/{second}/holds/same-a/release", json={"reason": "seen both"}
    )
    assert released.status_code == 200
