"""What can be done at each address of the standard's interface (EPCIS 2.0, section 12.2)."""

from contextlib import suppress
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Request, Response
from fastapi.routing import APIRoute

from backend.kit.clock import iso
from backend.kit.problems import NotFound
from backend.kit.web import CurrentCaller, Route, Session, open_to_readers
from backend.provenance.discovery import CAPABILITIES, CAPTURE_LIMITS, VERSIONS, agreed_versions
from backend.provenance.problems import QueryUnknown, SubscriptionUnknown
from backend.provenance.query import subscriptions
from backend.provenance.query.api import MEMBERS

router = APIRouter(
    prefix="/epcis", route_class=Route, tags=["EPCIS"], dependencies=[Depends(agreed_versions)]
)


@router.delete("/nextPageToken/{token}", status_code=204, response_class=Response)
@open_to_readers
async def forget_token(_token: Annotated[str, Path(alias="token", max_length=2000)]) -> Response:
    """Let go of a next-page token. It says itself where its page starts, so nothing is kept for it."""
    return Response(status_code=204, headers=VERSIONS)


@router.api_route(
    "/queries/{name}/subscriptions/{subscription_id}", methods=["OPTIONS"], include_in_schema=False
)
async def subscription_options(
    name: str, subscription_id: str, request: Request, session: Session, caller: CurrentCaller
) -> Response:
    """As at any address, and from when on the subscriber is still to be told."""
    answer = await options(request)
    with suppress(QueryUnknown, SubscriptionUnknown):
        query = await subscriptions.named(session, caller, name)
        row = await subscriptions.subscription(session, caller, query.id, subscription_id)
        answer.headers["GS1-Query-Min-Record-Time"] = iso(subscriptions.min_record_time(row))
    return answer


@router.api_route("", methods=["OPTIONS"], include_in_schema=False)
@router.api_route("/{path:path}", methods=["OPTIONS"], include_in_schema=False)
async def options(request: Request) -> Response:
    """What can be done at an address, what this interface speaks, and how much it takes at once."""
    path = request.url.path
    methods = {"OPTIONS"}
    for route in request.app.state.routes:
        if isinstance(route, APIRoute) and route.include_in_schema and _is_at(route, path):
            methods |= route.methods or set()
    if len(methods) == 1:
        raise NotFound()
    limits = CAPTURE_LIMITS if path in {"/epcis/capture", "/epcis/events"} else {}
    headers = {**CAPABILITIES, **limits, "Allow": ", ".join(sorted(methods))}
    return Response(status_code=204, headers=headers)


def _is_at(route: APIRoute, path: str) -> bool:
    found = route.path_regex.match(path)
    return found is not None and found.groupdict().get("resource", "epcs") in MEMBERS
