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
