"""What every request meets first and every answer last: an id, a limit on the body, a problem document."""

import logging
import re
import time
from collections.abc import Callable, Mapping
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from backend.kit import logs, problems, tracing
from backend.kit.database import is_away, is_lock_error, is_lost_race, is_unstorable
from backend.kit.ids import uuid7
from backend.kit.messages import Locale, negotiate
from backend.kit.problems import FieldError, Problem
from backend.kit.web import request_id

log = logging.getLogger("tallystick.http")
Observe = Callable[[str, str, int, float], None]
"""Told of an answered request: method, route, status, seconds."""
Words = Callable[[Problem, Locale], tuple[int, dict[str, Any], dict[str, str]]]
"""Says a problem in the words of a standard: status, body, headers."""
_PROBES = frozenset({"/healthz", "/readyz", "/metrics"})
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{8,64}")


class BodyTooLarge(Problem):
    """The request's body passes the limit of this server."""

    status, code = 413, "body-too-large"


class MethodNotAllowed(Problem):
    """The address exists and does not take this method."""

    status, code = 405, "method-not-allowed"


class RequestIds:
    """Gives each request an id (the client's X-Request-Id where it is harmless, else new) and a log line."""

    def __init__(self, app: ASGIApp, observe: Observe) -> None:
        self.app, self.observe = app, observe

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        given = dict(scope["headers"]).get(b"x-request-id", b"").decode("latin-1")
        chosen = given if _REQUEST_ID.fullmatch(given) else str(uuid7())
        scope.setdefault("state", {})["request_id"] = chosen
        status = 500
        started = time.perf_counter()

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                others = [each for each in message.get("headers", []) if each[0] != b"x-request-id"]
                message["headers"] = [*others, (b"x-request-id", chosen.encode())]
            await send(message)

        logs.clear()  # what an earlier request of this task bound is not this one's
        with logs.bound(request=chosen), tracing.span("request", request=chosen, method=scope["method"]):
            try:
                await self.app(scope, receive, send_with_id)
            finally:
                took = time.perf_counter() - started
                level = logging.DEBUG if scope["path"] in _PROBES else logging.INFO
                log.log(level, "%s %s %s in %.1f ms", scope["method"], scope["path"], status, took * 1000)
                route = scope.get("state", {}).get("route", "other")
                self.observe(scope["method"], route, status, took)


class BodyLimit:
    """Refuses a body above `limit` bytes, whether it says so in advance or not."""

    def __init__(self, app: ASGIApp, limit: int) -> None:
        self.app, self.limit = app, limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        seen = 0

        async def receive_counted() -> Message:
            nonlocal seen
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > self.limit:
                raise BodyTooLarge(limit=self.limit)
            return message

        await self.app(scope, receive_counted, send)


def install(
    app: FastAPI, *, max_body_bytes: int, observe: Observe, dialects: Mapping[str, Words] | None = None
) -> None:
    """Puts the edge around an application. `observe` is told of each request when it is answered.

    `dialects`: address → how problems met under it are said there.
    """
    app.state.dialects = dialects or {}
    app.add_middleware(BodyLimit, limit=max_body_bytes)
    app.add_middleware(RequestIds, observe=observe)
    app.add_exception_handler(Problem, _on_problem)
    app.add_exception_handler(RequestValidationError, _on_validation)
    app.add_exception_handler(HTTPException, _on_http)
    app.add_exception_handler(DBAPIError, _on_database)
    app.add_exception_handler(PoolTimeout, _on_database)
    app.add_exception_handler(Exception, _on_unexpected)


def answer(request: Request, problem: Problem) -> JSONResponse:
    """A problem as an answer, in the reader's language and in the words of the interface that was asked."""
    locale = negotiate(request.headers.get("accept-language"))
    status, body, headers = problem.status, problem.body(locale), dict(problem.headers)
    for place, words in request.app.state.dialects.items():
        if request.url.path == place or request.url.path.startswith(place + "/"):
            status, body, headers = words(problem, locale)
    if (given := request_id(request)) is not None:
        # In the header too: the answer to a mistake of ours is sent from outside the middleware that adds it.
        body["request_id"] = headers["X-Request-Id"] = given
    return JSONResponse(body, status_code=status, headers=headers, media_type=problems.MEDIA_TYPE)


async def _on_problem(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, Problem)  # noqa: S101 - registered for this class
    return answer(request, error)


async def _on_validation(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - registered for this class
    mistakes = [
        FieldError(_pointer(each["loc"]), each["type"].replace("_", "-"), detail=each["msg"])
        for each in error.errors()
    ]
    return answer(request, problems.InvalidRequest(errors=mistakes))


async def _on_http(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for this class
    if error.status_code == 404:
        return answer(request, problems.NotFound())
    if error.status_code == 405:
        return answer(request, MethodNotAllowed(method=request.method))
    problem = _Other(reason=str(error.detail).rstrip("."))
    response = answer(request, problem)
    response.status_code = error.status_code
    return response


class _Other(Problem):
    """Whatever the framework itself refuses."""

    status, code = 400, "request-refused"


async def _on_database(request: Request, error: Exception) -> JSONResponse:
    beaten = isinstance(error, DBAPIError) and (is_lock_error(error) or is_lost_race(error))
    if beaten or isinstance(error, PoolTimeout):
        return answer(request, problems.Busy())
    if isinstance(error, DBAPIError) and is_unstorable(error):
        mistake = FieldError("", "character-not-stored", detail="a text holds the character U+0000")
        return answer(request, problems.InvalidRequest(errors=[mistake]))
    if isinstance(error, DBAPIError) and is_away(error):
        log.warning("request %s: the database cannot be reached", request_id(request))
        return answer(request, problems.DatabaseAway())
    return await _on_unexpected(request, error)


async def _on_unexpected(request: Request, error: Exception) -> JSONResponse:
    log.error("request %s failed", request_id(request), exc_info=error)
    return answer(request, Problem(request_id=request_id(request)))


def _pointer(location: tuple[Any, ...]) -> str:
    """A JSON pointer (RFC 6901) into the body; `/query/limit` and the like for what stands elsewhere."""
    parts = location[1:] if location and location[0] == "body" else location
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in parts)
