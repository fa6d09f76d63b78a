"""What is not kept for ever of the way to the chain: operations that succeeded, long ago.

What failed or was stopped stays: others ask for it to begin anew. So do the server's own operations, which
the log's heads refer to.
"""

from datetime import datetime
from uuid import UUID

from sqlalchemy import delete, exists, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from backend.chain.outbox import SUCCEEDED
from backend.chain.repository import ActionRecord, Attempt, Operation, Transaction
from backend.kit import ids
from backend.kit.upkeep import BATCH


async def forget(session: AsyncSession, ledger_id: UUID, before: datetime) -> int:
    """Removes operations that succeeded before a moment, and the transactions that carried nothing else.

    At most a batch; how many.
    """
    old = (
        select(Operation.id)
        .where(
            Operation.ledger_id == ledger_id,
            Operation.party_id != ledger_id,
            Operation.id < ids.since(before),
            Operation.status == SUCCEEDED,
            Operation.finished_at < before,
        )
        .order_by(Operation.id)
        .limit(BATCH)
    )
    operations = (await session.scalars(old)).all()
    if not operations:
        return 0
    carriers = select(Operation.transaction_id).where(Operation.id.in_(operations)).distinct()
    transactions = (await session.scalars(carriers)).all()
    await session.execute(
        update(ActionRecord).where(ActionRecord.operation_id.in_(operations)).values(operation_id=None)
    )
    await session.execute(delete(Operation).where(Operation.id.in_(operations)))
    empty = select(Transaction.id).where(
        Transaction.id.in_(transactions),
        Transaction.status == "confirmed",
        ~exists().where(Operation.transaction_id == Transaction.id),
    )
    done = (await session.scalars(empty)).all()
    await session.execute(delete(Attempt).where(Attempt.transaction_id.in_(done)))
    await session.execute(delete(Transaction).where(Transaction.id.in_(done)))
    return len(operations)
