"""What waits goes out in as few transactions as fit. Signed actions of one contract share a transaction, in
which each succeeds or fails alone; a call of the relayer's own has one to itself."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from backend.chain.contracts import Call, Contracts

_BASE_GAS = 21_000
PACK_GAS = 12_000_000
"""The most gas one transaction asks for: below EIP-7825's 2**24 and half of any usual block."""
_PACK_ITEMS = 100
_CHECKS = 60_000
"""More than signatures and nonces of an action take before its call is made."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """An operation that passed its simulation."""

    operation_id: UUID
    call: Call
    gas: int
    """What it took alone."""
    floor: int = 0
    """Gas that must be left for it when its turn comes, whatever it takes."""
    alone: bool = False
    """It was in a transaction that failed as a whole; it is not put among others again."""


@dataclass(frozen=True, slots=True)
class Parcel:
    """One transaction to be: target, calldata, gas, and the operations it carries in order."""

    target: str
    data: bytes
    gas: int
    operations: tuple[UUID, ...]


def pack(contracts: Contracts, candidates: Sequence[Candidate], gas_limit: int) -> list[Parcel]:
    """Candidates put into transactions, the oldest first, none above `gas_limit`."""
    # The same signature twice cannot be told apart in one transaction: the second waits for a later round.
    seen: set[tuple[str, str, int]] = set()
    open_packs: dict[str, list[Candidate]] = {}
    order: list[list[Candidate]] = []
    for each in candidates:
        if each.call.relay is not None:
            action = (each.call.target, each.call.relay.signer, each.call.relay.nonce)
            if action in seen:
                continue
            seen.add(action)
        if each.call.relay is None or each.alone:
            order.append([each])
            continue
        current = open_packs.get(each.call.target)
        if current is None or len(current) == _PACK_ITEMS or _gas([*current, each]) > gas_limit:
            current = open_packs[each.call.target] = []
            order.append(current)
        current.append(each)
    return [_parcel(contracts, group, gas_limit) for group in order]


def _parcel(contracts: Contracts, group: Sequence[Candidate], gas_limit: int) -> Parcel:
    first = group[0]
    data = (
        contracts.calldata(first.call) if len(group) == 1 else contracts.pack([each.call for each in group])
    )
    # A single call may need more than the limit of a pack: then it asks for what it took.
    gas = max(min(_gas(group), gas_limit), first.gas + _left(group))
    return Parcel(first.call.target, data, gas, tuple(each.operation_id for each in group))


def _gas(group: Sequence[Candidate]) -> int:
    """A quarter above what the calls took alone, each of which included the base of a transaction; state may
    change before they run. The last still finds what must be left to it."""
    return _BASE_GAS + 30_000 + sum((each.gas - _BASE_GAS) * 5 // 4 + 5_000 for each in group) + _left(group)


def _left(group: Sequence[Candidate]) -> int:
    """The largest floor and what is checked before it; 63/64 of the gas is all an inner call gets."""
    return max((each.floor + each.floor // 63 + _CHECKS for each in group if each.floor), default=0)
