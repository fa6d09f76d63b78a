"""What a call would do, asked before it is sent: what would revert costs nothing, and says why.

Signed actions are asked for many at a time, where the node can (`eth_simulateV1`): an estimate runs each of
them a dozen times. What would fail there, one after another, is asked for alone before it is refused.

A node that is behind, or whose newest blocks were just replaced, refuses what is good, because it does not
know what the call builds on. Its refusal ends nothing: the same batch asks it for what we know of the chain.
"""

import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from backend.chain import history, lanes, outbox
from backend.chain.contracts import Contracts, Revert
from backend.chain.repository import Operation
from backend.chain.rpc import NodeError, Rpc, RpcError

log = logging.getLogger("tallystick.sender")
_TOGETHER = 50
"""Calls simulated in one block: together they must fit into it."""
_NO_SUCH_METHOD = -32601
_UNKNOWN = re.compile(r"not (found|supported|available|exist)|unsupported|unknown method", re.IGNORECASE)
# A call that needs more than a block holds is refused without being a revert.
_NO_GAS = re.compile(r"gas required exceeds|out of gas|intrinsic gas too", re.IGNORECASE)


class NotCurrent(RpcError):
    """The node that refused does not have what we know to be on the chain."""


@dataclass(frozen=True, slots=True)
class Known:
    """How far the chain was when we last looked: the block the index stands on, and our mined nonces."""

    signer: str
    position: history.Position | None
    mined: int

    def questions(self) -> list[tuple[str, list[Any]]]:
        """What to ask a node to see whether it is as far."""
        block = hex(self.position.number if self.position else 0)
        return [
            ("eth_getTransactionCount", [self.signer, "latest"]),
            ("eth_getBlockByNumber", [block, False]),
        ]

    def fits(self, answers: Sequence[Any]) -> bool:
        """Whether a node that answers so has everything we know of."""
        count, block = answers
        if isinstance(count, NodeError) or int(count, 16) < self.mined:
            return False
        if self.position is None:
            return True
        return bool(block) and not isinstance(block, NodeError) and block["hash"] == self.position.hash


async def what_is_known(session: AsyncSession, ledger_id: UUID, signer: str) -> Known:
    """What the index and the receipts of `signer` say of the chain."""
    position = await history.position(session, ledger_id)
    return Known(signer, position, await lanes.mined_nonces(session, ledger_id, signer))


@dataclass(frozen=True, slots=True)
class Passed:
    """A call that would succeed, and the gas for it: what it takes, and what must be left to it besides."""

    gas: int
    floor: int = 0


Verdict: TypeAlias = Passed | Revert | RpcError
"""What a call would do. An RpcError is neither: ask again later."""


class Simulator:
    """Asks the chain's nodes what calls of `sender` would do."""

    def __init__(self, rpc: Rpc, contracts: Contracts, sender: str) -> None:
        self.rpc, self.contracts, self.sender = rpc, contracts, sender
        self._several = True
        """Whether nodes are asked for many calls at a time; not again once one does not know how."""

    async def judge(self, operations: Sequence[Operation], known: Known) -> list[Verdict]:
        """What each operation's call would do."""
        calls = [self._question(each) for each in operations]
        found: dict[int, Verdict] = {}
        if self._several:
            relayed = [place for place, each in enumerate(operations) if each.relayed]
            for start in range(0, len(relayed), _TOGETHER):
                places = relayed[start : start + _TOGETHER]
                for place, gas in zip(places, await self._used([calls[n] for n in places]), strict=True):
                    if gas is not None:
                        floor = int((operations[place].relayed or {}).get("gas_floor", 0))
                        found[place] = Passed(gas, floor)
        rest = [place for place in range(len(calls)) if place not in found]
        if rest:
            found |= dict(zip(rest, await self._estimates([calls[n] for n in rest], known), strict=True))
        return [found[place] for place in range(len(calls))]

    def _question(self, operation: Operation) -> dict[str, str]:
        data = self.contracts.calldata(outbox.call_of(operation))
        return {"from": self.sender, "to": operation.target, "data": "0x" + data.hex()}

    async def _used(self, calls: Sequence[dict[str, str]]) -> list[int | None]:
        """The gas of calls made one after another; None for one that fails so, or if the node cannot say."""
        question = [{"blockStateCalls": [{"calls": calls}], "validation": False}, "latest"]
        nothing: list[int | None] = [None] * len(calls)
        (answer,) = await self.rpc.batch([("eth_simulateV1", question)])
        if isinstance(answer, NodeError):
            if answer.code == _NO_SUCH_METHOD or _UNKNOWN.search(answer.message):
                self._several = False
            log.debug("eth_simulateV1: %s", answer)
            return nothing
        try:
            results = answer[0]["calls"]
            used = [int(each["gasUsed"], 16) if each["status"] == "0x1" else None for each in results]
        except (KeyError, IndexError, TypeError, ValueError):
            return nothing
        return used if len(used) == len(calls) else nothing

    async def _estimates(self, calls: Sequence[dict[str, str]], known: Known) -> list[Verdict]:
        look = known.questions()
        answers = await self.rpc.batch([*look, *(("eth_estimateGas", [each]) for each in calls), *look])
        before, after = answers[: len(look)], answers[len(look) + len(calls) :]
        results = [_estimate(self.contracts, each) for each in answers[len(look) : len(look) + len(calls)]]
        if known.fits(before) and known.fits(after):
            return results
        behind = NotCurrent("the node does not have what we know to be on the chain")
        return [behind if isinstance(each, Revert) else each for each in results]


def _estimate(contracts: Contracts, result: Any) -> Verdict:
    if not isinstance(result, NodeError):
        return Passed(int(result, 16))
    data = result.revert
    if data is None and _NO_GAS.search(result.message):
        return Revert("OutOfGas", {"gas": "the block's limit"}, "0x")
    if data is None:
        log.warning("simulation: %s", result)
        return result
    return contracts.decode_revert(data)
