from sqlalchemy import select

from backend.kit.access import Role
from backend.kit.notices import Webhook


async def test_the_secret_is_shown_once_and_the_rest_any_time(world, app, database):
    user, other = await world.user(), await world.user()
    app.state.settings = app.state.settings.model_copy(update={"allow_private_webhooks": True})

    made = await user.post("/v1/webhooks", json={"url": "http://127.0.0.1:9/x", "types": ["operation"]})

    assert made.status_code == 201
    assert made.json()["secret"].startswith("whsec_")
    listed = (await user.get("/v1/webhooks")).json()["items"]
    assert [each["id"] for each in listed] == [made.json()["id"]]
    assert "secret" not in listed[0]
    assert (await other.get("/v1/webhooks")).json()["items"] == []
    assert (await other.post(f"/v1/webhooks/{made.json()['id']}/stop")).status_code == 404

    stopped = await user.post(f"/v1/webhooks/{made.json()['id']}/stop")
    assert stopped.json()["active"] is False
    assert (await user.post(f"/v1/webhooks/{made.json()['id']}/start")).json()["active"] is True
    again = await user.post(
        f"/v1/webhooks/{made.json()['id']}/replay", json={"since": "2026-01-01T00:00:00Z"}
    )
    assert (again.status_code, again.json()) == (202, {"count": 0})


async def test_private_addresses_are_refused(world, database):
    user = await world.user()

    answer = await user.post("/v1/webhooks", json={"url": "http://169.254.169.254/"})

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == "/url"
    async with database.reading() as session:
        assert (await session.scalars(select(Webhook))).all() == []


async def test_a_maker_alone_adds_no_webhook(world):
    maker = await world.user(Role.MAKER)

    assert (await maker.post("/v1/webhooks", json={"url": "https://1.1.1.1/"})).status_code == 403
