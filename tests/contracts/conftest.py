"""One deployment for all of the suite; what a test did on the chain is undone after it."""

from collections.abc import Iterator

import brownie
import pytest

from tests.contracts.ledger import Ledger, open_ledger


@pytest.fixture(scope="session")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ledger]:
    with pytest.MonkeyPatch.context() as patch:
        yield open_ledger(tmp_path_factory.mktemp("ledger"), patch)


@pytest.fixture
def ledger(deployed: Ledger) -> Iterator[Ledger]:
    # Not Brownie's fn_isolation: it begins with a chain that has nothing on it, for each module anew.
    brownie.chain.snapshot()
    yield deployed
    brownie.chain.revert()
