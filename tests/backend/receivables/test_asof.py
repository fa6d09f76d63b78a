"""The book as of a moment: from the events up to then, by debtor and days past due."""

from datetime import UTC, datetime, timedelta

import pytest

from backend.kit.access import Role
from backend.receivables.asof import bucket
from tests.backend.market import DEBTOR, FUNDER, SUPPLIER

DAY = 86_400


@pytest.mark.parametrize(
    ("late", "name"),
    [(-5, "not_due"), (0, "not_due"), (1, "days_1_to_30"), (30 * DAY, "days_1_to_30"),
     (30 * DAY + 1, "days_31_to_60"), (60 * DAY, "days_31_to_60"), (90 * DAY, "days_61_to_90"),
     (90 * DAY + 1, "over_90")],
)  # fmt: skip
def test_buckets_begin_the_second_after(late, name):
    assert bucket(1_000_000_000, 1_000_000_000 + late) == name


async def test_the_past_is_what_the_events_said_then(market):
    supplier, debtor, bank = [await market.member(role) for role in (SUPPLIER, DEBTOR, FUNDER)]
    claim = await market.on_chain(supplier, debtor)
    place, key = claim["links"]["self"], claim["chain_id"]
    later = datetime.now(UTC) + timedelta(seconds=30)
    market_events = len(market.events)
    await market.happened(
        "Receivables", "TransferSingle", when=later,
        **{"id": int(key, 16), "from": supplier.account, "to": bank.account, "value": 1_000_000},
    )  # fmt: skip
    assert len(market.events) == market_events + 1

    before = datetime.now(UTC).isoformat()
    then = (await supplier.user.get(f"{place}/as-of", params={"time": before})).json()
    assert [(each["account"], each["units"]) for each in then["holders"]] == [(supplier.account, "59500.00")]
    now = (await bank.user.get(f"{place}/as-of", params={"time": (later + timedelta(1)).isoformat()})).json()
    assert [(each["account"], each["units"]) for each in now["holders"]] == [(bank.account, "10000.00")]
    early = await supplier.user.get(f"{place}/as-of", params={"time": "2020-01-01T00:00:00Z"})
    assert early.status_code == 404

    auditor = await market.world.user(Role.AUDITOR)
    everything = (await auditor.get(f"{place}/as-of", params={"time": before})).json()
    assert len(everything["holders"]) == 1


async def test_ageing_is_of_what_one_holds_and_of_all_for_auditors(market):
    supplier, debtor, bank = [await market.member(role) for role in (SUPPLIER, DEBTOR, FUNDER)]
    claim = await market.on_chain(supplier, debtor)
    await market.transferred(claim["chain_id"], supplier.account, bank.account, 1_000_000)
    mine = (await bank.user.get("/v1/ageing")).json()["exposures"]
    assert [(each["debtor"], each["total"], each["not_due"]) for each in mine] == [
        (debtor.account, "10000.00", "10000.00")
    ]
    auditor = await market.world.user(Role.AUDITOR)
    whole = (await auditor.get("/v1/ageing")).json()["exposures"]
    assert [each["total"] for each in whole] == ["59500.00"]
    assert (await debtor.user.get("/v1/ageing")).json()["exposures"] == []
    assert (await bank.user.get("/v1/ageing", params={"as_of": "2020-01-01"})).json()["exposures"] == []
    file = await bank.user.get("/v1/ageing", params={"format": "csv"})
    assert file.headers["content-type"].startswith("text/csv")
    assert file.text.splitlines()[1].split(",")[1] == debtor.account


async def test_the_book_is_all_there_was_then_for_auditors_and_ones_own_part_for_others(market, monkeypatch):
    supplier, debtor, bank = [await market.member(role) for role in (SUPPLIER, DEBTOR, FUNDER)]
    claim = await market.on_chain(supplier, debtor)
    before = datetime.now(UTC)
    sold, units = before + timedelta(seconds=30), {"id": int(claim["chain_id"], 16), "value": 1_000_000}
    await market.happened(
        "Receivables", "TransferSingle", when=sold,
        **units, **{"from": supplier.account, "to": bank.account},
    )  # fmt: skip
    monkeypatch.setattr("backend.receivables.book_api.now", lambda: sold + timedelta(minutes=1))
    second = await market.on_chain(supplier, await market.member(DEBTOR))
    auditor = await market.world.user(Role.AUDITOR)

    first = (await auditor.get("/v1/book", params={"limit": 1})).json()
    assert [each["id"] for each in first["items"]] == [second["id"]]
    (rest,) = (await auditor.get("/v1/book", params={"limit": 1, "cursor": first["next"]})).json()["items"]
    assert (rest["id"], rest["unpaid"], rest["phase"]) == (claim["id"], "59500.00", "not_yet_due")
    assert {each["account"]: each["unpaid"] for each in rest["holders"]} == {
        supplier.account: "49500.00",
        bank.account: "10000.00",
    }
    then = (await auditor.get("/v1/book", params={"as_of": before.isoformat()})).json()["items"]
    (row,) = [each for each in then if each["id"] == claim["id"]]
    assert [each["account"] for each in row["holders"]] == [supplier.account]

    (mine,) = (await bank.user.get("/v1/book")).json()["items"]
    assert [each["account"] for each in mine["holders"]] == [bank.account]
    stranger = await market.member(FUNDER)
    assert (await stranger.user.get("/v1/book")).json()["items"] == []
    file = await auditor.get("/v1/book", params={"format": "csv", "limit": 1})
    assert file.headers["tallystick-next"]
    assert file.headers["content-type"].startswith("text/csv")
    lines = (await auditor.get("/v1/book", params={"format": "csv"})).text.splitlines()
    assert len(lines) == 4
    assert (await auditor.get("/v1/book", params={"cursor": "x"})).status_code == 400
    assert (await auditor.get("/v1/book", params={"as_of": "yesterday"})).status_code == 422
