"""A seller, its buyer and others on the application, with keys of the test's own."""

from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from backend.invoices import repository
from backend.invoices.secrets import MasterKey, Secrets
from backend.kit import vrf
from backend.kit.access import Role
from backend.parties import service as parties
from tests.backend.conftest import User, World
from tests.backend.invoices import samples

VRF_SECRET = bytes(range(32))
VRF_KEY = "0x" + vrf.public_key(VRF_SECRET).hex()


@dataclass
class Shop:
    """The parties of the sample invoice, and some who are not."""

    world: World
    seller: User
    buyer: User
    stranger: User
    operator: User

    async def bring(
        self, document: bytes = samples.UBL, by: User | None = None, **query: Any
    ) -> httpx.Response:
        """Brings a document as the seller, or as somebody else."""
        headers = {"Content-Type": "application/xml"}
        return await (by or self.seller).post("/v1/invoices", content=document, params=query, headers=headers)


@pytest.fixture
async def shop(world: World) -> Shop:
    """The parties of the sample, with the ledger's fingerprint key on the chain."""
    world.app.state.invoice_secrets = Secrets(
        masters=(MasterKey.of(b"m" * 32),), fingerprint={bytes.fromhex(VRF_KEY[2:]): VRF_SECRET}
    )
    operator = await world.user(Role.OPERATOR)
    async with world.database.transaction() as session:
        await repository.replace_key_sets(session, world.ledger_id, [(1, [VRF_KEY])])
        admitted = [
            await parties.admit_party(
                session, world.ledger_id, country="DE", tax_number=number, name=name, glns=glns
            )
            for number, name, glns in (
                ("DE 999 999 911", "Example Tools GmbH", ["4000001000005"]),
                ("DE888888885", "Sample Machines AG", []),
                ("DE777777708", "Other Trading GmbH", []),
            )
        ]
    users = [await world.user(party_id=party.id) for party in admitted]
    return Shop(world, *users, operator)
