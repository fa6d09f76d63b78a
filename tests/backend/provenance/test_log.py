"""The log: what it proves, how its heads go to the chain, and what a lying operator cannot do."""

import time
from contextlib import closing
from dataclasses import asdict, replace
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, select, update

from backend.chain import outbox
from backend.chain.repository import Operation
from backend.chain.typed import digest
from backend.kit import merkle, sparse
from backend.kit.access import Role
from backend.kit.clock import now
from backend.kit.database import Database
from backend.provenance.epcis.values import loads
from backend.provenance.log import service
from backend.provenance.log.anchoring import KEPT, Heads, anchor_if_due, prune
from backend.provenance.log.memory import Memory
from backend.provenance.log.monitor import Disagreement, follow
from backend.provenance.log.notes import open_note, read_checkpoint
from backend.provenance.tables import AnchoredHead, LogHead, LogState, MapEntry, MapNode, RecordedEvent
from backend.verifier import capture as signing
from backend.verifier import logmap
from backend.verifier.epcis import canonical
from backend.verifier.leaf import decode
from tests.backend.provenance.conftest import Chain, Recorder, receipts
from tests.backend.provenance.epcis.samples import PALLET, RECEIPT, document
from tests.backend.provenance.test_monitor import OnChain, Shown


def raw(text: str) -> bytes:
    return bytes.fromhex(text.removeprefix("0x"))


async def leaves_of(database: Database) -> list[bytes]:
    async with database.reading() as session:
        rows = (await session.scalars(select(RecordedEvent).order_by(RecordedEvent.sequence))).all()
    return [merkle.leaf_hash(row.leaf) for row in rows]


async def test_each_event_is_proved_against_the_head_on_the_chain(
    buyer: Recorder, chain: Chain, database: Database
) -> None:
    await buyer.capture(receipts(5))
    args = await chain.anchor()

    assert args is not None
    assert raw(args["logRoot"]) == merkle.root_of(await leaves_of(database))
    for sequence in range(5):
        proof = (await buyer.user.get(f"/v1/log/events/{sequence}/proof")).json()
        assert proof["head"]["size"] == proof["tree_size"] == 5
        assert merkle.verify_inclusion(
            merkle.leaf_hash(raw(proof["leaf"])),
            sequence,
            5,
            [raw(node) for node in proof["audit_path"]],
            raw(args["logRoot"]),
        )
        assert decode(raw(proof["leaf"])).sequence == sequence


async def test_a_leaf_that_is_not_on_the_chain_yet_says_so(buyer: Recorder) -> None:
    await buyer.capture(receipts(2))

    proof = (await buyer.user.get("/v1/log/events/0/proof")).json()

    assert proof["head"] is None
    assert proof["tree_size"] == 2


async def test_heads_extend_one_another(buyer: Recorder, chain: Chain, database: Database) -> None:
    roots = []
    for start in (0, 3, 10):
        await buyer.capture(receipts(start + 1, start * 10))
        roots.append(await chain.anchor())

    first, second, third = roots
    assert [raw(node) for node in second["consistencyProof"]] == [
        raw(node) for node in (await buyer.user.get("/v1/log/consistency?old=1&new=5")).json()["proof"]
    ]
    for old, new in ((first, second), (second, third)):
        assert merkle.verify_consistency(
            old["size"],
            new["size"],
            raw(old["logRoot"]),
            raw(new["logRoot"]),
            [raw(node) for node in new["consistencyProof"]],
        )
    assert first["consistencyProof"] == []


async def test_the_log_agrees_with_the_tree_beyond_one_tile(
    buyer: Recorder, database: Database, chain: Chain
) -> None:
    for start in range(0, 700, 140):
        await buyer.capture(receipts(140, start))
    leaves = await leaves_of(database)

    async with database.reading() as session:
        ledger = chain.contracts.ledger_id
        for size in (1, 255, 256, 257, 511, 512, 513, 700):
            assert await service.root(session, ledger, size) == merkle.root_of(leaves[:size])
        for index in (0, 255, 256, 300, 511, 512, 699):
            path = await service.inclusion(session, ledger, index, 700)
            root = merkle.root_of(leaves)
            assert merkle.verify_inclusion(leaves[index], index, 700, path, root)


async def test_heads_come_by_the_clock_or_when_many_wait(buyer: Recorder, chain: Chain, log: Any) -> None:
    await buyer.capture(receipts(1))
    await chain.anchor()
    await buyer.capture(receipts(1, 1))

    assert await chain.make_head(log.anchor_every / 2) is None
    assert await chain.make_head(log.anchor_every) is not None


async def test_one_head_at_a_time_and_a_failed_one_is_made_again(
    buyer: Recorder, chain: Chain, database: Database
) -> None:
    await buyer.capture(receipts(2))
    first = await chain.make_head()
    await buyer.capture(receipts(2, 2))
    assert first is not None
    assert await chain.make_head() is None

    async with database.transaction() as session:
        row = await session.get(Operation, first.id)
        assert row is not None
        outbox.finish(row, outbox.FAILED, "reverted", "revert")
    second = await chain.make_head()

    assert second is not None
    args = await chain.take(second)
    assert (args["size"], args["consistencyProof"]) == (4, [])


async def test_a_head_the_chain_has_but_we_have_not_seen_yet_is_waited_for(
    buyer: Recorder, chain: Chain, database: Database
) -> None:
    await buyer.capture(receipts(2))
    first = await chain.make_head()
    assert first is not None
    async with database.transaction() as session:
        row = await session.get(Operation, first.id)
        assert row is not None
        outbox.finish(row, outbox.SUCCEEDED, "confirmed", "confirm")
    await buyer.capture(receipts(2, 2))

    assert await chain.make_head() is None


async def test_a_reorganised_head_is_forgotten(buyer: Recorder, chain: Chain, database: Database) -> None:
    await buyer.capture(receipts(2))
    await chain.anchor()

    async with database.transaction() as session:
        await Heads().rebuild(session, chain.contracts.ledger_id, {"2": []})

    async with database.reading() as session:
        assert (await session.scalars(select(AnchoredHead))).all() == []


async def test_checkpoints_are_signed_notes(buyer: Recorder, chain: Chain, log: Any) -> None:
    empty = read_checkpoint(
        open_note((await buyer.user.get("/v1/log/checkpoint")).text, log.origin, log.signer.public)
    )
    await buyer.capture(receipts(3))
    args = await chain.anchor()

    note = (await buyer.user.get("/v1/log/checkpoint")).text

    checkpoint = read_checkpoint(open_note(note, log.origin, log.signer.public))
    assert (empty.size, empty.root) == (0, merkle.EMPTY_ROOT)
    assert (checkpoint.origin, checkpoint.size) == (log.origin, 3)
    assert checkpoint.root == raw(args["logRoot"])
    assert f"map {args['mapRoot']}" in checkpoint.extensions


async def test_tiles_are_served(buyer: Recorder, database: Database) -> None:
    await buyer.capture(receipts(3))

    tile = await buyer.user.get("/v1/log/tile/0/000.p/3")

    assert tile.content == b"".join(await leaves_of(database))
    assert (await buyer.user.get("/v1/log/tile/0/000.p/2")).content == tile.content[:64]
    for none in (
        "0/000",
        "0/000.p/4",
        "1/000",
        "0/0",
        "0/x000/000",
        "0/000.p/256",
        "0/../checkpoint",
        "0/" + "x999/" * 6 + "999",
    ):
        assert (await buyer.user.get(f"/v1/log/tile/{none}")).status_code == 404, none


async def test_leaves_are_served_by_the_tile_to_auditors(buyer: Recorder, world: Any) -> None:
    await buyer.capture(receipts(3))
    auditor = await world.user(Role.AUDITOR)
    entries = (await auditor.get("/v1/log/entries")).json()["entries"]

    bundle = (await auditor.get("/v1/log/tile/entries/000.p/3")).content

    assert bundle == b"".join(b"\x00\xc9" + raw(entry["leaf"]) for entry in entries)
    assert (await auditor.get("/v1/log/tile/entries/000")).status_code == 404
    assert (await buyer.user.get("/v1/log/tile/entries/000.p/3")).status_code == 403


async def test_the_size_on_the_chain_does_not_show_how_much_is_recorded(
    buyer: Recorder, chain: Chain, world: Any, log: Any, tmp_path: Path
) -> None:
    """Anchoring in blocks: the same steps by the clock, whether nothing, little or much is recorded."""
    chain.log = replace(log, block=8, anchor_at=1)
    auditor = await world.user(Role.AUDITOR)
    sizes = []
    with closing(Memory(tmp_path)) as memory:
        for count in (3, 0, 8, 9):
            if count:
                await buyer.capture(receipts(count, 100 * len(sizes)))
            if sizes:
                assert await chain.make_head(log.anchor_every / 2) is None
            args = await chain.anchor()
            sizes.append(args["size"])
            page = (await auditor.get("/v1/log/entries?limit=1000")).json()
            follow(Shown(page), OnChain(args), memory)

    assert sizes == [8, 16, 24, 40]
    kinds = [raw(entry["leaf"])[0] for entry in page["entries"]]
    assert kinds == [1] * 3 + [0] * 13 + [1] * 17 + [0] * 7
    proof = (await buyer.user.get("/v1/log/events/16/proof")).json()
    leaf = merkle.leaf_hash(raw(proof["leaf"]))
    path = [raw(node) for node in proof["audit_path"]]
    assert merkle.verify_inclusion(leaf, 16, 24, path, raw(proof["head"]["log_root"]))


ODD = {
    "no quantity": {"quantityList": [{"epcClass": "https://id.gs1.org/01/04012345000016/10/L"}]},
    "a quantity beyond sense": {
        "quantityList": [{"epcClass": "https://id.gs1.org/01/04012345000016/10/L", "quantity": 1e31}]
    },
    "a temperature beyond sense": {
        "sensorElementList": [{"sensorReport": [{"type": "Temperature", "value": 1e40, "uom": "CEL"}]}]
    },
    "an identifier that is searched for long": {
        "epcList": ["https://a" + "/01/04012345000016" * 20_000 + "?"]
    },
}


@pytest.mark.parametrize("odd", ODD)
async def test_no_event_keeps_the_log_from_being_anchored(buyer: Recorder, chain: Chain, odd: str) -> None:
    await buyer.capture(receipts(1))
    taken = await buyer.capture(document({**RECEIPT, **ODD[odd]}))
    begun = time.process_time()

    args = await chain.anchor()

    assert args["size"] == 1 + taken.json()["captured"] == 2
    assert time.process_time() - begun < 3
    forgotten = await buyer.user.client.delete("/v1/log/events/1/body")
    assert forgotten.status_code == 204


async def test_nothing_hides_behind_a_leaf_that_records_nothing(
    buyer: Recorder, chain: Chain, world: Any, log: Any, tmp_path: Path
) -> None:
    chain.log = replace(log, block=4)
    await buyer.capture(receipts(3))
    args = await chain.anchor()
    page = (await (await world.user(Role.AUDITOR)).get("/v1/log/entries")).json()
    page["entries"][3]["leaf"] = page["entries"][3]["leaf"][:-2] + "ff"

    with pytest.raises(Disagreement, match="filled with something"):
        follow(Shown(page), OnChain(args), Memory(tmp_path))


@pytest.mark.parametrize(
    "path",
    ["/v1/log/events/7/proof", "/v1/log/consistency?old=3&new=2", "/v1/log/consistency?old=1&new=99"],
)
async def test_a_proof_that_cannot_exist_is_refused(buyer: Recorder, path: str) -> None:
    await buyer.capture(receipts(2))

    answer = await buyer.user.get(path)

    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"


async def ask_map(recorder: Recorder, kind: str, value: str) -> dict[str, Any]:
    answer = await recorder.user.get("/v1/log/map", params={"kind": kind, "value": value})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def proof_of(answer: dict[str, Any]) -> sparse.MapProof:
    other = None
    if answer["other_key"]:
        other = (raw(answer["other_key"]), raw(answer["other_value"]))
    return sparse.MapProof(tuple(raw(node) for node in answer["siblings"]), other)


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
        for identifier in logmap.identifiers(loads(row.body)):
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
            rows = (await session.scalars(select(RecordedEvent.body).order_by(RecordedEvent.sequence))).all()
            secret = bytes.fromhex(state.map_secret[2:])
            keys = {logmap.key(secret, name) for row in rows for name in logmap.identifiers(loads(row))}
            return set(await service.load_paths(session, ledger, root, sorted(keys)))

    whole = await nodes()
    async with database.transaction() as session:
        assert not await prune(session, ledger)
    assert await nodes() == whole

    async with database.transaction() as session:
        long_ago = update(AnchoredHead).where(AnchoredHead.size == 8)
        await session.execute(long_ago.values(anchored_at=now() - KEPT - timedelta(hours=1)))
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


async def test_the_typed_data_handed_out_is_what_is_verified(buyer: Recorder, log: Any) -> None:
    data = document(RECEIPT)
    question = {"account": buyer.account, "document": "0x" + sha256(data).hexdigest()}
    answer = (await buyer.user.get("/v1/log/signing", params=question)).json()

    account = raw(buyer.account)
    assert digest(answer["typed_data"]) == signing.digest(
        log.chain_id, log.contract, log.log_id, account, data
    )


class TestLyingOperator:
    """Whatever the operator does to its database, what it proved before gives it away."""

    @pytest.fixture
    async def proved(self, buyer: Recorder, chain: Chain) -> dict[str, Any]:
        """A reader's memory: the proofs of five events against a head on the chain."""
        await buyer.capture(receipts(5))
        args = await chain.anchor()
        proofs = [(await buyer.user.get(f"/v1/log/events/{place}/proof")).json() for place in range(5)]
        return {"root": raw(args["logRoot"]), "size": 5, "proofs": proofs}

    def holds(self, proof: dict[str, Any], root: bytes) -> bool:
        path = [raw(node) for node in proof["audit_path"]]
        leaf = merkle.leaf_hash(raw(proof["leaf"]))
        return merkle.verify_inclusion(leaf, proof["sequence"], proof["tree_size"], path, root)

    async def test_an_event_removed(self, proved: dict[str, Any], database: Database) -> None:
        async with database.transaction() as session:
            await session.execute(delete(RecordedEvent).where(RecordedEvent.sequence == 2))

        assert merkle.root_of(await leaves_of(database)) != proved["root"]
        assert self.holds(proved["proofs"][2], proved["root"])

    async def test_an_event_altered(
        self, proved: dict[str, Any], database: Database, buyer: Recorder
    ) -> None:
        async with database.transaction() as session:
            row = (await session.scalars(select(RecordedEvent).where(RecordedEvent.sequence == 2))).one()
            leaf = decode(row.leaf)
            forged = type(leaf)(**{**vars_of(leaf), "fields_root": bytes(32)})
            row.leaf = forged.encode()

        altered = (await buyer.user.get("/v1/log/events/2/proof")).json()

        assert self.holds(proved["proofs"][2], proved["root"])
        assert not self.holds(altered, proved["root"])

    async def test_an_event_backdated(
        self, proved: dict[str, Any], database: Database, buyer: Recorder
    ) -> None:
        async with database.transaction() as session:
            row = (await session.scalars(select(RecordedEvent).where(RecordedEvent.sequence == 4))).one()
            leaf = decode(row.leaf)
            row.leaf = type(leaf)(**{**vars_of(leaf), "received_at": 1}).encode()

        altered = (await buyer.user.get("/v1/log/events/4/proof")).json()

        assert not self.holds(altered, proved["root"])

    async def test_an_event_inserted_late(self, proved: dict[str, Any], database: Database) -> None:
        leaves = await leaves_of(database)
        forged = [*leaves[:2], merkle.leaf_hash(b"late"), *leaves[2:]]

        frontier = merkle.Frontier()
        nodes = {node: value for leaf in forged for node, value in frontier.append(leaf)}
        proof = merkle.consistency_proof(5, 6, nodes)

        assert not merkle.verify_consistency(5, 6, proved["root"], frontier.root(), proof)

    async def test_a_head_that_does_not_extend_the_last(
        self, proved: dict[str, Any], database: Database, chain: Chain, buyer: Recorder
    ) -> None:
        """The contract checks the same proof; here the operator's own prover cannot make one."""
        async with database.transaction() as session:
            await session.execute(
                update(AnchoredHead).where(AnchoredHead.size == 5).values(log_root="0x" + "77" * 32)
            )
        await buyer.capture(receipts(2, 50))
        operation = await chain.make_head()
        assert operation is not None
        args = chain.contracts["ProvenanceLog"].abi.function("anchor").decode_input(operation.data)

        path = [raw(node) for node in args["consistencyProof"]]
        assert merkle.verify_consistency(5, 7, proved["root"], raw(args["logRoot"]), path)
        assert not merkle.verify_consistency(5, 7, b"\x77" * 32, raw(args["logRoot"]), path)

    async def test_an_error_declaration_hidden(
        self, buyer: Recorder, chain: Chain, database: Database
    ) -> None:
        """The map's count for the eventID says that there is more than what is shown."""
        event = {**RECEIPT, "eventID": "urn:uuid:1"}
        declaration = {"declarationTime": "2026-03-03T00:00:00Z", "reason": "did_not_occur"}
        await buyer.capture(document(event))
        await buyer.capture(document({**event, "errorDeclaration": declaration}))
        args = await chain.anchor()

        answer = await ask_map(buyer, "event", "urn:uuid:1")

        first = (await leaves_of(database))[0]
        alone = logmap.Entry(1, 0, first).value()
        assert not sparse.verify(raw(args["mapRoot"]), raw(answer["key"]), alone, proof_of(answer))
        assert (answer["count"], answer["last_sequence"]) == (2, 1)


def vars_of(leaf: Any) -> dict[str, Any]:
    return asdict(leaf)


async def test_a_crash_between_capture_and_anchor_loses_nothing(
    buyer: Recorder, chain: Chain, database: Database
) -> None:
    """Whatever was rolled back, the next attempt makes the same head from the same leaves."""
    await buyer.capture(receipts(4))

    class CrashError(Exception):
        pass

    async def crash() -> None:
        async with database.transaction() as session:
            await anchor_if_due(session, chain.contracts, chain.log)
            raise CrashError

    with pytest.raises(CrashError):
        await crash()

    async with database.reading() as session:
        assert (await session.scalars(select(LogHead))).all() == []
        assert (await session.scalars(select(Operation))).all() == []
    args = await chain.anchor()
    assert (args["size"], raw(args["logRoot"])) == (4, merkle.root_of(await leaves_of(database)))


def test_the_pallet_of_the_samples_is_what_the_map_is_asked_for() -> None:
    assert canonical(PALLET) == "https://id.gs1.org/00/140123452345678902"
