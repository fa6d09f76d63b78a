"""The endpoint everybody writes first: both transactions in the request, one after the other, with one key.

As a sensible person writes it, with web3.py as its documentation has it: the contract's ABI, gas estimated, a
lock that hands out nonces in order, requests that wait for their receipts side by side. It keeps nothing: no
database, nothing against a request that is sent twice.
"""

import asyncio
import json
import os
from pathlib import Path
from typing import Any

import uvicorn
from eth_account import Account
from fastapi import FastAPI, HTTPException
from pydantic import BaseModel
from web3 import AsyncHTTPProvider, AsyncWeb3

_POLL_SECONDS = 0.05


class Body(BaseModel):
    """An invoice's terms, the supplier's signed action, the debtor's signed confirmation."""

    terms: dict[str, Any]
    action: dict[str, Any]
    confirmation: dict[str, Any]


def application(url: str, address: str, abi: list[dict[str, Any]], key: str) -> FastAPI:
    """The endpoint, for a contract of a chain, with a key."""
    chain = AsyncWeb3(AsyncHTTPProvider(url))
    contract = chain.eth.contract(address=AsyncWeb3.to_checksum_address(address), abi=abi)
    account = Account.from_key(key)
    app = FastAPI()
    turn = asyncio.Lock()
    following: list[int] = []

    async def send(call: Any) -> None:
        transaction = await call.build_transaction({"from": account.address, "nonce": 0})
        async with turn:
            if not following:
                following.append(await chain.eth.get_transaction_count(account.address))
            signed = account.sign_transaction(transaction | {"nonce": following[0]})
            sent = await chain.eth.send_raw_transaction(signed.raw_transaction)
            following[0] += 1
        receipt = await chain.eth.wait_for_transaction_receipt(sent, poll_latency=_POLL_SECONDS)
        if receipt["status"] != 1:
            raise HTTPException(502, "the transaction failed")

    @app.post("/invoices", status_code=201)
    async def issue_and_confirm(body: Body) -> dict[str, Any]:
        issue = contract.encode_abi("issue", [body.terms])
        await send(contract.functions.relay(body.action | {"callData": issue}))
        await send(contract.functions.confirm(body.terms, body.confirmation))
        return {"status": "confirmed"}

    return app


def main() -> None:
    """Serves it, as the environment says."""
    record = Path(os.environ["NAIVE_DEPLOYMENT"])
    place = json.loads(record.read_text())["contracts"]["Receivables"]
    abi = json.loads((record.parent / place["abi"]).read_text())
    abi = abi["abi"] if isinstance(abi, dict) else abi
    app = application(os.environ["NAIVE_RPC"], place["address"], abi, os.environ["NAIVE_KEY"])
    uvicorn.run(app, host="127.0.0.1", port=int(os.environ["NAIVE_PORT"]), log_level="warning")


if __name__ == "__main__":
    main()
