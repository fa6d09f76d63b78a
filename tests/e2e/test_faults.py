"""The short form of the campaign of faults (`make deep-faults`): a dozen, on the ledger of these tests."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.faults.campaign import Campaign, State
from bench.faults.ledger import Ledger
from tasks import ledger as ledgers
from tests.e2e.conftest import Running

_SEED, _OPERATIONS, _FAULTS, _FINALITY = 1, 24, 12, 3


@pytest.fixture
def before(running: Running) -> list[str]:
    """The claims that other tests brought."""
    return [event["id"] for event in running.chain.events("Receivables", "Issued")]


@pytest.fixture
def hurt(running: Running, tmp_path: Path) -> Iterator[Ledger]:
    """The ledger of these tests, taken over to be hurt, and given back afterwards."""
    if running.network.program != "anvil" or running.network.block_seconds:
        pytest.skip("reorganisations on demand are Anvil's")
    for name in ("worker", "api", "chain"):
        running.supervisor.stop(name)
    ledger = Ledger(running.network, tmp_path, None, workers=1)
    try:
        yield ledger
    finally:
        ledger.close()
        for name in ("chain", "api", "worker"):
            running.start(name)


def test_through_a_dozen_faults_nothing_is_lost_and_nothing_happens_twice(
    before: list[str], hurt: Ledger, tmp_path: Path
) -> None:
    state = State.load(tmp_path / "state.json", _SEED, _OPERATIONS, _FAULTS)
    parties = ledgers.parties_folder(hurt.network)
    said: list[str] = []
    campaign = Campaign(hurt, parties, state, said.append, finality=_FINALITY, clock_steps=(-2, 0, 2))
    campaign.journal.others = before
    url = f"sqlite:///{hurt.network.folder / 'tallystick.sqlite'}"

    async def go() -> None:
        try:
            assert await campaign.run(150), said
            await campaign.settle(url)
            found, _ = await campaign.verdict(url)
        finally:
            await campaign.close()
        assert found.differences == []
        assert found.counts["operations"] == _OPERATIONS
        assert found.counts["transactions"] > 0

    asyncio.run(go())

    assert state.done.total() == _FAULTS
    assert len([kind for kind in state.done if kind.startswith("kill ")]) >= 2, "the seed draws them"
    assert any(kind.startswith("reorg ") for kind in state.done)
    assert state.ended_by_themselves == []
