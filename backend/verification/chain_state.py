"""Fetches from a node exactly the state the checks read, with proofs.

Nobody lists the storage slots: the checks are run on what is there, what they miss is fetched, and again,
until they miss nothing (`verifier.storage.Explorer`).
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from backend.chain.rpc import NodeError, Rpc
from backend.kit.problems import Problem
from backend.verifier import evm, header
from backend.verifier.ledger import Ledger
from backend.verifier.storage import Explorer

_ROUNDS = 16
"""More than the longest chain of questions: a list's length, its items, what they point to."""


class StateUnavailable(Problem):
    """The node does not give the state of the block, or not with proofs."""

    status, code = 503, "verification-state-unavailable"


@dataclass(frozen=True)
class ProvedState:
    """A block, and trie nodes under its state root by their hash."""

    block: header.Header
    nodes: Mapping[bytes, bytes]
    code: Mapping[str, bytes]


async def read_block(rpc: Rpc, block_hash: str) -> header.Header:
    """The header of a block, in the form that has its hash. Raises StateUnavailable."""
    found = await rpc.call("eth_getBlockByHash", block_hash, False)
    if not isinstance(found, Mapping):
        raise StateUnavailable(reason=f"block {block_hash} is not there")
    try:
        return header.from_json(found)
    except header.HeaderError as error:
        raise StateUnavailable(reason=str(error)) from error


async def prove(
    rpc: Rpc,
    chain_id: int,
    contracts: Mapping[str, bytes],
    block: header.Header,
    read: Callable[[Ledger], object],
) -> ProvedState:
    """Everything that `read` reads of the contracts at the block. `read` is pure and is run several times."""
    code = await _code(rpc, contracts, block.number)
    nodes: dict[bytes, bytes] = {}
    for _ in range(_ROUNDS):
        explorer = Explorer(chain_id, block.state_root, contracts, nodes)
        await asyncio.to_thread(read, explorer)
        wanted = explorer.wanted if nodes else {name: explorer.wanted.get(name, set()) for name in contracts}
        if not wanted:
            return ProvedState(block, nodes, code)
        before = len(nodes)
        nodes |= await _proofs(rpc, contracts, block, wanted)
        if len(nodes) == before:
            break
    raise StateUnavailable(reason="the node's proofs do not lead to the values")


async def _proofs(
    rpc: Rpc, contracts: Mapping[str, bytes], block: header.Header, wanted: Mapping[str, set[int]]
) -> dict[bytes, bytes]:
    requests = [
        (
            "eth_getProof",
            [
                "0x" + contracts[name].hex(),
                [_hex(evm.word(slot)) for slot in sorted(slots)],
                hex(block.number),
            ],
        )
        for name, slots in wanted.items()
    ]
    found: dict[bytes, bytes] = {}
    for answer in await rpc.batch(requests):
        if isinstance(answer, NodeError):
            raise StateUnavailable(reason=str(answer))
        for node in _nodes(answer):
            found[evm.keccak(node)] = node
    return found


def _nodes(answer: Any) -> list[bytes]:
    try:
        paths = [answer["accountProof"], *(slot["proof"] for slot in answer["storageProof"])]
        return [bytes.fromhex(node[2:]) for path in paths for node in path]
    except (KeyError, TypeError, ValueError) as error:
        raise StateUnavailable(reason="eth_getProof gave no proof") from error


async def _code(rpc: Rpc, contracts: Mapping[str, bytes], number: int) -> Mapping[str, bytes]:
    requests = [("eth_getCode", [_hex(address), hex(number)]) for address in contracts.values()]
    found = {}
    for name, answer in zip(contracts, await rpc.batch(requests), strict=True):
        if not isinstance(answer, str):
            raise StateUnavailable(reason=f"no code of {name}: {answer}")
        found[name] = bytes.fromhex(answer[2:])
    return found


def _hex(value: bytes) -> str:
    return "0x" + value.hex()
