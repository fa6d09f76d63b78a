"""What `tallystick doctor` looks at: each finding says what is so, and what to do if it should not be."""

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import func, select

from backend.chain import history, lanes
from backend.chain.contracts import Contracts
from backend.chain.repository import ChainBlock, ChainEvent, Lane, Operation
from backend.chain.rpc import Rpc, WrongChain
from backend.kit.clock import now
from backend.kit.database import Database
from backend.kit.settings import Settings

_STUCK = timedelta(minutes=10)
_SAMPLE = 2_000


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    what: str
    good: bool
    detail: str


async def diagnose(settings: Settings, database: Database, rpc: Rpc, contracts: Contracts) -> list[Finding]:
    """Looks at everything; what cannot be looked at is a finding too."""
    checks: dict[str, Callable[[], Coroutine[Any, Any, tuple[bool, str]]]] = {
        "chain": lambda: _chain(rpc, contracts),
        "index": lambda: _index(settings, database, rpc, contracts),
        "events": lambda: _events(database, rpc, contracts),
        "nonces": lambda: _nonces(database, rpc, contracts),
        "operations": lambda: _operations(database, contracts),
        "relayer": lambda: _relayer(database, rpc, contracts),
    }
    findings = []
    for what, check in checks.items():
        try:
            good, detail = await check()
        except Exception as error:  # noqa: BLE001 - a check that fails is a finding
            good, detail = False, f"could not be looked at: {type(error).__name__} {error}"
        findings.append(Finding(what, good, detail))
    return findings


async def _chain(rpc: Rpc, contracts: Contracts) -> tuple[bool, str]:
    try:
        codes = await rpc.batch([("eth_getCode", [place, "latest"]) for place in contracts.addresses])
    except WrongChain as error:
        return False, f"{error}: check the RPC URLs"
    if missing := [place for place, code in zip(contracts.addresses, codes, strict=True) if code == "0x"]:
        return False, f"there is no contract at {', '.join(missing)}: is this the chain it was deployed on?"
    return True, f"chain {contracts.chain_id}, {len(codes)} contracts in place"


async def _index(settings: Settings, database: Database, rpc: Rpc, contracts: Contracts) -> tuple[bool, str]:
    head = int(await rpc.call("eth_blockNumber"), 16)
    async with database.reading() as session:
        position = await history.position(session, contracts.ledger_id)
    if position is None:
        return False, "nothing is indexed: start a worker"
    if position.halted:
        return False, f"halted: {position.halted}"
    block = await rpc.call("eth_getBlockByNumber", hex(position.number), False)
    if block is None or block["hash"] != position.hash:
        return False, f"block {position.number} is not the one that was indexed: a worker will take it back"
    lag = head - position.number
    return lag <= settings.ready_lag_blocks, f"at block {position.number}, {lag} behind the chain"


async def _events(database: Database, rpc: Rpc, contracts: Contracts) -> tuple[bool, str]:
    """Compares the newest stretch of stored events with the chain, log by log."""
    async with database.reading() as session:
        position = await history.position(session, contracts.ledger_id)
        if position is None:
            return True, "none yet"
        first = max(position.number - _SAMPLE, contracts.first_block)
        place = (ChainEvent.ledger_id == contracts.ledger_id, ChainEvent.block_number >= first)
        rows = await session.execute(select(ChainEvent.block_hash, ChainEvent.log_index).where(*place))
        ours = {(row.block_hash, row.log_index) for row in rows}
    question = {
        "fromBlock": hex(first),
        "toBlock": hex(position.number),
        "address": contracts.addresses,
    }
    logs = await rpc.call("eth_getLogs", question)
    theirs = {
        (each["blockHash"], int(each["logIndex"], 16))
        for each in logs
        if (contract := contracts.at(each["address"]))
        and each["topics"]
        and bytes.fromhex(each["topics"][0][2:]) in contract.abi.events
    }
    if ours == theirs:
        return True, f"{len(ours)} events of blocks {first} to {position.number} are those of the chain"
    return False, (
        f"{len(theirs - ours)} events of the chain are missing and {len(ours - theirs)} are not the chain's, "
        f"from block {first}: run `tallystick reindex`"
    )


async def _nonces(database: Database, rpc: Rpc, contracts: Contracts) -> tuple[bool, str]:
    async with database.reading() as session:
        rows = (await session.scalars(select(Lane).where(Lane.ledger_id == contracts.ledger_id))).all()
        said = []
        good = True
        for lane in rows:
            mined = int(await rpc.call("eth_getTransactionCount", lane.signer, "latest"), 16)
            holes = await lanes.holes(session, lane.ledger_id, lane.signer, mined)
            waiting = lane.next_nonce - mined
            if holes or waiting < 0:
                good = False
            said.append(
                f"{lane.signer}: chain at {mined}, our next {lane.next_nonce}, {max(waiting, 0)} not mined"
                + (f", nonces {holes} never used (a worker fills them)" if holes else "")
                + (", used by another program (a worker catches up)" if waiting < 0 else "")
            )
    return good, "; ".join(said) or "no signer has sent anything yet"


async def _operations(database: Database, contracts: Contracts) -> tuple[bool, str]:
    limit = now() - _STUCK
    pending = (Operation.ledger_id == contracts.ledger_id, Operation.status == "pending")
    async with database.reading() as session:
        waiting = await session.scalar(select(func.count()).select_from(Operation).where(*pending))
        stuck = (
            await session.scalars(
                select(Operation)
                .where(*pending, Operation.last_action_at < limit)
                .order_by(Operation.id)
                .limit(5)
            )
        ).all()
    if not stuck:
        return True, f"{waiting} pending, none of them stuck"
    named = "; ".join(f"{each.id} ({each.sub_status}, last {each.last_action})" for each in stuck)
    return False, (
        f"{waiting} pending; nothing has moved for {int(_STUCK.total_seconds() // 60)} minutes in: {named}. "
        "Does a worker run, and does the node take transactions?"
    )


async def _relayer(database: Database, rpc: Rpc, contracts: Contracts) -> tuple[bool, str]:
    async with database.reading() as session:
        rows = (await session.scalars(select(Lane).where(Lane.ledger_id == contracts.ledger_id))).all()
        oldest = await session.scalar(
            select(func.min(ChainBlock.number)).where(ChainBlock.ledger_id == contracts.ledger_id)
        )
    said = []
    good = True
    price = int(await rpc.call("eth_gasPrice"), 16)
    for lane in rows:
        balance = int(await rpc.call("eth_getBalance", lane.signer, "latest"), 16)
        left = balance // max(price * 500_000, 1)
        good &= price == 0 or left >= 20
        said.append(f"{lane.signer} can pay for about {left if price else 'any number of'} transactions")
    return good, "; ".join(said) or f"no signer yet; blocks remembered from {oldest}"
