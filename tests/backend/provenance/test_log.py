"""The log: what it proves, and what a lying operator cannot do."""

from dataclasses import asdict
from hashlib import sha256
from typing import Any

import pytest
from sqlalchemy import delete, select, update

from backend.chain.typed import digest
from backend.kit import merkle, sparse
from backend.kit.access import Role
from backend.kit.database import Database
from backend.provenance.log import service
from backend.provenance.log.notes import open_note, read_checkpoint
from backend.provenance.tables import AnchoredHead, RecordedEvent
from backend.verifier import capture as signing
from backend.verifier import logmap
from backend.verifier.leaf import decode
from tests.backend.provenance.conftest import Chain, Recorder, leaves_of, receipts
from tests.backend.provenance.epcis.samples import RECEIPT, document
from tests.backend.provenance.shown import ask_map, proof_of, raw


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


async def test_tiles_are_served(buyer: Recorder, chain: Chain, auditor: Any, database: Database) -> None:
    await buyer.capture(receipts(3))
    assert (await buyer.user.get("/v1/log/tile/0/000.p/3")).status_code == 404  # what waits does not show
    assert (await auditor.get("/v1/log/tile/0/000.p/3")).status_code == 200
    sizes = [(await each.get("/v1/log")).json()["size"] for each in (buyer.user, auditor)]
    assert sizes == [0, 3]
    await chain.anchor()
    assert (await buyer.user.get("/v1/log")).json()["size"] == 3

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


@pytest.mark.parametrize(
    "path",
    ["/v1/log/events/7/proof", "/v1/log/consistency?old=3&new=2", "/v1/log/consistency?old=1&new=99"],
)
async def test_a_proof_that_cannot_exist_is_refused(buyer: Recorder, path: str) -> None:
    await buyer.capture(receipts(2))

    answer = await buyer.user.get(path)

    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"


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
