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
    "anvil-london": ["anvil", "--hardfork", "london", "--silent", "--port"],
    "anvil-shanghai": ["anvil", "--hardfork", "shanghai", "--silent", "--port"],
    "anvil-cancun": ["anvil", "--hardfork", "cancun", "--silent", "--port"],
    "anvil-prague": ["anvil", "--hardfork", "prague", "--silent", "--port"],
    "anvil-newest": ["anvil", "--silent", "--port"],
    "ganache": ["ganache", "--chain.hardfork", "shanghai", "--logging.quiet", "--server.port"],
}
FIELDS = {
    "anvil-london": 16, "anvil-shanghai": 17, "anvil-cancun": 20, "anvil-prague": 21, "anvil-newest": 21,
    "ganache": 17,
}  # fmt: skip


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
        # The same proof by other hands: py-trie of the Ethereum Foundation.
        nodes = [rlp.decode(bytes.fromhex(node[2:])) for node in proof["proof"]]
        found = HexaryTrie.get_from_proof(account.storage_root, evm.keccak(evm.word(slot)), nodes)
        assert int.from_bytes(rlp.decode(found) if found else b"", "big") == STORED.get(slot, 0)

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


MAINNET = {
    # Block 0, Frontier: fifteen fields.
    0: {
        "hash": "0xd4e56740f876aef8c010b86a40d5f56745a118d0906a34e69aec8c0db1cb8fa3",
        "parentHash": "0x" + "00" * 32,
        "sha3Uncles": "0x1dcc4de8dec75d7aab85b567b6ccd41ad312451b948a7413f0a142fd40d49347",
        "miner": "0x" + "00" * 20,
        "stateRoot": "0xd7f8974fb5ac78d9ac099b9ad5018bedc2ce0a72dad1827a1709da30580f0544",
        "transactionsRoot": "0x56e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421",
        "receiptsRoot": "0x56e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421",
        "logsBloom": "0x" + "00" * 256,
        "difficulty": "0x400000000",
        "number": "0x0",
        "gasLimit": "0x1388",
        "gasUsed": "0x0",
        "timestamp": "0x0",
        "extraData": "0x11bbe8db4e347b4e8c937c1c8370e4b5ed33adb3db69cbdb7a38e1e50b1b82fa",
        "mixHash": "0x" + "00" * 32,
        "nonce": "0x0000000000000042",
    },
    # Block 23535880, Prague: twenty-one.
    23535880: {
        "hash": "0xe38d4bb2060a54519508612f40ef737a09c5b20488c12b0bec2d4f5ea7073c15",
        "parentHash": "0x1fab238a9630a2e95c8b735ebc63bc2751bc6492f409ee16a7b5a532985196eb",
        "sha3Uncles": "0x1dcc4de8dec75d7aab85b567b6ccd41ad312451b948a7413f0a142fd40d49347",
        "miner": "0x4838b106fce9647bdf1e7877bf73ce8b0bad5f97",
        "stateRoot": "0xd3c86549e5d57f14bd0b28630b70cb68038ac3334251bd194c93a18d96492f39",
        "transactionsRoot": "0x9da0226f723a9da4b8df8782930c0e83bd73c4a393069ee7861465188eed989b",
        "receiptsRoot": "0x01d0a60dd8fd8de710a191aba91f82e2a437ac21a6e77b21b2f745809e7feadf",
        "logsBloom": "0x"
        "3effc77fb16497fa74fffeb6ef65dfbd7b97f8dd7f198ff37abfcf5fdeb329e7bdbc9d8caffdf765f7b75df9e737eff7"
        "73fbf639ff9ffb376fb726a7ff2f68dffea0de7fafd3f7fbff8d5fdff57becf3e76f3f73fefc1ff9bbf9df7fb3fffff1"
        "3f577b7fdffeb7f7ffb8cd71ff93fff3bfffd7e3bfbe576daefdfff6fb5afedf8ffbbd7d7baf977f46fbffceebfbe86f"
        "c6ffb6f1eff3fbbfbeb9eefbf954ffe3fbff9d73b8f9ecfdcfdf7df3fdd9ff3bbfdfe9efe8ffee6ff7fe4a3ff7a5fefb"
        "fffffcffcd7f2bc04bdf7c52d3fdfeff3f7dfe7b4fefa9f46edb53c2de9ffb7f3ffdff6fefa67f64f6e7f7bff5af1dff"
        "ffeff9b99ff86fef589e3bbfffdfffb7",
        "difficulty": "0x0",
        "number": hex(23535880),
        "gasLimit": hex(45000000),
        "gasUsed": hex(30531630),
        "timestamp": hex(1759960991),
        "extraData": "0x546974616e2028746974616e6275696c6465722e78797a29",
        "mixHash": "0x15350a0cad9bc5cb1298b3710db038850f1df5d8ac00c4ca3b03fb64c7e8ab78",
        "nonce": "0x0000000000000000",
        "baseFeePerGas": hex(194923488),
        "withdrawalsRoot": "0x0740ba007069960b2d60f77b0ce2648cffa3573accd055d4803eb771e32903e7",
        "blobGasUsed": hex(786432),
        "excessBlobGas": "0x0",
        "parentBeaconBlockRoot": "0x2bd55d2f0e1a3d3e181659ebc21bb167527e517de88b39b0d7ebbeeb3e28eebc",
        "requestsHash": "0x965c860907968cab126093a785436ad747495ae45b21dac1b6a92ae0f4866ce0",
    },
}


@pytest.mark.parametrize("number", MAINNET)
def test_headers_of_ethereums_main_chain(number):
    found = header.from_json(MAINNET[number])
    assert found.number == number
    assert found.hash.hex() == MAINNET[number]["hash"][2:]


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
