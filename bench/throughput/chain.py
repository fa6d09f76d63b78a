"""The chain itself: how many claims it has, and how fast it takes transactions that were signed before."""

import asyncio
import json
import time
from collections.abc import Sequence
from typing import Any

from eth_account import Account
from eth_account.signers.local import LocalAccount

from backend.chain.contracts import Call, Contracts
from bench.throughput.papers import Notary
from bench.throughput.wire import Line

_SENT_AT_ONCE = 1_000_000
"""Bytes of transactions in one batch; Anvil takes two megabytes."""
PACK = 50
"""Claims in one of the chain's own transactions, where they are packed."""
Account.enable_unaudited_hdwallet_features()
MNEMONIC = "test test test test test test test test test test test junk"


def funded(number: int) -> LocalAccount:
    """One of the accounts a local chain begins with."""
    account: LocalAccount = Account.from_mnemonic(MNEMONIC, account_path=f"m/44'/60'/0'/0/{number}")
    return account


class Node:
    """A node, asked over one connection."""

    def __init__(self, port: int, contracts: Contracts) -> None:
        self._line, self.contracts = Line(port, {}), contracts
        self._counted, self._block = 0, 0
        events = contracts["Receivables"].abi.events.values()
        (self._topic,) = ["0x" + each.hash.hex() for each in events if each.name == "Confirmed"]

    async def ask(self, *questions: tuple[str, list[Any]]) -> list[Any]:
        """Answers to questions, sent together. Raises RuntimeError if one is refused."""
        body = [
            {"jsonrpc": "2.0", "id": place, "method": method, "params": params}
            for place, (method, params) in enumerate(questions)
        ]
        answers = json.loads((await self._line.post("/", json.dumps(body).encode(), {})).body)
        if refused := [each["error"] for each in answers if "error" in each]:
            raise RuntimeError(f"the node refuses: {refused[0]}")
        return [each["result"] for each in sorted(answers, key=lambda each: int(each["id"]))]

    async def head(self) -> int:
        """The number of the newest block."""
        return int((await self.ask(("eth_blockNumber", [])))[0], 16)

    async def start_counting(self) -> None:
        """Counts claims confirmed from now on."""
        self._counted, self._block = 0, await self.head()

    async def confirmed(self) -> int:
        """How many claims the chain has confirmed since."""
        head = await self.head()
        if head > self._block:
            question = {
                "fromBlock": hex(self._block + 1),
                "toBlock": hex(head),
                "address": self.contracts["Receivables"].address,
                "topics": [self._topic],
            }
            (found,) = await self.ask(("eth_getLogs", [question]))
            self._counted, self._block = self._counted + len(found), head
        return self._counted

    async def wait_for(self, count: int, seconds: float = 600) -> float:
        """Waits until so many are confirmed; the moment it saw it. Raises TimeoutError."""
        end = time.monotonic() + seconds
        while await self.confirmed() < count:
            if time.monotonic() > end:
                raise TimeoutError(f"{self._counted} of {count} claims are on the chain after {seconds} s")
            await asyncio.sleep(0.1)
        return time.monotonic()

    def close(self) -> None:
        """Ends the connection."""
        self._line.close()


async def signed(node: Node, notary: Notary, count: int, account: LocalAccount, *, pack: int) -> list[str]:
    """Transactions for `count` claims, `pack` in each, signed and not sent."""
    contracts = node.contracts
    nonce, price, chain = await node.ask(
        ("eth_getTransactionCount", [account.address, "latest"]), ("eth_gasPrice", []), ("eth_chainId", [])
    )
    made = []
    for place in range(count // pack):
        calls = [call(contracts, notary) for _ in range(pack)]
        data = contracts.calldata(calls[0]) if pack == 1 else contracts.pack(calls)
        transaction = {
            "chainId": int(chain, 16),
            "nonce": int(nonce, 16) + place,
            "to": contracts["Receivables"].address,
            "data": data,
            "gas": 100_000 + 500_000 * pack,
            "gasPrice": 4 * int(price, 16),
            "value": 0,
        }
        made.append("0x" + account.sign_transaction(transaction).raw_transaction.hex())
    return made


def call(contracts: Contracts, notary: Notary) -> Call:
    """A claim's issue and confirmation in one signed action."""
    pair = notary.pair("IssueAndConfirm")
    contract = contracts["Receivables"]
    data = contract.abi.function("issueAndConfirm").encode(
        {"terms": pair.terms, "confirmation": pair.confirmation}
    )
    return Call(contract.name, contract.address, data, pair.relay)


async def send(node: Node, transactions: Sequence[str]) -> None:
    """Hands signed transactions to the node."""
    count = max(1, _SENT_AT_ONCE // len(transactions[0]))
    for start in range(0, len(transactions), count):
        some = transactions[start : start + count]
        await node.ask(*(("eth_sendRawTransaction", [each]) for each in some))
