"""Fetching exactly the state that the checks read, from a node that is asked for proofs."""

from dataclasses import replace

import pytest
import rlp

from backend.chain.rpc import NodeError
from backend.verification import chain_state
from backend.verifier import bundle, checks, evm, header, layout
from backend.verifier.storage import StoredLedger
from tests.backend.verifier import world as w


@pytest.fixture(autouse=True)
def _code_of_the_world(monkeypatch):
    monkeypatch.setattr(layout, "contracts", w.known_contracts)


class Node:
    """Answers as a node does, from the tries of a ledger made by hand."""

    def __init__(self, made):
        self.accounts, self.storages = w.tries(made)
        self.names = {"0x" + address.hex(): name for name, address in w.CONTRACTS.items()}
        self.asked = 0
        self.broken = None

    async def batch(self, requests):
        return [self.answer(method, *params) for method, params in requests]

    def answer(self, method, address, *params):
        name = self.names[address]
        if method == "eth_getCode":
            return "0x" + w.code()[name].hex()
        assert method == "eth_getProof"
        self.asked += 1
        if self.broken is not None:
            return self.broken
        return {
            "accountProof": self.path(self.accounts, bytes.fromhex(address[2:])),
            "storageProof": [
                {"proof": self.path(self.storages[name], bytes.fromhex(slot[2:]))} for slot in params[0]
            ],
        }

    def path(self, trie, key):
        return ["0x" + rlp.encode(node).hex() for node in trie.get_proof(evm.keccak(key))]


def gathered():
    made = w.world()
    built = w.build(made)
    read, _ = bundle.read(built.raw, block_hash=built.block_hash, now=w.NOW)
    return Node(made), built, read


async def prove(node, built, read):
    """The block's state after all checks were answered from it."""
    chain = chain_state.ChainState(node, w.CHAIN, w.CONTRACTS)
    state = chain_state.BlockState(read.header, w.code())

    def look(ledger):
        for check in checks.ALL:
            check.run(replace(read, ledger=ledger), built.policy)

    await chain.prove(state, look)
    return chain, state, look


async def test_what_was_fetched_answers_every_check_as_the_whole_state_does():
    node, built, read = gathered()
    _, state, _ = await prove(node, built, read)
    ledger = StoredLedger(w.CHAIN, read.header.state_root, w.CONTRACTS, state.nodes)
    small = replace(read, ledger=ledger)
    answers = {check.name: check.run(small, built.policy).outcome.value for check in checks.ALL}
    assert answers == built.outcomes()
    assert node.asked <= 8 * len(w.CONTRACTS)


async def test_what_is_known_of_a_block_is_not_asked_for_again():
    node, built, read = gathered()
    chain, state, look = await prove(node, built, read)
    asked = node.asked
    await chain.prove(state, look)
    assert node.asked == asked


async def test_header_and_code_of_a_block_are_fetched_once():
    node, _, read = gathered()
    calls = []

    async def call(method, *params):
        calls.append(params)
        fields = dict(zip(header.FIELDS, evm.decode(read.header.encoded), strict=False))
        return {
            name: hex(int.from_bytes(value)) if name in header.QUANTITIES else "0x" + value.hex()
            for name, value in fields.items()
        } | {"hash": params[0]}

    node.call = call
    chain = chain_state.ChainState(node, w.CHAIN, w.CONTRACTS)
    first = await chain.at("0x" + read.header.hash.hex())
    assert first is await chain.at("0x" + read.header.hash.hex())
    assert len(calls) == 1
    assert dict(first.code) == w.code()


@pytest.mark.parametrize(
    "broken", [NodeError(-32000, "missing trie node"), {}, {"accountProof": [], "storageProof": []}]
)
async def test_a_node_without_proofs_is_said_to_be_so(broken):
    node, built, read = gathered()
    node.broken = broken
    with pytest.raises(chain_state.StateUnavailable):
        await prove(node, built, read)


async def test_a_block_whose_header_does_not_hash_to_it_is_refused():
    class Other:
        async def call(self, method, *params):
            return None

    with pytest.raises(chain_state.StateUnavailable, match="is not there"):
        await chain_state.read_block(Other(), "0x" + "00" * 32)
