"""The chain, read past the API: what the contracts themselves say, and how often each thing happened."""

import json
from pathlib import Path
from typing import Any

import httpx

from backend.chain.contracts import Contracts, load
from scripts.journey.party import JourneyError, wait_for

STATUS = ("none", "issued", "confirmed", "settled", "cancelled", "replaced", "written off")
"""`contracts/types/Receivable.sol`."""


class Chain:
    """One chain by JSON-RPC, and the contracts of one deployment on it."""

    def __init__(self, rpc_url: str, deployment: Path) -> None:
        self._rpc = httpx.Client(base_url=rpc_url, timeout=30)
        self.contracts: Contracts = load(deployment)
        self.first_block = self.contracts.first_block

    def close(self) -> None:
        """Ends the connection to the node."""
        self._rpc.close()

    def call(self, contract: str, function: str, **arguments: Any) -> dict[str, Any]:
        """What a view function answers, by the names of its outputs."""
        target = self.contracts[contract]
        item = target.abi.function(function)
        data = "0x" + item.encode(arguments).hex()
        raw = self._request("eth_call", [{"to": target.address, "data": data}, "latest"])
        return item.decode_output(bytes.fromhex(raw[2:]))

    def one(self, contract: str, function: str, **arguments: Any) -> Any:
        """The only value a view function answers."""
        (value,) = self.call(contract, function, **arguments).values()
        return value

    def events(self, contract: str, name: str, **wanted: Any) -> list[dict[str, Any]]:
        """The arguments of every event of this name whose arguments are those wanted, oldest first."""
        target = self.contracts[contract]
        item = next(each for each in target.abi.events.values() if each.name == name)
        query = {
            "address": target.address,
            "topics": ["0x" + item.hash.hex()],
            "fromBlock": hex(self.first_block),
        }
        logs = self._request("eth_getLogs", [query | {"toBlock": "latest"}])
        found = [
            item.decode_log(
                [bytes.fromhex(topic[2:]) for topic in log["topics"]], bytes.fromhex(log["data"][2:])
            )
            for log in logs
        ]
        return [args for args in found if all(args[key] == value for key, value in wanted.items())]

    def status(self, key: str) -> str:
        """A receivable's stored status."""
        return STATUS[self.one("Receivables", "statusOf", id=key)]

    def units(self, key: str, account: str) -> int:
        """Units an account holds, as ERC-1155 has it."""
        return int(self.one("Receivables", "balanceOf", account=account, id=int(key, 16)))

    def balance(self, token: str, wallet: str) -> int:
        """Token units in a wallet."""
        data = "0x70a08231" + wallet[2:].lower().rjust(64, "0")
        return int(self._request("eth_call", [{"to": token, "data": data}, "latest"]), 16)

    def allowance(self, token: str, wallet: str, spender: str) -> int:
        """Token units a contract may take from a wallet."""
        data = "0xdd62ed3e" + wallet[2:].lower().rjust(64, "0") + spender[2:].lower().rjust(64, "0")
        return int(self._request("eth_call", [{"to": token, "data": data}, "latest"]), 16)

    def block_hash(self, number: int) -> str:
        """The hash of a block, by this reader's own node."""
        return str(self._request("eth_getBlockByNumber", [hex(number), False])["hash"])

    def _request(self, method: str, params: list[Any]) -> Any:
        body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}

        def attempt() -> dict[str, Any] | None:
            try:
                answer: dict[str, Any] = self._rpc.post("", json=body).json()
            except (httpx.TransportError, json.JSONDecodeError):
                return None
            return answer

        answer = wait_for(f"the chain's answer to {method}", attempt)
        if "error" in answer:
            raise JourneyError(f"the chain refused {method}: {answer['error'].get('message')}")
        return answer["result"]
