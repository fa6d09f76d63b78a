"""Streams over WebSocket (EPCIS 2.0, section 12.8): what a named query finds anew, as it is recorded."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime
from functools import partial
from typing import Final, cast, get_args

from fastapi import APIRouter, WebSocket, WebSocketDisconnect

from backend.kit.access import Caller, Unauthenticated
from backend.kit.clock import iso, now
from backend.kit.database import Database
from backend.kit.problems import Problem
from backend.provenance.discovery import DEFAULT_FORMAT
from backend.provenance.epcis.hashing import utc_milliseconds
from backend.provenance.epcis.translation import EPC_FORMATS, EpcFormat
from backend.provenance.epcis.values import loads
from backend.provenance.epcis.writer import CbvFormat
from backend.provenance.problems import QueryInvalid
from backend.provenance.query import subscriptions
from backend.provenance.query.schedule import Schedule
from backend.provenance.rendering import query_document
from backend.provenance.tables import NamedQuery, RecordedEvent

router = APIRouter(prefix="/epcis", tags=["EPCIS"])

_SCHEDULED: Final = ("second", "minute", "hour", "dayOfMonth", "month", "dayOfWeek")


@router.websocket("/queries/{name}/events")
async def stream_events(socket: WebSocket, name: str) -> None:
    """What a named query finds anew, as it is recorded (`stream=true`) or by the schedule in the address."""
    database: Database = socket.app.state.database
    try:
        async with database.reading() as session:
            caller = await socket.app.state.authenticate(session, socket.headers.get("authorization"))
            row = await subscriptions.named(session, caller, name)
            since = _since(socket)
            start = await subscriptions.place_at(session, caller, since)
        given = {field: socket.query_params[field] for field in _SCHEDULED if field in socket.query_params}
        schedule = Schedule.read(given) if given else None
        form, terms = _forms(socket)
        report_if_empty = socket.query_params.get("reportIfEmpty") == "true" and schedule is not None
    except Problem as problem:
        code = 4401 if isinstance(problem, Unauthenticated) else 4000 + problem.status
        await socket.close(code=code, reason=problem.code)
        return
    earliest = iso(since or now())
    await socket.accept(headers=[(b"gs1-query-min-record-time", earliest.encode())])
    with suppress(WebSocketDisconnect, RuntimeError):
        written = partial(query_document, query_name=row.name, epc_format=form, cbv_format=terms)
        await _stream(socket, database, caller, row, schedule, start, report_if_empty, written)


def _since(socket: WebSocket) -> datetime | None:
    """From when on to tell of what was recorded. Raises QueryInvalid."""
    given = socket.query_params.get("initialRecordTime")
    if given is None:
        return None
    if utc_milliseconds(given) is None:
        raise QueryInvalid(name="initialRecordTime", reason="a date and time with its zone belongs there")
    return datetime.fromisoformat(given)


def _forms(socket: WebSocket) -> tuple[EpcFormat, CbvFormat]:
    """How identifiers and terms are to be written, from the handshake. Raises QueryInvalid."""
    form = socket.headers.get("gs1-epc-format", DEFAULT_FORMAT)
    terms = socket.headers.get("gs1-cbv-xml-format", "No_Preference")
    for name, given, known in (
        ("GS1-EPC-Format", form, EPC_FORMATS),
        ("GS1-CBV-XML-Format", terms, get_args(CbvFormat)),
    ):
        if given not in known:
            raise QueryInvalid(name=name, reason=f"it is one of {', '.join(known)}")
    return cast("EpcFormat", form), cast("CbvFormat", terms)


async def _stream(
    socket: WebSocket,
    database: Database,
    caller: Caller,
    row: NamedQuery,
    schedule: Schedule | None,
    told: int,
    report_if_empty: bool,
    written: Callable[[Sequence[RecordedEvent]], bytes],
) -> None:
    query = subscriptions.parse(loads(row.query))
    gone = asyncio.create_task(_until_gone(socket))
    try:
        while not gone.done():
            pause = 1.0
            if schedule is not None:
                pause = max((schedule.after(now()) - now()).total_seconds(), 0.0)
            await asyncio.wait([gone], timeout=pause)
            if gone.done():
                return
            async with database.reading() as session:
                rows, told = await subscriptions.since(session, caller, query, told)
            if rows or report_if_empty:
                await socket.send_text(written(rows).decode())
    finally:
        gone.cancel()


async def _until_gone(socket: WebSocket) -> None:
    with suppress(WebSocketDisconnect):
        while True:
            await socket.receive_text()
