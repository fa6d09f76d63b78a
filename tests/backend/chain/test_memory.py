"""Work leaves nothing behind in the process: the short form of the soak (`make deep-soak`)."""

import gc
from typing import Any

import pytest

from backend.chain.indexer import Indexer
from tests.backend.chain.conftest import drive
from tests.backend.chain.folds import Totals
from tests.backend.chain.test_sender import enqueue

_ROUND = 20
_MOST = 10
"""Objects an operation may leave: what pools and caches still take while they fill."""


@pytest.mark.parametrize("leaking", [False, True])
async def test_an_operation_leaves_nothing_behind(database, rpc, deployed, sender, leaking):
    """And the measure sees it when one does: everything an operation was kept, as a forgotten list would."""
    indexer = Indexer(database, rpc, deployed, [Totals()], finality=5)
    kept: list[Any] = []

    async def work() -> int:
        for value in range(_ROUND):
            await enqueue(database, deployed, deployed.call("Tally", "count", value, ""))
            if leaking:
                kept.append([{"value": value, "place": [place]} for place in range(_MOST)])
        await drive(sender)
        await indexer.catch_up()
        gc.collect()
        return len(gc.get_objects())

    await work()
    before = await work()
    await work()
    after = await work()

    assert ((after - before) / (2 * _ROUND) > _MOST) is leaking
