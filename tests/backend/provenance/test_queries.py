"""Named queries, subscriptions and top-level resources."""

import asyncio
import base64
import hmac
import json
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

import httpx
import pytest
import respx
from sqlalchemy import select, update

from backend.kit.clock import now
from backend.kit.database import Database
from backend.kit.outgoing import DeliveryError, deliver, resolve
from backend.provenance.problems import QueryInvalid
from backend.provenance.query import subscriptions
from backend.provenance.query.schedule import Schedule
from backend.provenance.tables import Subscription
from tests.backend.provenance.conftest import Recorder, receipts
from tests.backend.provenance.epcis.samples import BOARD, COLD_CHAIN, PALLET, RECEIPT, document

QUERY = {"name": "receipts", "query": {"EQ_bizStep": ["receiving"], "GE_quantity": 1}}
HOOK = "http://93.184.216.34:8080/hook"


@pytest.fixture
async def named(buyer: Recorder) -> Recorder:
    answer = await buyer.user.post("/epcis/queries", json=QUERY)
    assert answer.status_code == 201, answer.text
    return buyer


async def subscribe(recorder: Recorder, **body: Any) -> str:
    answer = await recorder.user.post(
        "/epcis/queries/receipts/subscriptions",
        json={"dest": HOOK, "signatureToken": "a secret of ours", "stream": True} | body,
    )
    assert answer.status_code == 201, answer.text
    made: str = answer.json()["subscriptionID"]
    return made


def listed(content: bytes) -> list[str]:
    body = json.loads(content)["epcisBody"]["queryResults"]["resultsBody"]
    return [event["epcList"][0] for event in body["eventList"]]


async def run(database: Database, world: Any) -> None:
    """The worker's loop, once, with every subscription's turn come."""
    async with database.transaction() as session:
        await session.execute(update(Subscription).values(next_at=now() - timedelta(seconds=1)))
    await subscriptions.step(database, world.ledger_id, allow_private=True)


async def test_a_query_is_kept_run_and_forgotten(named: Recorder, stranger: Recorder) -> None:
    await named.capture(document(RECEIPT, COLD_CHAIN))

    found = await named.user.get(
        "/epcis/queries/receipts/events", headers={"GS1-EPC-Format": "Never_Translates"}
    )

    assert listed(found.content) == [PALLET]
    assert found.json()["epcisBody"]["queryResults"]["queryName"] == "receipts"
    assert [each["name"] for each in (await named.user.get("/epcis/queries")).json()] == ["receipts"]
    assert (await named.user.get("/epcis/queries/receipts")).json()["query"] == QUERY["query"]
    assert (await stranger.user.get("/epcis/queries")).json() == []
    assert (await stranger.user.get("/epcis/queries/receipts/events")).status_code == 404
    assert (await named.user.client.delete("/epcis/queries/receipts")).status_code == 204
    assert (await named.user.get("/epcis/queries/receipts")).status_code == 404


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (QUERY, 409),
        ({"name": "x"}, 400),
        ({"name": "../x", "query": {}}, 400),
        ({"name": "x", "query": {"colour": "red"}}, 400),
        ({"name": "x", "query": {"EQ_action": ["SELL"]}}, 400),
        ([], 400),
    ],
)
async def test_a_query_that_cannot_be_is_refused(named: Recorder, body: Any, status: int) -> None:
    assert (await named.user.post("/epcis/queries", json=body)).status_code == status


async def test_a_stream_tells_of_each_event_once(named: Recorder, database: Database, world: Any) -> None:
    await named.capture(receipts(1))  # before the subscription: not told
    await subscribe(named)
    with respx.mock:
        hook = respx.post(HOOK).mock(return_value=httpx.Response(204))
        await named.capture(receipts(2, 10))
        await run(database, world)
        await run(database, world)
        await named.capture(receipts(1, 20))
        await run(database, world)

    told = [epc[-2:] for call in hook.calls for epc in listed(call.request.content)]
    assert told == ["10", "11", "20"]


async def test_deliveries_are_signed(named: Recorder, database: Database, world: Any) -> None:
    await subscribe(named)
    await named.capture(receipts(1))
    with respx.mock:
        hook = respx.post(HOOK).mock(return_value=httpx.Response(200))
        await run(database, world)

    request = hook.calls.last.request
    signed = f"{request.headers['webhook-id']}.{request.headers['webhook-timestamp']}.".encode()
    expected = hmac.new(b"a secret of ours", signed + request.content, sha256).digest()
    assert request.headers["webhook-signature"] == "v1," + base64.b64encode(expected).decode()
    assert request.headers["gs1-signature"] == request.headers["webhook-signature"]
    assert request.headers["host"] == "93.184.216.34:8080"


async def test_a_delivery_that_failed_is_the_same_delivery_again(
    named: Recorder, database: Database, world: Any
) -> None:
    made = await subscribe(named)
    await named.capture(receipts(1))
    with respx.mock:
        hook = respx.post(HOOK).mock(
            side_effect=[httpx.Response(500), httpx.ConnectError("gone"), httpx.Response(200)]
        )
        await run(database, world)
        await named.capture(receipts(1, 5))
        await run(database, world)
        shown = (await named.user.get(f"/epcis/queries/receipts/subscriptions/{made}")).json()
        await run(database, world)
        hook.side_effect = [httpx.Response(200)]
        await run(database, world)

    ids = [call.request.headers["webhook-id"] for call in hook.calls]
    told = [[epc.rpartition("/")[2] for epc in listed(call.request.content)] for call in hook.calls]
    assert ids[0] == ids[1] == ids[2] != ids[3]
    assert told == [["0"], ["0"], ["0"], ["5"]]
    assert (shown["failures"], shown["lastError"]) == (2, "ConnectError: 93.184.216.34 did not answer")
    assert "signatureToken" not in shown


async def test_a_subscription_ends_with_its_failures_or_its_user(
    named: Recorder, database: Database, world: Any
) -> None:
    await subscribe(named)
    await named.capture(receipts(1))
    async with database.transaction() as session:
        await session.execute(update(Subscription).values(failures=subscriptions.MOST_FAILURES - 1))
    with respx.mock:
        respx.post(HOOK).mock(return_value=httpx.Response(500))
        await run(database, world)

    async with database.reading() as session:
        assert not (await session.scalars(select(Subscription))).one().active


async def test_a_scheduled_subscription_reports_even_nothing_when_asked(
    named: Recorder, database: Database, world: Any
) -> None:
    await subscribe(named, stream=False, schedule={"minute": "0"}, reportIfEmpty=True)
    with respx.mock:
        hook = respx.post(HOOK).mock(return_value=httpx.Response(200))
        await run(database, world)

    assert listed(hook.calls.last.request.content) == []


async def test_initial_record_time_reaches_back(named: Recorder, database: Database, world: Any) -> None:
    await named.capture(receipts(2))
    await subscribe(named, initialRecordTime="2020-01-01T00:00:00Z")
    with respx.mock:
        hook = respx.post(HOOK).mock(return_value=httpx.Response(200))
        await run(database, world)

    assert len(listed(hook.calls.last.request.content)) == 2


async def test_a_subscription_tells_only_what_its_party_may_read(
    named: Recorder, seller: Recorder, database: Database, world: Any
) -> None:
    hidden = {**RECEIPT, "readPoint": {"id": "urn:epc:id:sgln:4012345.00000.0"}, "bizTransactionList": []}
    await subscribe(named)
    await seller.capture(document(hidden))
    with respx.mock(assert_all_called=False):
        hook = respx.post(HOOK).mock(return_value=httpx.Response(200))
        await run(database, world)

    assert not hook.called


@pytest.mark.parametrize(
    "body",
    [
        {"stream": False},
        {"stream": True, "schedule": {"minute": "0"}},
        {"stream": False, "schedule": {"minute": "60"}},
        {"stream": False, "schedule": {"month": "2", "dayOfMonth": "30"}},
        {"stream": False, "schedule": {"fortnight": "1"}},
        {"signatureToken": "short"},
    ],
)
async def test_a_subscription_that_cannot_be_is_refused(named: Recorder, body: dict[str, Any]) -> None:
    answer = await named.user.post(
        "/epcis/queries/receipts/subscriptions", json={"dest": HOOK, "stream": True} | body
    )

    assert answer.status_code in {400, 422}, answer.text


async def test_a_subscription_is_listed_and_ended(named: Recorder, stranger: Recorder) -> None:
    made = await subscribe(named)

    shown = (await named.user.get("/epcis/queries/receipts/subscriptions")).json()

    assert [each["subscriptionID"] for each in shown] == [made]
    path = f"/epcis/queries/receipts/subscriptions/{made}"
    assert (await stranger.user.get(path)).status_code == 404
    assert (await named.user.client.delete(path)).status_code == 204
    assert (await named.user.get(path)).status_code == 404


@pytest.mark.parametrize(
    "destination",
    [
        "http://127.0.0.1/x",
        "http://[::1]/x",
        "http://169.254.169.254/latest/meta-data",
        "http://10.0.0.7/x",
        "http://localhost/x",
        "http://0.0.0.0/x",
        "http://[::ffff:10.0.0.1]/x",
        "ftp://example.com/x",
        "https://user:secret@example.com/x",
        "https://93.184.216.34:22/x",
        "file:///etc/passwd",
    ],
)
async def test_nothing_is_sent_into_the_private_network(destination: str) -> None:
    with pytest.raises(DeliveryError):
        await resolve(destination)


async def test_a_public_address_is_reached_by_its_number() -> None:
    assert await resolve("https://93.184.216.34/x") == ("93.184.216.34", "93.184.216.34")


@pytest.mark.parametrize(
    ("given", "after", "moment"),
    [
        ({}, "2026-03-02T09:30:10", "2026-03-02T09:31:00"),
        ({"second": "0,30"}, "2026-03-02T09:30:10", "2026-03-02T09:30:30"),
        ({"minute": "0"}, "2026-03-02T09:30:00", "2026-03-02T10:00:00"),
        ({"minute": "0", "hour": "[8-18]"}, "2026-03-02T18:30:00", "2026-03-03T08:00:00"),
        ({"minute": "0", "hour": "2", "dayOfWeek": "7"}, "2026-03-02T00:00:00", "2026-03-08T02:00:00"),
        ({"minute": "0", "hour": "0", "dayOfMonth": "31"}, "2026-02-01T00:00:00", "2026-03-31T00:00:00"),
        ({"hour": "0", "minute": "0", "month": "2", "dayOfMonth": "29"}, "2026-01-01T00:00:00",
         "2028-02-29T00:00:00"),
    ],
)  # fmt: skip
def test_when_a_schedule_comes_next(given: dict[str, str], after: str, moment: str) -> None:
    start = datetime.fromisoformat(after).replace(tzinfo=UTC)
    assert Schedule.read(given).after(start) == datetime.fromisoformat(moment).replace(tzinfo=UTC)


@pytest.mark.parametrize("text", ["x", "[5-2]", "-1", "99", "1,,2", "[1-", "*"])
def test_a_schedule_that_means_nothing_is_refused(text: str) -> None:
    with pytest.raises(QueryInvalid):
        Schedule.read({"minute": text})


async def test_top_level_resources(buyer: Recorder, stranger: Recorder) -> None:
    await buyer.capture(document(RECEIPT, COLD_CHAIN))

    async def members(path: str) -> list[str]:
        answer = await buyer.user.get(path)
        assert answer.status_code == 200, answer.text
        found: list[str] = answer.json()["member"]
        return found

    assert "epcs" in await members("/epcis")
    assert await members("/epcis/epcs") == ["https://id.gs1.org/00/140123452345678902", BOARD]
    assert await members("/epcis/eventTypes") == ["ObjectEvent"]
    assert await members("/epcis/bizSteps") == [
        "https://ref.gs1.org/cbv/BizStep-receiving",
        "https://ref.gs1.org/cbv/BizStep-sensor_reporting",
    ]
    assert await members("/epcis/readPoints") == ["https://id.gs1.org/414/4098765000010"]
    assert await members("/epcis/bizSteps/receiving") == ["events"]
    under = await buyer.user.get("/epcis/bizSteps/receiving/events")
    assert len(listed(under.content)) == 1
    for epc in (PALLET, "https:%2F%2Fid.gs1.org%2F00%2F140123452345678902"):
        assert len(listed((await buyer.user.get(f"/epcis/epcs/{epc}/events")).content)) == 2
    assert len(listed((await buyer.user.get("/epcis/eventTypes/ObjectEvent/events")).content)) == 2
    for path in ("/epcis/epcs", "/epcis/eventTypes", "/epcis/bizSteps"):
        assert (await stranger.user.get(path)).json()["member"] == []
    assert (await stranger.user.get("/epcis/bizSteps/receiving")).status_code == 404
    assert (await buyer.user.get("/epcis/colours")).status_code == 404


async def test_resources_are_paged(buyer: Recorder) -> None:
    await buyer.capture(receipts(5))
    seen: list[str] = []
    path = "/epcis/epcs?perPage=2"
    while path:
        answer = await buyer.user.get(path)
        seen += answer.json()["member"]
        path = answer.headers.get("link", "").partition("<")[2].partition(">")[0]

    assert len(seen) == len(set(seen)) == 6


async def test_since_goes_on_where_it_ended(buyer: Recorder, database: Database, world: Any) -> None:
    await asyncio.gather(*(buyer.capture(receipts(3, start)) for start in (0, 10, 20)))
    from backend.kit.access import Caller, Role

    caller = Caller(buyer.user.user_id, buyer.party_id, world.ledger_id, frozenset({Role.MAKER}))
    query = subscriptions.parse({"EQ_bizStep": ["receiving"]})
    async with database.reading() as session:
        first, place = await subscriptions.since(session, caller, query, 0, 4)
        rest, end = await subscriptions.since(session, caller, query, place)

    assert [row.sequence for row in first + rest] == list(range(9))
    assert (place, end) == (4, 9)


@pytest.mark.parametrize(
    "body",
    [
        {"dest": "file:///etc/passwd"},
        {"dest": "javascript:1"},
        {"dest": "https://127.0.0.1/"},
        {"dest": "https://[::ffff:10.0.0.1]/"},
        {"dest": "https://[64:ff9b::a00:1]/"},
        {"dest": "https://[2002:a00:1::]/"},
        {"dest": "https://[::1/"},
        {"dest": "https://example.com:99999/"},
        {"dest": "https://example.com:22/"},
        {"dest": f"https://{'a' * 300}.example/"},
        {"dest": "https://user:secret@example.com/"},
        {"signatureToken": "whsec_not quite base64"},
    ],
)
async def test_a_subscription_that_could_never_be_delivered_is_refused(
    buyer: Recorder, body: dict[str, str]
) -> None:
    await buyer.user.post("/epcis/queries", json={"name": "receipts", "query": {}})

    answer = await buyer.user.post(
        "/epcis/queries/receipts/subscriptions", json={"dest": HOOK, "stream": True} | body
    )

    assert answer.status_code == 400
    with pytest.raises(DeliveryError):
        await deliver(
            body.get("dest", HOOK),
            b"",
            delivery_id="1",
            timestamp=1,
            secret=body.get("signatureToken"),
        )


@pytest.mark.parametrize("name", ["\u00fc\u00b2", "\u67e5\u8be2", "", "-a", "a/b", "a" * 201, ".."])
async def test_a_query_is_named_so_that_its_address_can_be_asked_for(buyer: Recorder, name: str) -> None:
    answer = await buyer.user.post("/epcis/queries", json={"name": name, "query": {}})

    assert answer.status_code == 400


@pytest.mark.parametrize(
    ("form", "epc"),
    [
        (None, PALLET),
        ("Always_GS1_Digital_Link", "https://id.gs1.org/00/140123452345678902"),
        ("Always_EPC_URN", "urn:epc:id:sscc:4012345.1234567890"),
        ("Never_Translates", PALLET),
    ],
)
async def test_a_subscriber_is_told_in_the_form_asked_for(
    named: Recorder, database: Database, form: str | None, epc: str
) -> None:
    made = await named.user.client.post(
        "/epcis/queries/receipts/subscriptions",
        json={"dest": HOOK, "signatureToken": "a secret of ours", "stream": True},
        headers={} if form is None else {"GS1-EPC-Format": form, "GS1-CBV-XML-Format": "Always_URN"},
    )
    await named.capture(document(RECEIPT))
    async with database.transaction() as session:
        row = (await session.scalars(select(Subscription))).one()
        batch = await subscriptions.prepare(session, row.id, now() + timedelta(seconds=1))

    assert batch is not None
    assert listed(batch.body) == [epc]
    view = (await named.user.get(made.headers["location"])).json()
    assert view["epcFormat"] == (form or "No_Preference")
    assert view["cbvXmlFormat"] == ("Always_URN" if form else "No_Preference")


async def test_a_form_that_does_not_exist_is_refused(named: Recorder) -> None:
    answer = await named.user.client.post(
        "/epcis/queries/receipts/subscriptions",
        json={"dest": HOOK, "signatureToken": "a secret of ours", "stream": True},
        headers={"GS1-EPC-Format": "Sometimes"},
    )

    assert answer.status_code == 400


async def test_a_subscription_says_from_when_on_it_tells(
    named: Recorder, stranger: Recorder, database: Database
) -> None:
    first = await subscribe(named, initialRecordTime="2026-01-01T00:00:00Z")
    path = f"/epcis/queries/receipts/subscriptions/{first}"
    name = "gs1-query-min-record-time"

    assert (await named.user.get(path)).headers[name] == "2026-01-01T00:00:00Z"
    assert (await named.user.client.options(path)).headers[name] == "2026-01-01T00:00:00Z"
    assert name not in (await stranger.user.client.options(path)).headers
    moment = datetime(2026, 2, 1, tzinfo=UTC)
    async with database.transaction() as session:
        await session.execute(update(Subscription).values(last_at=moment))
    assert (await named.user.get(path)).headers[name] == "2026-02-01T00:00:00Z"


async def test_a_link_to_the_next_page_says_how_long_it_holds(named: Recorder) -> None:
    await named.capture(receipts(3))
    for name in ("a", "b"):
        await named.user.post("/epcis/queries", json=QUERY | {"name": name})
        await named.capture(receipts(1, 50 if name == "a" else 60))

    for path in ("/events", "/capture", "/queries", "/epcs", "/bizSteps/receiving/events"):
        page = await named.user.get(f"/epcis{path}", params={"perPage": 1})
        until = datetime.fromisoformat(page.headers["gs1-next-page-token-expires"])
        assert until > now() + timedelta(days=365), path
        whole = await named.user.get(f"/epcis{path}", params={"perPage": 200})
        assert "gs1-next-page-token-expires" not in whole.headers, path
