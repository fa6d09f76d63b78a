"""Named queries, their subscriptions, and the top-level resources (EPCIS 2.0, sections 12.8 and 12.6)."""

import json
import re
from typing import Annotated, Any, Final
from urllib.parse import quote, unquote, urlencode

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field, StrictBool

from backend.kit.clock import iso
from backend.kit.outgoing import DeliveryError, require_deliverable
from backend.kit.problems import FieldError, InvalidRequest, NotFound
from backend.kit.settings import Settings
from backend.kit.strict import Moment
from backend.kit.web import (
    CurrentCaller,
    PageQuery,
    Route,
    Session,
    audit_subject,
    key_optional,
    page,
)
from backend.provenance.api import events_response, paging
from backend.provenance.discovery import (
    DEFAULT_FORMAT,
    TOKENS,
    VERSIONS,
    Extensions,
    WantedCbvFormat,
    WantedFormat,
    WantedMediaType,
    agreed_versions,
    json_answer,
    json_body,
)
from backend.provenance.epcis.values import MalformedJson, loads
from backend.provenance.keys import CLASS_NAMES, EPC_NAMES
from backend.provenance.problems import ResourceUnknown
from backend.provenance.query import resources, subscriptions
from backend.provenance.query.language import KeyTest, read_query
from backend.provenance.query.search import search
from backend.provenance.tables import NamedQuery, Subscription
from backend.verifier.identifiers import comparable
from backend.verifier.vocabulary import CONTEXT

router = APIRouter(
    prefix="/epcis", route_class=Route, tags=["EPCIS"], dependencies=[Depends(agreed_versions)]
)

_JSON_ONLY: Final = [Depends(json_answer)]
_WORD: Final = r"[A-Za-z0-9][A-Za-z0-9._~-]{0,199}"
_NAME = Annotated[str, Path(max_length=200, pattern=f"^{_WORD}$")]
_PER_PAGE = Annotated[int, Query(alias="perPage", ge=1, le=200)]
_TOKEN = Annotated[str | None, Query(alias="nextPageToken", max_length=512)]
_VALUE_TOKEN = Annotated[str | None, Query(alias="nextPageToken", max_length=2000)]
_QUERY: Final = {"name": "receipts", "query": {"eventType": ["ObjectEvent"], "EQ_bizStep": ["receiving"]}}


class SubscriptionBody(BaseModel):
    """Whom to tell, and when: by `schedule`, or as events are recorded with `stream`."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    dest: str = Field(max_length=2000, examples=["https://erp.example.com/epcis"])
    signature_token: str | None = Field(default=None, alias="signatureToken", min_length=16, max_length=200)
    report_if_empty: StrictBool = Field(default=False, alias="reportIfEmpty")
    initial_record_time: Moment | None = Field(default=None, alias="initialRecordTime")
    schedule: dict[str, str] | None = Field(default=None, examples=[{"minute": "0", "hour": "[8-18]"}])
    stream: StrictBool = False


def _next_link(path: str, per_page: int, token: str | None) -> dict[str, str]:
    if token is None:
        return {}
    query = urlencode({"perPage": per_page, "nextPageToken": token})
    return {"Link": f'<{path}?{query}>; rel="next"', **TOKENS}


# ── named queries ──


def _query_view(row: NamedQuery) -> dict[str, Any]:
    return {"name": row.name, "createdAt": iso(row.created_at), "query": json.loads(row.query)}


@router.post(
    "/queries",
    status_code=201,
    response_class=Response,
    dependencies=[Depends(json_body)],
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": {"type": "object"}, "example": _QUERY}},
        }
    },
)
@key_optional
async def create_query(request: Request, session: Session, caller: CurrentCaller) -> Response:
    """Keep a query under a name."""
    try:
        given = loads(await request.body())
    except MalformedJson as error:
        raise InvalidRequest(errors=[FieldError("", "not-json", detail=str(error))]) from error
    name = given.get("name") if isinstance(given, dict) else None
    values = given.get("query") if isinstance(given, dict) else None
    if not isinstance(name, str) or not re.fullmatch(_WORD, name):
        detail = "letters from a to z, digits and ._~- belong there, at most 200"
        raise InvalidRequest(errors=[FieldError("/name", "malformed", detail=detail)])
    if not isinstance(values, dict):
        raise InvalidRequest(errors=[FieldError("/query", "malformed", detail="an object belongs there")])
    await subscriptions.create(session, caller, name, values)
    audit_subject(request, f"query:{name}")
    return Response(status_code=201, headers={**VERSIONS, "Location": f"/epcis/queries/{name}"})


@router.get("/queries", dependencies=_JSON_ONLY)
async def list_queries(
    session: Session, caller: CurrentCaller, per_page: _PER_PAGE = 30, token: _TOKEN = None
) -> Response:
    """The queries kept for the caller's party."""
    statement = subscriptions.queries(caller)
    rows, following = await page(session, statement, NamedQuery.id, PageQuery(cursor=token, limit=per_page))
    headers = {**VERSIONS, **_next_link("/epcis/queries", per_page, following)}
    return JSONResponse([_query_view(row) for row in rows], headers=headers)


@router.get("/queries/{name}", dependencies=_JSON_ONLY)
async def get_query(name: _NAME, session: Session, caller: CurrentCaller) -> Response:
    """One named query."""
    return JSONResponse(_query_view(await subscriptions.named(session, caller, name)), headers=VERSIONS)


@router.delete("/queries/{name}", status_code=204)
async def delete_query(name: _NAME, session: Session, caller: CurrentCaller) -> Response:
    """Forget a query; its subscriptions end with it."""
    await subscriptions.remove(session, await subscriptions.named(session, caller, name))
    return Response(status_code=204, headers=VERSIONS)


@router.get("/queries/{name}/events")
async def query_events(
    name: _NAME,
    request: Request,
    session: Session,
    caller: CurrentCaller,
    media_type: WantedMediaType,
    epc_format: WantedFormat = DEFAULT_FORMAT,
    cbv_format: WantedCbvFormat = "No_Preference",
) -> Response:
    """What a named query finds now."""
    row = await subscriptions.named(session, caller, name)
    per_page, token, _ = paging(request)
    query = subscriptions.parse(loads(row.query))
    found = await search(session, caller, query, per_page=per_page, token=token)
    return events_response(
        request,
        found,
        media_type=media_type,
        epc_format=epc_format,
        cbv_format=cbv_format,
        query_name=row.name,
    )


# ── subscriptions ──


def _subscription_view(row: Subscription) -> dict[str, Any]:
    """A subscription; its secret is never shown."""
    return {
        "subscriptionID": str(row.id),
        "createdAt": iso(row.created_at),
        "dest": row.destination,
        "schedule": row.schedule,
        "stream": row.schedule is None,
        "reportIfEmpty": row.report_if_empty,
        "epcFormat": row.epc_format,
        "cbvXmlFormat": row.cbv_format,
        "active": row.active,
        "lastNotifiedAt": iso(row.last_at) if row.last_at else None,
        "failures": row.failures,
        "lastError": row.last_error,
    }


@router.post("/queries/{name}/subscriptions", status_code=201, dependencies=[*_JSON_ONLY, Depends(json_body)])
@key_optional
async def subscribe(
    name: _NAME,
    body: SubscriptionBody,
    request: Request,
    session: Session,
    caller: CurrentCaller,
    epc_format: WantedFormat = DEFAULT_FORMAT,
    cbv_format: WantedCbvFormat = "No_Preference",
) -> Response:
    """Be told what a query finds anew, by webhook: each event once, signed with `signatureToken`.

    Identifiers come in the form asked for now, in each delivery.
    """
    if body.stream == (body.schedule is not None):
        detail = "either stream is true or a schedule is given"
        raise InvalidRequest(errors=[FieldError("/schedule", "malformed", detail=detail)])
    settings: Settings = request.app.state.settings
    try:
        require_deliverable(body.dest, body.signature_token, allow_private=settings.allow_private_webhooks)
    except DeliveryError as error:
        raise InvalidRequest(errors=[FieldError("/dest", "malformed", detail=str(error))]) from error
    row = await subscriptions.named(session, caller, name)
    made = await subscriptions.subscribe(
        session,
        caller,
        row,
        destination=body.dest,
        secret=body.signature_token,
        schedule=body.schedule,
        report_if_empty=body.report_if_empty,
        since=body.initial_record_time,
        epc_format=epc_format,
        cbv_format=cbv_format,
    )
    audit_subject(request, f"subscription:{made.id}")
    location = f"/epcis/queries/{name}/subscriptions/{made.id}"
    return JSONResponse(
        {"subscriptionID": str(made.id)}, status_code=201, headers={**VERSIONS, "Location": location}
    )


@router.get("/queries/{name}/subscriptions", dependencies=_JSON_ONLY)
async def list_subscriptions(
    name: _NAME,
    session: Session,
    caller: CurrentCaller,
    per_page: _PER_PAGE = 30,
    token: _TOKEN = None,
) -> Response:
    """The subscriptions of a query."""
    row = await subscriptions.named(session, caller, name)
    statement = subscriptions.subscriptions(caller, row.id)
    rows, following = await page(session, statement, Subscription.id, PageQuery(cursor=token, limit=per_page))
    headers = {**VERSIONS, **_next_link(f"/epcis/queries/{name}/subscriptions", per_page, following)}
    return JSONResponse([_subscription_view(each) for each in rows], headers=headers)


@router.get("/queries/{name}/subscriptions/{subscription_id}", dependencies=_JSON_ONLY)
async def get_subscription(
    name: _NAME, subscription_id: str, session: Session, caller: CurrentCaller
) -> Response:
    """One subscription, and how its last delivery went."""
    row = await subscriptions.named(session, caller, name)
    found = await subscriptions.subscription(session, caller, row.id, subscription_id)
    headers = VERSIONS | {"GS1-Query-Min-Record-Time": iso(subscriptions.min_record_time(found))}
    return JSONResponse(_subscription_view(found), headers=headers)


@router.delete("/queries/{name}/subscriptions/{subscription_id}", status_code=204)
async def unsubscribe(name: _NAME, subscription_id: str, session: Session, caller: CurrentCaller) -> Response:
    """End a subscription."""
    row = await subscriptions.named(session, caller, name)
    await session.delete(await subscriptions.subscription(session, caller, row.id, subscription_id))
    return Response(status_code=204, headers=VERSIONS)


# ── top-level resources ──

_RESOURCES: Final[dict[str, tuple[str, ...]]] = {
    "epcs": (*EPC_NAMES, *CLASS_NAMES),
    "bizSteps": ("bizStep",),
    "bizLocations": ("bizLocation",),
    "readPoints": ("readPoint",),
    "dispositions": ("disposition",),
}
MEMBERS: Final = (*_RESOURCES, "eventTypes")
"""The top-level resources that are values of events."""
_Resource = Annotated[str, Path(json_schema_extra={"enum": list(MEMBERS)})]


def _require_known(resource: str) -> None:
    if resource not in MEMBERS:
        raise NotFound()


def _collection(members: list[str], path: str, per_page: int, following: str | None) -> Response:
    content = {"@context": CONTEXT, "type": "Collection", "member": members}
    return JSONResponse(content, headers={**VERSIONS, **_next_link(path, per_page, following)})


@router.get("/{resource}", dependencies=_JSON_ONLY)
async def list_resource(
    resource: _Resource,
    session: Session,
    caller: CurrentCaller,
    per_page: _PER_PAGE = 30,
    token: _VALUE_TOKEN = None,
) -> Response:
    """The values of one kind in the events the caller may read."""
    _require_known(resource)
    after = unquote(token).replace("\x00", "") if token else None
    if resource == "eventTypes":
        values = await resources.kinds(session, caller, after=after, limit=per_page + 1)
    else:
        values = await resources.values(
            session, caller, _RESOURCES[resource], after=after, limit=per_page + 1
        )
    following = quote(values[per_page - 1], safe="") if len(values) > per_page else None
    return _collection(list(values[:per_page]), f"/epcis/{resource}", per_page, following)


@router.get("/{resource}/{value:path}/events")
async def resource_events(
    resource: _Resource,
    value: Annotated[str, Path(max_length=2000)],
    request: Request,
    session: Session,
    caller: CurrentCaller,
    media_type: WantedMediaType,
    extensions: Extensions,
    epc_format: WantedFormat = DEFAULT_FORMAT,
    cbv_format: WantedCbvFormat = "No_Preference",
) -> Response:
    """The events that name this value, narrowed down by query parameters."""
    _require_known(resource)
    per_page, token, parameters = paging(request)
    query = read_query(parameters, extensions)
    if resource == "eventTypes":
        query.kinds = (value,)
    else:
        query.key_tests.append(KeyTest(_RESOURCES[resource], (_value(resource, value),)))
    found = await search(session, caller, query, per_page=per_page, token=token)
    return events_response(
        request, found, media_type=media_type, epc_format=epc_format, cbv_format=cbv_format
    )


def _value(resource: str, value: str) -> str:
    return comparable(resources.expanded(resource, value))


@router.get("/{resource}/{value:path}", dependencies=_JSON_ONLY)
async def get_resource(
    resource: _Resource,
    value: Annotated[str, Path(max_length=2000)],
    session: Session,
    caller: CurrentCaller,
) -> Response:
    """What hangs under one value: its events."""
    _require_known(resource)
    names = _RESOURCES.get(resource)
    known = (
        await resources.has_kind(session, caller, value)
        if names is None
        else await resources.has_value(session, caller, names, _value(resource, value))
    )
    if not known:
        raise ResourceUnknown()
    return _collection(["events"], f"/epcis/{resource}/{quote(value, safe='')}", 30, None)


@router.get("", dependencies=_JSON_ONLY)
async def list_resources() -> Response:
    """The top-level resources."""
    members = ["capture", "events", "queries", *MEMBERS]
    return _collection(members, "/epcis", 30, None)
