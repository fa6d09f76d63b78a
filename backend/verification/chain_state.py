"""Fetches from a node exactly the state the checks read, with proofs.

Nobody lists the storage slots: what reads them is run on what is there, what it misses is fetched, and again,
until it misses nothing (`verifier.storage.Explorer`).
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from backend.chain.rpc import NodeError, Rpc
from backend.kit.problems import Problem
from backend.verifier import evm, header
from backend.verifier.ledger import Ledger
from backend.verifier.storage import Explorer

T = TypeVar("T")

_ROUNDS = 16
"""More than the longest chain of questions: a list's length, its items, what they point to."""
_KEPT = 4
"""Blocks whose state is remembered: the index moves on every few seconds."""
_MOST_NODES = 100_000
"""Nodes remembered, some 50 MB; then they are forgotten."""


class StateUnavailable(Problem):
    """The node does not give the state of the block, or not with proofs."""

    status, code = 503, "verification-state-unavailable"


@dataclass(slots=True)
class BlockState:
    """What is known of one block: header, code, and trie nodes by their hash.

    Nothing in it can go stale, so it serves every question about the block.
    """

    block: header.Header
    code: Mapping[str, bytes]
    nodes: dict[bytes, bytes] = field(default_factory=dict)
    """Of other blocks too: most of a state is the one before, and a hash names one node for ever."""


class ChainState:
    """State of the ledger's contracts with proofs, from the node, and what of it is known already."""

    def __init__(self, rpc: Rpc, chain_id: int, contracts: Mapping[str, bytes]) -> None:
        self._rpc, self._chain_id, self._contracts = rpc, chain_id, contracts
        self._known: dict[str, BlockState] = {}
        self._nodes: dict[bytes, bytes] = {}
        self._asking = asyncio.Lock()

    async def at(self, block_hash: str) -> BlockState:
        """What is known of a block: at least its header, and the contracts' code and accounts.

        Raises StateUnavailable.
        """
        async with self._asking:  # a new block is asked for once, however many reports wait for it
            if block_hash not in self._known:
                block = await read_block(self._rpc, block_hash)
                code = await self._code(block.number)
                if len(self._nodes) > _MOST_NODES:
                    self._nodes = {}
                self._nodes |= await self._proofs(block, {name: set() for name in self._contracts})
                for old in list(self._known)[: 1 - _KEPT]:
                    del self._known[old]
                self._known[block_hash] = BlockState(block, code, self._nodes)
            return self._known[block_hash]

    async def prove(
        self, state: BlockState, read: Callable[[Ledger], T], survey: Callable[[Ledger], object] | None = None
    ) -> T:
        """What `read` finds, once all of the contracts' storage that it reads is known.

        `read` is pure, and is run again after each question to the node; `survey`, which reads most of the
        same for less, goes before it where something is not known. Raises StateUnavailable.
        """
        for _ in range(_ROUNDS):
            explorer = Explorer(self._chain_id, state.block.state_root, self._contracts, state.nodes)
            found = await asyncio.to_thread(read, explorer)
            wanted = dict(explorer.wanted)
            if not wanted:
                return found
            if survey is not None:
                await self.prove(state, survey)
                survey = None
                continue
            before = len(state.nodes)
            state.nodes |= await self._proofs(state.block, wanted)
            if len(state.nodes) == before:
                break
        raise StateUnavailable(reason="the node's proofs do not lead to the values")

    async def _proofs(self, block: header.Header, wanted: Mapping[str, set[int]]) -> dict[bytes, bytes]:
        requests = [
            (
                "eth_getProof",
                [
                    _hex(self._contracts[name]),
                    [_hex(evm.word(slot)) for slot in sorted(slots)],
                    hex(block.number),
                ],
            )
            for name, slots in wanted.items()
        ]
        found: dict[bytes, bytes] = {}
        for answer in await self._rpc.batch(requests):
            if isinstance(answer, NodeError):
                raise StateUnavailable(reason=str(answer))
            for node in _nodes(answer):
                found[evm.keccak(node)] = node
        return found

    async def _code(self, number: int) -> Mapping[str, bytes]:
        requests = [("eth_getCode", [_hex(address), hex(number)]) for address in self._contracts.values()]
        found = {}
        for name, answer in zip(self._contracts, await self._rpc.batch(requests), strict=True):
            if not isinstance(answer, str):
                raise StateUnavailable(reason=f"no code of {name}: {answer}")
            found[name] = bytes.fromhex(answer[2:])
        return found


async def read_block(rpc: Rpc, block_hash: str) -> header.Header:
    """The header of a block, in the form that has its hash. Raises StateUnavailable."""
    found = await rpc.call("eth_getBlockByHash", block_hash, False)
    if not isinstance(found, Mapping):
        raise StateUnavailable(reason=f"block {block_hash} is not there")
    try:
        return header.from_json(found)
    except header.HeaderError as error:
        raise StateUnavailable(reason=str(error)) from error


def _nodes(answer: Any) -> list[bytes]:
    try:
        paths = [answer["accountProof"], *(slot["proof"] for slot in answer["storageProof"])]
        return [bytes.fromhex(node[2:]) for path in paths for node in path]
    except (KeyError, TypeError, ValueError) as error:
        raise StateUnavailable(reason="eth_getProof gave no proof") from error


def _hex(value: bytes) -> str:
    return "0x" + value.hex()
