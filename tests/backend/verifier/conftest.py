"""The verifier's tests run on a ledger made by hand, whose contracts' code is made up too."""

import pytest

from backend.verifier import layout
from tests.backend.verifier import world


@pytest.fixture(autouse=True, scope="session")
def contracts_of_the_world():
    """The verifier knows the code of the ledger made by hand; real code is checked against a real chain."""
    patch = pytest.MonkeyPatch()
    patch.setattr(layout, "contracts", world.known_contracts)
    yield
    patch.undo()
