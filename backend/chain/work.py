"""The chain room's loops: the sender, the indexer, and what they need."""

import os
import socket
from collections.abc import Sequence
from datetime import timedelta

from backend.chain.contracts import Contracts
from backend.chain.fees import GWEI
from backend.chain.history import CursorMoved
from backend.chain.indexer import Indexer
from backend.chain.lanes import LeaseLost
from backend.chain.projections import Projection
from backend.chain.rpc import Rpc
from backend.chain.sender import Policy, Sender
from backend.chain.signer import Signer
from backend.kit.database import Database
from backend.kit.ids import uuid7
from backend.kit.loops import Loop
from backend.kit.settings import Settings


def policy_of(settings: Settings) -> Policy:
    """How the sender behaves, from the settings."""
    return Policy(
        finality=settings.finality_blocks,
        finality_tag=settings.finality_tag,
        fee_cap=settings.max_fee_gwei * GWEI,
        local_chain=settings.local_chain,
        in_flight=settings.in_flight,
        resend_after=timedelta(seconds=settings.resend_seconds),
        replace_after=timedelta(seconds=settings.replace_seconds),
    )


def sender_loop(
    settings: Settings, database: Database, rpc: Rpc, contracts: Contracts, signer: Signer
) -> Loop:
    """Sends what waits in the outbox. Nothing in it can be missed while it rests: new operations are looked
    for, new blocks wake it, and its lease outlasts its longest pause."""
    holder = f"{socket.gethostname()[:20]}:{os.getpid()}:{uuid7().hex[-12:]}"
    sender = Sender(database, rpc, contracts, signer, policy_of(settings), holder)
    return Loop(
        "sender",
        sender.step,
        idle=0.2,
        rest=5.0,
        due=sender.has_work,
        on_stop=sender.release,
        expected=(LeaseLost,),
    )


def indexer_loop(
    settings: Settings, database: Database, rpc: Rpc, contracts: Contracts, projections: Sequence[Projection]
) -> Loop:
    """Keeps every room's rows equal to the chain."""
    indexer = Indexer(
        database,
        rpc,
        contracts,
        projections,
        finality=settings.finality_blocks,
        local_chain=settings.local_chain,
    )

    before = -1

    async def step() -> bool:
        nonlocal before
        progress = await indexer.step()
        moved, before = progress.indexed != before, progress.indexed
        return moved or progress.lag > 0

    return Loop("indexer", step, idle=0.25, rest=1.0, on_stop=indexer.close, expected=(CursorMoved,))
