"""The log's loop: heads on their way to the chain."""

from backend.chain.contracts import Contracts
from backend.kit.database import Database
from backend.kit.loops import Loop
from backend.provenance.config import LogConfig
from backend.provenance.log.anchoring import anchor_if_due, is_due, prune


def anchor_loop(database: Database, contracts: Contracts, config: LogConfig) -> Loop:
    """Makes a head whenever one is due, and forgets old maps. Several workers may run it: the log's row is
    the lock."""

    async def step() -> bool:
        async with database.reading() as session:
            if not await is_due(session, contracts.ledger_id, config):
                return False
        async with database.transaction() as session:
            made = await anchor_if_due(session, contracts, config)
        if made is None:
            return False
        async with database.transaction() as session:
            while await prune(session, contracts.ledger_id):
                await session.commit()
        return False

    return Loop("anchor", step, idle=1.0, rest=2.0)
