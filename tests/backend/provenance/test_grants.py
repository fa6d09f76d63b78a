"""Grants open events to others on every way out, for their scope and their time, and nothing else."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import update

from backend.kit.access import Caller, Role
from backend.kit.clock import iso, now
from backend.kit.database import Database
from backend.provenance import grants
from backend.provenance.epcis.values import loads
from backend.provenance.grants import ReadingGrant
from backend.provenance.query import subscriptions
from backend.provenance.trace.service import trace
from tests.backend.provenance.conftest import Recorder
from tests.backend.provenance.epcis.samples import document

ITEM = "https://id.gs1.org/01/04012345000016/21/A"
PLANK = "https://id.gs1.org/01/04012345000023/21/B"
ORDER = "urn:epcglobal:cbv:bt:4099999000003:PO-9"
PLACE = "https://id.gs1.org/414/4099999000003/254/YARD"
MADE = {
    "type": "TransformationEvent",
    "eventTime": "2026-03-01T08:00:00Z",
    "eventTimeZoneOffset": "+00:00",
    "inputEPCList": [ITEM],
    "outputEPCList": [PLANK],
    "bizStep": "commissioning",
}
SEEN = {
    "type": "ObjectEvent",
    "eventTime": "2026-03-02T08:00:00Z",
    "eventTimeZoneOffset": "+00:00",
    "epcList": [PLANK],
    "action": "OBSERVE",
    "bizStep": "storing",
    "readPoint": {"id": PLACE},
    "bizTransactionList": [{"type": "po", "bizTransaction": ORDER}],
}


async def grant(owner: Recorder, reader: Recorder, scope: str, value: str = "", **more: Any) -> Any:
    body = {"reader_id": str(reader.party_id), "scope": scope, "value": value} | more
    return await owner.user.post("/v1/event-grants", json=body)


async def seen(reader: Recorder, **params: Any) -> list[str]:
    answer = await reader.user.get("/epcis/events", params=params)
    assert answer.status_code == 200, answer.text
    return sorted(
        event["bizStep"] for event in answer.json()["epcisBody"]["queryResults"]["resultsBody"]["eventList"]
    )


@pytest.fixture(params=[grants.FEW, 0], ids=["of-little", "of-much"], autouse=True)
def few(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever may read much is answered in another way than who may read little, and the same."""
    monkeypatch.setattr(grants, "FEW", request.param)


@pytest.fixture
async def recorded(seller: Recorder) -> Recorder:
    assert (await seller.capture(document(MADE, SEEN))).json()["captured"] == 2
    return seller


@pytest.mark.parametrize(
    ("scope", "value", "opened"),
    [
        ("all", "", ["commissioning", "storing"]),
        ("item", ITEM, ["commissioning"]),
        ("item", "urn:epc:id:sgtin:4012345.000002.B", ["commissioning", "storing"]),
        ("location", PLACE, ["storing"]),
        ("transaction", ORDER, ["storing"]),
        ("transaction", PLACE, []),
        ("location", ORDER, []),
        ("item", ORDER, []),
    ],
)
async def test_each_scope_opens_what_it_names_and_no_more(
    recorded: Recorder, stranger: Recorder, scope: str, value: str, opened: list[str]
) -> None:
    assert await seen(stranger) == []

    assert (await grant(recorded, stranger, scope, value)).status_code == 201

    assert await seen(stranger) == opened
    assert await seen(recorded) == ["commissioning", "storing"]
    await recorded.capture(document({**SEEN, "bizStep": "shipping"}))
    assert ("shipping" in await seen(stranger)) == ("storing" in opened)


async def test_every_way_out_asks_the_grant(
    recorded: Recorder, stranger: Recorder, database: Database, world: Any
) -> None:
    get = stranger.user.get
    caller = Caller(stranger.user.user_id, stranger.party_id, world.ledger_id, frozenset({Role.MAKER}))
    query = subscriptions.parse(loads("{}"))

    async def ways() -> dict[str, Any]:
        async with database.reading() as session:
            told, _ = await subscriptions.since(session, caller, query, 0)
            found = await trace(session, caller, PLANK, "back", most=10)
        return {
            "resource": (await get("/epcis/epcs")).json()["member"],
            "under": (await get("/epcis/bizSteps/storing")).status_code,
            "type": (await get("/epcis/eventTypes")).json()["member"],
            "told": len(told),
            "traced": len(found.graph.items),
            "proof": (await get("/v1/log/events/0/fields", params={"name": "/bizStep"})).status_code,
        }

    before = await ways()
    made = (await grant(recorded, stranger, "all")).json()
    during = await ways()
    ended = await recorded.user.client.delete(f"/v1/event-grants/{made['id']}")
    after = await ways()

    assert before["resource"] == before["type"] == []
    assert (before["under"], before["told"], before["traced"]) == (404, 0, 1)
    assert during["resource"] == sorted([ITEM, PLANK])
    assert (during["under"], during["told"], during["traced"]) == (200, 2, 2)
    assert during["type"] == ["ObjectEvent", "TransformationEvent"]
    assert ended.json()["revoked_at"] is not None
    assert after == before


async def test_a_grant_ends_with_its_time(recorded: Recorder, stranger: Recorder, database: Database) -> None:
    later = iso(now() + timedelta(hours=1))
    assert (await grant(recorded, stranger, "all", expires_at=later)).status_code == 201
    assert len(await seen(stranger)) == 2

    async with database.transaction() as session:
        await session.execute(update(ReadingGrant).values(expires_at=now() - timedelta(seconds=1)))

    assert await seen(stranger) == []


async def test_only_ones_own_events_can_be_granted(
    recorded: Recorder, stranger: Recorder, buyer: Recorder
) -> None:
    """Who was given leave to read cannot pass it on."""
    await grant(recorded, stranger, "all")

    assert (await grant(stranger, buyer, "all")).status_code == 201

    assert await seen(buyer) == []


async def test_grants_are_seen_by_both_sides_and_ended_by_the_owner(
    recorded: Recorder, stranger: Recorder, buyer: Recorder
) -> None:
    made = (await grant(recorded, stranger, "transaction", ORDER)).json()

    lists = [
        [each["id"] for each in (await who.user.get("/v1/event-grants")).json()["items"]]
        for who in (recorded, stranger, buyer)
    ]
    refused = await stranger.user.client.delete(f"/v1/event-grants/{made['id']}")

    assert lists == [[made["id"]], [made["id"]], []]
    assert refused.status_code == 404
    assert len(await seen(stranger)) == 1


async def test_an_auditor_reads_all(recorded: Recorder, world: Any) -> None:
    auditor = await world.user(Role.AUDITOR)
    answer = await auditor.get("/epcis/events")
    assert len(answer.json()["epcisBody"]["queryResults"]["resultsBody"]["eventList"]) == 2


@pytest.mark.parametrize(
    "body",
    [
        {"scope": "all", "value": ITEM},
        {"scope": "item"},
        {"scope": "everything", "value": "x"},
        {"scope": "all", "expires_at": "2020-01-01T00:00:00Z"},
        {"scope": "all", "expires_at": "2099-01-01T00:00:00"},
        {"scope": "all", "value": 7},
        {"scope": "all", "more": "x"},
        {"scope": "all", "reader_id": "01900000-0000-7000-8000-000000000000"},
    ],
)
async def test_a_grant_that_makes_no_sense_is_refused(
    recorded: Recorder, stranger: Recorder, body: dict[str, Any]
) -> None:
    answer = await recorded.user.post("/v1/event-grants", json={"reader_id": str(stranger.party_id)} | body)

    assert answer.status_code == 422, answer.text
    assert await seen(stranger) == []


@pytest.mark.parametrize("order", ["eventTime", "recordTime"])
async def test_pages_of_what_is_open_in_several_ways_repeat_and_leave_out_nothing(
    seller: Recorder, buyer: Recorder, stranger: Recorder, auditor: Any, order: str
) -> None:
    """Some of it is the reader's own, some open by two grants at once, and most belongs to others alone."""
    for number in range(12):
        item = f"https://id.gs1.org/01/04012345000016/21/{number}"
        more = (
            {"readPoint": {"id": PLACE}} if number % 3 == 0 else {"readPoint": {"id": f"urn:test:{number}"}}
        )
        event = {**SEEN, "epcList": [item, f"urn:test:shared:{number // 4}"], **more}
        event["eventTime"] = f"2026-03-02T08:00:{(number * 7) % 12:02}Z"
        await (stranger if number % 4 == 3 else seller).capture(document(event))
    await grant(seller, stranger, "location", PLACE)
    await grant(seller, stranger, "item", "https://id.gs1.org/01/04012345000016/21/6")
    await grant(seller, stranger, "item", "https://id.gs1.org/01/04012345000016/21/10")
    await grant(buyer, stranger, "all")
    open_to_it = {0, 3, 6, 7, 9, 10, 11}
    items = {number: f"https://id.gs1.org/01/04012345000016/21/{number}" for number in range(12)}

    async def paged(user: Any, path: str, params: dict[str, Any]) -> list[Any]:
        found: list[Any] = []
        answer = await user.get(path, params=params)
        while True:
            body = answer.json()
            if "member" in body:
                found += body["member"]
            else:
                found += body["epcisBody"]["queryResults"]["resultsBody"]["eventList"]
            if "next" not in answer.links:
                return found
            answer = await user.get(answer.links["next"]["url"])

    for user, expected in ((stranger.user, open_to_it), (auditor, set(items))):
        for more in ({}, {"EQ_bizStep": "storing"}, {"MATCH_epc": list(items.values())}):
            events = await paged(user, "/epcis/events", {"orderBy": order, "perPage": 2, **more})
            assert [event["epcList"][0] for event in events] == [
                items[number]
                for number in sorted(
                    expected, key=lambda n: (n * 7) % 12 if order == "eventTime" else n, reverse=True
                )
            ]
        shared = {f"urn:test:shared:{number // 4}" for number in expected}
        for page in (1, 2, 5, 200):
            assert await paged(user, "/epcis/epcs", {"perPage": page}) == sorted(
                {items[number] for number in expected} | shared
            )
            assert await paged(user, "/epcis/bizSteps", {"perPage": page}) == [
                "https://ref.gs1.org/cbv/BizStep-storing"
            ]
            assert await paged(user, "/epcis/eventTypes", {"perPage": page}) == ["ObjectEvent"]
            places = {PLACE} | {f"urn:test:{number}" for number in expected if number % 3}
            assert await paged(user, "/epcis/readPoints", {"perPage": page}) == sorted(places)
