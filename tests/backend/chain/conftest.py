"""A chain of the test's own: Anvil on a free port, with a small contract on it."""

import asyncio
import json
import socket
import subprocess
from collections.abc import AsyncIterator, Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from eth_account import Account

from backend.chain.abi import Abi, Item
from backend.chain.contracts import Contract, Contracts
from backend.chain.rpc import Rpc, wait_until_ready
from backend.chain.sender import Policy, Sender
from backend.chain.signer import LocalSigner
from backend.kit.columns import address
from backend.kit.database import Database
from tasks.environment import native_binary

ROOT = Path(__file__).resolve().parents[3]
ANVIL = native_binary("anvil")  # not npm's launcher, whose child would outlive it
SOLC = ROOT / "toolchain/solc/solc-v0.8.37"
CHAIN_ID = 31337
Account.enable_unaudited_hdwallet_features()
KEYS = [
    bytes(
        Account.from_mnemonic(
            "test test test test test test test test test test test junk", account_path=f"m/44'/60'/0'/0/{n}"
        ).key
    )
    for n in range(5)
]


@pytest.fixture(scope="session")
def tally() -> dict[str, Any]:
    """ABI and creation code of the tests' contract."""
    source = Path(__file__).with_name("Tally.sol").read_text()
    settings = {
        "language": "Solidity",
        "sources": {"Tally.sol": {"content": source}},
        "settings": {
            "evmVersion": "shanghai",
            "remappings": ["@openzeppelin/=node_modules/@openzeppelin/"],
            "outputSelection": {"*": {"Tally": ["abi", "evm.bytecode.object"]}},
        },
    }
    done = subprocess.run(
        [SOLC, "--standard-json"],
        input=json.dumps(settings),
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=True,
    )
    output = json.loads(done.stdout)
    assert "Tally.sol" in output.get("contracts", {}), output.get("errors")
    compiled = output["contracts"]["Tally.sol"]["Tally"]
    return {"abi": compiled["abi"], "code": "0x" + compiled["evm"]["bytecode"]["object"]}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Anvil:
    """An Anvil process; the test may stop and start it again."""

    def __init__(self, *options: str) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.options = options
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, *options: str) -> None:
        command = [str(ANVIL), "--port", str(self.port), "--hardfork", "shanghai", *self.options, *options]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def stop(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None


@pytest.fixture
def anvil() -> Iterator[Anvil]:
    """A running Anvil that mines each transaction at once."""
    node = Anvil()
    node.start()
    yield node
    node.stop()


@pytest.fixture
async def rpc(anvil: Anvil) -> AsyncIterator[Rpc]:
    rpc = Rpc([anvil.url], CHAIN_ID)
    await wait_until_ready(rpc, 20)
    yield rpc
    await rpc.close()


@pytest.fixture
async def deployed(rpc: Rpc, tally: dict[str, Any]) -> Contracts:
    """The tests' contract on the chain."""
    deployer = (await rpc.call("eth_accounts"))[0]
    sent = await rpc.call(
        "eth_sendTransaction", {"from": deployer, "data": tally["code"], "gas": hex(3_000_000)}
    )
    receipt = await wait_for_receipt(rpc, sent)
    return Contracts(
        CHAIN_ID,
        int(receipt["blockNumber"], 16),
        receipt["blockHash"],
        [
            Contract("Participants", "0x" + "11" * 20, Abi([])),
            Contract(
                "Tally",
                address(receipt["contractAddress"]),
                Abi(tally["abi"]),
                {"name": "Tally", "version": "1"},
            ),
        ],
    )


async def wait_for_receipt(rpc: Rpc, hash_: str) -> Any:
    for _ in range(100):
        if (receipt := await rpc.call("eth_getTransactionReceipt", hash_)) is not None:
            assert receipt["status"] == "0x1"
            return receipt
        await asyncio.sleep(0.05)
    raise AssertionError(f"{hash_} was not mined")


@pytest.fixture
def relayer() -> LocalSigner:
    """The account that pays for transactions."""
    return LocalSigner(KEYS[1])


@pytest.fixture
def policy() -> Policy:
    return Policy(finality=0, fee_cap=200 * 10**9, local_chain=True, compare_after=timedelta(0))


@pytest.fixture
def sender(database: Database, rpc: Rpc, deployed: Contracts, relayer: LocalSigner, policy: Policy) -> Sender:
    return Sender(database, rpc, deployed, relayer, policy, "test")


async def drive(sender: Sender, rounds: int = 50) -> None:
    """Lets a sender work until there is nothing left to do."""
    for _ in range(rounds):
        if not await sender.step():
            return
    raise AssertionError("the sender never came to rest")


def signed_call(
    function: Item, args: Mapping[str, Any], domain: Mapping[str, Any], nonce: int, deadline: int
) -> dict[str, Any]:
    """The typed data of a signed action (ISignedActions) whose function takes plain values."""
    bounds = {"nonce": nonce, "deadline": deadline, "gasFloor": 0}
    members = [{"name": each["name"], "type": each["type"]} for each in function.inputs]
    members += [{"name": name, "type": "uint256"} for name in bounds]
    primary = function.name[0].upper() + function.name[1:]
    of_domain = {"name": "string", "version": "string", "chainId": "uint256", "verifyingContract": "address"}
    return {
        "types": {
            "EIP712Domain": [{"name": name, "type": kind} for name, kind in of_domain.items()],
            primary: members,
        },
        "primaryType": primary,
        "domain": dict(domain),
        "message": {key: str(value) for key, value in {**args, **bounds}.items()},
    }
