"""What to offer for gas (EIP-1559): from recent blocks, never above a cap, and more when replacing."""

from dataclasses import replace

from backend.chain.rpc import NodeError, Rpc
from backend.chain.signer import Fees

_BLOCKS = 10
_PERCENTILE = 50
_LEAST_TIP = 1  # some nodes' pools refuse a tip of zero
GWEI = 10**9


class FeeCapReached(Exception):
    """The network asks for more than the highest fee we are allowed to offer."""


async def suggest(rpc: Rpc, cap: int) -> Fees:
    """Fees that the next blocks should take: twice the base fee, and the median tip of recent blocks.

    `cap` is the highest fee for a unit of gas, in wei. Raises FeeCapReached if the base fee alone passes it.
    """
    history, price = await rpc.batch(
        [("eth_feeHistory", [hex(_BLOCKS), "latest", [_PERCENTILE]]), ("eth_gasPrice", [])]
    )
    if isinstance(history, NodeError) or not history.get("baseFeePerGas"):
        if isinstance(price, NodeError):
            raise price
        return _capped(Fees(int(price, 16), int(price, 16), legacy=True), int(price, 16), cap)
    base = int(history["baseFeePerGas"][-1], 16)
    tips = sorted(int(rewards[0], 16) for rewards in history.get("reward") or [] if rewards)
    tip = max(tips[len(tips) // 2] if tips else 0, _LEAST_TIP)
    return _capped(Fees(2 * base + tip, tip), base, cap)


def bump(old: Fees, suggested: Fees, cap: int) -> Fees:
    """Fees that replace a transaction sent with `old`: an eighth more on both (nodes ask for a tenth), or
    what is usual now if that is more. Raises FeeCapReached."""
    raised = replace(
        old,
        max_fee=max(old.max_fee + old.max_fee // 8 + 1, suggested.max_fee),
        tip=max(old.tip + old.tip // 8 + 1, suggested.tip),
    )
    if raised.max_fee > cap:
        raise FeeCapReached(
            f"replacing would take {raised.max_fee / GWEI:.3f} gwei, the cap is {cap / GWEI:.3f}"
        )
    return raised


def _capped(fees: Fees, least: int, cap: int) -> Fees:
    if least > cap:
        raise FeeCapReached(f"the network asks for {least / GWEI:.3f} gwei, the cap is {cap / GWEI:.3f}")
    return replace(fees, max_fee=min(fees.max_fee, cap), tip=min(fees.tip, fees.max_fee, cap))
