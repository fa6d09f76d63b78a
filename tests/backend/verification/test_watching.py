"""Watching: a change is told once, with what changed, whoever dies in between; without one nothing is."""

from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy import select, update

from backend.kit.access import Caller, Role
from backend.kit.clock import now
from backend.kit.notices import Notice
from backend.verification import watching
from backend.verification.findings_api import told
from backend.verification.tables import Watch, Watched


async def watch(scene, member=None, **body):
    answer = await (member or scene.bank).user.post("/v1/verification/watches", json=body)
    assert answer.status_code == 201, answer.text
    return answer.json()


async def look(scene):
    """Everything is due; the loop looks."""
    database, ledger_id = scene.market.world.database, scene.market.world.ledger_id
    async with database.transaction() as session:
        await session.execute(update(Watched).values(next_at=now() - timedelta(seconds=1)))
    await watching.step(database, ledger_id, scene.gather())


async def notices(scene):
    async with scene.market.world.database.reading() as session:
        statement = select(Notice).where(Notice.type == watching.CHANGED).order_by(Notice.id)
        return (await session.scalars(statement)).all()


async def test_a_change_is_told_once_with_what_changed(scene):
    await watch(scene, receivable_id=str(scene.id))
    await look(scene)
    assert await notices(scene) == []
    await scene.dispute()
    await look(scene)
    await look(scene)
    (notice,) = await notices(scene)
    assert notice.party_id == scene.bank.party_id
    assert notice.subject == f"receivable:{scene.id}"
    assert {
        "check": "free",
        "before": "pass",
        "after": "fail",
        "code": "verify.free.disputed",
    } in notice.data["changes"]
    assert [change["check"] for change in notice.data["changes"]] == ["free"]


async def test_no_report_is_made_while_nothing_moved(scene):
    await watch(scene, receivable_id=str(scene.id))
    await look(scene)
    made = scene.chain.reports
    await look(scene)
    assert scene.chain.reports == made


async def test_a_suspended_party_shows(scene):
    await watch(scene, receivable_id=str(scene.id))
    await look(scene)
    account = bytes.fromhex(scene.debtor.account[2:])
    scene.put(1, "_suspensions", account, "length", contract="Participants")
    scene.put(1, "_suspensions", account, 0, "from", contract="Participants")
    await scene.market.happened(
        "Participants", "AccountSuspended", account=scene.debtor.account, evidence="0x" + "00" * 32
    )
    await look(scene)
    (notice,) = await notices(scene)
    assert "debtor-admitted" in {change["check"] for change in notice.data["changes"]}


async def test_what_a_reorganisation_took_back_shows(scene):
    await watch(scene, receivable_id=str(scene.id))
    await scene.dispute()
    await look(scene)
    # The block with the dispute is gone: the state and the read model are as before it.
    scene.put(0, "_book", "states", scene.key, "flags")
    await scene.market.takes_back()
    await scene.market.transferred(scene.claim["chain_id"], scene.supplier.account, scene.bank.account, 1)
    await look(scene)
    (notice,) = await notices(scene)
    assert [(each["check"], each["before"], each["after"]) for each in notice.data["changes"]] == [
        ("free", "fail", "pass")
    ]


async def test_a_node_that_is_behind_is_waited_for(scene):
    await watch(scene, receivable_id=str(scene.id))
    await look(scene)
    await scene.dispute()
    scene.chain.down = True
    await look(scene)
    assert await notices(scene) == []
    scene.chain.down = False
    await look(scene)
    assert len(await notices(scene)) == 1


async def test_two_workers_and_one_that_died_tell_it_once(scene):
    await watch(scene, receivable_id=str(scene.id))
    await look(scene)
    await scene.dispute()
    database = scene.market.world.database
    async with database.reading() as session:
        row = (
            await session.execute(select(Watch, Watched).join(Watched, Watched.watch_id == Watch.id))
        ).one()
    gather = scene.gather()

    async def dies(session, caller, receivable_id):
        await gather(session, caller, receivable_id)
        raise RuntimeError("killed before it was noted")

    with pytest.raises(RuntimeError):
        await watching._look(database, dies, row[0], row[1])
    await watching._look(database, gather, row[0], row[1])
    await watching._look(database, gather, row[0], row[1])  # another worker, with what it read before
    assert len(await notices(scene)) == 1


async def test_all_that_is_held_is_followed_as_it_comes_and_goes(scene):
    watched = await watch(scene)
    assert (watched["receivable_id"], watched["watched"]) == (None, 0)
    await look(scene)
    units = int(scene.claim["terms"]["amount"])
    await scene.market.transferred(scene.claim["chain_id"], scene.supplier.account, scene.bank.account, units)
    await look(scene)
    (shown,) = (await scene.bank.user.get("/v1/verification/watches")).json()["items"]
    assert (shown["watched"], shown["reported"]) == (1, 1)
    await scene.market.transferred(scene.claim["chain_id"], scene.bank.account, scene.supplier.account, units)
    await look(scene)
    (shown,) = (await scene.bank.user.get("/v1/verification/watches")).json()["items"]
    assert shown["watched"] == 0


async def test_only_what_one_may_see_is_watched_and_only_by_oneself_ended(scene):
    stranger = await scene.market.member(4)
    refused = await stranger.user.post("/v1/verification/watches", json={"receivable_id": str(scene.id)})
    assert refused.status_code == 404
    mine = await watch(scene, receivable_id=str(scene.id))
    assert (await watch(scene, receivable_id=str(scene.id)))["id"] == mine["id"]
    place = f"/v1/verification/watches/{mine['id']}"
    assert (await stranger.user.client.delete(place)).status_code == 404
    assert (await stranger.user.get("/v1/verification/watches")).json()["items"] == []
    assert (await scene.bank.user.client.delete(place)).status_code == 204
    await scene.dispute()
    await look(scene)
    assert await notices(scene) == []


async def test_the_stream_goes_on_after_what_one_has(scene):
    await watch(scene, receivable_id=str(scene.id))
    await look(scene)
    await scene.dispute()
    await look(scene)
    (notice,) = await notices(scene)
    bank, database = scene.bank.user, scene.market.world.database
    caller = Caller(bank.user_id, bank.party_id, scene.market.world.ledger_id, frozenset({Role.MAKER}))
    stream = told(database, caller, None)
    assert await anext(stream) == ": from now on\n\n"
    again = told(database, caller, UUID(int=notice.id.int - 1))
    event = await anext(again)
    assert event.startswith(f"id: {notice.id}\nevent: verification.changed\ndata: ")
    assert '"check": "free"' in event
    await stream.aclose()
    await again.aclose()
