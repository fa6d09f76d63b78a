"""What a report rests on of the log: the witnesses' signatures, and what moves it."""

from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from backend.kit.database import Database
from backend.provenance.log import repository
from backend.provenance.log.notes import Signer
from backend.verification import events
from backend.verifier import checkpoint
from backend.verifier.identifiers import transaction_id
from tests.backend.provenance.conftest import BUYER_GLN, Chain, Recorder
from tests.backend.provenance.epcis.samples import RECEIPT, document

ORIGIN = "tallystick/31337/0xexample"
REFERENCES = {"po": ["PO-7"], "desadv": ["DA-1"], "recadv": ["GR-9"]}


async def story(database: Database, world: Any, seller: Recorder, buyer: Recorder) -> events.Story:
    async with database.reading() as session:
        return await events.gather(
            session, world.ledger_id, REFERENCES, seller=seller.party_id, buyer=buyer.party_id, origin=ORIGIN
        )


async def covered(database: Database, world: Any, found: events.Story) -> tuple[int, int]:
    async with database.reading() as session:
        return await events.covered_under(session, world.ledger_id, found.keys)


async def test_a_bundle_carries_the_head_as_witnesses_signed_it(
    seller: Recorder, buyer: Recorder, chain: Chain, database: Database, world: Any
) -> None:
    await buyer.capture(document(RECEIPT))
    await chain.anchor()
    found = await story(database, world, seller, buyer)
    log = found.log
    assert checkpoint.is_of(log.checkpoint, log.heads[-1])
    assert log.cosignatures == ()

    witness = Signer("witness.example", Ed25519PrivateKey.generate())
    note = witness.cosign(f"{log.checkpoint}\n— {ORIGIN} AAAAAAAA\n", 1_800_000_000)
    line = note.splitlines()[-1]
    async with database.transaction() as session:
        row = {
            "ledger_id": world.ledger_id,
            "size": log.heads[-1].size,
            "witness": witness.name,
            "line": line,
        }
        await repository.put_cosignature(session, row | {"signed_at": chain.moment})
    log = (await story(database, world, seller, buyer)).log
    ((name, signature),) = log.cosignatures
    assert name == witness.name
    assert checkpoint.cosigned(witness.public, signature, log.checkpoint) == 1_800_000_000


async def test_what_comes_later_about_the_goods_moves_what_a_watch_looks_at(
    seller: Recorder, buyer: Recorder, chain: Chain, database: Database, world: Any
) -> None:
    nothing = await story(database, world, seller, buyer)
    assert await covered(database, world, nothing) == (0, -1)

    await buyer.capture(document(RECEIPT))
    assert await covered(database, world, nothing) == (0, -1)  # no head covers it yet
    await chain.anchor()
    assert (await covered(database, world, nothing))[0] == 1

    known = await story(database, world, seller, buyer)
    before = await covered(database, world, known)
    elsewhere = {"type": "po", "bizTransaction": transaction_id(BUYER_GLN, "PO-99")}
    await buyer.capture(document({**RECEIPT, "bizTransactionList": [elsewhere], "disposition": "returned"}))
    await chain.anchor()
    after = await covered(database, world, known)
    assert after > before  # the same items, under another document
