"""What is prepared, signed elsewhere and brought back: the ways it goes wrong, and the one it goes right."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import func, select

from backend.chain import actions, signatures, signatures_api, typed
from backend.chain.abi import Abi
from backend.chain.contracts import Contract, Contracts
from backend.chain.repository import ActionRecord, Operation
from backend.chain.signer import LocalSigner
from backend.kit.access import Caller, Role
from backend.kit.clock import now
from backend.kit.database import Database
from backend.parties.repository import AccountRecord, Grant, key_of
from tests.backend.chain.conftest import KEYS, signed_call

ACCOUNT = "0x5FbDB2315678afecb367f032d93F642f64180aa3"
SCOPE = 2
SIGNER, SECOND, STRANGER = (LocalSigner(key) for key in KEYS[:3])
ABI = [
    {
        "type": "function",
        "name": "issue",
        "inputs": [{"name": "amount", "type": "uint64"}, {"name": "reason", "type": "bytes32"}],
        "outputs": [],
    }
]


@pytest.fixture
def contracts() -> Contracts:
    named = {"name": "Receivables", "version": "1"}
    return Contracts(
        31337,
        0,
        "0x" + "00" * 32,
        [
            Contract("Participants", "0x" + "11" * 20, Abi([])),
            Contract("Receivables", "0x" + "22" * 20, Abi(ABI), named),
        ],
    )


async def grant(database: Database, contracts: Contracts, *signers: LocalSigner, scopes: int = SCOPE) -> None:
    moment = now()
    async with database.transaction() as session:
        session.add(
            AccountRecord(
                ledger_id=contracts.ledger_id,
                account=ACCOUNT,
                commitment="0x" + "33" * 32,
                roles=1,
                valid_until=moment + timedelta(days=1),
                suspended=False,
                hosted=False,
                open=False,
                epoch=0,
                payout=None,
            )
        )
        for signer in signers:
            session.add(
                Grant(
                    ledger_id=contracts.ledger_id,
                    account=ACCOUNT,
                    key=key_of(signer.address),
                    scopes=scopes,
                    epoch=0,
                    starts_at=moment - timedelta(days=1),
                    ends_at=moment + timedelta(days=1),
                    amount_limit=10,
                    alone_limit=10,
                )
            )


async def prepare(database: Database, app: Any, user: Any, **changes: Any) -> ActionRecord:
    caller = Caller(user.user_id, user.party_id, app.state.contracts.ledger_id, frozenset({Role.MAKER}))
    given = {
        "kind": "receivable.issue",
        "subject": "receivable:1",
        "account": ACCOUNT,
        "scope": SCOPE,
        "words": {"en": "Issue", "zh": "开立"},
        "expires_at": now() + timedelta(hours=1),
    } | changes
    contracts, mechanism = app.state.contracts, app.state.actions
    item, args = contracts["Receivables"].abi.function("issue"), {"amount": 2**60, "reason": "0x" + "44" * 32}
    deadline = int(given["expires_at"].timestamp())
    async with database.transaction() as session:
        nonce = await mechanism.next_nonce(session, contracts.ledger_id, ACCOUNT)
        document = signed_call(item, args, contracts.domain("Receivables"), nonce, deadline)
        effect = actions.relayed(
            "Receivables", item.encode(args), nonce=nonce, deadline=deadline, gas_floor=0
        )
        return await mechanism.prepare(session, caller, typed_data=document, effect=effect, **given)


def sign(action: ActionRecord, signer: LocalSigner) -> str:
    raw = signer._key.sign_recoverable(typed.digest(action.typed_data), hasher=None)
    return "0x" + raw[:64].hex() + bytes([raw[64] + 27]).hex()


async def post(user: Any, action: ActionRecord, signature: str) -> Any:
    return await user.post(f"/v1/actions/{action.id}/signatures", json={"signature": signature})


async def count(database: Database) -> int:
    async with database.reading() as session:
        return (await session.execute(select(func.count()).select_from(Operation))).scalar_one()


async def test_nonces_are_unique_and_share_a_word(database, app, world):
    user = await world.user()
    made = [await prepare(database, app, user) for _ in range(5)]

    nonces = [int(action.effect["nonce"]) for action in made]
    assert nonces == list(range(nonces[0], nonces[0] + 5))
    assert len({nonce >> 8 for nonce in nonces}) == 1


async def test_one_key_may_act_for_two_accounts_on_two_ledgers(database, app, contracts):
    """Contracts count nonces for each signer, whatever account it signs for."""
    ledgers, accounts = (contracts.ledger_id, UUID(int=1)), (ACCOUNT, "0x" + "22" * 20)
    async with database.transaction() as session:
        nonces = [
            await app.state.actions.next_nonce(session, ledger, account)
            for ledger in ledgers
            for account in accounts
            for _ in range(3)
        ]

    assert len(set(nonces)) == len(nonces)
    assert all(0 <= nonce < 2**256 for nonce in nonces)
    assert len({nonce >> 64 for nonce in nonces}) == 4, "a space for each ledger and account"


async def test_a_good_signature_queues_the_call(database, app, world, contracts):
    user = await world.user()
    await grant(database, contracts, SIGNER)
    action = await prepare(database, app, user)

    answer = await post(user, action, sign(action, SIGNER))

    assert answer.status_code == 202
    operation = answer.json()
    assert (operation["kind"], operation["status"]) == ("receivable.issue", "pending")
    async with database.reading() as session:
        row = (await session.scalars(select(Operation))).one()
    assert row.relayed["signer"] == SIGNER.address
    assert row.relayed["cosignature"] == "0x"
    shown = (await user.get(f"/v1/actions/{action.id}")).json()
    assert (shown["status"], shown["operation_id"]) == ("signed", operation["id"])
    assert shown["links"]["operation"] == operation["links"]["self"]


async def test_two_signers_where_two_are_needed(database, app, world, contracts):
    user = await world.user()
    await grant(database, contracts, SIGNER, SECOND)
    action = await prepare(database, app, user, signatures_needed=2)

    first = await post(user, action, sign(action, SIGNER))
    again = await post(user, action, sign(action, SIGNER))
    assert (first.status_code, first.json()["signers"]) == (202, [SIGNER.address])
    assert again.json()["type"].endswith("already-signed-by")
    assert await count(database) == 0

    second = await post(user, action, sign(action, SECOND))
    assert second.json()["status"] == "pending"
    async with database.reading() as session:
        row = (await session.scalars(select(Operation))).one()
    assert row.relayed["cosignature"] == "0x" + SECOND.address[2:] + sign(action, SECOND)[2:]


@pytest.mark.parametrize(
    "spoil",
    [
        lambda signature: signature[:-2],
        lambda signature: signature[2:],
        lambda signature: signature[:-2] + "00",
        lambda signature: "0x" + "00" * 64 + "1b",
        lambda signature: "0x" + "zz" * 65,
        # the other s of the same signature: valid mathematically, refused by our contracts
        lambda signature: (
            signature[:66]
            + f"{typed.ORDER - int(signature[66:130], 16):064x}"
            + {"1b": "1c", "1c": "1b"}[signature[130:]]
        ),
    ],
)
async def test_a_malformed_signature_is_refused(database, app, world, contracts, spoil):
    user = await world.user()
    await grant(database, contracts, SIGNER)
    action = await prepare(database, app, user)

    answer = await post(user, action, spoil(sign(action, SIGNER)))

    assert answer.status_code == 422
    assert answer.json()["type"].endswith("signature-malformed")
    assert answer.json()["errors"][0]["pointer"] == "/signature"
    assert await count(database) == 0


async def test_a_key_without_the_right_is_refused(database, app, world, contracts):
    user = await world.user()
    await grant(database, contracts, SIGNER, scopes=SCOPE << 1)
    action = await prepare(database, app, user)

    for signer in (SIGNER, STRANGER):
        answer = await post(user, action, sign(action, signer))
        assert answer.status_code == 403
        assert answer.json()["type"].endswith("signer-not-authorised")
    assert await count(database) == 0


async def test_the_signature_of_another_document_is_refused(database, app, world, contracts):
    user = await world.user()
    await grant(database, contracts, SIGNER)
    action = await prepare(database, app, user)
    other_chain = ActionRecord(
        typed_data=action.typed_data | {"domain": action.typed_data["domain"] | {"chainId": 1}}
    )

    answer = await post(user, action, sign(other_chain, SIGNER))

    assert answer.json()["type"].endswith("signer-not-authorised")


async def test_an_expired_or_closed_action_takes_no_signature(database, app, world, contracts):
    user = await world.user()
    await grant(database, contracts, SIGNER)
    expired = await prepare(database, app, user, expires_at=now() - timedelta(seconds=1))
    withdrawn = await prepare(database, app, user)
    signed = await prepare(database, app, user)
    assert (await user.post(f"/v1/actions/{withdrawn.id}/withdraw")).status_code == 200
    assert (await post(user, signed, sign(signed, SIGNER))).status_code == 202

    assert (await post(user, expired, sign(expired, SIGNER))).json()["type"].endswith("action-expired")
    assert (await post(user, withdrawn, sign(withdrawn, SIGNER))).json()["type"].endswith("action-closed")
    assert (await post(user, signed, sign(signed, SIGNER))).json()["type"].endswith("action-closed")
    assert (await user.post(f"/v1/actions/{signed.id}/withdraw")).status_code == 409
    assert await count(database) == 1


async def test_nobody_elses_action_can_be_seen_or_signed(database, app, world, contracts):
    user, other, auditor = await world.user(), await world.user(), await world.user(Role.AUDITOR)
    await grant(database, contracts, SIGNER)
    action = await prepare(database, app, user)

    assert (await other.get(f"/v1/actions/{action.id}")).status_code == 404
    assert (await post(other, action, sign(action, SIGNER))).status_code == 404
    assert (await other.get("/v1/actions")).json()["items"] == []
    assert (await auditor.get(f"/v1/actions/{action.id}")).status_code == 200
    assert (await post(auditor, action, sign(action, SIGNER))).status_code == 403
    assert await count(database) == 0


async def test_a_maker_does_not_sign(database, app, world, contracts):
    maker = await world.user(Role.MAKER)
    await grant(database, contracts, SIGNER)
    action = await prepare(database, app, maker)

    assert (await post(maker, action, sign(action, SIGNER))).status_code == 403


async def test_operations_are_found_by_key_status_and_subject(database, app, world, contracts):
    user, other = await world.user(), await world.user()
    await grant(database, contracts, SIGNER)
    action = await prepare(database, app, user)
    operation = (await post(user, action, sign(action, SIGNER))).json()

    for params in (
        {"key": f"action:{action.id}"},
        {"status": "pending"},
        {"subject": "receivable:1"},
    ):
        found = (await user.get("/v1/operations", params=params)).json()["items"]
        assert [each["id"] for each in found] == [operation["id"]]
        assert (await other.get("/v1/operations", params=params)).json()["items"] == []
    assert (await user.get("/v1/operations", params={"status": "failed"})).json()["items"] == []

    stopped = await user.post(f"/v1/operations/{operation['id']}/cancel")
    assert stopped.json()["status"] == "cancelled"
    assert (await user.post(f"/v1/operations/{operation['id']}/cancel")).status_code == 409
    again = await user.post(f"/v1/operations/{operation['id']}/retry")
    assert again.json()["status"] == "pending"
    assert again.json()["id"] != operation["id"]


def test_handlers_are_registered_once(app):
    async def handler(*_: Any) -> None: ...

    app.state.actions.register("test.kind", handler)
    with pytest.raises(ValueError, match="already"):
        app.state.actions.register("test.kind", handler)


def test_words_come_in_every_language():
    words = actions.describe("method-not-allowed", method="PUT")

    assert set(words) == {"en", "zh"}
    assert "PUT" in words["zh"]


async def test_the_relayer_pays_for_so_many_an_hour(database, app, world, contracts):
    user, other = await world.user(), await world.user()
    await grant(database, contracts, SIGNER)
    app.state.settings = app.state.settings.model_copy(update={"relay_quota": 2})
    made = [await prepare(database, app, user) for _ in range(3)]

    answers = [await post(user, action, sign(action, SIGNER)) for action in made]

    assert [answer.status_code for answer in answers] == [202, 202, 429]
    assert answers[2].json()["type"].endswith("relay-quota-reached")
    assert (await user.get(f"/v1/actions/{made[2].id}")).json()["status"] == "prepared"
    theirs = await prepare(database, app, other)
    assert (await post(other, theirs, sign(theirs, SIGNER))).status_code == 202


async def test_many_signatures_at_once_are_taken_or_refused_each_for_itself(database, app, world, contracts):
    user, other = await world.user(), await world.user()
    await grant(database, contracts, SIGNER)
    made = [await prepare(database, app, user) for _ in range(6)]
    foreign = await prepare(database, app, other)
    late = await prepare(database, app, user, expires_at=now() - timedelta(seconds=1))
    brought = [(each, sign(each, SIGNER)) for each in [*made[:3], foreign, late, made[3]]]
    brought += [(made[4], sign(made[4], STRANGER)), (made[0], sign(made[0], SIGNER)), (made[5], "0x12")]
    body = {"signatures": [{"action_id": str(each.id), "signature": with_} for each, with_ in brought]}

    answer = await user.post("/v1/signatures", json=body)

    assert answer.status_code == 202
    results = answer.json()
    assert [each["problem"] for each in results] == [
        None, None, None, "not-found", "action-expired", None,
        "signer-not-authorised", "action-closed", "signature-malformed",
    ]  # fmt: skip
    assert [each["action_id"] for each in results] == [str(each.id) for each, _ in brought]
    assert all((each["operation_id"] is None) == (each["status"] == "refused") for each in results)
    async with database.reading() as session:
        rows = (await session.scalars(select(Operation).order_by(Operation.id))).all()
    assert [str(row.id) for row in rows] == [each["operation_id"] for each in results if each["operation_id"]]


async def test_both_signers_of_one_action_at_the_same_moment(database, app, world, contracts):
    user = await world.user()
    await grant(database, contracts, SIGNER, SECOND)
    action = await prepare(database, app, user, signatures_needed=2)
    both = [{"action_id": str(action.id), "signature": sign(action, each)} for each in (SIGNER, SECOND)]

    results = (await user.post("/v1/signatures", json={"signatures": both})).json()

    assert [each["status"] for each in results] == ["signed", "signed"]
    assert await count(database) == 1


async def test_fifty_clients_sign_in_a_few_transactions(database, app, world, contracts, monkeypatch):
    user = await world.user()
    await grant(database, contracts, SIGNER)
    made = [await prepare(database, app, user) for _ in range(50)]
    sizes: list[int] = []

    async def counted(mechanism, session, brought):
        sizes.append(len(brought))
        return await signatures.take(mechanism, session, brought)

    monkeypatch.setattr(signatures_api, "take", counted)

    answers = await asyncio.gather(*(post(user, each, sign(each, SIGNER)) for each in made))

    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.json()["id"] for answer in answers}) == 50
    assert sum(sizes) == 50
    assert len(sizes) < 30
    assert await count(database) == 50
