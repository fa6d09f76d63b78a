"""What is done without being asked: reminders, and erasing what was kept long enough."""

from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
import time_machine
from sqlalchemy import select

from backend.invoices import repository, retention, work
from backend.invoices.reminders import MOST, Reminders
from backend.invoices.retention import Retention
from backend.kit.access import Role
from backend.kit.notices import Notice
from backend.kit.settings import SettingsError, load
from tests.backend.invoices import samples
from tests.backend.invoices.conftest import Shop


async def notices(shop: Shop, kind: str) -> list[Notice]:
    async with shop.world.database.reading() as session:
        return list(await session.scalars(select(Notice).where(Notice.type == kind).order_by(Notice.id)))


async def in_days(shop: Shop, days: int, reminder_days: int = 3) -> int:
    reminders = Reminders(shop.world.database, shop.world.ledger_id, reminder_days)
    with time_machine.travel(datetime.now(UTC) + timedelta(days=days), tick=False):
        await reminders.step()
    return len(await notices(shop, "invoice.reminder"))


async def test_a_buyer_is_reminded_until_it_answers(shop: Shop) -> None:
    invoice_id = (await shop.bring()).json()["id"]

    assert [await in_days(shop, days) for days in (0, 2, 4, 5, 8)] == [0, 0, 1, 1, 2]
    first = (await notices(shop, "invoice.reminder"))[0]
    assert first.party_id == shop.buyer.party_id
    assert (first.data["number"], first.data["waits_for"], first.data["reminder"]) == (
        "ET-2026/0117",
        "answer",
        1,
    )
    await shop.buyer.post(f"/v1/invoices/{invoice_id}/answers", json={"code": "AP"})
    assert await in_days(shop, 40) == 2


async def test_reminders_end_and_can_be_switched_off(shop: Shop) -> None:
    await shop.bring()

    assert await in_days(shop, 90, reminder_days=0) == 0
    for round_ in range(MOST + 3):
        await in_days(shop, 4 * (round_ + 1))
    assert len(await notices(shop, "invoice.reminder")) == MOST


async def test_a_second_person_is_reminded_too(shop: Shop) -> None:
    invoice_id = (await shop.bring()).json()["id"]
    await shop.buyer.client.put("/v1/answer-limits/EUR", json={"amount": 1})
    await shop.buyer.post(f"/v1/invoices/{invoice_id}/answers", json={"code": "AP"})

    assert await in_days(shop, 4) == 1
    assert (await notices(shop, "invoice.reminder"))[0].data["waits_for"] == "second-person"


@pytest.mark.parametrize(
    ("profile", "day"), [("eu", "2015-12-31"), ("cn", "1995-12-31"), ("in", "2017-12-31")]
)
def test_years_count_from_the_end_of_the_year_of_issue(profile: str, day: str) -> None:
    assert retention.last_day(profile, date(2026, 11, 20)) == day


async def erase_in(shop: Shop, years: int, needed: set[UUID] | None = None) -> None:
    async def still_needed(_session: Any, _ledger: UUID, invoice_id: UUID) -> bool:
        return invoice_id in (needed or set())

    keeper = Retention(shop.world.database, shop.world.ledger_id, {}, still_needed)
    with time_machine.travel(datetime.now(UTC).replace(year=2026 + years, month=6, day=1), tick=False):
        while await keeper.step():
            pass


async def test_what_was_kept_long_enough_is_erased_unless_something_keeps_it(shop: Shop) -> None:
    plain, held, needed = [
        (await shop.bring(samples.changed(samples.UBL, ("ET-2026/0117", number)))).json()["id"]
        for number in ("K-1", "L-20", "M-300")
    ]
    reason = {"reason": "case 5 O 117/26"}
    assert (await shop.seller.client.put(f"/v1/invoices/{held}/legal-hold", json=reason)).status_code == 403
    assert (await shop.operator.client.put(f"/v1/invoices/{held}/legal-hold", json=reason)).status_code == 204
    assert (await shop.seller.post(f"/v1/invoices/{held}/erasure")).status_code == 409

    async def states() -> list[str]:
        async with shop.world.database.reading() as session:
            rows = [
                await repository.get(session, shop.world.ledger_id, UUID(each))
                for each in (plain, held, needed)
            ]
            return [row.state for row in rows if row]

    await erase_in(shop, 10, {UUID(needed)})
    assert await states() == ["open", "open", "open"]
    await erase_in(shop, 11, {UUID(needed)})
    assert await states() == ["erased", "open", "open"]
    assert (await shop.seller.get(f"/v1/invoices/{plain}/document")).status_code == 410
    assert [each.subject for each in await notices(shop, "invoice.erased")] == [f"invoice:{plain}"]

    await shop.operator.client.put(f"/v1/invoices/{held}/legal-hold", json={"reason": None})
    await erase_in(shop, 11)
    assert await states() == ["erased", "erased", "erased"]


async def test_the_worker_does_all_of_it(shop: Shop) -> None:
    async def never(*_: Any) -> bool:
        return False

    found = work.loops(load({}), shop.world.database, shop.world.ledger_id, never)
    assert [loop.name for loop in found] == ["invoice-batches", "invoice-reminders", "invoice-retention"]
    assert [await loop.step() for loop in found] == [False, False, False]


def test_other_years_are_a_setting() -> None:
    assert load({"TALLYSTICK_RETENTION_YEARS": "eu=6, in=9"}).retention_years == {"eu": 6, "in": 9}
    with pytest.raises(SettingsError, match="RETENTION_YEARS"):
        load({"TALLYSTICK_RETENTION_YEARS": "eu=long"})


async def test_a_deputy_agrees_in_the_place_of_a_checker_who_is_away(shop: Shop) -> None:
    invoice_id = (await shop.bring()).json()["id"]
    await shop.buyer.client.put("/v1/answer-limits/EUR", json={"amount": 1})
    maker = await shop.world.user(Role.MAKER, party_id=shop.buyer.party_id)
    absent = await shop.world.user(Role.CHECKER, party_id=shop.buyer.party_id)
    today = datetime.now(UTC).date()

    def term(away: UUID, deputy: UUID, first: int, last: int) -> dict[str, str]:
        return {
            "absent_user_id": str(away),
            "deputy_user_id": str(deputy),
            "starts": (today + timedelta(days=first)).isoformat(),
            "ends": (today + timedelta(days=last)).isoformat(),
        }

    async def named(body: dict[str, str], status: int) -> str:
        answer = await shop.buyer.post("/v1/answer-deputies", json=body)
        assert answer.status_code == status, answer.text
        return str(answer.json().get("id"))

    proposed = await shop.buyer.post(f"/v1/invoices/{invoice_id}/answers", json={"code": "AP"})
    path = f"/v1/invoices/{invoice_id}/answers/{proposed.json()['id']}/approval"
    assert (await maker.post(path)).status_code == 403

    await named(term(absent.user_id, shop.stranger.user_id, 0, 5), 422)
    await named(term(absent.user_id, absent.user_id, 0, 5), 422)
    await named(term(maker.user_id, absent.user_id, 0, 5), 422)
    await named(term(absent.user_id, maker.user_id, -9, -5), 422)
    await named(term(shop.buyer.user_id, maker.user_id, 0, 5), 201)
    await named(term(absent.user_id, maker.user_id, 3, 5), 201)
    assert (await maker.post(path)).status_code == 403, "for the proposer, or not yet"

    over = await named(term(absent.user_id, maker.user_id, 0, 5), 201)
    assert (await shop.buyer.client.delete(f"/v1/answer-deputies/{over}")).status_code == 204
    assert (await maker.post(path)).status_code == 403, "it was ended"

    await named(term(absent.user_id, maker.user_id, 0, 5), 201)
    agreed = (await maker.post(path)).json()
    assert (agreed["state"], agreed["approved_by"]) == ("given", str(maker.user_id))
    assert agreed["approved_for"] == str(absent.user_id)
    assert len((await shop.buyer.get("/v1/answer-deputies")).json()) == 4
    assert (await shop.stranger.get("/v1/answer-deputies")).json() == []
