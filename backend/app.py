"""Composition: the rooms put together into one application. No rules live here."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from types import SimpleNamespace
from uuid import UUID

from fastapi import APIRouter, FastAPI
from sqlalchemy.ext.asyncio import AsyncSession

import backend.chain.api
import backend.chain.metrics
import backend.chain.probes
import backend.chain.signatures_api
import backend.console.invoices
import backend.console.papers
import backend.console.session
import backend.console.verification
import backend.financing.api
import backend.financing.remedies_api
import backend.invoices.answers_api
import backend.invoices.api
import backend.invoices.batches_api
import backend.parties.api
import backend.parties.webhooks
import backend.provenance.api
import backend.provenance.grants_api
import backend.provenance.log.api
import backend.provenance.log.tlog
import backend.provenance.query.api
import backend.provenance.query.discovery_api
import backend.provenance.query.streams
import backend.provenance.trace.api
import backend.receivables.api
import backend.receivables.book_api
import backend.receivables.remedies_api
import backend.verification.api
import backend.verification.findings_api
import backend.verification.invoices
from backend.chain import retention, work
from backend.chain.actions import Actions
from backend.chain.contracts import Contracts
from backend.chain.contracts import load as load_contracts
from backend.chain.health import Health
from backend.chain.metrics import Metrics, timed
from backend.chain.projections import Projection
from backend.chain.rpc import Rpc
from backend.chain.signatures_api import Signing
from backend.chain.signer import Signer
from backend.financing import service as financing
from backend.financing.projection import Sales
from backend.invoices import work as invoice_work
from backend.invoices.formats import tokens
from backend.invoices.holds import Deliveries
from backend.invoices.projection import FingerprintKeys
from backend.kit import edge, idempotency, notices, openapi, sealing
from backend.kit.access import Caller
from backend.kit.database import Database
from backend.kit.gate import Gate
from backend.kit.idempotency import Running
from backend.kit.loops import Loop, Loops
from backend.kit.notices import Courier
from backend.kit.settings import Settings
from backend.kit.upkeep import Forget, Upkeep
from backend.migrations import upgrade as migrations
from backend.parties import service as parties
from backend.parties.accounts import Accounts
from backend.provenance.appending import Appender
from backend.provenance.config import log_config
from backend.provenance.exceptions import in_the_standards_words
from backend.provenance.log.anchoring import Heads
from backend.provenance.log.work import anchor_loop
from backend.provenance.query.subscriptions import subscription_loop
from backend.provenance.tables import Subscription
from backend.receivables import deliveries
from backend.receivables import service as receivables
from backend.receivables.currencies import Currencies
from backend.receivables.movements import PermitHandler
from backend.receivables.projection import FingerprintRegister, Receivables
from backend.verification import service as verification
from backend.verification.service import Gathered, Sources
from backend.verification.watching import Gather, watch_loop

ROUTERS: list[APIRouter] = [
    backend.provenance.log.api.router,
    backend.provenance.log.tlog.router,
    backend.provenance.api.router,
    backend.provenance.query.streams.router,
    backend.provenance.query.api.router,
    backend.provenance.query.discovery_api.router,
    backend.provenance.trace.api.router,
    backend.provenance.grants_api.router,
    backend.parties.api.router,
    backend.parties.webhooks.router,
    backend.chain.signatures_api.router,
    backend.chain.api.router,
    backend.invoices.batches_api.router,
    backend.invoices.answers_api.router,
    backend.invoices.api.router,
    backend.receivables.book_api.router,
    backend.receivables.api.router,
    backend.receivables.remedies_api.router,
    backend.financing.api.router,
    backend.financing.remedies_api.router,
    backend.verification.api.router,
    backend.verification.findings_api.router,
    backend.console.session.router,
    backend.console.verification.router,
    backend.console.invoices.router,
    backend.console.papers.router,
]
"""Every room's routes. They are tried in this order, so what machines call most stands first."""


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


@dataclass(slots=True)
class Ledger:
    """What every process of one ledger needs: settings, contracts, database, chain."""

    settings: Settings
    contracts: Contracts
    database: Database
    rpc: Rpc

    @classmethod
    def open(cls, settings: Settings) -> "Ledger":
        """Reads the deployment and prepares connections. Raises DeploymentError."""
        contracts = load_contracts(settings.deployment)
        database = Database(settings.database_url.get_secret_value())
        sealing.hand_over(database.engine.dialect, settings)
        return cls(settings, contracts, database, Rpc(settings.rpc_urls, contracts.chain_id))

    async def close(self) -> None:
        """Closes all connections."""
        await self.rpc.close()
        await self.database.close()


def register_ports(settings: Settings) -> None:
    """What a room asks upwards, and whom it trusts: the floors below know only the question."""
    Deliveries.ask = deliveries.received
    tokens.trust(settings.irp_key_files)


def worker_loops(ledger: Ledger, signer: Signer) -> Loops:
    """Every room's work beside the requests."""
    register_ports(ledger.settings)
    shared = (ledger.settings, ledger.database, ledger.rpc, ledger.contracts)
    sender, indexer = work.sender_loop(*shared, signer), work.indexer_loop(*shared, projections())
    courier = Courier(ledger.database, allow_private=ledger.settings.allow_private_webhooks)
    webhooks = Loop("webhooks", courier.step, idle=1.0, rest=4.0, due=courier.has_work)
    loops = [sender, indexer, webhooks]
    sender.wakes, indexer.wakes = [indexer, webhooks], [sender]
    if (log := log_config(ledger.settings, ledger.contracts)) is not None:
        loops.append(anchor_loop(ledger.database, ledger.contracts, log))
        private = ledger.settings.allow_private_webhooks
        loops.append(subscription_loop(ledger.database, ledger.contracts.ledger_id, allow_private=private))
    loops += invoice_work.loops(
        ledger.settings, ledger.database, ledger.contracts.ledger_id, receivables.rests_on
    )
    loops.append(Loop("upkeep", upkeep(ledger).step, idle=3_600.0))
    loops.append(watch_loop(ledger.database, ledger.contracts.ledger_id, gatherer(ledger)))
    return Loops(loops)


def upkeep(ledger: Ledger) -> Upkeep:
    """How long every room's rows are kept that nobody needs for ever, and what is to be sealed."""
    settings, ledger_id = ledger.settings, ledger.contracts.ledger_id
    kept = (
        (settings.keep_answers_days, idempotency.forget),
        (settings.keep_deliveries_days, notices.forget_deliveries),
        (settings.keep_notices_days, notices.forget),
        (settings.keep_operations_days, retention.forget),
    )

    def of_ledger(forget: Callable[[AsyncSession, UUID, datetime], Awaitable[int]]) -> Forget:
        return lambda session, before: forget(session, ledger_id, before)

    async def seal(session: AsyncSession, _before: datetime) -> int:
        columns = (notices.Webhook.secret, Subscription.secret)
        return sum([await sealing.seal_what_lies_open(session, column) for column in columns])

    rules = [(timedelta(days=days), of_ledger(forget)) for days, forget in kept]
    return Upkeep(ledger.database, [*rules, (timedelta(0), seal)])


def gatherer(ledger: Ledger) -> Gather:
    """Makes reports in this process, for the worker's watches."""
    state = SimpleNamespace(settings=ledger.settings)
    sources = Sources.of(ledger.rpc, ledger.contracts, backend.verification.invoices.reader(state))

    async def gather(session: AsyncSession, caller: Caller, receivable_id: UUID) -> Gathered:
        return await verification.gather(session, caller, sources, receivable_id)

    return gather


def create_app(
    settings: Settings,
    contracts: Contracts,
    database: Database,
    *,
    rpc: Rpc | None = None,
    loops: Loops | None = None,
) -> FastAPI:
    """The HTTP application. With `loops` it also runs them, and stops them when it is stopped."""

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        if loops is not None:
            loops.start()
        yield
        if loops is not None:
            await loops.stop()

    app = FastAPI(
        title="Tallystick",
        version="0.1.0",
        summary="Receivables finance and supply-chain provenance on an EVM chain",
        lifespan=lifespan,
        redirect_slashes=False,
    )
    sealing.hand_over(database.engine.dialect, settings)
    app.state.settings = settings
    app.state.database = database
    app.state.contracts = contracts
    app.state.authenticate = parties.authenticate
    app.state.gate = Gate(database, parties.recognise)
    app.state.running = Running()
    app.state.log = log_config(settings, contracts)
    if app.state.log is not None:
        app.state.appender = Appender(database, contracts.ledger_id, app.state.log)
    app.state.actions = Actions(contracts, parties.may_sign)
    register_actions(app.state.actions)
    app.state.signing = Signing(app.state)
    register_ports(settings)
    app.state.read_invoice = backend.invoices.api.reader(app.state)
    metrics = Metrics(database, contracts.ledger_id, loops)
    edge.install(
        app,
        max_body_bytes=settings.max_body_bytes,
        observe=timed(metrics),
        dialects={"/epcis": in_the_standards_words},
    )
    chain = rpc or Rpc(settings.rpc_urls, contracts.chain_id)
    app.state.rpc = chain
    app.state.evidence = Sources.of(chain, contracts, backend.verification.invoices.reader(app.state))
    health = Health(
        database, contracts, chain, settings.ready_lag_blocks, partial(migrations.check, database), loops
    )
    routers = [*ROUTERS, backend.chain.probes.router(health), backend.chain.metrics.router(metrics)]
    app.state.routes = [route for router in routers for route in router.routes]
    # Not by `include_router`, which makes each route again for each application, a tenth of a second in all,
    # and looks through router after router for each request.
    app.router.routes.extend(app.state.routes)
    app.openapi = partial(openapi.describe, app, app.state.routes)  # type: ignore[method-assign]
    return app
