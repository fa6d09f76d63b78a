"""The map beside the log: what it counts, what it proves, who may ask."""

from datetime import timedelta
from typing import Any

from sqlalchemy import select, update

from backend.kit import merkle, sparse
from backend.kit.access import Role
from backend.kit.clock import now
from backend.kit.database import Database
from backend.provenance.epcis.values import loads
from backend.provenance.log import service
from backend.provenance.log.anchoring import KEPT, prune
from backend.provenance.tables import AnchoredHead, LogHead, LogState, MapEntry, MapNode, RecordedEvent
from backend.verifier import logmap
from backend.verifier.identifiers import comparable
from backend.verifier.leaf import decode
from tests.backend.provenance.conftest import Chain, Recorder, leaves_of, receipts
from tests.backend.provenance.epcis.samples import PALLET, RECEIPT, document
from tests.backend.provenance.shown import ask_map, proof_of, raw


async def test_the_map_counts_what_names_an_item(
    buyer: Recorder, seller: Recorder, chain: Chain, database: Database
) -> None:
    await seller.capture(document({**RECEIPT, "bizStep": "shipping"}))
    await chain.anchor()
    await buyer.capture(document(RECEIPT))
    args = await chain.anchor()

    link = "https://id.gs1.org/00/140123452345678902"
    answer = await ask_map(buyer, "item", link)

    leaves = await leaves_of(database)
    entry = logmap.Entry(2, 1, leaves[1])
    assert (answer["count"], answer["last_sequence"], raw(answer["last_leaf"])) == (2, 1, leaves[1])
    assert sparse.verify(raw(args["mapRoot"]), raw(answer["key"]), entry.value(), proof_of(answer))


async def test_the_map_proves_absence(buyer: Recorder, chain: Chain, world: Any) -> None:
    await buyer.capture(receipts(20))
    args = await chain.anchor()
    auditor = await world.user(Role.AUDITOR)

    answer = (await auditor.get("/v1/log/map", params={"kind": "event", "value": "urn:uuid:never"})).json()

    assert answer["count"] == 0
    assert sparse.verify(raw(args["mapRoot"]), raw(answer["key"]), None, proof_of(answer))


async def test_the_map_can_be_recomputed_from_the_log(
    buyer: Recorder, chain: Chain, database: Database
) -> None:
    await buyer.capture(receipts(7))
    await chain.anchor()
    await buyer.capture(receipts(7, 5))
    args = await chain.anchor()

    async with database.reading() as session:
        rows = (await session.scalars(select(RecordedEvent).order_by(RecordedEvent.sequence))).all()
        state = (await session.scalars(select(LogState))).one()
    entries: dict[bytes, logmap.Entry] = {}
    for row in rows:
        assert row.body is not None
        for identifier in logmap.identifiers(loads(row.body), row.context, decode(row.leaf)):
            key = logmap.key(raw(state.map_secret), identifier)
            count = entries[key].count if key in entries else 0
            entries[key] = logmap.Entry(count + 1, row.sequence, merkle.leaf_hash(row.leaf))
    assert sparse.root_of({key: entry.value() for key, entry in entries.items()}) == raw(args["mapRoot"])


async def test_old_maps_are_forgotten_and_the_newest_is_whole(
    buyer: Recorder, chain: Chain, database: Database, log: Any
) -> None:
    ledger, kept = chain.contracts.ledger_id, []
    for count in (5, 3, 4):
        await buyer.capture(receipts(count, 10 * len(kept)))
        kept.append(await chain.anchor())

    async def nodes() -> set[bytes]:
        async with database.reading() as session:
            return set((await session.scalars(select(MapNode.hash))).all())

    async def reachable(root: bytes) -> set[bytes]:
        async with database.reading() as session:
            state = await session.get_one(LogState, ledger)
            rows = (await session.scalars(select(RecordedEvent).order_by(RecordedEvent.sequence))).all()
            secret = bytes.fromhex(state.map_secret[2:])
            named = (logmap.identifiers(loads(row.body), row.context, decode(row.leaf)) for row in rows)
            keys = {logmap.key(secret, name) for names in named for name in names}
            return set(await service.load_paths(session, ledger, root, sorted(keys)))

    whole = await nodes()
    async with database.transaction() as session:
        assert not await prune(session, ledger)
    assert await nodes() == whole

    async with database.transaction() as session:
        moment = now() - KEPT - timedelta(hours=1)
        await session.execute(update(AnchoredHead).values(anchored_at=moment))  # a chain whose clock is late
        assert not await prune(session, ledger)
    assert await nodes() == whole

    async with database.transaction() as session:
        await session.execute(update(LogHead).where(LogHead.size == 8).values(made_at=moment))
        assert not await prune(session, ledger)
    assert await nodes() < whole
    second, third = [await reachable(raw(head["mapRoot"])) for head in kept[1:]]
    assert await nodes() == second | third
    assert second - third

    await buyer.capture(receipts(2, 100))
    await chain.anchor()
    async with database.reading() as session:
        sizes = (await session.scalars(select(MapEntry.size).distinct())).all()
        order = [row for row in await session.scalars(select(MapEntry)) if row.count == 14]
    assert set(sizes) == {5, 8, 12, 14}  # what only the first five name is told once
    assert {row.size for row in order} == {14}
    told = await ask_map(buyer, "item", "https://id.gs1.org/01/04012345000016/21/0")
    assert told["count"] == 1


async def test_a_count_is_for_those_who_may_read_what_is_counted(
    buyer: Recorder, stranger: Recorder, chain: Chain
) -> None:
    await buyer.capture(document(RECEIPT))
    await chain.anchor()
    question = {"kind": "item", "value": "https://id.gs1.org/00/140123452345678902"}

    assert (await buyer.user.get("/v1/log/map", params=question)).status_code == 200
    assert (await stranger.user.get("/v1/log/map", params=question)).status_code == 404


def test_the_pallet_of_the_samples_is_what_the_map_is_asked_for() -> None:
    assert comparable(PALLET) == "https://id.gs1.org/00/140123452345678902"


async def test_nobody_learns_a_count_by_naming_a_thing_of_somebody_elses(
    seller: Recorder, stranger: Recorder, chain: Chain, auditor: Any
) -> None:
    item = "https://id.gs1.org/01/04012345000016/21/77"
    about = {**RECEIPT, "epcList": [item], "bizTransactionList": [], "quantityList": []}
    del about["readPoint"]
    await seller.capture(document({**about, "bizStep": "commissioning"}))
    await stranger.capture(document({**about, "bizStep": "inspecting"}))
    await chain.anchor()
    asked = {"kind": "item", "value": "urn:epc:id:sgtin:4012345.000001.77"}

    answers = [await each.get("/v1/log/map", params=asked) for each in (seller.user, auditor, stranger.user)]

    assert [answer.status_code for answer in answers] == [200, 200, 404]
    assert answers[0].json()["count"] == 2
