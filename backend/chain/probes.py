"""`/healthz`: does this process work? `/readyz`: can it do what it is for? Neither asks for a key."""

from typing import Any

from fastapi import APIRouter
from fastapi.responses import JSONResponse

from backend.chain.health import Health, NotReady
from backend.kit.web import operation_id

_OK = {"status": "ok"}
_READY = {
    "status": "ready",
    "checks": {
        "database": {"ok": True, "detail": "writable"},
        "migrations": {"ok": True, "detail": "0001"},
        "chain": {"ok": True, "detail": {"chain_id": 31337, "head": 120}},
        "index": {"ok": True, "detail": {"block": 120, "lag": 0}},
    },
}
_NOT_SO: dict[str, Any] = {
    "description": "It is not so; the answer says what is wrong.",
    "content": {"application/json": {"schema": {"type": "object"}, "example": {"status": "failing"}}},
}


def router(health: Health) -> APIRouter:
    """The probes of one process."""
    routes = APIRouter(tags=["health"], generate_unique_id_function=operation_id)

    @routes.get(
        "/healthz",
        summary="Is the process alive",
        response_class=JSONResponse,
        responses={200: {"content": {"application/json": {"example": _OK}}}, 503: _NOT_SO},
    )
    async def healthz() -> JSONResponse:
        """200 while the process works; 503 when one of its loops has died, so that it is started anew."""
        try:
            return JSONResponse(await health.live())
        except NotReady as error:
            return JSONResponse({"status": "failing", "detail": str(error)}, status_code=503)

    @routes.get(
        "/readyz",
        summary="Can the process do its work",
        response_class=JSONResponse,
        responses={200: {"content": {"application/json": {"example": _READY}}}, 503: _NOT_SO},
    )
    async def readyz() -> JSONResponse:
        """200 if the database is writable and migrated, the chain reachable and the right one, and the index
        close behind it; otherwise 503, saying what is not so."""
        good, shown = await health.ready()
        return JSONResponse(shown, status_code=200 if good else 503)

    return routes
