"""What a call would do, asked before it is sent: what would revert costs nothing, and says why.

A node that is behind, or whose newest blocks were just replaced, refuses what is good, because it does not
know what the call builds on. Its refusal ends nothing: the same batch asks it for what we know of the chain.
"""

import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from backend.chain import history, lanes, outbox
from backend.chain.contracts import Contracts, Revert
from backend.chain.repository import Operation
from backend.chain.rpc import NodeError, Rpc, RpcError

log = logging.getLogger("tallystick.sender")
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


async def simulate(
    rpc: Rpc, contracts: Contracts, sender: str, operations: Sequence[Operation], known: Known
) -> list[int | Revert | RpcError]:
    """For each operation the gas it takes, or why it would fail. An RpcError is neither: ask again later."""
    look = known.questions()
    estimates = [
        (
            "eth_estimateGas",
            [
                {
                    "from": sender,
                    "to": each.target,
                    "data": "0x" + contracts.calldata(outbox.call_of(each)).hex(),
                }
            ],
        )
        for each in operations
    ]
    answers = await rpc.batch([*look, *estimates, *look])
    before, after = answers[: len(look)], answers[len(look) + len(estimates) :]
    results = [_estimate(contracts, each) for each in answers[len(look) : len(look) + len(estimates)]]
    if known.fits(before) and known.fits(after):
        return results
    behind = NotCurrent("the node does not have what we know to be on the chain")
    return [behind if isinstance(each, Revert) else each for each in results]


def _estimate(contracts: Contracts, result: Any) -> int | Revert | RpcError:
    if not isinstance(result, NodeError):
        return int(result, 16)
    data = result.revert
    if data is None and _NO_GAS.search(result.message):
        return Revert("OutOfGas", {"gas": "the block's limit"}, "0x")
    if data is None:
        log.warning("simulation: %s", result)
        return result
    return contracts.decode_revert(data)
