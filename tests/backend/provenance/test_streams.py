"""Streams over WebSocket: only for who may read, and each event once."""

import asyncio
import json
from typing import Any

import pytest
from fastapi import FastAPI

from tests.backend.provenance.conftest import Recorder, receipts
from tests.backend.provenance.epcis.samples import PALLET, RECEIPT, document
from tests.backend.provenance.test_queries import QUERY


class Socket:
    """One WebSocket connection to the application, without a network."""

    def __init__(
        self, app: FastAPI, path: str, key: str | None, query: str = "", form: str | None = None
    ) -> None:
        headers = [(b"authorization", f"Bearer {key}".encode())] if key else []
        headers += [(b"gs1-epc-format", form.encode())] if form else []
        self._scope = {
            "type": "websocket", "path": path, "raw_path": path.encode(), "query_string": query.encode(),
            "headers": headers, "subprotocols": [], "scheme": "ws", "server": ("test", 80),
            "client": ("test", 1), "root_path": "", "app": app, "state": {},
        }  # fmt: skip
        self._in: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._out: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._in.put_nowait({"type": "websocket.connect"})
        self.task = asyncio.create_task(app(self._scope, self._in.get, self._out.put))

    async def next(self) -> dict[str, Any]:
        return await asyncio.wait_for(self._out.get(), 30)

    async def close(self) -> None:
        self._in.put_nowait({"type": "websocket.disconnect", "code": 1000})
        await asyncio.wait_for(self.task, 30)


async def test_a_stream_shows_each_new_event_once(buyer: Recorder, app: FastAPI) -> None:
    await buyer.user.post("/epcis/queries", json=QUERY)
    await buyer.capture(receipts(1))
    socket = Socket(app, "/epcis/queries/receipts/events", buyer.user.key)
    assert (await socket.next())["type"] == "websocket.accept"
    told: list[str] = []
    for start in (10, 20):
        await buyer.capture(receipts(2, start))
        while len(told) < start // 5:
            body = json.loads((await socket.next())["text"])
            events = body["epcisBody"]["queryResults"]["resultsBody"]["eventList"]
            told += [event["epcList"][0].rpartition("/")[2] for event in events]
    await socket.close()

    assert told == ["10", "11", "20", "21"]


@pytest.mark.parametrize(
    ("name", "key", "query", "code"),
    [
        ("receipts", None, "", 4401),
        ("receipts", "tsk_wrong", "", 4401),
        ("unknown", "own", "", 4404),
        ("receipts", "stranger", "", 4404),
        ("receipts", "own", "minute=99", 4400),
        ("receipts", "own", "initialRecordTime=yesterday", 4400),
    ],
)
async def test_a_stream_that_is_not_there_is_closed(
    buyer: Recorder, stranger: Recorder, app: FastAPI, name: str, key: str | None, query: str, code: int
) -> None:
    await buyer.user.post("/epcis/queries", json=QUERY)
    keys = {"own": buyer.user.key, "stranger": stranger.user.key}
    socket = Socket(app, f"/epcis/queries/{name}/events", keys.get(key or "", key), query)

    closed = await socket.next()

    assert (closed["type"], closed["code"]) == ("websocket.close", code)
    await socket.close()


async def test_a_stream_can_begin_in_the_past(buyer: Recorder, app: FastAPI) -> None:
    await buyer.user.post("/epcis/queries", json=QUERY)
    await buyer.capture(receipts(2))
    query = "stream=true&initialRecordTime=2020-01-01T00:00:00Z"
    socket = Socket(app, "/epcis/queries/receipts/events", buyer.user.key, query)

    assert (await socket.next())["type"] == "websocket.accept"
    told = json.loads((await socket.next())["text"])

    assert len(told["epcisBody"]["queryResults"]["resultsBody"]["eventList"]) == 2
    await socket.close()


@pytest.mark.parametrize(
    ("form", "epc"),
    [
        (None, PALLET),
        ("Always_GS1_Digital_Link", "https://id.gs1.org/00/140123452345678902"),
    ],
)
async def test_a_stream_has_the_form_asked_for(
    buyer: Recorder, app: FastAPI, form: str | None, epc: str
) -> None:
    await buyer.user.post("/epcis/queries", json=QUERY)
    given = "initialRecordTime=2026-01-01T00:00:00Z"
    socket = Socket(app, "/epcis/queries/receipts/events", buyer.user.key, given, form)
    accepted = await socket.next()
    await buyer.capture(document(RECEIPT))

    body = json.loads((await socket.next())["text"])["epcisBody"]
    (event,) = body["queryResults"]["resultsBody"]["eventList"]
    await socket.close()

    assert event["epcList"] == [epc]
    assert (b"gs1-query-min-record-time", b"2026-01-01T00:00:00Z") in accepted["headers"]


async def test_a_stream_in_no_known_form_is_closed(buyer: Recorder, app: FastAPI) -> None:
    await buyer.user.post("/epcis/queries", json=QUERY)
    socket = Socket(app, "/epcis/queries/receipts/events", buyer.user.key, form="Sometimes")

    assert (await socket.next())["code"] == 4400
    await socket.close()
