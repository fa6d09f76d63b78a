"""The standard's REST interface (EPCIS 2.0, section 12): capture, capture jobs and events."""

import base64
import json
from asyncio import to_thread
from collections.abc import Sequence
from functools import partial
from typing import Annotated, Any, Final
from urllib.parse import urlencode
from uuid import UUID

from fastapi import APIRouter, Depends, Header, Path, Query, Request, Response
from fastapi.responses import JSONResponse

from backend.kit.access import Caller
from backend.kit.clock import iso
from backend.kit.database import Database
from backend.kit.web import (
    CurrentCaller,
    CurrentDeed,
    PageQuery,
    Route,
    Session,
    audit_subject,
    key_optional,
    page,
    shares_transaction,
    told_by_headers,
)
from backend.provenance import capture, repository
from backend.provenance.appending import Appender
from backend.provenance.capture import Captured
from backend.provenance.config import LogConfig
from backend.provenance.discovery import (
    DEFAULT_FORMAT,
    TOKENS,
    VERSIONS,
    CurrentLog,
    ErrorBehaviour,
    Extensions,
    WantedCbvFormat,
    WantedFormat,
    WantedMediaType,
    agreed_versions,
    json_answer,
)
from backend.provenance.exceptions import standardised
from backend.provenance.preparing import Behaviour, Capture, Proof, prepare
from backend.provenance.problems import EventUnknown, MediaTypeUnknown, QueryInvalid, SignatureIncomplete
from backend.provenance.query.language import read_query
from backend.provenance.query.search import Found, search
from backend.provenance.rendering import query_document, single_event
from backend.provenance.tables import CaptureJob

router = APIRouter(
    prefix="/epcis", route_class=Route, tags=["EPCIS"], dependencies=[Depends(agreed_versions)]
)

_CAPTURED: Final = frozenset({"application/json", "application/ld+json", "application/xml", "text/xml"})
_SIGNED_BY: Final = ("Tallystick-Account", "Tallystick-Signature", "Tallystick-Key")
_LARGE: Final = 32 * 1024
"""Bytes of a document above which it is read beside the event loop."""

_EVENT: Final = {
    "@context": "https://ref.gs1.org/standards/epcis/2.0.0/epcis-context.jsonld",
    "type": "ObjectEvent",
    "eventTime": "2026-03-02T09:30:00Z",
    "eventTimeZoneOffset": "+01:00",
    "epcList": ["https://id.gs1.org/00/140123452345678902"],
    "action": "OBSERVE",
    "bizStep": "receiving",
}
_DOCUMENT: Final = {
    "@context": _EVENT["@context"],
    "type": "EPCISDocument",
    "schemaVersion": "2.0",
    "creationDate": "2026-03-02T10:00:00Z",
    "epcisBody": {"eventList": [{k: v for k, v in _EVENT.items() if k != "@context"}]},
}


def _body(example: Any) -> dict[str, Any]:
    """What OpenAPI says of a body that is read as bytes."""
    return {
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {"schema": {"type": "object"}, "example": example},
                "application/ld+json": {"schema": {"type": "object"}},
                "application/xml": {"schema": {"type": "string"}},
            },
        }
    }


async def recorder_proof(
    account: Annotated[
        str | None,
        Header(alias="Tallystick-Account", description="The account the document is signed for."),
    ] = None,
    signature: Annotated[
        str | None,
        Header(
            alias="Tallystick-Signature",
            description="0x-hex. An Ethereum key's signature (65 bytes r, s, v) of the typed data that "
            "`/v1/log/signing` gives, or a machine's of its digest.",
        ),
    ] = None,
    key: Annotated[
        str | None,
        Header(alias="Tallystick-Key", description="A machine's public key: its JWK (RFC 7517), base64url."),
    ] = None,
) -> Proof | None:
    """The recorder's signature, from the request's headers. Raises SignatureIncomplete."""
    if account is None and signature is None and key is None:
        return None
    place = capture.account_form(account or "")
    if place is None:
        raise SignatureIncomplete(missing="Tallystick-Account")
    try:
        raw = bytes.fromhex((signature or "").removeprefix("0x"))
    except ValueError:
        raw = b""
    if not raw or len(raw) > 200:
        raise SignatureIncomplete(missing="Tallystick-Signature")
    return Proof(place, raw, _jwk(key) if key is not None else None)


def _jwk(encoded: str) -> dict[str, str]:
    try:
        value = json.loads(base64.urlsafe_b64decode(encoded[:2000] + "=" * (-len(encoded) % 4)))
    except (ValueError, RecursionError) as error:
        raise SignatureIncomplete(missing="Tallystick-Key") from error
    members = ("kty", "crv", "x", "y")
    if not isinstance(value, dict) or not {"kty", "crv", "x"} <= set(value) or "d" in value:
        raise SignatureIncomplete(missing="Tallystick-Key")
    return {name: str(value[name])[:200] for name in members if name in value}


RecorderProof = Annotated[Proof | None, Depends(recorder_proof)]


@router.post("/capture", status_code=202, openapi_extra=_body(_DOCUMENT))
@key_optional
@told_by_headers(*_SIGNED_BY, "GS1-Capture-Error-Behaviour")
@shares_transaction
async def post_capture(
    request: Request,
    deed: CurrentDeed,
    caller: CurrentCaller,
    log: CurrentLog,
    proof: RecorderProof,
    behaviour: ErrorBehaviour = "rollback",
    strict: Annotated[bool, Query(description="Refuse GS1 keys with a bad check digit.")] = False,
) -> Response:
    """Record the events of a document, in JSON-LD or XML, all or (`proceed`) those that are valid.

    The job is finished when the answer arrives: it says what was recorded, with the log's signed receipt.
    Signed by a key admitted for the account, the events are the recorder's word; unsigned they are shown so.
    """
    prepared = await _prepared(request, caller, log, proof, behaviour, strict=strict)

    def answer(done: Captured) -> Response:
        audit_subject(request, f"capture:{done.job.id}")
        return JSONResponse(
            job_view(done.job) | _leaves_view(done),
            status_code=202,
            headers={**VERSIONS, "Location": f"/epcis/capture/{done.job.id}"},
        )

    return await _appender(request).record(deed, prepared, answer)


async def _prepared(
    request: Request,
    caller: Caller,
    log: LogConfig,
    proof: Proof | None,
    behaviour: Behaviour = "rollback",
    *,
    strict: bool = False,
) -> Capture:
    """The body made ready to be recorded, by a recorder that may."""
    data, media_type = await request.body(), _media_type(request)
    work = partial(
        prepare,
        caller,
        log,
        data=data,
        media_type=media_type,
        behaviour=behaviour,
        proof=proof,
        strict=strict,
    )
    # A large document takes longer than others should wait for their answer.
    prepared = await to_thread(work) if len(data) > _LARGE else work()
    if proof is not None:
        database: Database = request.app.state.database
        async with database.reading() as session:
            return await capture.admitted(session, prepared)
    return prepared


def _appender(request: Request) -> Appender:
    appender: Appender = request.app.state.appender
    return appender


def _media_type(request: Request) -> str:
    given = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if given not in _CAPTURED:
        raise MediaTypeUnknown(given=given or "nothing")
    return given


def job_view(job: CaptureJob) -> dict[str, Any]:
    """A capture job as the standard shows it, with how many events were recorded or known already."""
    return {
        "captureID": str(job.id),
        "createdAt": iso(job.created_at),
        "finishedAt": iso(job.finished_at) if job.finished_at else None,
        "running": job.running,
        "success": job.success,
        "captureErrorBehaviour": job.behaviour,
        "errors": [standardised(error) for error in job.errors],
        "captured": job.captured,
        "duplicates": job.duplicates,
    }


def _leaves_view(done: Captured) -> dict[str, Any]:
    return {
        "leaves": [
            {"sequence": leaf.sequence, "place": leaf.place, "leaf": "0x" + leaf.encode().hex()}
            for leaf in done.leaves
        ],
        "receipt": done.receipt,
    }


@router.get("/capture", dependencies=[Depends(json_answer)])
async def list_captures(
    session: Session,
    caller: CurrentCaller,
    per_page: Annotated[int, Query(alias="perPage", ge=1, le=200)] = 30,
    token: Annotated[str | None, Query(alias="nextPageToken", max_length=512)] = None,
) -> Response:
    """The capture jobs of the caller's party, newest first."""
    rows, following = await page(
        session, repository.jobs(caller), CaptureJob.id, PageQuery(cursor=token, limit=per_page)
    )
    headers = dict(VERSIONS)
    if following is not None:
        query = urlencode({"perPage": per_page, "nextPageToken": following})
        headers |= {"Link": f'</epcis/capture?{query}>; rel="next"', **TOKENS}
    return JSONResponse([job_view(row) for row in rows], headers=headers)


@router.get("/capture/{capture_id}", dependencies=[Depends(json_answer)])
async def get_capture(capture_id: str, session: Session, caller: CurrentCaller) -> Response:
    """One capture job: whether it ended well, and if not what was refused and why."""
    job = await _job(session, caller, capture_id)
    return JSONResponse(job_view(job), headers=VERSIONS)


async def _job(session: Session, caller: Caller, capture_id: str) -> CaptureJob:
    try:
        job = await repository.job(session, caller, UUID(capture_id))
    except ValueError:
        job = None
    if job is None:
        raise EventUnknown()
    return job


@router.post("/events", status_code=201, openapi_extra=_body(_EVENT))
@key_optional
@told_by_headers(*_SIGNED_BY)
@shares_transaction
async def post_event(
    request: Request, deed: CurrentDeed, caller: CurrentCaller, log: CurrentLog, proof: RecorderProof
) -> Response:
    """Record one event."""
    prepared = await _prepared(request, caller, log, proof)

    def answer(done: Captured) -> Response:
        audit_subject(request, f"capture:{done.job.id}")
        if done.job.errors:
            error = standardised(done.job.errors[0])
            return JSONResponse(error, status_code=error["status"], media_type="application/problem+json")
        headers = dict(VERSIONS)
        if done.event_ids:
            headers["Location"] = f"/epcis/events/{done.event_ids[0]}"
        return JSONResponse(job_view(done.job) | _leaves_view(done), status_code=201, headers=headers)

    return await _appender(request).record(deed, prepared, answer)


@router.get("/events")
async def get_events(
    request: Request,
    session: Session,
    caller: CurrentCaller,
    media_type: WantedMediaType,
    extensions: Extensions,
    epc_format: WantedFormat = DEFAULT_FORMAT,
    cbv_format: WantedCbvFormat = "No_Preference",
) -> Response:
    """The events that answer a query (EPCIS 2.0's query language) and that the caller may read."""
    per_page, token, parameters = paging(request)
    query = read_query(parameters, extensions)
    found = await search(session, caller, query, per_page=per_page, token=token)
    return events_response(
        request, found, media_type=media_type, epc_format=epc_format, cbv_format=cbv_format
    )


def paging(request: Request) -> tuple[int, str | None, dict[str, Sequence[str]]]:
    """How many events a page has, where it starts, and the query's own parameters."""
    parameters: dict[str, Sequence[str]] = {}
    for name in request.query_params:
        values = request.query_params.getlist(name)
        # Lists come as the standard writes them, a|b, or repeated.
        parameters[name] = [part for value in values for part in value.split("|")]
    token = request.query_params.get("nextPageToken")
    parameters.pop("nextPageToken", None)
    (size,) = parameters.pop("perPage", ["30"])[-1:]
    per_page = int(size) if size.isascii() and size.isdigit() and len(size) < 5 else 0
    if not 1 <= per_page <= 1000:
        raise QueryInvalid(name="perPage", reason="a whole number from 1 to 1000 belongs there")
    return per_page, token, parameters


def events_response(
    request: Request,
    found: Found,
    *,
    media_type: Any,
    epc_format: Any,
    cbv_format: Any,
    query_name: str = "SimpleEventQuery",
) -> Response:
    """A page of events as an EPCISQueryDocument, with a link to the next."""
    headers = dict(VERSIONS)
    if found.next_token is not None:
        pairs = [(k, v) for k, v in request.query_params.multi_items() if k != "nextPageToken"]
        query = urlencode([*pairs, ("nextPageToken", found.next_token)])
        headers |= {"Link": f'<{request.url.path}?{query}>; rel="next"', **TOKENS}
    content = query_document(
        found.rows, query_name=query_name, epc_format=epc_format, cbv_format=cbv_format, media_type=media_type
    )
    return Response(content, media_type=media_type, headers=headers)


@router.get("/events/{event_id:path}")
async def get_event(
    event_id: Annotated[str, Path(max_length=2000)],
    request: Request,
    session: Session,
    caller: CurrentCaller,
    media_type: WantedMediaType,
    epc_format: WantedFormat = DEFAULT_FORMAT,
    cbv_format: WantedCbvFormat = "No_Preference",
) -> Response:
    """One event; if it was declared wrong, the declaration, which repeats it. A link leads to its history."""
    if request.url.query.startswith("ver="):  # an RFC 6920 hash id whose query part was not escaped
        event_id = f"{event_id}?{request.url.query}"
    rows = [row for row in await repository.by_event_id(session, caller, event_id) if row.body is not None]
    if not rows:
        raise EventUnknown()
    headers = dict(VERSIONS)
    if len(rows) > 1:
        query = urlencode({"EQ_eventID": event_id, "orderBy": "recordTime", "orderDirection": "ASC"})
        headers["Link"] = f'</epcis/events?{query}>; rel="version-history"'
    content = single_event(rows[0], epc_format=epc_format, cbv_format=cbv_format, media_type=media_type)
    return Response(content, media_type=media_type, headers=headers)
