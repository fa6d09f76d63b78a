"""Storage proofs and headers from real nodes, and the trie against a second implementation."""

import json
import secrets
import socket
import subprocess
import time
import urllib.request
from pathlib import Path

import pytest
import rlp
from hypothesis import given, settings
from hypothesis import strategies as st
from trie import HexaryTrie

from backend.verifier import evm, header, state

ROOT = Path(__file__).parents[3]
STORED = {0: 1, 1: 2**255 + 7, 2: 0xC0FFEE, 2**200: 5}
NODES = {
    "anvil-shanghai": ["anvil", "--hardfork", "shanghai", "--silent", "--port"],
    "anvil-cancun": ["anvil", "--hardfork", "cancun", "--silent", "--port"],
    "anvil-prague": ["anvil", "--hardfork", "prague", "--silent", "--port"],
    "anvil-newest": ["anvil", "--silent", "--port"],
    "ganache": ["ganache", "--chain.hardfork", "shanghai", "--logging.quiet", "--server.port"],
}
FIELDS = {"anvil-shanghai": 17, "anvil-cancun": 20, "anvil-prague": 21, "anvil-newest": 21, "ganache": 17}


class Rpc:
    def __init__(self, port):
        self.url = f"http://127.0.0.1:{port}"

    def __call__(self, method, *params):
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode()
        request = urllib.request.Request(self.url, body, {"content-type": "application/json"})  # noqa: S310
        with urllib.request.urlopen(request, timeout=20) as response:  # noqa: S310
            answer = json.load(response)
        assert "error" not in answer, answer
        return answer["result"]


@pytest.fixture(params=NODES, scope="module")
def node(request):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command, *options = NODES[request.param]
    process = subprocess.Popen([ROOT / "node_modules" / ".bin" / command, *options, str(port)])
    rpc = Rpc(port)
    try:
        for _ in range(200):
            try:
                rpc("eth_chainId")
                break
            except OSError:
                time.sleep(0.1)
        yield request.param, rpc
    finally:
        process.terminate()
        process.wait(10)


@pytest.fixture(scope="module")
def deployed(node):
    """A contract whose constructor stored `STORED`, as its address, with the block it is in."""
    name, rpc = node
    code = b"".join(
        b"\x7f" + evm.word(value) + b"\x7f" + evm.word(slot) + b"\x55" for slot, value in STORED.items()
    )
    sender = rpc("eth_accounts")[0]
    price = hex(2 * int(rpc("eth_gasPrice"), 16))
    transaction = rpc(
        "eth_sendTransaction",
        {"from": sender, "data": "0x" + code.hex(), "gas": "0x100000", "gasPrice": price},
    )
    receipt = None
    while receipt is None:
        receipt = rpc("eth_getTransactionReceipt", transaction)
    block = rpc("eth_getBlockByHash", receipt["blockHash"], False)
    return name, rpc, receipt["contractAddress"], block


def raw(nodes):
    return state.node_table([bytes.fromhex(node[2:]) for node in nodes])


def test_header_and_storage_from_block_hash(deployed):
    name, rpc, address, block = deployed
    parsed = header.from_json(block)
    assert parsed.hash.hex() == block["hash"][2:]
    assert (parsed.number, parsed.time) == (int(block["number"], 16), int(block["timestamp"], 16))
    assert parsed == header.parse(parsed.encoded)
    assert len(evm.decode(parsed.encoded)) == FIELDS[name]

    slots = [*STORED, 3]
    answer = rpc("eth_getProof", address, ["0x" + evm.word(slot).hex() for slot in slots], block["number"])
    account = state.account(parsed.state_root, bytes.fromhex(address[2:]), raw(answer["accountProof"]))
    assert account.code_hash == state.EMPTY_CODE
    assert account.nonce == 1
    for slot, proof in zip(slots, answer["storageProof"], strict=True):
        assert state.slot(account.storage_root, slot, raw(proof["proof"])) == STORED.get(slot, 0)

    nobody = secrets.token_bytes(20)
    absent = rpc("eth_getProof", "0x" + nobody.hex(), [], block["number"])
    assert state.account(parsed.state_root, nobody, raw(absent["accountProof"])) == state.NO_ACCOUNT


def test_a_proof_with_a_node_changed_or_missing_says_nothing(deployed):
    _, rpc, address, block = deployed
    parsed = header.from_json(block)
    answer = rpc("eth_getProof", address, ["0x" + evm.word(1).hex()], block["number"])
    account = state.account(parsed.state_root, bytes.fromhex(address[2:]), raw(answer["accountProof"]))
    proof = [bytes.fromhex(node[2:]) for node in answer["storageProof"][0]["proof"]]
    for position, node in enumerate(proof):
        changed = bytearray(node)
        changed[-1] ^= 1
        others = proof[:position] + proof[position + 1 :]
        for forged in (others, [*others, bytes(changed)]):
            with pytest.raises(state.NodeMissing):
                state.slot(account.storage_root, 1, state.node_table(forged))


def test_a_header_with_a_changed_field_is_not_found(deployed):
    _, _, _, block = deployed
    with pytest.raises(header.HeaderError, match="no known form"):
        header.from_json({**block, "gasUsed": "0x1"})
    with pytest.raises(header.HeaderError, match="stateRoot is missing"):
        header.from_json({key: value for key, value in block.items() if key != "stateRoot"})


def test_qbft_headers_leave_out_round_and_seals():
    """Besu's rule, read from `BftBlockHashing` and `QbftExtraDataCodec`: no Besu runs here."""
    extra = [bytes(32), [b"\x11" * 20, b"\x22" * 20], [], b"\x03", [b"\x33" * 65, b"\x44" * 65]]
    block = dict.fromkeys(header.FIELDS[: header.FIRST_OPTIONAL + 1], "0x" + "ab" * 32)
    block |= dict.fromkeys(header.QUANTITIES & block.keys(), "0x1")
    block |= {"nonce": "0x" + "00" * 8, "extraData": "0x" + rlp.encode(extra).hex()}
    hashed = {**block, "extraData": "0x" + rlp.encode([*extra[:3], b"", []]).hex()}
    fields = [
        evm.integer(int(hashed[name], 16)) if name in header.QUANTITIES else bytes.fromhex(hashed[name][2:])
        for name in header.FIELDS[: header.FIRST_OPTIONAL + 1]
    ]
    block["hash"] = "0x" + evm.keccak(rlp.encode(fields)).hex()
    assert header.from_json(block).number == 1


items = st.recursive(st.binary(max_size=70), lambda inner: st.lists(inner, max_size=5), max_leaves=20)


@given(items)
def test_rlp_agrees_with_the_rlp_package(item):
    assert evm.encode(item) == rlp.encode(item)
    assert evm.decode(evm.encode(item)) == item


@given(st.binary(max_size=40))
def test_what_decodes_is_canonical(data):
    try:
        value = evm.decode(data)
    except evm.RlpError:
        return
    assert evm.encode(value) == data


def test_deep_or_long_rlp_is_refused():
    for data in (b"\xc1" * 200 + b"\xc0", b"\xbf" + b"\xff" * 8, b"\xff" * 9, b"\x81\x01", b"\xb8\x01a", b""):
        with pytest.raises(evm.RlpError):
            evm.decode(data)


@given(
    st.dictionaries(st.binary(min_size=1, max_size=3), st.binary(min_size=1, max_size=40), max_size=40),
    st.data(),
)
@settings(deadline=None, max_examples=60)
def test_trie_agrees_with_the_trie_package(content, data):
    """Keys are hashed as in Ethereum; short values make nodes that stand inside their parents."""
    trie = HexaryTrie({})
    for key, value in content.items():
        trie[evm.keccak(key)] = value
    key = data.draw(st.sampled_from(sorted(content)) | st.binary(max_size=3)) if content else b"x"
    proof = state.node_table([rlp.encode(node) for node in trie.get_proof(evm.keccak(key))])
    found = state.trie_value(trie.root_hash, evm.keccak(key), proof)
    assert found == content.get(key)
