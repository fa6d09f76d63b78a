"""Receipts: which transactions were mined, which items of a pack failed, what is deep enough to be final."""

import logging
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from backend.chain import lanes, outbox
from backend.chain.abi import AbiError
from backend.chain.contracts import Contracts, Revert
from backend.chain.repository import Attempt, Operation, Transaction
from backend.chain.rpc import NodeError, Rpc
from backend.kit.clock import now
from backend.kit.database import Database

log = logging.getLogger("tallystick.sender")
_CONFIRM = 500
_TRIES = 3


class Tracker:
    """Follows one signer's transactions until they are final."""

    def __init__(
        self,
        database: Database,
        rpc: Rpc,
        contracts: Contracts,
        signer: str,
        finality: int,
        tag: str | None = None,
    ) -> None:
        self.database, self.rpc, self.contracts = database, rpc, contracts
        self.signer, self.finality, self.tag = signer, finality, tag
        self.ledger_id = contracts.ledger_id

    async def step(self) -> bool:
        """Notes new receipts, then confirms what is deep enough. True if anything changed."""
        head, mined, *tagged = await self.rpc.batch(
            [
                ("eth_blockNumber", []),
                ("eth_getTransactionCount", [self.signer, "latest"]),
                *([("eth_getBlockByNumber", [self.tag, False])] if self.tag else []),
            ]
        )
        if isinstance(head, NodeError) or isinstance(mined, NodeError):
            raise head if isinstance(head, NodeError) else mined
        found = await self._find_receipts(int(mined, 16))
        final = self._final(tagged[0]) if self.tag else int(head, 16) - self.finality
        return await self._confirm(final) or found

    def _final(self, block: Any) -> int:
        """The newest block that is final by the node's own word; none where it has no such word."""
        if isinstance(block, NodeError) or not block:
            log.warning("the node names no block that is %s: %s", self.tag, block)
            return -1
        return int(block["number"], 16)

    async def _find_receipts(self, mined: int) -> bool:
        """Looks for receipts of all forms of what is in flight with a nonce the chain has passed."""
        async with self.database.reading() as session:
            flight = await lanes.in_flight(session, self.ledger_id, self.signer)
            passed = [each for each in flight if each.nonce < mined]
            forms = await lanes.attempts(session, [each.id for each in passed])
        if not passed:
            return False
        asked = [(each, form) for each in passed for form in forms[each.id]]
        receipts = await self._receipts([form.hash for _, form in asked])
        hits = [(tx, form, each) for (tx, form), each in zip(asked, receipts, strict=True) if each]
        reasons = [await self._reason(tx, receipt) for tx, _, receipt in hits]
        found = {tx.id for tx, _, _ in hits}
        missing = [each for each in passed if each.id not in found]
        foreign = await self._used_elsewhere(missing, forms) if missing else []
        async with self.database.transaction() as session:
            touched = [*found, *(each.id for each in foreign)]
            rows = await lanes.rows(session, touched)
            carried = await lanes.operations_of(session, touched)
            through = [
                tx.id
                for (tx, form, receipt), reason in zip(hits, reasons, strict=True)
                if self._mine(rows[tx.id], carried[tx.id], form, receipt, reason)
            ]
            await lanes.note(session, through, "mined", "receive-receipt", now())
            for each in foreign:
                self._lose(rows[each.id], carried[each.id])
        return bool(hits or foreign)

    async def _receipts(self, hashes: Sequence[str]) -> list[Mapping[str, Any] | None]:
        answers = await self.rpc.batch([("eth_getTransactionReceipt", [each]) for each in hashes])
        for answer in answers:
            if isinstance(answer, NodeError):
                raise answer
        return answers

    async def _reason(self, transaction: Transaction, receipt: Mapping[str, Any]) -> Revert | None:
        """Why a transaction failed: the same call again, on the state before its block."""
        if int(receipt["status"], 16) == 1:
            return None
        gas_used = int(receipt["gasUsed"], 16)
        if gas_used >= transaction.gas - transaction.gas // 64:
            return Revert("OutOfGas", {"gas": transaction.gas}, "0x")
        async with self.database.reading() as session:
            calldata = (await lanes.calldata(session, [transaction.id]))[transaction.id]
        call = {
            "from": self.signer,
            "to": transaction.target,
            "data": "0x" + calldata.hex(),
            "gas": hex(transaction.gas),
        }
        before = hex(int(receipt["blockNumber"], 16) - 1)
        (answer,) = await self.rpc.batch([("eth_call", [call, before])])
        data = answer.revert if isinstance(answer, NodeError) else None
        return self.contracts.decode_revert(data or b"")

    def _mine(
        self,
        row: Transaction,
        operations: Sequence[Operation],
        form: Attempt,
        receipt: Mapping[str, Any],
        reason: Revert | None,
    ) -> bool:
        """Writes down where a transaction was mined and what failed in it; whether it did what it carried."""
        if row.status not in lanes.IN_FLIGHT:
            return False
        moment = now()
        row.status, row.mined_at = "mined", moment
        row.signed_at, row.accepted_at = row.signed_at or moment, row.accepted_at or moment
        row.mined_hash, row.block_hash = form.hash, receipt["blockHash"]
        row.block_number, row.gas_used = int(receipt["blockNumber"], 16), int(receipt["gasUsed"], 16)
        row.succeeded, row.reopened = reason is None, False
        if form.empty or _failed_whole(operations, reason):
            # Another form of it may still take this one's place. Whoever sent anew or called it cancelled
            # before that is out of the question would see it happen twice, or after all.
            for each in operations:
                outbox.touch(each, "used-up", "receive-receipt", moment)
            return False
        failures = self._failures(receipt) if len(operations) > 1 else {}
        for each in operations:
            error = reason or failures.get(_action_id(each))
            if each.status not in outbox.FINAL and (error or each.error):
                each.error = error.to_json() if error else None
        return True

    def _try_anew(self, operations: Sequence[Operation], reason: Revert) -> None:
        """It failed through no fault of what it carried: each goes alone next, but not for ever."""
        for each in operations:
            each.tries += 1
            if each.tries >= _TRIES:
                outbox.finish(each, outbox.FAILED, "reverted", "confirm", reason.to_json())
        self._put_back(operations)

    def _put_back(self, operations: Sequence[Operation]) -> None:
        """The nonce was used up without carrying them: they are sent anew, or end if that was wanted."""
        for each in operations:
            if each.cancel_requested:
                outbox.finish(each, outbox.CANCELLED, "cancelled", "free-nonce")
            if each.status not in outbox.FINAL:
                each.transaction_id, each.item = None, None
                outbox.touch(each, "received", "put-back")

    def _failures(self, receipt: Mapping[str, Any]) -> dict[tuple[str, int], Revert]:
        """The items of a pack that failed, by signer and nonce, and why."""
        failed: dict[tuple[str, int], Revert] = {}
        for entry in receipt["logs"]:
            contract = self.contracts.at(entry["address"])
            topics = [bytes.fromhex(topic[2:]) for topic in entry["topics"]]
            event = contract.abi.events.get(topics[0]) if contract and topics else None
            if event is None or event.name != "ActionFailed":
                continue
            try:
                args = event.decode_log(topics, bytes.fromhex(entry["data"][2:]))
            except AbiError as error:
                log.error("an ActionFailed event does not decode: %s", error)
                continue
            reason = self.contracts.decode_revert(bytes.fromhex(args["reason"][2:]))
            failed[args["signer"], args["nonce"]] = reason
        return failed

    async def _used_elsewhere(
        self, missing: Sequence[Transaction], forms: Mapping[UUID, Sequence[Attempt]]
    ) -> list[Transaction]:
        """Those whose nonce was used, finally, by a transaction that is not ours.

        One node has to say both in one answer, that the nonce was used at the depth of finality and that it
        knows none of our forms: two nodes, of which one is behind, would together say the same by mistake.
        """
        head = int(await self.rpc.call("eth_blockNumber"), 16)
        depth = self.tag or hex(max(head - self.finality, 0))
        lost = []
        for each in missing:
            asked = [("eth_getTransactionReceipt", [form.hash]) for form in forms[each.id]]
            count, *receipts = await self.rpc.batch(
                [("eth_getTransactionCount", [self.signer, depth]), *asked]
            )
            used = not isinstance(count, NodeError) and each.nonce < int(count, 16)
            if used and all(receipt is None for receipt in receipts):
                lost.append(each)
        return lost

    def _lose(self, row: Transaction, operations: Sequence[Operation]) -> None:
        """The nonce was used by somebody else with the relayer's key; what it carried is sent anew."""
        if row.status not in lanes.IN_FLIGHT:
            return
        log.error("nonce %s of %s was used by a transaction that is not ours", row.nonce, row.signer)
        row.status = "lost"
        self._put_back(operations)

    async def _confirm(self, final: int) -> bool:
        """Ends what is not above the block `final`, after looking whether it still stands in its block."""
        async with self.database.reading() as session:
            deep = await lanes.mined_up_to(session, self.ledger_id, self.signer, final, _CONFIRM)
        if not deep:
            return False
        receipts = await self._receipts([each.mined_hash or "" for each in deep])
        reasons = [
            await self._reason(each, receipt) if receipt else None
            for each, receipt in zip(deep, receipts, strict=True)
        ]
        moment = now()
        async with self.database.transaction() as session:
            rows = await lanes.rows(session, [each.id for each in deep])
            carried = await lanes.operations_of(session, list(rows))
            forms = await lanes.attempts(session, list(rows))
            done: list[Operation] = []
            for transaction, receipt, reason in zip(deep, receipts, reasons, strict=True):
                row = rows[transaction.id]
                if row.status != "mined" or row.mined_hash != transaction.mined_hash:
                    continue
                if receipt is None or receipt["blockHash"] != row.block_hash:
                    log.warning("nonce %s is no longer in block %s", row.nonce, row.block_number)
                    await lanes.reopen(session, Transaction.id == row.id)
                    continue
                row.status, row.confirmed_at = "confirmed", moment
                if any(form.empty and form.hash == row.mined_hash for form in forms[row.id]):
                    self._put_back(carried[row.id])
                    continue
                if reason is not None and _failed_whole(carried[row.id], reason):
                    self._try_anew(carried[row.id], reason)
                    continue
                for each in carried[row.id]:
                    if each.error:
                        outbox.finish(each, outbox.FAILED, "reverted", "confirm", each.error)
                    else:
                        done.append(each)
            await outbox.succeed(session, done)
        return True


def _failed_whole(operations: Sequence[Operation], reason: Revert | None) -> bool:
    """Whether a transaction failed for a reason that is not the one call's it carried."""
    return reason is not None and (len(operations) > 1 or reason.name == "OutOfGas")


def _action_id(operation: Operation) -> tuple[str, int]:
    """What tells a signed action apart on its contract: signer and nonce."""
    relayed = operation.relayed or {}
    return relayed.get("signer", ""), int(relayed.get("nonce", -1))
