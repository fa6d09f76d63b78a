"""A monitor finds out what the operator rewrites, leaves out or shows twice; a witness signs what agrees."""

from contextlib import closing
from copy import deepcopy
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from backend.provenance.log.memory import Memory
from backend.provenance.log.monitor import (
    ChainHead,
    Disagreement,
    follow,
    keep,
)
from tests.backend.provenance.conftest import Chain, Recorder, receipts
from tests.backend.provenance.epcis.samples import RECEIPT, document
from tests.backend.provenance.shown import OnChain, look, raw


async def test_a_monitor_follows_head_after_head(
    buyer: Recorder, auditor: Any, chain: Chain, tmp_path: Path
) -> None:
    await buyer.capture(receipts(5))
    memory = Memory(tmp_path)
    shown, node = await look(auditor, chain)
    assert follow(shown, node, memory) == node.value
    memory.close()

    await buyer.capture(document(RECEIPT))
    await buyer.capture(receipts(4, 3))
    shown, node = await look(auditor, chain)
    again = Memory(tmp_path)

    assert again.size == 5
    assert follow(shown, node, again) == node.value
    assert again.size == 8
    assert follow(shown, node, again) is None


LIES = {
    "an event removed": lambda page: page["entries"].pop(2),
    "the last event withheld": lambda page: page["entries"].pop(),
    "two events in another order": lambda page: page["entries"].insert(1, page["entries"].pop(2)),
    "a leaf altered": lambda page: page["entries"][1].update(
        leaf=page["entries"][1]["leaf"][:-2] + ("00" if page["entries"][1]["leaf"][-2:] != "00" else "11")
    ),
    "a body that has nothing of what the leaf commits to": lambda page: page["entries"][1].update(
        event='{"eventTime":"2026-03-02T09:30:00Z"}'
    ),
    "an event with the salts of another": lambda page: page["entries"][1].update(
        event=page["entries"][0]["event"], salts=page["entries"][0]["salts"]
    ),
    "a context that the event did not bring": lambda page: page["entries"][1].update(
        event=page["entries"][1]["event"].replace("{", '{"@context":{"ex":"https://ex.example/"},', 1)
    ),
    "an event without its salts": lambda page: page["entries"][1].update(salts=None),
    "an event shown that the map does not tell of": lambda page: page["entries"][1].update(
        event=page["entries"][1]["event"].replace("/21/1", "/21/77")
    ),
    "another secret for the map": lambda page: page.update(map_secret="0x" + "12" * 32),
    "a leaf that is none": lambda page: page["entries"][0].update(leaf="0x01"),
    "an event erased before it was seen": lambda page: page["entries"][0].update(event=None),
}


@pytest.mark.parametrize("lie", LIES)
async def test_a_lie_is_found_out_and_kept(
    buyer: Recorder, auditor: Any, chain: Chain, tmp_path: Path, lie: str
) -> None:
    await buyer.capture(receipts(5))
    shown, node = await look(auditor, chain)
    shown.page = deepcopy(shown.page)
    LIES[lie](shown.page)

    with pytest.raises(Disagreement) as found:
        follow(shown, node, Memory(tmp_path / "memory"))

    assert Memory(tmp_path / "memory").size == 0
    kept = keep(tmp_path, found.value, 1_800_000_000)
    assert str(found.value) in kept.read_text()
    with pytest.raises(FileExistsError):
        keep(tmp_path, found.value, 1_800_000_000)


async def test_another_history_on_the_chain_is_found_out(
    buyer: Recorder, auditor: Any, chain: Chain, tmp_path: Path
) -> None:
    await buyer.capture(receipts(5))
    shown, node = await look(auditor, chain)
    memory = Memory(tmp_path)
    follow(shown, node, memory)
    good = node.value

    node.value = replace(good, size=3)
    with pytest.raises(Disagreement, match="were seen before"):
        follow(shown, node, memory)
    node.value = replace(good, log_root=bytes(32))
    with pytest.raises(Disagreement, match="different roots"):
        follow(shown, node, memory)


async def test_a_map_that_leaves_something_out_is_found_out(
    buyer: Recorder, auditor: Any, chain: Chain, tmp_path: Path
) -> None:
    await buyer.capture(receipts(5))
    shown, node = await look(auditor, chain)
    node.value = replace(node.value, map_root=bytes(32))

    with pytest.raises(Disagreement, match="map"):
        follow(shown, node, Memory(tmp_path))


async def test_another_secret_of_the_map_is_found_out(
    buyer: Recorder, auditor: Any, chain: Chain, tmp_path: Path
) -> None:
    await buyer.capture(receipts(2))
    shown, node = await look(auditor, chain)
    with closing(Memory(tmp_path)) as memory:
        follow(shown, node, memory)
    await buyer.capture(receipts(2, 2))
    shown, node = await look(auditor, chain)
    shown.page["map_secret"] = "0x" + "13" * 32

    with closing(Memory(tmp_path)) as memory, pytest.raises(Disagreement, match="another secret"):
        follow(shown, node, memory)


async def test_a_leaf_that_waits_longer_than_promised_is_found_out(
    buyer: Recorder, auditor: Any, chain: Chain, log: Any, tmp_path: Path
) -> None:
    await buyer.capture(receipts(2))
    await look(auditor, chain)
    await buyer.capture(receipts(1, 2))
    shown, _ = await look(auditor, chain)
    shown.page = (await auditor.get("/v1/log/entries?limit=1000")).json()
    promised = int(log.longest_delay.total_seconds())
    head = ChainHead(*(await head_of(auditor, 2)), int(datetime.now(UTC).timestamp()))
    node = OnChain({"logRoot": "0x" + head.log_root.hex(), "size": 2, "mapRoot": "0x" + head.map_root.hex()})

    with closing(Memory(tmp_path / "early")) as memory:
        node.value = replace(head, now=head.now + promised - 60)
        assert follow(shown, node, memory) == node.value
    node.value = replace(head, now=head.now + promised + 60)
    with pytest.raises(Disagreement, match=f"{promised} were promised") as found:
        follow(shown, node, Memory(tmp_path / "late"))
    assert found.value.evidence["entry"]["sequence"] == 2


async def head_of(auditor: Any, size: int) -> tuple[bytes, int, bytes]:
    """Root, size and map of a head, as the operator lists it."""
    heads = (await auditor.get("/v1/log/heads")).json()
    (head,) = [each for each in heads if each["size"] == size]
    return raw(head["log_root"]), size, raw(head["map_root"])


async def test_a_checkpoint_that_disagrees_leaves_no_memory(
    buyer: Recorder, auditor: Any, chain: Chain, tmp_path: Path
) -> None:
    await buyer.capture(receipts(2))
    shown, node = await look(auditor, chain)

    def check(head: ChainHead) -> None:
        raise Disagreement("signed another root", {"size": head.size})

    with closing(Memory(tmp_path)) as memory, pytest.raises(Disagreement):
        follow(shown, node, memory, check=check)
    with closing(Memory(tmp_path)) as memory:
        assert (memory.size, memory.head(2)) == (0, None)
        assert follow(shown, node, memory) == node.value
        assert memory.head(2) == (node.value.log_root, node.value.map_root)
