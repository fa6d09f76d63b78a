"""What Prometheus reads at `/metrics`: the outbox, the lanes, the index and the requests of this process.

The gauges of the ledger are asked from the database when they are read, so that every process gives the same
and none can go stale; counters and histograms are this process's own.
"""

from collections.abc import Callable
from datetime import datetime
from uuid import UUID

from fastapi import APIRouter
from fastapi.responses import Response
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
)
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from backend.chain import history
from backend.chain.repository import Lane, Operation, Transaction
from backend.kit.clock import now
from backend.kit.database import Database
from backend.kit.loops import Loops
from backend.kit.notices import Delivery, Webhook
from backend.kit.web import operation_id

_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)


class Metrics:
    """The metrics of one process."""

    def __init__(self, database: Database, ledger_id: UUID, loops: Loops | None = None) -> None:
        self.database, self.ledger_id, self.loops = database, ledger_id, loops
        self.registry = CollectorRegistry()
        self.requests = Histogram(
            "tallystick_request_seconds",
            "Time to answer a request.",
            ["method", "route", "status"],
            buckets=_BUCKETS,
            registry=self.registry,
        )
        self.operations = self._gauge("operations", "Operations by status.", "status")
        self.oldest = self._gauge("outbox_oldest_seconds", "Age of the oldest pending operation.")
        self.in_flight = self._gauge("transactions", "Transactions not yet final, by status.", "status")
        self.nonce = self._gauge("signer_next_nonce", "The next nonce of each signer.", "signer")
        self.indexed = self._gauge("index_block", "The last block that is indexed.")
        self.lag = self._gauge("index_lag_blocks", "Blocks the index was behind when it last looked.")
        self.halted = self._gauge("index_halted", "1 while the index waits for a person.")
        self.waiting = self._gauge("webhook_deliveries_waiting", "Notices not yet delivered.")
        self.off = self._gauge("webhooks_switched_off", "Webhooks switched off or stopped.")
        self.failures = self._gauge("loop_failures", "Failures in a row of each loop here.", "loop")
        self.reads = Counter("tallystick_metrics_reads", "How often this was read.", registry=self.registry)

    def _gauge(self, name: str, says: str, *labels: str) -> Gauge:
        return Gauge(f"tallystick_{name}", says, labels, registry=self.registry)

    async def read(self) -> bytes:
        """Everything, as text."""
        self.reads.inc()
        async with self.database.reading() as session:
            await self._read_outbox(session)
            await self._read_index(session)
            waiting = select(func.count()).select_from(Delivery).where(Delivery.delivered_at.is_(None))
            self.waiting.set(await session.scalar(waiting) or 0)
            off = select(func.count()).select_from(Webhook).where(Webhook.active.is_(False))
            self.off.set(await session.scalar(off) or 0)
        for loop in self.loops.loops if self.loops else ():
            self.failures.labels(loop.name).set(loop.failures)
        return generate_latest(self.registry)

    async def _read_outbox(self, session: AsyncSession) -> None:
        own = Operation.ledger_id == self.ledger_id
        counts = select(Operation.status, func.count()).where(own).group_by(Operation.status)
        found = {row[0]: row[1] for row in await session.execute(counts)}
        for status in ("pending", "succeeded", "failed", "cancelled"):
            self.operations.labels(status).set(found.get(status, 0))
        oldest = select(func.min(Operation.created_at)).where(own, Operation.status == "pending")
        since: datetime | None = await session.scalar(oldest)
        self.oldest.set((now() - since).total_seconds() if since else 0)
        open_ = select(Transaction.status, func.count()).where(
            Transaction.ledger_id == self.ledger_id, Transaction.status.not_in(("confirmed", "lost"))
        )
        counted = {row[0]: row[1] for row in await session.execute(open_.group_by(Transaction.status))}
        for status in ("allocated", "signed", "accepted", "mined"):
            self.in_flight.labels(status).set(counted.get(status, 0))
        for lane in await session.scalars(select(Lane).where(Lane.ledger_id == self.ledger_id)):
            self.nonce.labels(lane.signer).set(lane.next_nonce)

    async def _read_index(self, session: AsyncSession) -> None:
        position = await history.position(session, self.ledger_id)
        if position is not None:
            self.indexed.set(position.number)
            self.lag.set(max(position.head - position.number, 0))
            self.halted.set(position.halted is not None)


def router(metrics: Metrics) -> APIRouter:
    """The route that Prometheus reads. Keep it from the public as you keep the database."""
    routes = APIRouter(tags=["health"], generate_unique_id_function=operation_id)

    @routes.get(
        "/metrics",
        summary="Metrics for Prometheus",
        response_class=Response,
        responses={
            200: {"content": {"text/plain": {"example": 'tallystick_operations{status="pending"} 3.0'}}}
        },
    )
    async def read_metrics() -> Response:
        """Outbox, lanes, index, webhooks and the requests of this process."""
        return Response(await metrics.read(), media_type=CONTENT_TYPE_LATEST)

    return routes


def timed(metrics: Metrics) -> Callable[[str, str, int, float], None]:
    """What the edge calls after each request: method, route, status, seconds."""

    def observe(method: str, route: str, status: int, seconds: float) -> None:
        metrics.requests.labels(method, route, str(status)).observe(seconds)

    return observe
