import asyncio
from datetime import timedelta

import pytest
from sqlalchemy import func, select

from backend.kit.access import Role
from backend.kit.audit import AuditEntry
from backend.kit.clock import now
from backend.kit.database import Database
from backend.parties import service
from backend.parties.repository import ApiKey, Party, User

PARTY = {"country": "DE", "tax_number": "DE 987 654 321", "name": "Nordlicht Pumpenbau GmbH"}


async def count(database: Database, table: type) -> int:
    async with database.reading() as session:
        return (await session.execute(select(func.count()).select_from(table))).scalar_one()


async def test_who_am_i(world):
    user = await world.user(Role.MAKER)

    answer = await user.get("/v1/me")

    assert answer.status_code == 200
    assert answer.json()["party_id"] == str(user.party_id)
    assert answer.json()["roles"] == ["maker"]


@pytest.mark.parametrize(
    "header", [None, "Bearer", "Bearer tsk_wrong", "Basic dXNlcjpwYXNz", "tsk_x", "Bearer x"]
)
async def test_without_a_valid_key_nothing_is_said(world, header: str | None):
    client = world.client(**({"Authorization": header} if header else {}))

    answer = await client.get("/v1/me")

    assert answer.status_code == 401
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert answer.json()["type"] == "urn:tallystick:problem:unauthenticated"


async def test_a_revoked_or_expired_key_stops_at_once(world, database):
    operator = await world.user(Role.OPERATOR)
    user = await world.user()
    keys = (await operator.get(f"/v1/users/{user.user_id}/keys")).json()["items"]

    revoked = await operator.post(f"/v1/keys/{keys[0]['id']}/revoke")

    assert revoked.status_code == 200
    assert (await user.get("/v1/me")).status_code == 401

    made = await operator.post(
        f"/v1/users/{user.user_id}/keys",
        json={"label": "short", "expires_at": (now() - timedelta(seconds=1)).isoformat()},
    )
    assert made.status_code == 201
    expired = world.client(Authorization=f"Bearer {made.json()['secret']}")
    assert (await expired.get("/v1/me")).status_code == 401


async def test_the_secret_of_a_key_is_shown_once_and_kept_nowhere(world, database):
    operator = await world.user(Role.OPERATOR)
    user = await world.user()
    request = {"json": {"label": "x"}, "headers": {"Idempotency-Key": "make-a-key"}}

    made = await operator.post(f"/v1/users/{user.user_id}/keys", **request)
    again = await operator.post(f"/v1/users/{user.user_id}/keys", **request)

    secret = made.json()["secret"]
    assert secret.startswith("tsk_")
    assert (await world.client(Authorization=f"Bearer {secret}").get("/v1/me")).status_code == 200
    assert again.status_code == 409
    assert again.json()["type"].endswith("answer-not-kept")
    async with database.reading() as session:
        row = (await session.scalars(select(ApiKey).where(ApiKey.label == "x"))).one()
    assert secret not in repr(vars(row))


async def test_the_operator_admits_parties_and_it_is_audited(world, database):
    operator = await world.user(Role.OPERATOR)

    made = await operator.post("/v1/parties", json=PARTY | {"glns": ["4012345000009"]})

    assert made.status_code == 201
    assert made.json()["tax_number"] == "987654321"
    assert made.json()["identifiers"] == [{"scheme": "gln", "value": "4012345000009"}]
    entries = (await operator.get("/v1/audit", params={"subject": f"party:{made.json()['id']}"})).json()[
        "items"
    ]
    assert [entry["action"] for entry in entries] == ["POST /v1/parties"]
    assert entries[0]["user_id"] == str(operator.user_id)
    assert entries[0]["request_id"] == made.headers["x-request-id"]


@pytest.mark.parametrize("roles", [[Role.MAKER, Role.CHECKER], [Role.VIEWER], [Role.AUDITOR]])
async def test_nobody_else_admits_parties(world, database, roles):
    user = await world.user(*roles)

    answer = await user.post("/v1/parties", json=PARTY)

    assert answer.status_code == 403
    assert answer.json()["type"].endswith("forbidden")
    assert await count(database, Party) == 1
    assert await count(database, AuditEntry) == 0


async def test_one_tax_number_is_one_party_whatever_its_spelling(world, database):
    operator = await world.user(Role.OPERATOR)
    await operator.post("/v1/parties", json=PARTY)

    again = await operator.post("/v1/parties", json=PARTY | {"tax_number": "de987654321"})

    assert again.status_code == 409
    assert again.json()["type"].endswith("party-exists")
    async with database.reading() as session:
        found = await service.find_by_tax_number(session, world.ledger_id, "de", "DE-987.654.321")
    assert found is not None
    assert found.name == PARTY["name"]


async def test_malformed_numbers_are_all_named(world, database):
    operator = await world.user(Role.OPERATOR)

    answer = await operator.post(
        "/v1/parties", json=PARTY | {"tax_number": "АБВ-12345", "glns": ["4012345000009", "4012345000000"]}
    )

    assert answer.status_code == 422
    assert [error["pointer"] for error in answer.json()["errors"]] == ["/tax_number", "/glns/1"]
    assert await count(database, Party) == 1


async def test_an_auditor_cannot_also_write(world):
    operator = await world.user(Role.OPERATOR)

    answer = await operator.post(
        f"/v1/parties/{operator.party_id}/users", json={"name": "x", "roles": ["auditor", "maker"]}
    )

    assert answer.status_code == 422
    assert answer.json()["type"].endswith("roles-contradict")


async def test_tax_numbers_of_others_are_not_shown(world):
    one, other, auditor = await world.user(), await world.user(), await world.user(Role.AUDITOR)

    assert (await one.get(f"/v1/parties/{other.party_id}")).json()["tax_number"] is None
    assert (await one.get(f"/v1/parties/{one.party_id}")).json()["tax_number"] is not None
    assert (await auditor.get(f"/v1/parties/{other.party_id}")).json()["tax_number"] is not None
    assert (await one.get(f"/v1/parties/{other.party_id}/users")).status_code == 404


async def test_the_audit_log_shows_only_ones_own(world):
    operator, one, auditor = (
        await world.user(Role.OPERATOR),
        await world.user(),
        await world.user(Role.AUDITOR),
    )
    await operator.post("/v1/parties", json=PARTY)

    assert (await one.get("/v1/audit")).json()["items"] == []
    assert len((await auditor.get("/v1/audit")).json()["items"]) == 1


async def test_pages_never_repeat_or_skip(world):
    operator = await world.user(Role.OPERATOR)
    for number in range(7):
        await operator.post("/v1/parties", json=PARTY | {"tax_number": f"55555555{number}"})
    seen: list[str] = []
    cursor = None
    while True:
        params = {"limit": 3} | ({"cursor": cursor} if cursor else {})
        page = (await operator.get("/v1/parties", params=params)).json()
        seen += [item["id"] for item in page["items"]]
        cursor = page["next"]
        if cursor is None:
            break
        await operator.post("/v1/parties", json=PARTY | {"tax_number": f"66666{len(seen)}"})

    assert len(seen) == 8
    assert seen == sorted(seen, reverse=True)
    assert (await operator.get("/v1/parties", params={"cursor": "nonsense!"})).status_code == 400


async def test_a_post_needs_an_idempotency_key(world, database):
    operator = await world.user(Role.OPERATOR)

    missing = await operator.client.post("/v1/parties", json=PARTY)
    invalid = await operator.post("/v1/parties", json=PARTY, headers={"Idempotency-Key": "with space"})

    assert missing.json()["type"].endswith("idempotency-key-missing")
    assert invalid.json()["type"].endswith("idempotency-key-invalid")
    assert await count(database, Party) == 1


async def test_the_same_request_again_gets_the_first_answer(world, database):
    operator = await world.user(Role.OPERATOR)
    request = {"json": PARTY, "headers": {"Idempotency-Key": "k1"}}

    first = await operator.post("/v1/parties", **request)
    again = await operator.post("/v1/parties", **request)

    assert (again.status_code, again.json()) == (201, first.json())
    assert again.headers["idempotent-replayed"] == "true"
    assert "idempotent-replayed" not in first.headers
    assert await count(database, AuditEntry) == 1


async def test_the_same_key_with_another_body_is_refused(world, database):
    operator = await world.user(Role.OPERATOR)
    await operator.post("/v1/parties", json=PARTY, headers={"Idempotency-Key": "k1"})

    other = await operator.post(
        "/v1/parties", json=PARTY | {"tax_number": "111111111"}, headers={"Idempotency-Key": "k1"}
    )

    assert other.status_code == 422
    assert other.json()["type"].endswith("idempotency-key-reused")
    assert await count(database, Party) == 2


async def test_a_refused_request_leaves_its_key_free(world):
    operator = await world.user(Role.OPERATOR)
    key = {"Idempotency-Key": "k1"}

    refused = await operator.post("/v1/parties", json=PARTY | {"tax_number": "!!!!"}, headers=key)
    corrected = await operator.post("/v1/parties", json=PARTY, headers=key)

    assert refused.status_code == 422
    assert corrected.status_code == 201


async def test_keys_of_two_parties_do_not_meet(world):
    one, other = await world.user(Role.OPERATOR), await world.user(Role.OPERATOR)
    key = {"Idempotency-Key": "shared"}

    answers = [
        await user.post("/v1/parties", json=PARTY | {"tax_number": number}, headers=key)
        for user, number in ((one, "777777771"), (other, "777777772"))
    ]

    assert [answer.status_code for answer in answers] == [201, 201]


async def test_twenty_at_once_with_one_key_are_one(world, database):
    operator = await world.user(Role.OPERATOR)
    request = {"json": PARTY, "headers": {"Idempotency-Key": "k1"}}

    answers = await asyncio.gather(*(operator.post("/v1/parties", **request) for _ in range(20)))

    statuses = [answer.status_code for answer in answers]
    assert set(statuses) <= {201, 409}
    assert statuses.count(201) >= 1
    busy = [answer for answer in answers if answer.status_code == 409]
    assert all(answer.json()["type"].endswith("request-still-running") for answer in busy)
    assert all(answer.headers["retry-after"] == "1" for answer in busy)
    assert len({answer.text for answer in answers if answer.status_code == 201}) == 1
    assert await count(database, Party) == 2
    assert (await operator.post("/v1/parties", **request)).status_code == 201


async def test_twenty_at_once_with_different_keys_are_twenty(world, database):
    operator = await world.user(Role.OPERATOR)

    answers = await asyncio.gather(
        *(operator.post("/v1/parties", json=PARTY | {"tax_number": f"3333333{n:02d}"}) for n in range(20))
    )

    assert [answer.status_code for answer in answers] == [201] * 20
    assert await count(database, Party) == 21
    assert await count(database, User) == 1


async def test_two_processes_with_one_key_are_one(world, database, app):
    """Two applications on one database: what the lock inside a process cannot see, the database refuses."""
    from backend.kit.idempotency import Running

    operator = await world.user(Role.OPERATOR)

    class NoMemory(Running):
        def hold(self, *key):
            return Running().hold(key)

    app.state.running = NoMemory()
    request = {"json": PARTY, "headers": {"Idempotency-Key": "k1"}}

    answers = await asyncio.gather(*(operator.post("/v1/parties", **request) for _ in range(20)))

    assert {answer.status_code for answer in answers} <= {201, 409}
    assert len({answer.text for answer in answers if answer.status_code == 201}) == 1
    assert await count(database, Party) == 2
