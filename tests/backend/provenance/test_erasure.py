"""An erased event stays in the map: who looks later recomputes it, and is told what was erased."""

from collections.abc import Callable
from contextlib import closing
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from backend.kit.database import Database
from backend.provenance.log.memory import Memory
from backend.provenance.log.monitor import Disagreement, follow
from backend.verifier import logmap
from backend.verifier.leaf import Erasure, decode, keys_hash
from tests.backend.provenance.conftest import Chain, Recorder, receipts
from tests.backend.provenance.epcis.samples import RECEIPT, document
from tests.backend.provenance.shown import OnChain, Shown, look, raw
from tests.backend.provenance.test_evidence import story


async def erase(seller: Recorder, *places: int) -> None:
    for place in places:
        answer = await seller.user.client.delete(f"/v1/log/events/{place}/body")
        assert answer.status_code == 204, answer.text


async def forgotten(
    seller: Recorder, auditor: Any, chain: Chain, later: Callable[..., None]
) -> tuple[Shown, OnChain]:
    """Five events, of which two were erased in time, and the head after that."""
    await seller.capture(receipts(5))
    await chain.anchor()
    later()
    await erase(seller, 1, 3)
    return await look(auditor, chain)


async def test_a_monitor_that_comes_late_recomputes_the_map(
    seller: Recorder, auditor: Any, chain: Chain, later: Any, tmp_path: Path
) -> None:
    shown, node = await forgotten(seller, auditor, chain, later)

    with closing(Memory(tmp_path)) as memory:
        assert follow(shown, node, memory) == node.value
        assert (memory.size, memory.unseen) == (7, 2)


async def test_one_that_looked_before_goes_on_and_one_that_looks_between_two_heads_too(
    seller: Recorder, auditor: Any, chain: Chain, later: Any, tmp_path: Path
) -> None:
    await seller.capture(receipts(3))
    shown, node = await look(auditor, chain)
    with closing(Memory(tmp_path / "early")) as memory:
        follow(shown, node, memory)
    before = node.value
    later()
    await erase(seller, 1)
    shown.page = (await auditor.get("/v1/log/entries?limit=1000")).json()
    with closing(Memory(tmp_path / "between")) as memory:
        assert follow(shown, node, memory) == before
    shown, node = await look(auditor, chain)

    for name, unseen in (("early", 0), ("between", 1)):
        with closing(Memory(tmp_path / name)) as memory:
            assert follow(shown, node, memory) == node.value
            assert memory.unseen == unseen


def _sooner(page: dict[str, Any]) -> None:
    """The erasure's leaf says that it was made a second after the event came."""
    erased, said = page["entries"][1], page["entries"][5]
    leaf = decode(raw(erased["leaf"]))
    keys = keys_hash(raw(key) for key in erased["map_keys"])
    said["leaf"] = "0x" + Erasure(leaf.log_id, 5, leaf.received_at + 1000, 1, keys).encode().hex()


LIES = {
    "no leaf says so": lambda page: page["entries"][1].update(erased_by=None, map_keys=None),
    "a leaf that is none": lambda page: page["entries"][1].update(erased_by=0),
    "the leaf of another erasure": lambda page: page["entries"][1].update(erased_by=6),
    "a leaf that nobody is shown": lambda page: page["entries"][1].update(erased_by=99),
    "no keys": lambda page: page["entries"][1].update(map_keys=[]),
    "keys of its own making": lambda page: page["entries"][1]["map_keys"].append("0x" + "12" * 32),
    "erased at once": _sooner,
    "an event erased that is shown": lambda page: page["entries"][5].update(leaf=page["entries"][6]["leaf"]),
}


@pytest.mark.parametrize("lie", LIES)
async def test_an_erasure_that_is_none_is_found_out(
    seller: Recorder, auditor: Any, chain: Chain, later: Any, tmp_path: Path, lie: str
) -> None:
    shown, node = await forgotten(seller, auditor, chain, later)
    shown.page = deepcopy(shown.page)
    LIES[lie](shown.page)

    with closing(Memory(tmp_path)) as memory, pytest.raises(Disagreement):
        follow(shown, node, memory)


async def test_an_erasure_that_never_comes_to_stand_in_the_log_is_found_out(
    seller: Recorder, auditor: Any, chain: Chain, later: Any, tmp_path: Path
) -> None:
    await seller.capture(receipts(3))
    shown, node = await look(auditor, chain)
    later()
    await erase(seller, 1)
    shown.page = (await auditor.get("/v1/log/entries?limit=1000")).json()
    with closing(Memory(tmp_path)) as memory:
        follow(shown, node, memory)
        shown.page["entries"] = shown.page["entries"][:3]
        node.value = replace(node.value, now=node.value.now + shown.page["longest_delay"] + 1)
        with pytest.raises(Disagreement, match="has no head"):
            follow(shown, node, memory)


async def test_who_is_shown_less_than_the_map_counts_is_told_that_it_was_erased(
    seller: Recorder, buyer: Recorder, chain: Chain, later: Any, database: Database, world: Any
) -> None:
    """A return of the received goods, erased: it is not kept back, and nobody can say that there was none."""
    await buyer.capture(document(RECEIPT))
    await seller.capture(document({**RECEIPT, "bizStep": "shipping", "disposition": "returned"}))
    await chain.anchor()
    later()
    await erase(seller, 1)
    await chain.anchor()

    log = (await story(database, world, seller, buyer)).log
    (erased,) = log.erased
    assert [each.leaf.sequence for each in log.events] == [0]
    assert erased.leaf.sequence == 1
    things = [each for each in log.map_answers if each.identifier.kind not in {"class", "event"}]
    assert {logmap.key(log.map_secret, each.identifier) for each in things} == set(erased.keys)
    assert {each.entry for each in things} == {logmap.Entry(2, 1, erased.leaf.hash())}
