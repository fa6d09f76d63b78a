"""What every route has in common: probes, problems, limits, documentation."""

from collections.abc import Iterator
from typing import Annotated, Any, get_args

import httpx
import jsonschema_rs
import pytest
from fastapi.routing import APIRoute
from pydantic import BaseModel, TypeAdapter, ValidationError

from backend.app import ROUTERS, create_app
from backend.chain.abi import Abi
from backend.chain.contracts import Contract, Contracts
from backend.chain.rpc import Rpc
from backend.kit.database import Database
from backend.kit.openapi import _PROBLEM
from backend.kit.settings import load
from backend.migrations.upgrade import newest


def operations(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield f"{method.upper()} {path}", operation


@pytest.fixture(scope="module")
def document(tmp_path_factory) -> dict[str, Any]:
    """Made once: it asks no database."""
    contracts = Contracts(31337, 0, "0x" + "00" * 32, [Contract("Participants", "0x" + "11" * 20, Abi([]))])
    database = Database(f"sqlite:///{tmp_path_factory.mktemp('document')}/none.sqlite")
    return create_app(load({}), contracts, database).openapi()


def test_the_document_is_openapi_3_1(document):
    assert document["openapi"].startswith("3.1")
    assert len(list(operations(document))) > 15


def test_every_route_says_what_it_does(document):
    silent = [
        name for name, each in operations(document) if not each.get("summary") or not each.get("description")
    ]

    assert silent == []


def test_every_answer_and_body_has_an_example_that_fits(document):
    wrong = []
    for name, operation in operations(document):
        bodies = [operation.get("requestBody", {}), *operation["responses"].values()]
        for body in bodies:
            for kind, media in body.get("content", {}).items():
                given = media.get("example", next(iter(media.get("examples", {}).values()), {}).get("value"))
                if given is None:
                    wrong.append(f"{name}: no example of {kind}")
                elif "json" in kind and "schema" in media:
                    schema = media["schema"] | {"components": document["components"]}
                    validator = jsonschema_rs.Draft202012Validator(schema, validate_formats=True)
                    wrong += [f"{name}: {error.message}" for error in validator.iter_errors(given)]

    assert wrong == []


def models_of(kind: Any, found: set[type[BaseModel]]) -> set[type[BaseModel]]:
    """The model classes in a type, with those of their fields."""
    if isinstance(kind, type) and issubclass(kind, BaseModel) and kind not in found:
        found.add(kind)
        for field in kind.model_fields.values():
            models_of(field.annotation, found)
    for part in get_args(kind):
        models_of(part, found)
    return found


def test_a_body_is_taken_as_it_is_written() -> None:
    """JSON true is no number, "1" neither, and 86400 no date."""
    found: set[type[BaseModel]] = set()
    for router in ROUTERS:
        for route in router.routes:
            if isinstance(route, APIRoute) and route.body_field is not None:
                models_of(route.body_field.field_info.annotation, found)
    lax = []
    for model in found:
        for name, field in model.model_fields.items():
            reader: TypeAdapter[Any] = TypeAdapter(Annotated[field.annotation, *field.metadata, name])
            for wrong in (True, "1", "true", 1.0, 1, 86_400, "86400"):
                try:
                    read = reader.validate_python(wrong, strict=model.model_config.get("strict"))
                except ValidationError:
                    continue
                if type(read) is not type(wrong):
                    lax.append((model.__name__, name, wrong, read))

    assert len(found) > 20
    assert lax == []


def test_operation_ids_are_unique_words(document):
    ids = [operation["operationId"] for _, operation in operations(document)]

    assert len(ids) == len(set(ids))


def test_every_change_asks_for_a_key_and_an_idempotency_key(app, document):
    changes = 0
    for route in app.state.routes:
        if not isinstance(route, APIRoute) or not route.include_in_schema:
            continue
        if route.path in ("/healthz", "/readyz", "/metrics"):
            continue
        for method in route.methods:
            operation = document["paths"][route.path_format][method.lower()]
            assert operation["security"] == [{"apiKey": []}], route.path
            if method == "POST":
                changes += 1
                assert "Idempotency-Key" in {each["name"] for each in operation["parameters"]}, route.path
    assert changes > 5


def test_no_route_answers_without_a_key(world, app):
    """Every route but the probes, the pages' style and signing in is authenticated by the one place that does
    it."""
    from backend.kit.web import Route

    others = {
        route.path
        for route in app.state.routes
        if isinstance(route, APIRoute) and not isinstance(route, Route)
    }

    pages = {"/console/console.css", "/console/sign-in", "/console/sign-out"}
    assert others == pages | {"/healthz", "/metrics", "/readyz"}


async def test_unknown_addresses_and_methods_are_problems(world):
    user = await world.user()

    for answer, code in [
        (await user.get("/v1/nothing-here"), "not-found"),
        (await user.client.delete("/v1/me"), "method-not-allowed"),
        (await user.get("/v1/operations/not-a-uuid"), "invalid-request"),
        (await user.get("/v1/operations/0190b8a7-5c00-7000-8000-000000000001"), "not-found"),
        (await user.get("/v1/operations", params={"limit": 0}), "invalid-request"),
    ]:
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["type"] == f"urn:tallystick:problem:{code}"
        assert jsonschema_rs.is_valid(_PROBLEM, answer.json())
        assert answer.json()["request_id"] == answer.headers["x-request-id"]


async def test_validation_says_where(world):
    from backend.kit.access import Role

    operator = await world.user(Role.OPERATOR)

    answer = await operator.post("/v1/parties", json={"country": "DEU", "name": "", "surplus": 1})

    pointers = {error["pointer"] for error in answer.json()["errors"]}
    assert answer.status_code == 422
    assert pointers == {"/country", "/tax_number", "/name", "/surplus"}


async def test_problems_speak_the_readers_language(world):
    answer = await world.client().get("/v1/me", headers={"Accept-Language": "zh-CN"})

    assert "API 密钥" in answer.json()["detail"]


@pytest.mark.parametrize("declared", [True, False])
async def test_a_body_that_is_too_large_is_refused(database, contracts, world, declared):
    from backend.kit.access import Role

    operator = await world.user(Role.OPERATOR)
    content = b'{"name": "' + b"x" * 17 * 1024 * 1024 + b'"}'

    async def pieces():
        for start in range(0, len(content), 1 << 20):
            yield content[start : start + (1 << 20)]

    headers = {"Content-Type": "application/json", "Idempotency-Key": "big"}
    answer = await operator.client.post(
        "/v1/parties", content=content if declared else pieces(), headers=headers
    )

    assert answer.status_code == 413
    assert answer.json()["type"].endswith("body-too-large")


async def test_a_mistake_of_ours_is_a_problem_without_details(app, world):
    user = await world.user()

    async def broken(*_: object) -> None:
        raise RuntimeError("secret internals")

    app.state.authenticate = broken
    answer = await user.get("/v1/me")

    assert answer.status_code == 500
    assert answer.json()["type"] == "urn:tallystick:problem:internal"
    assert "secret" not in answer.text
    assert answer.headers["x-request-id"] in answer.json()["detail"]


async def test_alive_is_not_ready(database, contracts):
    """Without a chain and a migrated database the process lives and is not ready, and says why."""
    rpc = Rpc(["http://127.0.0.1:9"], contracts.chain_id)
    app = create_app(load({}), contracts, database, rpc=rpc)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
        alive = await client.get("/healthz")
        ready = await client.get("/readyz")
    await rpc.close()

    checks = ready.json()["checks"]
    assert alive.status_code == 200
    assert ready.status_code == 503
    assert checks["database"]["ok"]
    assert not checks["chain"]["ok"]
    assert not checks["index"]["ok"]
    assert "tallystick migrate" in checks["migrations"]["detail"]
    assert newest() in checks["migrations"]["detail"]


async def test_a_database_that_is_away_is_said_to_be_away(contracts):
    """While it is killed and started again clients are told to come again, not that we made a mistake."""
    away = Database("postgresql://nobody@127.0.0.1:9/none")
    app = create_app(load({}), contracts, away)
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        answer = await client.get("/v1/operations", headers={"Authorization": "Bearer ts_x"})
    await away.close()

    assert (answer.status_code, answer.headers["retry-after"]) == (503, "2")
    assert answer.json()["type"] == "urn:tallystick:problem:database-away"


def test_settings_say_what_they_lack(tmp_path):
    from backend.chain.contracts import DeploymentError
    from backend.chain.contracts import load as load_contracts

    with pytest.raises(DeploymentError, match="Deploy the contracts first"):
        load_contracts(tmp_path / "31337.json")


async def test_metrics_say_what_the_ledger_does(world, app, database, contracts):
    from backend.chain import outbox
    from backend.chain.contracts import Call

    user = await world.user()
    async with database.transaction() as session:
        await outbox.enqueue(
            session,
            Call("Participants", "0x" + "11" * 20, b""),
            ledger_id=contracts.ledger_id,
            party_id=user.party_id,
            kind="test",
            subject="test:1",
        )
    await user.get("/v1/operations/0190b8a7-5c00-7000-8000-000000000001")

    text = (await world.client().get("/metrics")).text

    assert 'tallystick_operations{status="pending"} 1.0' in text
    assert 'tallystick_operations{status="failed"} 0.0' in text
    assert "tallystick_outbox_oldest_seconds 0.0\n" not in text
    labels = 'method="GET",route="/v1/operations/{operation_id}",status="404"'
    assert f"tallystick_request_seconds_count{{{labels}}} 1.0" in text
