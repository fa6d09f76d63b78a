"""What nodes say and do: fail-over, lost and disordered answers, and the table of their words."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from backend.chain.answers import Answer, classify
from backend.chain.rpc import BadAnswer, NodeError, RateLimited, Rpc, RpcError, Unreachable, WrongChain

Handler = Callable[[str, list[Any]], Any]


class Node:
    """A node whose answers the test decides."""

    def __init__(self, answer: Handler, chain_id: int = 5) -> None:
        self.answer, self.chain_id = answer, chain_id
        self.asked: list[str] = []

    def respond(self, request: httpx.Request) -> httpx.Response:
        body = json.loads(request.content)
        questions = body if isinstance(body, list) else [body]
        self.asked += [each["method"] for each in questions]
        answers = []
        for each in questions:
            result = (
                hex(self.chain_id)
                if each["method"] == "eth_chainId"
                else self.answer(each["method"], each["params"])
            )
            if isinstance(result, httpx.Response):
                return result
            if isinstance(result, Exception):
                raise result
            answers.append({"jsonrpc": "2.0", "id": each["id"]} | result if isinstance(result, dict) else
                           {"jsonrpc": "2.0", "id": each["id"], "result": result})  # fmt: skip
        answers.reverse()  # a node may answer a batch in any order
        return httpx.Response(200, json=answers if isinstance(body, list) else answers[0])


@asynccontextmanager
async def connected(*nodes: Node) -> AsyncIterator[Rpc]:
    by_host = {f"node{place}": node for place, node in enumerate(nodes)}
    rpc = Rpc([f"http://{host}/secret-key" for host in by_host], 5)
    await rpc._client.aclose()
    transport = httpx.MockTransport(lambda request: by_host[request.url.host].respond(request))
    rpc._client = httpx.AsyncClient(transport=transport)
    yield rpc
    await rpc.close()


async def test_answers_are_put_back_into_order():
    async with connected(Node(lambda _, params: params[0])) as rpc:
        assert await rpc.batch([("m", [n]) for n in range(250)]) == list(range(250))


@pytest.mark.parametrize(
    ("failure", "error"),
    [
        (httpx.ConnectError("refused"), Unreachable),
        (httpx.ReadTimeout("slow"), Unreachable),
        (httpx.Response(429), RateLimited),
        (httpx.Response(502, text="<html>"), BadAnswer),
        (httpx.Response(200, json=[]), BadAnswer),
        (httpx.Response(200, json={"error": {"code": -32005, "message": "limit"}, "id": None}), RateLimited),
    ],
)
async def test_a_question_goes_to_the_next_node(failure: Any, error: type[RpcError], caplog):
    bad, good = Node(lambda *_: failure), Node(lambda *_: "0x7")

    async with connected(bad, good) as rpc:
        assert await rpc.call("eth_blockNumber") == "0x7"
        assert await rpc.call("eth_blockNumber") == "0x7"
    assert bad.asked.count("eth_blockNumber") == 1, "a failing node rests"
    assert "secret-key" not in caplog.text

    async with connected(bad) as rpc:
        with pytest.raises(error):
            await rpc.call("eth_blockNumber")


async def test_a_node_of_another_chain_is_not_believed():
    wrong, good = Node(lambda *_: "0x1", chain_id=1), Node(lambda *_: "0x7")

    async with connected(wrong, good) as rpc:
        assert await rpc.call("eth_blockNumber") == "0x7"
    async with connected(wrong) as rpc:
        with pytest.raises(WrongChain, match="chain 1, the ledger on 5"):
            await rpc.call("eth_blockNumber")
        assert (await rpc.send([b"\x02"]))[0].answer is Answer.UNCLEAR, "its refusal is not the chain's"


async def test_a_node_may_change_to_another_chain_at_any_moment():
    node = Node(lambda *_: "0x7")

    async with connected(node) as rpc:
        assert await rpc.call("eth_blockNumber") == "0x7"
        node.chain_id = 1
        with pytest.raises(WrongChain):
            await rpc.call("eth_blockNumber")


@pytest.mark.parametrize(
    ("result", "answer"),
    [
        ("0xhash", Answer.ACCEPTED),
        ({"error": {"code": -32000, "message": "already known"}}, Answer.KNOWN),
        (httpx.ReadTimeout("slow"), Answer.UNCLEAR),
        (httpx.Response(503), Answer.UNCLEAR),
        (httpx.Response(429), Answer.BUSY),
    ],
)
async def test_a_send_goes_out_once_whatever_happens(result: Any, answer: Answer):
    node, spare = Node(lambda *_: result), Node(lambda *_: "0xhash")

    async with connected(node, spare) as rpc:
        (sent,) = await rpc.send([b"\x02\x01"])

    assert sent.answer is answer
    assert node.asked.count("eth_sendRawTransaction") == 1
    assert spare.asked == []


@pytest.mark.parametrize(
    ("data", "revert"),
    [
        ("0x08c379a0", b"\x08\xc3\x79\xa0"),
        ("Reverted 0x08c379a0", b"\x08\xc3\x79\xa0"),
        ({"data": "0x1234"}, b"\x12\x34"),
        ({"0xab": {"return": "0x1234", "program_counter": 5}}, b"\x12\x34"),
        (None, b""),
    ],
)
def test_reverts_are_found_however_a_node_wraps_them(data: Any, revert: bytes):
    assert NodeError(3, "execution reverted", data).revert == revert
    assert NodeError(-32000, "VM Exception while processing transaction: revert", data).revert == revert


def test_what_is_no_revert_is_none():
    assert NodeError(-32000, "insufficient funds for transfer").revert is None


@pytest.mark.parametrize(
    ("message", "answer"),
    [
        # Geth
        ("already known", Answer.KNOWN),
        ("nonce too low: next nonce 7, tx nonce 5", Answer.NONCE_TOO_LOW),
        ("nonce too high", Answer.NONCE_GAP),
        ("replacement transaction underpriced", Answer.REPLACEMENT_UNDERPRICED),
        ("transaction underpriced: gas tip cap 0, minimum needed 1", Answer.FEE_TOO_LOW),
        ("insufficient funds for gas * price + value: balance 0, tx cost 1", Answer.INSUFFICIENT_FUNDS),
        ("max fee per gas less than block base fee: address 0x1", Answer.FEE_TOO_LOW),
        ("intrinsic gas too low: gas 1, minimum needed 21000", Answer.NEVER),
        ("exceeds block gas limit", Answer.NEVER),
        ("txpool is full", Answer.BUSY),
        ("tx fee (1.20 ether) exceeds the configured cap (1.00 ether)", Answer.NEVER),
        # Anvil
        ("transaction already imported", Answer.KNOWN),
        ("Insufficient funds for gas * price + value", Answer.INSUFFICIENT_FUNDS),
        # Ganache
        (
            "the tx doesn't have the correct nonce. account has nonce of: 6 tx has nonce of: 5",
            Answer.NONCE_TOO_LOW,
        ),
        (
            "the tx doesn't have the correct nonce. account has nonce of: 6 tx has nonce of: 9",
            Answer.NONCE_GAP,
        ),
        ("sender doesn't have enough funds to send tx.", Answer.INSUFFICIENT_FUNDS),
        # Besu
        ("Known transaction", Answer.KNOWN),
        ("Nonce too low", Answer.NONCE_TOO_LOW),
        ("Transaction nonce is too distant from current sender nonce", Answer.NONCE_GAP),
        ("Upfront cost exceeds account balance", Answer.INSUFFICIENT_FUNDS),
        ("Gas price below configured minimum gas price", Answer.FEE_TOO_LOW),
        ("Transaction gas limit exceeds block gas limit", Answer.NEVER),
        # Nethermind
        ("AlreadyKnown", Answer.KNOWN),
        ("OldNonce, Current nonce: 7, nonce of rejected tx: 5", Answer.NONCE_TOO_LOW),
        ("NonceGap, Future nonce. Expected nonce: 7", Answer.NONCE_GAP),
        ("ReplacementNotAllowed", Answer.REPLACEMENT_UNDERPRICED),
        ("FeeTooLow, MaxFeePerGas too low.", Answer.FEE_TOO_LOW),
        ("InsufficientFunds, Balance is 0", Answer.INSUFFICIENT_FUNDS),
        ("GasLimitExceeded, Gas limit: 30000000", Answer.NEVER),
        # Erigon
        ("INTERNAL_ERROR: existing tx with same hash", Answer.KNOWN),
        ("nonce too low", Answer.NONCE_TOO_LOW),
        ("could not replace existing tx", Answer.REPLACEMENT_UNDERPRICED),
        ("fee cap less than block base fee", Answer.FEE_TOO_LOW),
        # vendors
        ("daily request count exceeded, request rate limited", Answer.BUSY),
        ("Your app has exceeded its compute units per second capacity", Answer.BUSY),
        ("something nobody has seen before", Answer.UNCLEAR),
    ],
)
def test_the_table_of_answers(message: str, answer: Answer):
    assert classify(-32000, message) is answer


def test_a_vendors_code_is_enough():
    assert classify(-32005, "") is Answer.BUSY


async def test_questions_run_side_by_side():
    async def slow(rpc: Rpc) -> Any:
        return await rpc.call("eth_blockNumber")

    async with connected(Node(lambda *_: "0x1")) as rpc:
        assert await asyncio.gather(*(slow(rpc) for _ in range(20))) == ["0x1"] * 20
