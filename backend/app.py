"""Composition: the rooms put together into one application. No rules live here."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from fastapi import APIRouter, FastAPI
from fastapi.openapi.utils import get_openapi

import backend.chain.api
import backend.financing.api
import backend.invoices.api
import backend.parties.api
import backend.provenance.api
import backend.provenance.log.api
import backend.receivables.api
from backend.chain.actions import Actions
from backend.chain.contracts import Contracts
from backend.chain.projections import Projection
from backend.financing import service as financing
from backend.financing.projection import Sales
from backend.invoices.projection import FingerprintKeys
from backend.kit import edge
from backend.kit.database import Database
from backend.kit.idempotency import Running
from backend.kit.settings import Settings
from backend.parties import service as parties
from backend.parties.accounts import Accounts
from backend.provenance.config import log_config
from backend.provenance.log.anchoring import Heads
from backend.receivables import service as receivables
from backend.receivables.currencies import Currencies
from backend.receivables.movements import PermitHandler
from backend.receivables.projection import FingerprintRegister, Receivables

ROUTERS: list[APIRouter] = [
    backend.parties.api.router,
    backend.chain.api.router,
    backend.invoices.api.router,
    backend.receivables.api.router,
    backend.financing.api.router,
    backend.provenance.log.api.router,
    backend.provenance.api.router,
]
"""Every room's routes."""


def projections() -> Sequence[Projection]:
    """Every room's read model that follows the chain."""
    return [
        Accounts(),
        Heads(),
        FingerprintKeys(),
        Currencies(),
        FingerprintRegister(),
        Receivables(),
        Sales(),
    ]


def register_actions(actions: Actions) -> None:
    """Every room's handlers for what was signed."""
    receivables.SignedHandlers(actions)
    PermitHandler(actions)
    financing.SignedHandlers(actions)


def create_app(settings: Settings, contracts: Contracts, database: Database | None = None) -> FastAPI:
    """The HTTP application. It opens its own database unless one is handed in."""
    own = database is None
    store = database or Database(settings.database_url.get_secret_value())

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        yield
        if own:
            await store.close()

    app = FastAPI(
        title="Tallystick",
        version="0.1.0",
        summary="Receivables finance and supply-chain provenance on an EVM chain",
        lifespan=lifespan,
        redirect_slashes=False,
    )
    app.state.settings = settings
    app.state.database = store
    app.state.contracts = contracts
    app.state.authenticate = parties.authenticate
    app.state.running = Running()
    app.state.log = log_config(settings, contracts)
    app.state.actions = Actions(contracts, parties.may_sign)
    register_actions(app.state.actions)
    app.state.read_invoice = backend.invoices.api.reader(app.state)
    edge.install(app, max_body_bytes=settings.max_body_bytes)
    for router in ROUTERS:
        app.include_router(router)
    app.openapi = lambda: _openapi(app)  # type: ignore[method-assign]
    return app


def _openapi(app: FastAPI) -> dict[str, Any]:
    """OpenAPI 3.1 of all routes, each with the problem document as its answer to what goes wrong."""
    if app.openapi_schema is None:
        app.openapi_schema = get_openapi(
            title=app.title, version=app.version, summary=app.summary, routes=app.routes
        )
    return app.openapi_schema
