"""The sender against a real chain, on both databases."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import func, select

from backend.chain import history, outbox, typed
from backend.chain.contracts import Call, Contracts, Relay
from backend.chain.repository import Attempt, ChainCursor, Lane, Operation, Transaction
from backend.chain.rpc import NodeError, Rpc
from backend.chain.sender import Sender
from backend.chain.signer import LocalSigner
from backend.kit.clock import now
from backend.kit.database import Database
from backend.kit.ids import uuid7
from tests.backend.chain.conftest import KEYS, drive, signed_call

PARTY = uuid7()


async def enqueue(database: Database, contracts: Contracts, call: Call, subject: str | None = None) -> UUID:
    async with database.transaction() as session:
        operation = await outbox.enqueue(
            session,
            call,
            ledger_id=contracts.ledger_id,
            party_id=PARTY,
            kind="test.count",
            subject=subject or f"test:{uuid7()}",
        )
    return operation.id


async def read(database: Database, operation_id: UUID) -> Operation:
    async with database.reading() as session:
        return await session.get_one(Operation, operation_id)


async def transactions(database: Database) -> list[Transaction]:
    async with database.reading() as session:
        return list(await session.scalars(select(Transaction).order_by(Transaction.nonce)))


async def total(rpc: Rpc, contracts: Contracts, who: str) -> int:
    item = contracts["Tally"].abi.function("total")
    data = "0x" + item.encode([who]).hex()
    answer = await rpc.call("eth_call", {"to": contracts["Tally"].address, "data": data}, "latest")
    return int(answer, 16)


async def counted(rpc: Rpc, contracts: Contracts) -> list[int]:
    """The values of all Counted events, asked from the chain alone."""
    logs = await rpc.call("eth_getLogs", {"fromBlock": "0x0", "address": contracts["Tally"].address})
    return [int(log["data"][2:66], 16) for log in logs if len(log["data"]) > 66]


async def signed_action(
    contracts: Contracts, key: bytes, nonce: int, value: int, *, deadline: int | None = None
) -> Call:
    item = contracts["Tally"].abi.function("count")
    args = {"value": value, "note": f"number {nonce}"}
    deadline = deadline or int(now().timestamp()) + 3600
    document = signed_call(item, args, contracts.domain("Tally"), nonce, deadline)
    signer = LocalSigner(key)
    raw = signer._key.sign_recoverable(typed.digest(document), hasher=None)
    signature = "0x" + raw[:64].hex() + bytes([raw[64] + 27]).hex()
    assert typed.recover(typed.digest(document), signature) == signer.address
    relay = Relay(signer.address, nonce, deadline, 0, signature)
    return Call("Tally", contracts["Tally"].address, item.encode(args), relay)


async def test_an_operation_reaches_the_chain_once(database, rpc, deployed, sender, relayer):
    operation_id = await enqueue(database, deployed, deployed.call("Tally", "count", 7, "hello"))

    await drive(sender)
    await drive(sender)

    operation = await read(database, operation_id)
    assert (operation.status, operation.sub_status, operation.error) == ("succeeded", "confirmed", None)
    assert await total(rpc, deployed, relayer.address) == 7
    (transaction,) = await transactions(database)
    moments = [
        transaction.allocated_at,
        transaction.signed_at,
        transaction.accepted_at,
        transaction.mined_at,
        transaction.confirmed_at,
    ]
    assert None not in moments
    assert moments == sorted(moments)


async def test_what_would_revert_costs_nothing_and_says_why(database, rpc, deployed, sender):
    operation_id = await enqueue(database, deployed, deployed.call("Tally", "count", 5000, ""))

    await drive(sender)

    operation = await read(database, operation_id)
    assert (operation.status, operation.sub_status) == ("failed", "rejected")
    assert operation.error["name"] == "TooMuch"
    assert operation.error["args"] == {"value": 5000, "limit": 1000}
    assert await transactions(database) == []


async def test_forty_signed_actions_share_a_transaction_and_fail_alone(database, rpc, deployed, sender):
    signer = LocalSigner(KEYS[2])
    calls = [await signed_action(deployed, KEYS[2], nonce, nonce) for nonce in range(40)]
    bad = await signed_action(deployed, KEYS[2], 100, 5000)
    twin = await signed_action(deployed, KEYS[2], 7, 7)  # the same signature again: waits, and is refused
    ids = [await enqueue(database, deployed, call) for call in [*calls, bad, twin]]

    await drive(sender)

    rows = [await read(database, each) for each in ids]
    assert [row.status for row in rows[:40]] == ["succeeded"] * 40
    assert (rows[40].status, rows[40].error["name"]) == ("failed", "TooMuch")
    assert (rows[41].status, rows[41].sub_status) == ("failed", "rejected")
    assert rows[41].error["name"] == "NonceUsed"
    assert len(await transactions(database)) == 1
    assert await total(rpc, deployed, signer.address) == sum(range(40))


@pytest.mark.parametrize(
    "refusal",
    [
        NodeError(-32601, "the method eth_simulateV1 does not exist/is not available"),
        NodeError(-38015, "block gas limit reached"),
        [{"calls": []}],
        None,
    ],
)
async def test_a_node_that_simulates_only_alone_is_asked_so(
    database, rpc, deployed, sender, monkeypatch, refusal
):
    calls = [await signed_action(deployed, KEYS[2], nonce, nonce) for nonce in range(3)]
    bad = await signed_action(deployed, KEYS[2], 100, 5000)
    ids = [await enqueue(database, deployed, call) for call in [*calls, bad]]
    batch = rpc.batch
    asked: list[str] = []

    async def older(requests):
        asked.extend(method for method, _ in requests)
        if requests[0][0] == "eth_simulateV1":
            return [refusal]
        return await batch(requests)

    monkeypatch.setattr(rpc, "batch", older)
    await drive(sender)

    assert [(await read(database, each)).status for each in ids] == ["succeeded"] * 3 + ["failed"]
    assert (await read(database, ids[3])).error["name"] == "TooMuch"
    assert asked.count("eth_estimateGas") == 4


async def test_many_are_simulated_at_once_and_what_fails_there_is_asked_for_alone(
    database, rpc, deployed, sender, monkeypatch
):
    calls = [await signed_action(deployed, KEYS[2], nonce, nonce) for nonce in range(5)]
    bad = await signed_action(deployed, KEYS[2], 100, 5000)
    ids = [await enqueue(database, deployed, call) for call in [*calls, bad]]
    batch = rpc.batch
    asked: list[str] = []

    async def counting(requests):
        asked.extend(method for method, _ in requests)
        return await batch(requests)

    monkeypatch.setattr(rpc, "batch", counting)
    await drive(sender)

    assert [(await read(database, each)).status for each in ids] == ["succeeded"] * 5 + ["failed"]
    assert (asked.count("eth_simulateV1"), asked.count("eth_estimateGas")) == (1, 1)


async def test_one_subject_goes_in_order(database, rpc, deployed, sender):
    ids = [
        await enqueue(database, deployed, deployed.call("Tally", "count", value, ""), "claim:1")
        for value in (3, 1, 2)
    ]

    await drive(sender)

    assert [(await read(database, each)).status for each in ids] == ["succeeded"] * 3
    assert await counted(rpc, deployed) == [3, 1, 2]


async def test_an_expired_action_is_not_sent(database, deployed, sender):
    call = await signed_action(deployed, KEYS[2], 1, 1, deadline=int(now().timestamp()) - 5)
    operation_id = await enqueue(database, deployed, call)

    await drive(sender)

    operation = await read(database, operation_id)
    assert (operation.status, operation.error["name"]) == ("failed", "ActionExpired")


class Killed(Exception):
    """Stands for SIGKILL: whatever was not committed is gone."""


@pytest.mark.parametrize("step", ["_sign_allocated", "_broadcast", "after_broadcast"])
async def test_killed_between_any_two_steps_it_goes_on(
    database, rpc, deployed, relayer, policy, monkeypatch, step
):
    operation_id = await enqueue(database, deployed, deployed.call("Tally", "count", 9, ""))
    dying = Sender(database, rpc, deployed, relayer, policy, "test")

    async def die(*_: Any) -> Any:
        raise Killed

    if step == "after_broadcast":
        send = rpc.send

        async def send_and_die(raws):
            await send(raws)
            raise Killed

        monkeypatch.setattr(rpc, "send", send_and_die)
    else:
        monkeypatch.setattr(dying, step, die)
        if step == "_sign_allocated":
            # the queue is taken later in the round; let the first, idle call pass
            calls = iter([False])

            async def die_second() -> bool:
                for answer in calls:
                    return answer
                raise Killed

            monkeypatch.setattr(dying, step, die_second)
        else:
            calls = iter([False])

            async def die_second_broadcast() -> bool:
                for answer in calls:
                    return answer
                raise Killed

            monkeypatch.setattr(dying, step, die_second_broadcast)
    with pytest.raises(Killed):
        await dying.step()
    monkeypatch.undo()
    before = await transactions(database)

    await drive(Sender(database, rpc, deployed, relayer, policy, "test"))

    assert (await read(database, operation_id)).status == "succeeded"
    assert await counted(rpc, deployed) == [9]
    after = await transactions(database)
    assert [each.nonce for each in after] == [each.nonce for each in before] == [0]


async def test_another_worker_waits_for_the_lease(database, rpc, deployed, relayer, policy, sender):
    other = Sender(database, rpc, deployed, relayer, policy, "other")
    await drive(sender)
    operation_id = await enqueue(database, deployed, deployed.call("Tally", "count", 1, ""))

    assert await other.step() is False
    assert (await read(database, operation_id)).sub_status == "received"

    await sender.release()
    await drive(other)
    assert (await read(database, operation_id)).status == "succeeded"


async def test_two_workers_at_once_send_each_operation_once(database, rpc, deployed, relayer, policy):
    ids = [await enqueue(database, deployed, deployed.call("Tally", "count", n, "")) for n in range(30)]
    workers = [Sender(database, rpc, deployed, relayer, policy, f"worker {n}") for n in range(3)]

    async def work(worker: Sender) -> None:
        for _ in range(12):
            await worker.step()
            await worker.release()

    await asyncio.gather(*(work(each) for each in workers))

    assert [(await read(database, each)).status for each in ids] == ["succeeded"] * 30
    assert sorted(await counted(rpc, deployed)) == list(range(30))
    nonces = [each.nonce for each in await transactions(database)]
    assert nonces == sorted(set(nonces))


async def test_an_answer_lost_after_the_send_does_not_send_twice(
    database, rpc, deployed, sender, monkeypatch
):
    operation_id = await enqueue(database, deployed, deployed.call("Tally", "count", 4, ""))
    send = rpc.send
    from backend.chain.answers import Answer
    from backend.chain.rpc import Sent

    async def lose(raws):
        await send(raws)
        return [Sent(Answer.UNCLEAR, "timed out") for _ in raws]

    monkeypatch.setattr(rpc, "send", lose)

    await drive(sender)

    assert (await read(database, operation_id)).status == "succeeded"
    assert await counted(rpc, deployed) == [4]


async def test_blocks_lost_by_a_local_chain_are_sent_again(database, rpc, deployed, sender):
    first = await enqueue(database, deployed, deployed.call("Tally", "count", 1, ""))
    await drive(sender)
    snapshot = await rpc.call("evm_snapshot")
    second = await enqueue(database, deployed, deployed.call("Tally", "count", 2, ""))
    third = await enqueue(database, deployed, deployed.call("Tally", "count", 3, ""))
    await drive(sender)
    assert await counted(rpc, deployed) == [1, 2, 3]
    hashes = [each.mined_hash for each in await transactions(database)]

    await rpc.call("evm_revert", snapshot)
    assert await counted(rpc, deployed) == [1]
    await drive(sender)

    assert await counted(rpc, deployed) == [1, 2, 3]
    assert [each.mined_hash for each in await transactions(database)] == hashes
    assert [(await read(database, each)).status for each in (first, second, third)] == ["succeeded"] * 3


async def test_a_count_behind_the_chain_is_raised(database, rpc, deployed, sender, relayer):
    await drive(sender)
    await rpc.call("eth_sendTransaction", {"from": relayer.address, "to": relayer.address, "value": "0x1"})
    operation_id = await enqueue(database, deployed, deployed.call("Tally", "count", 5, ""))

    await drive(sender)

    assert (await read(database, operation_id)).status == "succeeded"
    (transaction,) = await transactions(database)
    assert transaction.nonce == 1


async def test_a_count_ahead_of_the_chain_is_filled(database, rpc, deployed, sender, relayer):
    """A nonce nobody sends would hold up everything after it for good."""
    await drive(sender)
    async with database.transaction() as session:
        lane = await session.get_one(Lane, (deployed.ledger_id, relayer.address))
        lane.next_nonce = 3
    operation_id = await enqueue(database, deployed, deployed.call("Tally", "count", 5, ""))

    await drive(sender)

    assert (await read(database, operation_id)).status == "succeeded"
    assert [(each.nonce, each.freeing) for each in await transactions(database)] == [
        (0, True),
        (1, True),
        (2, True),
        (3, False),
    ]


async def test_a_nonce_taken_by_another_program_is_not_a_lost_operation(
    database, rpc, deployed, sender, relayer, policy
):
    await rpc.call("evm_setAutomine", False)
    operation_id = await enqueue(database, deployed, deployed.call("Tally", "count", 5, ""))
    await drive(sender)
    (transaction,) = await transactions(database)
    assert transaction.status == "accepted"
    await rpc.call("anvil_dropAllTransactions")
    await rpc.call("eth_sendTransaction", {"from": relayer.address, "to": relayer.address, "nonce": "0x0"})
    await rpc.call("evm_mine")
    await rpc.call("evm_setAutomine", True)

    await drive(sender)

    operation = await read(database, operation_id)
    assert operation.status == "succeeded"
    assert [each.status for each in await transactions(database)] == ["lost", "confirmed"]
    assert await counted(rpc, deployed) == [5]


async def test_a_stuck_transaction_is_outbid(database, rpc, deployed, relayer, policy):
    await rpc.call("evm_setAutomine", False)
    impatient = replace(policy, replace_after=timedelta(0))
    sender = Sender(database, rpc, deployed, relayer, impatient, "test")
    operation_id = await enqueue(database, deployed, deployed.call("Tally", "count", 5, ""))

    for _ in range(3):
        await sender.step()
    async with database.reading() as session:
        forms = list(await session.scalars(select(Attempt).order_by(Attempt.id)))
    assert len(forms) >= 2
    assert all(later.max_fee * 8 >= earlier.max_fee * 9 for earlier, later in pairwise(forms))
    await rpc.call("evm_mine")
    await drive(Sender(database, rpc, deployed, relayer, policy, "test"))

    assert (await read(database, operation_id)).status == "succeeded"
    assert await counted(rpc, deployed) == [5]


async def test_a_sent_operation_can_be_stopped(database, rpc, deployed, sender):
    await rpc.call("evm_setAutomine", False)
    operation_id = await enqueue(database, deployed, deployed.call("Tally", "count", 5, ""))
    await drive(sender)
    async with database.transaction() as session:
        await outbox.cancel(session, await session.get_one(Operation, operation_id))
    await drive(sender)
    await rpc.call("evm_mine")
    await drive(sender)

    operation = await read(database, operation_id)
    assert operation.status == "cancelled"
    assert await counted(rpc, deployed) == []


async def test_it_is_stopped_only_once_nothing_else_can_take_the_nonce(
    database, rpc, deployed, relayer, policy
):
    """A reorganisation may bring back the form that was to be stopped; nobody is told before."""
    sender = Sender(database, rpc, deployed, relayer, replace(policy, finality=3), "test")
    await rpc.call("evm_setAutomine", False)
    operation_id = await enqueue(database, deployed, deployed.call("Tally", "count", 5, ""))
    await drive(sender)
    async with database.reading() as session:
        original = (await session.scalars(select(Attempt))).one()
    async with database.transaction() as session:
        await outbox.cancel(session, await session.get_one(Operation, operation_id))
    await drive(sender)
    await rpc.call("evm_mine")
    await drive(sender)
    operation = await read(database, operation_id)
    assert (operation.status, operation.sub_status) == ("pending", "used-up")

    await rpc.call("anvil_reorg", 1, [])
    await rpc.call("anvil_dropAllTransactions")
    await rpc.call("eth_sendRawTransaction", "0x" + original.raw.hex())
    await rpc.call("anvil_mine", "0x4")
    for _ in range(3):
        await sender.step()

    assert await counted(rpc, deployed) == [5]
    assert (await read(database, operation_id)).status == "succeeded"


async def test_final_states_stay(database, rpc, deployed, sender):
    operation_id = await enqueue(database, deployed, deployed.call("Tally", "count", 5000, ""))
    await drive(sender)

    async with database.transaction() as session:
        operation = await session.get_one(Operation, operation_id)
        outbox.finish(operation, outbox.SUCCEEDED, "confirmed", "confirm")
        with pytest.raises(outbox.OperationIsFinal):
            await outbox.cancel(session, operation)
        again = await outbox.retry(session, operation)

    assert (await read(database, operation_id)).status == "failed"
    assert again.id != operation_id


async def test_nothing_is_final_before_its_depth(database, rpc, deployed, relayer, policy):
    sender = Sender(database, rpc, deployed, relayer, replace(policy, finality=3), "test")
    operation_id = await enqueue(database, deployed, deployed.call("Tally", "count", 5, ""))
    await drive(sender)
    operation = await read(database, operation_id)
    assert (operation.status, operation.sub_status) == ("pending", "mined")

    await rpc.call("anvil_mine", "0x2")
    await drive(sender)
    assert (await read(database, operation_id)).status == "pending"
    await rpc.call("anvil_mine", "0x1")
    await drive(sender)

    assert (await read(database, operation_id)).status == "succeeded"


async def test_final_is_what_the_node_calls_so(database, rpc, deployed, relayer, policy, monkeypatch):
    """Anvil calls a block finalized that is 64 deep; a node that has no such word ends nothing."""
    sender = Sender(database, rpc, deployed, relayer, replace(policy, finality_tag="finalized"), "test")
    operation_id = await enqueue(database, deployed, deployed.call("Tally", "count", 5, ""))
    await drive(sender)
    assert (await read(database, operation_id)).sub_status == "mined"

    await rpc.call("anvil_mine", hex(80))
    batch = rpc.batch

    async def without_word(requests):
        answers = await batch(requests)
        unknown = NodeError(-32000, "finalized block not found")
        return [
            unknown if params[:1] == ["finalized"] else answer
            for (_, params), answer in zip(requests, answers, strict=True)
        ]

    monkeypatch.setattr(rpc, "batch", without_word)
    await drive(sender)
    assert (await read(database, operation_id)).status == "pending"
    monkeypatch.undo()
    await drive(sender)
    assert (await read(database, operation_id)).status == "succeeded"


async def test_a_receipt_that_vanishes_is_followed(database, rpc, deployed, relayer, policy):
    sender = Sender(database, rpc, deployed, relayer, replace(policy, finality=3), "test")
    operation_id = await enqueue(database, deployed, deployed.call("Tally", "count", 5, ""))
    await drive(sender)

    await rpc.call("anvil_reorg", 1, [])
    assert await counted(rpc, deployed) == []
    await drive(sender)
    await rpc.call("anvil_mine", "0x4")
    await drive(sender)

    assert (await read(database, operation_id)).status == "succeeded"
    assert await counted(rpc, deployed) == [5]


async def test_the_nonce_is_unique_in_the_database(database):
    from sqlalchemy.exc import IntegrityError

    ledger_id = uuid7()

    def row() -> Transaction:
        return Transaction(
            ledger_id=ledger_id, signer="0x" + "11" * 20, nonce=1, target="0x" + "22" * 20, data=b"", gas=1
        )

    async with database.transaction() as session:
        session.add(row())
    with pytest.raises(IntegrityError):
        async with database.transaction() as session:
            session.add(row())
    async with database.reading() as session:
        assert await session.scalar(select(func.count()).select_from(Transaction)) == 1


async def test_one_that_no_node_can_judge_holds_up_no_other(database, rpc, deployed, sender, monkeypatch):
    odd = await enqueue(database, deployed, deployed.call("Tally", "count", 1, "odd"))
    batch = rpc.batch

    async def confused(requests):
        answers = await batch(requests)
        for place, (method, params) in enumerate(requests):
            if method == "eth_estimateGas" and b"odd".hex() in params[0]["data"]:
                answers[place] = NodeError(-32000, "header not found")
        return answers

    monkeypatch.setattr(rpc, "batch", confused)
    await drive(sender)
    others = [await enqueue(database, deployed, deployed.call("Tally", "count", 2, "")) for _ in range(3)]
    await drive(sender)

    assert [(await read(database, each)).status for each in others] == ["succeeded"] * 3
    assert (await read(database, odd)).status == "pending"
    assert sender._put_off() == [odd]

    monkeypatch.undo()
    sender._later.clear()
    await drive(sender)
    assert (await read(database, odd)).status == "succeeded"


async def test_a_refusal_by_a_node_that_is_behind_ends_nothing(database, rpc, deployed, sender, monkeypatch):
    """It does not know what the call builds on, which we saw mined."""
    first = await enqueue(database, deployed, deployed.call("Tally", "count", 1, ""))
    await drive(sender)
    second = await enqueue(database, deployed, deployed.call("Tally", "count", 2, ""))
    batch = rpc.batch

    async def behind(requests):
        answers = await batch(requests)
        for place, (method, _) in enumerate(requests):
            if method == "eth_getTransactionCount":
                answers[place] = "0x0"
            if method == "eth_estimateGas":
                answers[place] = NodeError(3, "execution reverted", "0x")
        return answers

    monkeypatch.setattr(rpc, "batch", behind)
    monkeypatch.setattr(sender, "_mend_nonces", _nothing)
    await sender.step()
    assert [(await read(database, each)).status for each in (first, second)] == ["succeeded", "pending"]
    monkeypatch.undo()
    sender._later.clear()
    await drive(sender)

    assert (await read(database, second)).status == "succeeded"
    assert await counted(rpc, deployed) == [1, 2]


async def test_a_refusal_by_another_branch_ends_nothing(database, rpc, deployed, sender):
    """The index stands on a block that the node has replaced: what the call builds on may be gone for now."""
    head = await rpc.call("eth_getBlockByNumber", "latest", False)
    async with database.transaction() as session:
        number = int(head["number"], 16)
        header = history.Header(number, "0x" + "12" * 32, head["parentHash"], now())
        await history.begin(session, deployed.ledger_id, header)
    refused = await enqueue(database, deployed, deployed.call("Tally", "count", 5000, ""))
    good = await enqueue(database, deployed, deployed.call("Tally", "count", 7, ""))

    await drive(sender)
    assert [(await read(database, each)).status for each in (refused, good)] == ["pending", "succeeded"]

    async with database.transaction() as session:
        (await session.get_one(ChainCursor, deployed.ledger_id)).hash = head["hash"]
    sender._later.clear()
    await drive(sender)
    assert (await read(database, refused)).error["name"] == "TooMuch"


async def _nothing() -> None:
    return None


async def test_a_node_without_the_receipt_is_no_foreign_transaction(
    database, rpc, deployed, sender, monkeypatch
):
    """A node that counts the nonce and has not got the receipt yet must not make us send again."""
    operation_id = await enqueue(database, deployed, deployed.call("Tally", "count", 5, ""))
    batch = rpc.batch
    hidden = [True]

    async def lagging(requests):
        answers = await batch(requests)
        alone = all(method == "eth_getTransactionReceipt" for method, _ in requests)
        return [None] * len(answers) if hidden and alone else answers

    monkeypatch.setattr(rpc, "batch", lagging)
    for _ in range(4):
        await sender.step()
    assert [each.status for each in await transactions(database)] == ["accepted"]
    hidden.clear()
    await drive(sender)

    assert (await read(database, operation_id)).status == "succeeded"
    assert await counted(rpc, deployed) == [5]
