"""The sender's SQL: leases, the queue, nonces, attempts. Functions work in the transaction they are given."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import and_, exists, func, or_, select, update
from sqlalchemy.engine import CursorResult
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased, defer

from backend.chain.packing import Parcel
from backend.chain.repository import Attempt, Lane, Operation, Transaction
from backend.kit.clock import now
from backend.kit.ids import uuid7

LEASE = timedelta(seconds=15)
IN_FLIGHT = ("allocated", "signed", "accepted")
_LIGHT = defer(Transaction.data, raiseload=True)


class LeaseLost(Exception):
    """Another worker has taken over the lane; nothing of the running transaction may stand."""


async def take_lease(session: AsyncSession, ledger_id: UUID, signer: str, holder: str) -> Lane | None:
    """The lane, leased to `holder` for a while; None if another holder's lease still runs."""
    moment = now()
    # A lease that ends later than any given now was given by a clock that has been set back since.
    over = or_(Lane.leased_until < moment, Lane.leased_until > moment + LEASE)
    free = or_(Lane.holder == holder, Lane.holder.is_(None), over)
    result = await session.execute(
        update(Lane)
        .where(Lane.ledger_id == ledger_id, Lane.signer == signer, free)
        .values(holder=holder, leased_until=moment + LEASE)
    )
    return await _lane(session, ledger_id, signer) if _changed(result) else None


async def open_lane(session: AsyncSession, ledger_id: UUID, signer: str, nonce: int) -> None:
    """Makes the lane on first use, beginning at `nonce`."""
    if await _lane(session, ledger_id, signer) is None:
        session.add(Lane(ledger_id=ledger_id, signer=signer, next_nonce=nonce))
        await session.flush()


async def get(session: AsyncSession, ledger_id: UUID, signer: str) -> Lane | None:
    """The lane, if the signer was ever used on this ledger."""
    return await _lane(session, ledger_id, signer)


async def holds_for_long(session: AsyncSession, ledger_id: UUID, signer: str, holder: str) -> bool:
    """Whether `holder`'s lease still runs for more than half its time, so that it need not be renewed."""
    lane = await _lane(session, ledger_id, signer)
    if lane is None or lane.holder != holder or lane.leased_until is None:
        return False
    return LEASE / 2 < lane.leased_until - now() <= LEASE


async def release(session: AsyncSession, ledger_id: UUID, signer: str, holder: str) -> None:
    """Ends a lease early, so that another worker need not wait."""
    await session.execute(
        update(Lane)
        .where(Lane.ledger_id == ledger_id, Lane.signer == signer, Lane.holder == holder)
        .values(leased_until=None, holder=None)
    )


async def held(session: AsyncSession, ledger_id: UUID, signer: str, holder: str) -> Lane:
    """The lane, locked until the transaction ends. Raises LeaseLost if it is not `holder`'s any more."""
    statement = select(Lane).where(Lane.ledger_id == ledger_id, Lane.signer == signer).with_for_update()
    lane = await session.scalar(statement.execution_options(populate_existing=True))
    if lane is None or lane.holder != holder:
        raise LeaseLost(f"the lane of {signer} is held by {lane.holder if lane else 'nobody'}")
    return lane


async def queue(
    session: AsyncSession, ledger_id: UUID, limit: int, skip: Sequence[UUID] = ()
) -> Sequence[Operation]:
    """What may be sent next, oldest first. An operation waits until those before it on its subject
    are mined."""
    before = aliased(Operation)
    waits = exists().where(
        before.ledger_id == ledger_id,
        before.subject == Operation.subject,
        before.id < Operation.id,
        before.status == "pending",
        before.sub_status != "mined",
    )
    statement = (
        select(Operation)
        .where(
            Operation.ledger_id == ledger_id,
            Operation.status == "pending",
            Operation.transaction_id.is_(None),
            Operation.id.not_in(skip),
            ~waits,
        )
        .order_by(Operation.id)
        .limit(limit)
    )
    return (await session.scalars(statement)).all()


async def anything_waits(session: AsyncSession, ledger_id: UUID, skip: Sequence[UUID] = ()) -> bool:
    """Whether there are operations without a transaction."""
    statement = select(Operation.id).where(
        Operation.ledger_id == ledger_id,
        Operation.status == "pending",
        Operation.transaction_id.is_(None),
        Operation.id.not_in(skip),
    )
    return await session.scalar(statement.limit(1)) is not None


async def anything_open(session: AsyncSession, ledger_id: UUID, signer: str) -> bool:
    """Whether there is anything to send, or of the signer's to be followed until it is final."""
    waits = select(Operation.id).where(Operation.ledger_id == ledger_id, Operation.status == "pending")
    moves = select(Transaction.id).where(
        Transaction.ledger_id == ledger_id,
        Transaction.signer == signer,
        Transaction.status.in_((*IN_FLIGHT, "mined")),
    )
    return bool(await session.scalar(select(or_(waits.exists(), moves.exists()))))


async def allocate(session: AsyncSession, lane: Lane, parcels: Sequence[Parcel]) -> Sequence[Transaction]:
    """A transaction with the lane's next nonce for each parcel, in order, and its operations put into it.

    A parcel with an operation that was cancelled or taken since it was read is left out, and uses no nonce.
    """
    wanted = [each for parcel in parcels for each in parcel.operations]
    statement = select(Operation.id).where(
        Operation.id.in_(wanted),
        Operation.transaction_id.is_(None),
        Operation.status == "pending",
        Operation.cancel_requested.is_(False),
    )
    free = set((await session.scalars(statement.with_for_update())).all())
    moment = now()
    made: list[Transaction] = []
    placed: list[dict[str, Any]] = []
    for parcel in parcels:
        if not free.issuperset(parcel.operations):
            continue
        transaction = Transaction(
            id=uuid7(),
            ledger_id=lane.ledger_id,
            signer=lane.signer,
            nonce=lane.next_nonce,
            target=parcel.target,
            data=parcel.data,
            gas=parcel.gas,
        )
        lane.next_nonce += 1
        made.append(transaction)
        placed += [
            {
                "id": operation_id,
                "transaction_id": transaction.id,
                "item": item,
                "sub_status": "allocated",
                "last_action": "assign-nonce",
                "last_action_at": moment,
            }
            for item, operation_id in enumerate(parcel.operations)
        ]
    if made:
        session.add_all(made)
        await session.flush()
        await session.execute(update(Operation), placed)
    return made


async def rows(session: AsyncSession, transaction_ids: Sequence[UUID]) -> dict[UUID, Transaction]:
    """These transactions as they are now, by id."""
    statement = select(Transaction).options(_LIGHT).where(Transaction.id.in_(transaction_ids))
    return {row.id: row for row in await session.scalars(statement)}


async def calldata(session: AsyncSession, transaction_ids: Sequence[UUID]) -> dict[UUID, bytes]:
    """The calldata of these transactions, which other questions leave out: of a pack it is long."""
    statement = select(Transaction.id, Transaction.data).where(Transaction.id.in_(transaction_ids))
    return {row.id: row.data for row in await session.execute(statement)}


async def signed_bytes(session: AsyncSession, attempt_ids: Sequence[UUID]) -> dict[UUID, bytes]:
    """The bytes of these attempts, which other questions leave out."""
    statement = select(Attempt.id, Attempt.raw).where(Attempt.id.in_(attempt_ids))
    return {row.id: row.raw for row in await session.execute(statement)}


async def to_be_stopped(session: AsyncSession, transaction_ids: Sequence[UUID]) -> set[UUID]:
    """Those of these transactions that carry something, and nothing that is still wanted."""
    carried = Operation.transaction_id.in_(transaction_ids)
    asked = select(Operation.transaction_id).where(carried, Operation.cancel_requested)
    wanted = select(Operation.transaction_id).where(carried, Operation.cancel_requested.is_(False))
    return {each for each in await session.scalars(asked.except_(wanted)) if each is not None}


async def holes(session: AsyncSession, ledger_id: UUID, signer: str, mined: int) -> list[int]:
    """Nonces between the chain's count and ours that no transaction of ours has.

    They come from a count that included somebody else's pending transaction, which then vanished.
    """
    lane = await _lane(session, ledger_id, signer)
    if lane is None or lane.next_nonce <= mined:
        return []
    statement = select(Transaction.nonce).where(
        Transaction.ledger_id == ledger_id, Transaction.signer == signer, Transaction.nonce >= mined
    )
    ours = set((await session.scalars(statement)).all())
    return [nonce for nonce in range(mined, lane.next_nonce) if nonce not in ours]


def fill(session: AsyncSession, lane: Lane, nonce: int) -> None:
    """Gives an unused nonce to a transaction that does nothing."""
    session.add(
        Transaction(
            ledger_id=lane.ledger_id,
            signer=lane.signer,
            nonce=nonce,
            target=lane.signer,
            data=b"",
            gas=21_000,
            freeing=True,
        )
    )


async def any_transaction(session: AsyncSession, where: Any) -> bool:
    """Whether any transaction fits the condition."""
    return await session.scalar(select(Transaction.id).where(where).limit(1)) is not None


async def in_flight(session: AsyncSession, ledger_id: UUID, signer: str) -> Sequence[Transaction]:
    """The signer's transactions that are not yet mined, by nonce."""
    statement = select(Transaction).where(
        Transaction.ledger_id == ledger_id, Transaction.signer == signer, Transaction.status.in_(IN_FLIGHT)
    )
    return (await session.scalars(statement.options(_LIGHT).order_by(Transaction.nonce))).all()


async def mined_nonces(session: AsyncSession, ledger_id: UUID, signer: str) -> int:
    """The count of nonces that the chain must have used, by what we saw mined."""
    statement = select(func.max(Transaction.nonce)).where(
        Transaction.ledger_id == ledger_id,
        Transaction.signer == signer,
        Transaction.status.in_(("mined", "confirmed")),
    )
    newest = await session.scalar(statement)
    return 0 if newest is None else newest + 1


async def mined_up_to(
    session: AsyncSession, ledger_id: UUID, signer: str, block: int, limit: int
) -> Sequence[Transaction]:
    """The signer's mined transactions that are deep enough to be confirmed, by nonce."""
    statement = select(Transaction).where(
        Transaction.ledger_id == ledger_id,
        Transaction.signer == signer,
        Transaction.status == "mined",
        Transaction.block_number <= block,
    )
    return (await session.scalars(statement.options(_LIGHT).order_by(Transaction.nonce).limit(limit))).all()


async def attempts(session: AsyncSession, transaction_ids: Sequence[UUID]) -> dict[UUID, list[Attempt]]:
    """All signed forms of these transactions, oldest first."""
    found: dict[UUID, list[Attempt]] = {id_: [] for id_ in transaction_ids}
    statement = select(Attempt).where(Attempt.transaction_id.in_(transaction_ids)).order_by(Attempt.id)
    for attempt in await session.scalars(statement.options(defer(Attempt.raw, raiseload=True))):
        found[attempt.transaction_id].append(attempt)
    return found


async def operations_of(
    session: AsyncSession, transaction_ids: Sequence[UUID]
) -> dict[UUID, list[Operation]]:
    """The operations each of these transactions carries, in their order."""
    found: dict[UUID, list[Operation]] = {id_: [] for id_ in transaction_ids}
    statement = (
        select(Operation).where(Operation.transaction_id.in_(transaction_ids)).order_by(Operation.item)
    )
    for operation in await session.scalars(statement.options(defer(Operation.data, raiseload=True))):
        if operation.transaction_id is not None:
            found[operation.transaction_id].append(operation)
    return found


async def note(
    session: AsyncSession, transaction_ids: Sequence[UUID], sub_status: str, action: str, moment: datetime
) -> None:
    """Says in the pending operations of these transactions what was last done about them."""
    await session.execute(
        update(Operation)
        .where(Operation.transaction_id.in_(transaction_ids), Operation.status == "pending")
        .values(sub_status=sub_status, last_action=action, last_action_at=moment)
        .execution_options(synchronize_session=False)
    )


async def reopen(session: AsyncSession, where: Any) -> int:
    """Treats mined transactions as sent and not mined: their block was replaced or lost.

    Their bytes will be sent again. What was reported as final stays so; its transaction is mined once more.
    """
    ids = (await session.scalars(select(Transaction.id).where(where))).all()
    if not ids:
        return 0
    await session.execute(
        update(Transaction)
        .where(Transaction.id.in_(ids))
        .values(
            status="accepted",
            reopened=True,
            mined_at=None,
            confirmed_at=None,
            mined_hash=None,
            block_number=None,
            block_hash=None,
            succeeded=None,
            gas_used=None,
        )
    )
    await session.execute(update(Attempt).where(Attempt.transaction_id.in_(ids)).values(last_sent_at=None))
    await session.execute(
        update(Operation)
        .where(Operation.transaction_id.in_(ids), Operation.status == "pending")
        .values(sub_status="accepted", last_action="lose-block", last_action_at=now(), error=None)
    )
    return len(ids)


def orphaned(ledger_id: UUID, above: int, *, confirmed_too: bool) -> Any:
    """The condition for transactions mined above a block that is the last common one."""
    states = ("mined", "confirmed") if confirmed_too else ("mined",)
    return and_(
        Transaction.ledger_id == ledger_id, Transaction.status.in_(states), Transaction.block_number > above
    )


def from_nonce(ledger_id: UUID, signer: str, nonce: int) -> Any:
    """The condition for the signer's mined transactions from a nonce on, which its chain no longer has."""
    return and_(
        Transaction.ledger_id == ledger_id,
        Transaction.signer == signer,
        Transaction.status.in_(("mined", "confirmed")),
        Transaction.nonce >= nonce,
    )


async def _lane(session: AsyncSession, ledger_id: UUID, signer: str) -> Lane | None:
    statement = select(Lane).where(Lane.ledger_id == ledger_id, Lane.signer == signer)
    return await session.scalar(statement.execution_options(populate_existing=True))


def _changed(result: Any) -> bool:
    return isinstance(result, CursorResult) and result.rowcount > 0
