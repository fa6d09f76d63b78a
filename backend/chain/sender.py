"""From the outbox onto the chain, each operation exactly once whatever fails in between.

    simulate → allocate the nonce → sign → store bytes and hash → broadcast → receipt → confirm

Each arrow ends in a commit of its own, and each step begins by reading what the last one stored, so a process
killed between any two goes on where it was: the same bytes under the same nonce. No step holds a transaction
open while it waits for a node. One worker at a time allocates from a lane (chain/lanes.py).
"""

import logging
import time
from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy.exc import IntegrityError

from backend.chain import fees, lanes, outbox, packing, simulation
from backend.chain.answers import Answer
from backend.chain.contracts import Contracts, Revert
from backend.chain.packing import Candidate
from backend.chain.repository import Attempt, Operation, Transaction
from backend.chain.rpc import Rpc
from backend.chain.signer import Fees, Signed, Signer, sign_transaction
from backend.chain.tracking import Tracker
from backend.kit.clock import now
from backend.kit.database import Database

log = logging.getLogger("tallystick.sender")

_QUEUE = 500
_EMPTY_GAS = 21_000


@dataclass(frozen=True, slots=True)
class Policy:
    """How patient the sender is, and how much it dares."""

    finality: int
    """Blocks on top of one before it counts as final."""
    fee_cap: int
    """The highest fee for a unit of gas, in wei."""
    finality_tag: str | None = None
    """The nodes' own word for the newest block that is final, in place of a depth."""
    local_chain: bool = False
    in_flight: int = 64
    """Most nodes keep no more than this many pending transactions of one address."""
    resend_after: timedelta = timedelta(seconds=15)
    replace_after: timedelta = timedelta(seconds=90)
    compare_after: timedelta = timedelta(seconds=10)
    """How often our count of nonces is compared with the chain's while there is nothing to send."""


class Sender:
    """Works one signer's lane. Any number of processes may run one; whoever has the lease acts."""

    def __init__(
        self, database: Database, rpc: Rpc, contracts: Contracts, signer: Signer, policy: Policy, holder: str
    ) -> None:
        self.database, self.rpc, self.contracts = database, rpc, contracts
        self.signer, self.policy, self.holder = signer, policy, holder
        self.ledger_id = contracts.ledger_id
        self._later: dict[UUID, tuple[float, int]] = {}
        self._seen: object = None
        self._compare_at = 0.0
        self.simulator = simulation.Simulator(rpc, contracts, signer.address)
        self.tracker = Tracker(database, rpc, contracts, signer.address, policy.finality, policy.finality_tag)

    async def step(self) -> bool:
        """Does what is to be done now; True if there may be more. Raises RpcError when no node answers."""
        if not await self._lease() or not await self._anything_open():
            return False
        await self._mend_nonces()
        moved = await self.tracker.step()
        moved |= await self._sign_allocated()
        moved |= await self._broadcast()
        moved |= await self._replace_stuck()
        moved |= await self._take_from_queue()
        if moved:
            await self._sign_allocated()
            await self._broadcast()
        return moved

    async def has_work(self) -> bool:
        """Whether operations wait that nobody has taken yet."""
        if (stamp := self.database.stamp()) == self._seen:
            return False
        self._seen = stamp
        async with self.database.reading() as session:
            return await lanes.anything_waits(session, self.ledger_id, self._put_off())

    async def _anything_open(self) -> bool:
        """Whether there is anything to send or follow, or our count is to be compared with the chain's."""
        async with self.database.reading() as session:
            if await lanes.anything_open(session, self.ledger_id, self.signer.address):
                return True
        if time.monotonic() < self._compare_at:
            return False
        self._compare_at = time.monotonic() + self.policy.compare_after.total_seconds()
        return True

    async def release(self) -> None:
        """Lets another worker take over at once."""
        async with self.database.transaction() as session:
            await lanes.release(session, self.ledger_id, self.signer.address, self.holder)

    async def _lease(self) -> bool:
        async with self.database.reading() as session:
            if await lanes.holds_for_long(session, self.ledger_id, self.signer.address, self.holder):
                return True
        async with self.database.transaction() as session:
            if await lanes.take_lease(session, self.ledger_id, self.signer.address, self.holder):
                return True
            if await lanes.get(session, self.ledger_id, self.signer.address) is not None:
                return False
        nonce = await self._count("pending")
        try:
            async with self.database.transaction() as session:
                await lanes.open_lane(session, self.ledger_id, self.signer.address, nonce)
        except IntegrityError:  # another worker opened it at the same moment
            return False
        return await self._lease()

    async def _count(self, block: str) -> int:
        return int(await self.rpc.call("eth_getTransactionCount", self.signer.address, block), 16)

    async def _mend_nonces(self) -> None:
        """Raises our count to the chain's, never lowers it; fills holes; finds blocks a local chain has lost.

        Somebody else using the key, or a database brought back from a backup, leaves us behind the chain.
        Lowering is not needed: every nonce below ours has bytes stored, and those are sent again.
        """
        mined = await self._count("latest")
        lost = lanes.from_nonce(self.ledger_id, self.signer.address, mined)
        async with self.database.reading() as session:
            lane = await lanes.get(session, self.ledger_id, self.signer.address)
            behind = lane is not None and lane.next_nonce < mined
            holes = await lanes.holes(session, self.ledger_id, self.signer.address, mined)
            vanished = self.policy.local_chain and await lanes.any_transaction(session, lost)
        if not (behind or holes or vanished):
            return
        async with self.database.transaction() as session:
            lane = await lanes.held(session, self.ledger_id, self.signer.address, self.holder)
            if lane.next_nonce < mined:
                log.warning("the chain is at nonce %s of %s, we at %s", mined, lane.signer, lane.next_nonce)
                lane.next_nonce = mined
            if vanished:
                count = await lanes.reopen(session, lost)
                log.warning("the local chain lost %s of our transactions; sending them again", count)
            for nonce in holes:
                log.warning("nonce %s of %s was never used and holds up the rest", nonce, lane.signer)
                lanes.fill(session, lane, nonce)

    async def _take_from_queue(self) -> bool:
        """Simulates what waits, fails what would revert, and gives the rest nonces."""
        async with self.database.reading() as session:
            flight = await lanes.in_flight(session, self.ledger_id, self.signer.address)
            room = self.policy.in_flight - len(flight)
            # Until lost blocks are back, a call would be judged by a state that is not the chain's.
            ready = room > 0 and not any(each.reopened for each in flight)
            skip = self._put_off()
            waiting = await lanes.queue(session, self.ledger_id, _QUEUE, skip) if ready else []
            known = await simulation.what_is_known(session, self.ledger_id, self.signer.address)
        if not waiting:
            return False
        results = await self.simulator.judge(waiting, known)
        candidates: list[Candidate] = []
        refused: list[tuple[Operation, Revert]] = []
        for operation, result in zip(waiting, results, strict=True):
            if isinstance(result, Revert):
                refused.append((operation, result))
            elif isinstance(result, simulation.Passed):
                call, alone = outbox.call_of(operation), operation.tries > 0
                candidates.append(Candidate(operation.id, call, result.gas, floor=result.floor, alone=alone))
                self._later.pop(operation.id, None)
            else:
                self._try_later(operation.id)
        limit = min(packing.PACK_GAS, await self._block_gas())
        parcels = packing.pack(self.contracts, candidates, limit)[:room]
        async with self.database.transaction() as session:
            lane = await lanes.held(session, self.ledger_id, self.signer.address, self.holder)
            await lanes.allocate(session, lane, parcels)
            for operation, revert in refused:
                row = await session.get(Operation, operation.id, with_for_update=True)
                if row is not None and row.transaction_id is None:
                    outbox.finish(row, outbox.FAILED, "rejected", "simulate", revert.to_json())
        return bool(parcels or refused)

    def _put_off(self) -> list[UUID]:
        """Operations that no node could judge a moment ago; the rest does not wait for them."""
        moment = time.monotonic()
        return [each for each, (due, _) in self._later.items() if due > moment]

    def _try_later(self, operation_id: UUID) -> None:
        _, times = self._later.get(operation_id, (0.0, 0))
        self._later[operation_id] = (time.monotonic() + min(2**times, 300), times + 1)

    async def _block_gas(self) -> int:
        block = await self.rpc.call("eth_getBlockByNumber", "latest", False)
        return int(block["gasLimit"], 16) // 2

    async def _sign_allocated(self) -> bool:
        """Signs what has a nonce and no bytes, and stores bytes and hash before anybody sees them."""
        async with self.database.reading() as session:
            flight = await lanes.in_flight(session, self.ledger_id, self.signer.address)
            unsigned = [each for each in flight if each.status == "allocated"]
            data = await lanes.calldata(session, [each.id for each in unsigned]) if unsigned else {}
        if not unsigned:
            return False
        offered = await fees.suggest(self.rpc, self.policy.fee_cap)
        signed = [await self._sign(each, data[each.id], offered, empty=each.freeing) for each in unsigned]
        moment = now()
        async with self.database.transaction() as session:
            await lanes.held(session, self.ledger_id, self.signer.address, self.holder)
            rows = await lanes.rows(session, [each.id for each in unsigned])
            for transaction, form in zip(unsigned, signed, strict=True):
                row = rows[transaction.id]
                if row.status != "allocated":
                    continue
                row.status, row.signed_at = "signed", moment
                session.add(self._attempt(row, form, offered, empty=transaction.freeing))
            await lanes.note(session, [each.id for each in unsigned], "signed", "sign", moment)
        return True

    async def _sign(
        self, transaction: Transaction, data: bytes, offered: Fees, *, empty: bool = False
    ) -> Signed:
        return await sign_transaction(
            self.signer,
            chain_id=self.contracts.chain_id,
            nonce=transaction.nonce,
            target=self.signer.address if empty else transaction.target,
            data=b"" if empty else data,
            gas=_EMPTY_GAS if empty else transaction.gas,
            fees=offered,
        )

    def _attempt(
        self, transaction: Transaction, form: Signed, offered: Fees, *, empty: bool = False
    ) -> Attempt:
        return Attempt(
            ledger_id=self.ledger_id,
            transaction_id=transaction.id,
            hash=form.hash,
            raw=form.raw,
            max_fee=offered.max_fee,
            tip=offered.tip,
            empty=empty,
        )

    async def _broadcast(self) -> bool:
        """Sends the latest bytes of what was signed, and again of what was not seen for a while."""
        moment = now()
        async with self.database.reading() as session:
            flight = await lanes.in_flight(session, self.ledger_id, self.signer.address)
            forms = await lanes.attempts(session, [each.id for each in flight])
        due: list[tuple[Transaction, Attempt]] = []
        for transaction in flight:
            if not (known := forms[transaction.id]):
                continue
            latest = known[-1]
            if latest.last_sent_at is None or _apart(moment, latest.last_sent_at) >= self.policy.resend_after:
                due.append((transaction, latest))
        if not due:
            return False
        async with self.database.reading() as session:
            raw = await lanes.signed_bytes(session, [attempt.id for _, attempt in due])
        answers = await self.rpc.send([raw[attempt.id] for _, attempt in due])
        moment = now()
        noted: dict[tuple[str, str], list[UUID]] = defaultdict(list)
        async with self.database.transaction() as session:
            rows = await lanes.rows(session, [transaction.id for transaction, _ in due])
            newest = {id_: known[-1] for id_, known in (await lanes.attempts(session, list(rows))).items()}
            for (transaction, attempt), sent in zip(due, answers, strict=True):
                row, form = rows[transaction.id], newest[transaction.id]
                if form.id != attempt.id:
                    continue
                form.sends += 1
                form.last_sent_at, form.last_answer = moment, sent.text[:300]
                if sent.answer in (Answer.ACCEPTED, Answer.KNOWN):
                    form.accepted_at = form.accepted_at or moment
                    if row.status == "signed":
                        row.status, row.accepted_at = "accepted", row.accepted_at or moment
                        noted["accepted", "submit"].append(row.id)
                    continue
                log.warning("nonce %s: %s (%s)", row.nonce, sent.answer, sent.text)
                noted[row.status, f"submit:{sent.answer}"].append(row.id)
                if sent.answer is Answer.NEVER and not form.empty:
                    await self._give_up(session, row, sent.text)
            for (status, action), ids in noted.items():
                await lanes.note(session, ids, status, action, moment)
        return any(sent.answer is Answer.ACCEPTED for sent in answers)

    async def _give_up(self, session: Any, transaction: Transaction, why: str) -> None:
        """No node will take these bytes: the operations fail, and the nonce goes to an empty transaction."""
        transaction.freeing = True
        carried = await lanes.operations_of(session, [transaction.id])
        for operation in carried[transaction.id]:
            error = Revert("RefusedByNode", {"message": why}, "0x")
            outbox.finish(operation, outbox.FAILED, "rejected", "submit", error.to_json())

    async def _replace_stuck(self) -> bool:
        """Outbids the first transaction that is not mined in time, and empties those that are to be stopped.

        Only the lowest nonce is outbid for its age: the others wait for it, whatever they offer.
        """
        moment = now()
        async with self.database.reading() as session:
            flight = await lanes.in_flight(session, self.ledger_id, self.signer.address)
            forms = await lanes.attempts(session, [each.id for each in flight])
            unwanted = await lanes.to_be_stopped(session, [each.id for each in flight])
        changed = False
        for place, transaction in enumerate(flight):
            if not (known := forms[transaction.id]):
                continue
            latest = known[-1]
            empty = (transaction.freeing or transaction.id in unwanted) and not latest.empty
            underpriced = bool(latest.last_answer) and _asks_for_more(latest.last_answer or "")
            stuck = place == 0 and _apart(moment, latest.signed_at) >= self.policy.replace_after
            if empty or underpriced or stuck:
                changed |= await self._replace(transaction, latest, empty=empty or latest.empty)
        return changed

    async def _replace(self, transaction: Transaction, latest: Attempt, *, empty: bool) -> bool:
        suggested = await fees.suggest(self.rpc, self.policy.fee_cap)
        old = Fees(latest.max_fee, latest.tip, suggested.legacy)
        try:
            offered = fees.bump(old, suggested, self.policy.fee_cap)
        except fees.FeeCapReached as error:
            log.warning("nonce %s cannot be replaced: %s", transaction.nonce, error)
            return False
        async with self.database.reading() as session:
            data = await lanes.calldata(session, [transaction.id])
        form = await self._sign(transaction, data[transaction.id], offered, empty=empty)
        async with self.database.transaction() as session:
            await lanes.held(session, self.ledger_id, self.signer.address, self.holder)
            row = await session.get_one(Transaction, transaction.id)
            if row.status not in ("signed", "accepted"):
                return False
            row.freeing = row.freeing or empty
            session.add(self._attempt(row, form, offered, empty=empty))
            await lanes.note(session, [row.id], row.status, "free-nonce" if empty else "replace", now())
        return True


def _apart(one: datetime, other: datetime) -> timedelta:
    """The time between two moments. A moment still to come was noted by a clock that was set back since; what
    waits for it must not wait for the clock to get there again."""
    return abs(one - other)


def _asks_for_more(text: str) -> bool:
    from backend.chain.answers import classify

    return classify(0, text) in (Answer.REPLACEMENT_UNDERPRICED, Answer.FEE_TOO_LOW)
