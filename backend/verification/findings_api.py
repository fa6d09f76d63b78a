"""Routes of what was found outside the ledger, and of who is told when a report changes."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import datetime
from time import monotonic
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Header, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, ConfigDict, Field, StrictInt
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from backend.kit.access import Caller, visible_to
from backend.kit.database import Database
from backend.kit.notices import Notice
from backend.kit.problems import NotFound
from backend.kit.strict import Moment
from backend.kit.web import CurrentCaller, Page, Paging, Route, Session, audit_subject, page
from backend.receivables import reading
from backend.verification import findings, watching
from backend.verification.tables import PinnedKey, Watch, Watched

router = APIRouter(prefix="/v1/verification", route_class=Route, tags=["verification"])

_ID = "0190b8a7-5c00-7000-8000-000000000001"
_KEY = "0x" + "00" * 12 + "5a" * 20
_LOOK_SECONDS, _SILENCE_SECONDS, _STREAM_SECONDS = 1.0, 15.0, 300.0
_FEW = 100


class Body(BaseModel):
    """What a request says."""

    model_config = ConfigDict(extra="forbid")


class View(BaseModel):
    """What an answer looks like."""

    model_config = ConfigDict(frozen=True)


class ScreeningBody(Body):
    """A party was screened."""

    party_id: UUID
    screened_at: Moment
    source: str = Field(
        min_length=1, max_length=200, examples=["Sanctions lists of 2026-11-20, tool and case"]
    )


class SearchBody(Body):
    """A register of pledges was searched for a receivable."""

    receivable_id: UUID
    register_name: str = Field(min_length=1, max_length=200, alias="register", examples=["Zhongdeng"])
    searched_at: Moment
    hits: StrictInt = Field(ge=0, le=1_000_000, description="Entries that could concern it.")


class PinBody(Body):
    """A key that you know to be a debtor's."""

    debtor_party_id: UUID
    key: str = Field(pattern=r"^0x[0-9a-f]{64}$", examples=[_KEY])
    source: str = Field(min_length=1, max_length=200, examples=["Called back under the number in our file"])


class NotedView(View):
    """What was noted, by whom, and in whose reports it stands."""

    id: UUID = Field(examples=[_ID])
    noted_at: datetime
    in_every_report: bool


class PinView(View):
    """A pinned key."""

    id: UUID = Field(examples=[_ID])
    debtor_party_id: UUID
    key: str = Field(examples=[_KEY])
    source: str
    created_at: datetime


class WatchBody(Body):
    """What to watch."""

    receivable_id: UUID | None = Field(default=None, description="None: all that your party holds.")


class WatchView(View):
    """A watch, and how many receivables it covers."""

    id: UUID = Field(examples=[_ID])
    receivable_id: UUID | None
    created_at: datetime
    watched: int = Field(description="Receivables watched now.")
    reported: int = Field(description="Of them, those of which a first report was made.")


@router.post("/screenings", summary="Note a screening", status_code=201)
async def note_screening(
    body: ScreeningBody, request: Request, caller: CurrentCaller, session: Session
) -> NotedView:
    """Stands in reports as your word, with its date: an operator's in every report, a bank's in its own."""
    row = await findings.note_screening(session, caller, body.party_id, body.screened_at, body.source)
    audit_subject(request, f"party:{body.party_id}")
    return NotedView(id=row.id, noted_at=row.created_at, in_every_report=row.for_all)


@router.post("/registry-searches", summary="Note a search in a register", status_code=201)
async def note_search(
    body: SearchBody, request: Request, caller: CurrentCaller, session: Session
) -> NotedView:
    """Stands in reports as your word, with its date: an operator's in every report, a bank's in its own."""
    row = await findings.note_search(
        session, caller, body.receivable_id, body.register_name, body.searched_at, body.hits
    )
    audit_subject(request, f"receivable:{body.receivable_id}")
    return NotedView(id=row.id, noted_at=row.created_at, in_every_report=row.for_all)


@router.post("/debtor-keys", summary="Pin a debtor's key", status_code=201)
async def pin_key(body: PinBody, request: Request, caller: CurrentCaller, session: Session) -> PinView:
    """From then on your reports say that the key which confirmed is the debtor's by your own word."""
    row = await findings.pin_key(session, caller, body.debtor_party_id, body.key, body.source)
    audit_subject(request, f"party:{body.debtor_party_id}")
    return _pin(row)


@router.get("/debtor-keys", summary="List pinned keys")
async def list_pins(caller: CurrentCaller, session: Session, paging: Paging) -> Page[PinView]:
    """The keys your party pinned."""
    rows, following = await page(session, findings.pins(caller), PinnedKey.id, paging)
    return Page(items=[_pin(row) for row in rows], next=following)


@router.delete("/debtor-keys/{pin_id}", summary="Unpin a key", status_code=204)
async def unpin_key(pin_id: UUID, request: Request, caller: CurrentCaller, session: Session) -> Response:
    """Forgets the key: what it confirmed is the operator's word again."""
    row = await session.scalar(findings.pins(caller).where(PinnedKey.id == pin_id))
    if row is None or row.party_id != caller.party_id:
        raise NotFound()
    audit_subject(request, f"party:{row.debtor_party_id}")
    await session.delete(row)
    return Response(status_code=204)


@router.post("/watches", summary="Watch a receivable", status_code=201)
async def start_watch(
    body: WatchBody, request: Request, caller: CurrentCaller, session: Session
) -> WatchView:
    """Tells you by notice and webhook (`verification.changed`) when a check answers otherwise than before."""
    if body.receivable_id is not None:
        await reading.get(session, caller, body.receivable_id)
    watch = await watching.start(session, caller, body.receivable_id)
    audit_subject(request, f"watch:{watch.id}")
    return await _watch(session, watch)


@router.get("/watches", summary="List watches")
async def list_watches(caller: CurrentCaller, session: Session, paging: Paging) -> Page[WatchView]:
    """What your party watches."""
    rows, following = await page(session, select(Watch).where(visible_to(caller, Watch)), Watch.id, paging)
    return Page(items=[await _watch(session, row) for row in rows], next=following)


@router.delete("/watches/{watch_id}", summary="Stop watching", status_code=204)
async def stop_watch(watch_id: UUID, request: Request, caller: CurrentCaller, session: Session) -> Response:
    """Ends a watch; what it told stays among your notices."""
    watch = await session.scalar(
        select(Watch).where(
            Watch.id == watch_id, Watch.ledger_id == caller.ledger_id, Watch.party_id == caller.party_id
        )
    )
    if watch is None:
        raise NotFound()
    audit_subject(request, f"watch:{watch.id}")
    await watching.stop(session, watch)
    return Response(status_code=204)


@router.get(
    "/changes",
    summary="Watch what changes",
    response_class=StreamingResponse,
    responses={200: {"content": {"text/event-stream": {"example": "id: …\nevent: verification.changed\n"}}}},
)
async def changes(
    request: Request,
    caller: CurrentCaller,
    last_event_id: Annotated[UUID | None, Header(description="The last event you have.")] = None,
) -> StreamingResponse:
    """Server-sent events: each change of a watched report, once; go on after a break with Last-Event-ID."""
    stream = told(request.app.state.database, caller, last_event_id)
    return StreamingResponse(stream, media_type="text/event-stream", headers={"Cache-Control": "no-store"})


async def told(database: Database, caller: Caller, after: UUID | None) -> AsyncIterator[str]:
    """The party's notices of changes from `after` on (only new ones without), for five minutes."""
    end = spoken = monotonic()
    end += _STREAM_SECONDS
    if after is None:
        async with database.reading() as session:
            newest = await session.scalar(_changes(caller).order_by(Notice.id.desc()).limit(1))
            after = newest.id if newest is not None else UUID(int=0)
        yield ": from now on\n\n"
    while monotonic() < end:
        async with database.reading() as session:
            statement = _changes(caller).where(Notice.id > after).order_by(Notice.id).limit(_FEW)
            found = (await session.scalars(statement)).all()
        for notice in found:
            after, spoken = notice.id, monotonic()
            data = json.dumps({"subject": notice.subject, **notice.data}, ensure_ascii=False)
            yield f"id: {notice.id}\nevent: {notice.type}\ndata: {data}\n\n"
        if monotonic() - spoken > _SILENCE_SECONDS:
            spoken = monotonic()
            yield ": still there\n\n"
        await asyncio.sleep(_LOOK_SECONDS)


def _changes(caller: Caller) -> Any:
    return select(Notice).where(
        Notice.ledger_id == caller.ledger_id,
        Notice.party_id == caller.party_id,
        Notice.type == watching.CHANGED,
    )


def _pin(row: PinnedKey) -> PinView:
    return PinView(**{name: getattr(row, name) for name in PinView.model_fields})


async def _watch(session: AsyncSession, watch: Watch) -> WatchView:
    made = (await session.scalars(select(Watched.made_at).where(Watched.watch_id == watch.id))).all()
    return WatchView(
        id=watch.id,
        receivable_id=watch.receivable_id,
        created_at=watch.created_at,
        watched=len(made),
        reported=sum(each is not None for each in made),
    )
