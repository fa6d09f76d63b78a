"""The outbox: what the chain is to do, written down in the transaction that wants it done.

Nothing in a request touches the RPC. `enqueue` adds a row; `chain/sender.py` takes it from there; final
states are final: a retry is a new operation.

    pending: received → simulated → allocated → signed → accepted → mined
    final:   succeeded (confirmed) · failed (rejected | reverted | expired) · cancelled
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import func, or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import object_session

from backend.chain.contracts import Call, Relay
from backend.chain.repository import Attempt, Operation, Transaction
from backend.kit import bulk, ids, logs, tracing
from backend.kit.access import Caller, visible_to
from backend.kit.clock import from_unix, now
from backend.kit.notices import Notice
from backend.kit.problems import NotFound, Problem

PENDING, SUCCEEDED, FAILED, CANCELLED = "pending", "succeeded", "failed", "cancelled"
FINAL = frozenset({SUCCEEDED, FAILED, CANCELLED})


log = logging.getLogger("tallystick.outbox")


class OperationExists(Problem):
    """The party already has an operation under this key."""

    status, code = 409, "operation-exists"


class QuotaReached(Problem):
    """The party has had as many operations relayed in the last hour as the ledger pays for."""

    status, code = 429, "relay-quota-reached"
    headers: ClassVar = {"Retry-After": "60"}


class OperationIsFinal(Problem):
    """The operation has ended; what ended does not change."""

    status, code = 409, "operation-is-final"


class NotRetryable(Problem):
    """Only a failed or cancelled operation can be sent again."""

    status, code = 409, "operation-not-retryable"


@dataclass(frozen=True, slots=True)
class Order:
    """A call to be sent: for whom, and as what.

    Operations of one `subject` are sent in the order they were written down. Where one request makes several
    operations, give each its own key (`f"{key}/{n}"`).
    """

    call: Call
    ledger_id: UUID
    party_id: UUID
    kind: str
    subject: str
    user_id: UUID | None = None
    idempotency_key: str | None = None


async def enqueue(session: AsyncSession, call: Call, **order: Any) -> Operation:
    """Writes a call down to be sent, in the caller's transaction; `order` are the members of `Order`.

    Raises QuotaReached, and OperationExists when the party has used the key.
    """
    (operation,) = await enqueue_all(session, [Order(call, **order)])
    if isinstance(operation, Problem):
        raise operation
    logs.bind(operation=operation.id)  # whoever reads the request's line finds what came of it
    return operation


async def enqueue_all(session: AsyncSession, orders: Sequence[Order]) -> list[Operation | QuotaReached]:
    """Writes all `orders` down; for each what was written, or that its party's quota is used up.

    Raises OperationExists when a party has used one of the keys.
    """
    made: list[Operation | QuotaReached] = []
    for order in orders:
        try:
            await _spend(session, order.ledger_id, order.party_id)
        except QuotaReached as problem:
            made.append(problem)
            continue
        relay = order.call.relay
        operation = Operation(
            id=ids.uuid7(),
            ledger_id=order.ledger_id,
            party_id=order.party_id,
            user_id=order.user_id,
            kind=order.kind,
            subject=order.subject,
            idempotency_key=order.idempotency_key,
            contract=order.call.contract,
            target=order.call.target,
            data=order.call.data,
            relayed=relay.to_json() if relay else None,
            expires_at=from_unix(min(relay.deadline, 2**33)) if relay else None,
        )
        session.add(operation)
        made.append(operation)
    try:
        await session.flush()
    except IntegrityError as error:
        raise OperationExists(key=", ".join(str(each.idempotency_key) for each in orders)) from error
    return made


async def _spend(session: AsyncSession, ledger_id: UUID, party_id: UUID) -> None:
    """Counts an operation against what the party may have relayed in an hour.

    Requests carry a quota in their session; what the server does by itself does not. The count is asked for
    once a request, so that one with a thousand operations asks once.
    """
    quota = session.info.get("relay_quota")
    if quota is None:
        return
    used: dict[UUID, int] = session.info.setdefault("relay_used", {})
    if party_id not in used:
        recent = select(func.count()).where(
            Operation.ledger_id == ledger_id,
            Operation.party_id == party_id,
            Operation.id > ids.since(now() - timedelta(hours=1)),
        )
        used[party_id] = await session.scalar(recent) or 0
    used[party_id] += 1
    if used[party_id] > quota:
        raise QuotaReached(quota=quota)


def call_of(operation: Operation) -> Call:
    """The call an operation stands for."""
    relay = Relay.from_json(operation.relayed) if operation.relayed else None
    return Call(operation.contract, operation.target, operation.data, relay)


def touch(operation: Operation, sub_status: str, action: str, moment: datetime | None = None) -> None:
    """Notes the last thing that was done about a pending operation; a final one stays as it is."""
    if operation.status in FINAL:
        return
    operation.sub_status = sub_status
    operation.last_action = action
    operation.last_action_at = moment or now()


def finish(
    operation: Operation, status: str, sub_status: str, action: str, error: dict[str, Any] | None = None
) -> None:
    """Ends an operation and gives its party notice. One that has ended keeps the end it had."""
    if operation.status in FINAL:
        return
    touch(operation, sub_status, action)
    operation.status = status
    operation.error = error
    operation.finished_at = operation.last_action_at
    _tell(operation, status, sub_status, operation.last_action_at)
    if (session := object_session(operation)) is not None:
        session.add(Notice(**_notice(operation, status, error)))


async def succeed(session: AsyncSession, operations: Sequence[Operation]) -> None:
    """Ends operations whose work stands on the chain for good: `finish` for many, in two statements."""
    moment = now()
    ended = (
        update(Operation)
        .where(Operation.id.in_([each.id for each in operations]), Operation.status == PENDING)
        .values(
            status=SUCCEEDED,
            sub_status="confirmed",
            last_action="confirm",
            last_action_at=moment,
            error=None,
            finished_at=moment,
        )
        .returning(Operation.id)
        .execution_options(synchronize_session=False)
    )
    ids_ = set((await session.scalars(ended)).all()) if operations else set()
    notices = []
    for each in operations:
        if each.id in ids_:
            _tell(each, SUCCEEDED, "confirmed", moment)
            own = {"id": ids.uuid7(), "created_at": moment, "copied_at": None}
            notices.append(own | _notice(each, SUCCEEDED, None))
    await bulk.insert(session, Notice, notices)


def _tell(operation: Operation, status: str, sub_status: str, moment: datetime) -> None:
    with logs.bound(operation=operation.id, party=operation.party_id):
        log.info("%s %s: %s", operation.kind, status, sub_status)
    known = {"operation": str(operation.id), "party": str(operation.party_id), "kind": operation.kind}
    tracing.past("operation", operation.created_at, moment, status=status, **known)


def _notice(operation: Operation, status: str, error: dict[str, Any] | None) -> dict[str, Any]:
    return {
        "ledger_id": operation.ledger_id,
        "party_id": operation.party_id,
        "type": f"operation.{status}",
        "subject": operation.subject,
        "data": {"operation": str(operation.id), "kind": operation.kind, "error": error},
    }


async def cancel(session: AsyncSession, operation: Operation) -> None:
    """Ends an operation that was not sent, or asks the sender to take its place with one that does nothing.

    Raises OperationIsFinal. Whether an operation that was already sent is still stopped, the chain decides.
    """
    if operation.status in FINAL:
        raise OperationIsFinal(status=operation.status)
    operation.cancel_requested = True
    if operation.transaction_id is None:
        finish(operation, CANCELLED, "cancelled", "cancel")
    await session.flush()


async def retry(session: AsyncSession, operation: Operation) -> Operation:
    """A new operation that does what a failed or cancelled one was to do. Raises NotRetryable."""
    if operation.status not in (FAILED, CANCELLED):
        raise NotRetryable(status=operation.status)
    return await enqueue(
        session,
        call_of(operation),
        ledger_id=operation.ledger_id,
        party_id=operation.party_id,
        user_id=operation.user_id,
        kind=operation.kind,
        subject=operation.subject,
        idempotency_key=f"retry:{operation.id}",
    )


async def get(session: AsyncSession, caller: Caller, operation_id: UUID) -> Operation:
    """An operation the caller may see, or NotFound."""
    statement = select(Operation).where(Operation.id == operation_id, visible_to(caller, Operation))
    if (operation := await session.scalar(statement)) is None:
        raise NotFound()
    return operation


async def has_failed(session: AsyncSession, operation_id: UUID | None) -> bool:
    """Whether the operation ended without having done anything."""
    operation = await session.get(Operation, operation_id) if operation_id else None
    return operation is not None and operation.status in (FAILED, CANCELLED)


def listing(
    caller: Caller,
    *,
    status: str | None = None,
    subject: str | None = None,
    key: str | None = None,
    transaction_hash: str | None = None,
) -> Any:
    """A statement for the operations the caller may see, narrowed down by what is given."""
    statement = select(Operation).where(visible_to(caller, Operation))
    if status is not None:
        statement = statement.where(Operation.status == status)
    if subject is not None:
        statement = statement.where(Operation.subject == subject)
    if key is not None:
        first, many = (
            Operation.idempotency_key == key,
            Operation.idempotency_key.startswith(f"{key}/", autoescape=True),
        )
        statement = statement.where(or_(first, many))
    if transaction_hash is not None:
        holder = select(Attempt.transaction_id).where(
            Attempt.ledger_id == caller.ledger_id, Attempt.hash == transaction_hash
        )
        statement = statement.where(Operation.transaction_id.in_(holder))
    return statement


async def transactions_of(
    session: AsyncSession, operations: Sequence[Operation]
) -> dict[UUID, tuple[Transaction, str | None]]:
    """The transaction of each operation that has one, and the hash it is best known by."""
    ids = {each.transaction_id for each in operations if each.transaction_id is not None}
    if not ids:
        return {}
    rows = (await session.scalars(select(Transaction).where(Transaction.id.in_(ids)))).all()
    attempts = await session.execute(
        select(Attempt.transaction_id, Attempt.hash)
        .where(Attempt.transaction_id.in_(ids))
        .order_by(Attempt.id)
    )
    latest = {row.transaction_id: row.hash for row in attempts}
    return {row.id: (row, row.mined_hash or latest.get(row.id)) for row in rows}
