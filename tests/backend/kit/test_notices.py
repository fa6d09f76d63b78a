"""Webhooks: signed, in order, tried again, replayable, and never into the private network."""

import base64
import hashlib
import hmac
import json
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from sqlalchemy import select

from backend.kit import outgoing
from backend.kit.clock import now
from backend.kit.database import Database
from backend.kit.ids import uuid7
from backend.kit.notices import Courier, Delivery, Notice, Webhook, replay, switch_on

LEDGER, PARTY, OTHER = uuid7(), uuid7(), uuid7()


class Receiver:
    """Takes deliveries, or refuses them."""

    def __init__(self) -> None:
        self.got: list[tuple[str, str]] = []
        self.refuse: set[str] = set()
        self.tried = 0

    async def __call__(self, url: str, body: bytes, *, delivery_id: str, **_: Any) -> None:
        self.tried += 1
        subject = json.loads(body)["data"]["subject"]
        if subject in self.refuse:
            raise outgoing.DeliveryError("receiver answered 503")
        self.got.append((url, subject))


async def hook(database: Database, url: str = "https://a", types: list[str] | None = None) -> Webhook:
    async with database.transaction() as session:
        row = Webhook(
            ledger_id=LEDGER,
            party_id=PARTY,
            url=url,
            types=types or [],
            secret="whsec_c2VjcmV0",
            created_at=now() - timedelta(seconds=1),
        )
        session.add(row)
    return row


async def announce(
    database: Database, *subjects: str, type_: str = "operation.succeeded", party: Any = PARTY
) -> None:
    for subject in subjects:
        async with database.transaction() as session:
            session.add(Notice(ledger_id=LEDGER, party_id=party, type=type_, subject=subject, data={"n": 1}))


async def rest(courier: Courier) -> None:
    while await courier.step():
        pass


@pytest.fixture
def receiver() -> Receiver:
    return Receiver()


@pytest.fixture
def courier(database: Database, receiver: Receiver) -> Courier:
    return Courier(database, send=receiver)


async def test_each_webhook_gets_what_it_asked_for_in_order(database, courier, receiver):
    await hook(database, "https://all")
    await hook(database, "https://some", ["receivable"])
    await announce(database, "1", "2")
    await announce(database, "3", type_="receivable.settled")
    await announce(database, "4", type_="receivables-like.thing")
    await announce(database, "5", party=OTHER)

    await rest(courier)
    await rest(courier)

    assert [subject for url, subject in receiver.got if url == "https://all"] == ["1", "2", "3", "4"]
    assert [subject for url, subject in receiver.got if url == "https://some"] == ["3"]


async def test_one_that_is_refused_holds_up_those_behind_it_and_no_other_webhook(database, courier, receiver):
    await hook(database, "https://a", ["a"])
    await hook(database, "https://b", ["b"])
    receiver.refuse = {"1"}
    await announce(database, "1", "2", type_="a.x")
    await announce(database, "3", type_="b.x")

    await rest(courier)
    assert [subject for _, subject in receiver.got] == ["3"]
    await rest(courier)
    assert receiver.tried == 2, "it waits before it tries again"

    receiver.refuse = set()
    with time_machine.travel(now() + timedelta(seconds=6)):
        await rest(courier)
    assert [subject for _, subject in receiver.got] == ["3", "1", "2"]


async def test_it_is_switched_off_after_three_days_and_goes_on_where_it_was(database, courier, receiver):
    row = await hook(database)
    receiver.refuse = {"1"}
    await announce(database, "1", "2")
    await rest(courier)
    for hours in range(3, 78, 3):
        with time_machine.travel(now() + timedelta(hours=hours)):
            await rest(courier)
    tried = receiver.tried
    with time_machine.travel(now() + timedelta(days=9)):
        await rest(courier)
    assert receiver.tried == tried
    async with database.reading() as session:
        assert (await session.get_one(Webhook, row.id)).active is False

    receiver.refuse = set()
    async with database.transaction() as session:
        await switch_on(session, await session.get_one(Webhook, row.id))
    await rest(courier)
    assert [subject for _, subject in receiver.got] == ["1", "2"]


async def test_notices_are_sent_once_more_under_their_old_ids(database, courier, receiver):
    row = await hook(database)
    await announce(database, "1", "2")
    await rest(courier)

    async with database.transaction() as session:
        assert await replay(session, await session.get_one(Webhook, row.id), now() - timedelta(hours=1)) == 2
    await rest(courier)

    assert [subject for _, subject in receiver.got] == ["1", "2", "1", "2"]
    async with database.reading() as session:
        ids = list(await session.scalars(select(Delivery.notice_id).order_by(Delivery.id)))
    assert ids[:2] == ids[2:]


async def test_a_courier_killed_while_sending_sends_again(database, courier, receiver):
    await hook(database)
    await announce(database, "1")

    class Killed(BaseException):
        pass

    async def die(*_: Any, **__: Any) -> None:
        raise Killed

    with pytest.raises(Killed):
        await rest(Courier(database, send=die))
    await rest(courier)
    assert receiver.got == []
    with time_machine.travel(now() + timedelta(minutes=1)):
        await rest(courier)
    assert [subject for _, subject in receiver.got] == ["1"]


def test_the_signature_is_that_of_standard_webhooks():
    key = b"secret"
    expected = base64.b64encode(hmac.new(key, b"msg_1.1700000000.{}", hashlib.sha256).digest()).decode()

    assert outgoing.signature("whsec_c2VjcmV0", "msg_1", 1_700_000_000, b"{}") == f"v1,{expected}"


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1/",
        "http://[::1]/",
        "http://10.1.2.3/",
        "http://169.254.169.254/latest/meta-data",
        "http://[::ffff:127.0.0.1]/",
        "http://0x7f000001/",
        "http://localhost/",
        "ftp://example.com/",
        "https://user:password@example.com/",
        "https://1.1.1.1:22/",
        "file:///etc/passwd",
    ],
)
async def test_nothing_is_sent_into_the_private_network(url: str):
    with pytest.raises(outgoing.DeliveryError):
        await outgoing.resolve(url)
