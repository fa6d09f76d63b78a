"""A market whose chain also has a state: tries made by hand from what the tests say is stored."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from uuid import UUID

import pytest

from backend.chain.contracts import Contract, Contracts
from backend.chain.repository import ChainCursor
from backend.kit import disclosure, vrf
from backend.kit.canonical import Number
from backend.verification import service
from backend.verification.chain_state import BlockState, StateUnavailable
from backend.verification.service import InvoiceEvidence
from backend.verifier import evidence, evm, layout, ledger
from backend.verifier.header import parse
from backend.verifier.storage import StoredLedger
from tests.backend.conftest import World
from tests.backend.market import (
    DEBTOR,
    FUNDER,
    SUPPLIER,
    Market,
    Member,
    abi,
    address,
    app,
    deployment,
    market,
    market_contracts,
)
from tests.backend.verifier import world as w

__all__ = ["app", "deployment", "market"]

IDENTITY = "tallystick-invoice-1|TAX:DE:123456789|2026|INV|RE1"
FIELDS = {
    "BT-1": "RE-1",
    "BT-2": "2026-06-05",
    "BT-5": "EUR",
    "BT-31": "DE123456789",
    "BT-115": Number("59500.00"),
}


@pytest.fixture(autouse=True)
def _code_of_the_world(monkeypatch):
    monkeypatch.setattr(layout, "contracts", w.known_contracts)


@pytest.fixture
def contracts() -> Contracts:
    """The market's contracts, and those whose state only reports rest on."""
    found = market_contracts()
    known = [found.at(each) for each in found.addresses]
    names = {each.name for each in known}
    more = ("Fingerprints", "ReceivablesExtension", "ReceivablesRemedies")
    known += [
        Contract(name, address(910 + place), abi("relay(SignedAction action)"))
        for place, name in enumerate(more)
        if name not in names
    ]
    return Contracts(31337, 0, "0x" + "00" * 32, known)


@dataclass
class MadeChain:
    """What the chain's state is, until the test changes it. `down` is a node that does not answer."""

    addresses: dict[str, bytes]
    stored: w.World = field(default_factory=w.World)
    down: bool = False
    reports: int = 0

    async def at(self, block_hash):
        if self.down:
            raise StateUnavailable(reason="the node is behind")
        encoded, nodes = w.chain(self.stored, self.addresses)
        return BlockState(parse(encoded), w.code(), {evm.keccak(node): node for node in nodes})

    async def prove(self, state, read, survey=None):
        self.reports += 1
        return read(StoredLedger(31337, state.block.state_root, self.addresses, state.nodes))


@dataclass
class Scene:
    """A confirmed claim, its parties, and the chain whose state its report rests on."""

    market: Market
    chain: MadeChain
    supplier: Member
    debtor: Member
    bank: Member
    claim: dict = field(default_factory=dict)
    invoice: InvoiceEvidence | None = None

    @property
    def id(self) -> UUID:
        return UUID(self.claim["id"])

    @property
    def key(self) -> bytes:
        return bytes.fromhex(self.claim["chain_id"][2:])

    def put(self, value, *steps, contract="Receivables"):
        self.chain.stored.put(contract, value, *steps)

    async def dispute(self):
        """The debtor disputes: the state says so, and an event."""
        self.put(1 << 3, "_book", "states", self.key, "flags")
        told = {"id": self.claim["chain_id"], "amount": 1, "units": 1, "evidence": "0x" + "00" * 32}
        await self.market.happened("Receivables", "Disputed", **told)

    def gather(self):
        """The worker's way to make reports."""
        sources = self.market.world.app.state.evidence

        async def gather(session, caller, receivable_id):
            return await service.gather(session, caller, sources, receivable_id)

        return gather


@pytest.fixture
async def scene(market: Market, world: World, contracts: Contracts, monkeypatch) -> Scene:
    """A claim confirmed, all of it still the supplier's, and shown to a bank."""
    supplier, debtor, bank = (
        await market.member(SUPPLIER), await market.member(DEBTOR), await market.member(FUNDER)
    )  # fmt: skip
    proof = vrf.prove(w.VRF_SECRET, IDENTITY.encode())
    salted = disclosure.SaltedFields.of(FIELDS)
    mark = "0x" + vrf.fingerprint(vrf.output(proof)).hex()
    invoice = market.invoice

    def with_proof(seller, buyer, **changes):
        facts = {"document_root": "0x" + salted.root().hex(), "fingerprints": [mark]} | changes
        return invoice(seller, buyer, **facts)

    monkeypatch.setattr(market, "invoice", with_proof)
    chain = MadeChain(dict(service.addresses_of(contracts)))
    made = Scene(market, chain, supplier, debtor, bank)
    made.claim = await market.on_chain(supplier, debtor)
    shown = await supplier.user.post(
        f"/v1/receivables/{made.claim['id']}/invitations", json={"party_id": str(bank.party_id)}
    )
    assert shown.status_code in (200, 201), shown.text
    made.invoice = InvoiceEvidence(
        fields=tuple(salted.disclose_all(list(FIELDS))),
        absent={name: salted.prove_absent(name) for name in ("BT-3", "BT-9", "BT-13")},
        fingerprints=(evidence.Fingerprint(vrf.public_key(w.VRF_SECRET), IDENTITY, proof),),
        key_set=int(made.claim["terms"]["keySet"]),
        references={},
        verdict="valid",
        rules="EN 16931",
        due_date_source="stated",
        look_alikes=0,
    )

    async def read(session, ledger_id, invoice_id):
        return made.invoice

    world.app.state.evidence = service.Sources(contracts, chain, read)
    _store(made)
    async with world.database.transaction() as session:
        session.add(
            ChainCursor(
                ledger_id=world.ledger_id, number=100, hash="0x" + "77" * 32, head=100,
                updated_at=datetime.now(UTC),
            )
        )  # fmt: skip
    return made


def _store(made: Scene) -> None:
    """The state that the market's events have led to."""
    now = int(datetime.now(UTC).timestamp())
    terms = made.claim["terms"]
    accounts = {
        each: bytes.fromhex(member.account[2:])
        for each, member in (("supplier", made.supplier), ("debtor", made.debtor), ("bank", made.bank))
    }
    roles = {"supplier": ledger.ROLE_SUPPLIER, "debtor": ledger.ROLE_DEBTOR, "bank": ledger.ROLE_FUNDER}
    stored = made.chain.stored
    for name, account in accounts.items():
        stored.admit(account, roles[name], since=1, until=now + 400 * w.DAY)
    signer = evm.word(bytes.fromhex(made.debtor.key.address[2:]))
    for member, value in (("scopes", 1023), ("from", 1), ("until", 2**40 - 1)):
        stored.put("Participants", value, "_grants", accounts["debtor"], signer, member)
    for member, value in (
        ("status", 2), ("confirmedAt", now), ("dueEnd", int(terms["dueEnd"])), ("face", int(terms["amount"]))
    ):  # fmt: skip
        made.put(value, "_book", "states", made.key, member)
    made.put(accounts["supplier"], "_book", "mains", made.key, "account")
    made.put(int(terms["amount"]), "_book", "mains", made.key, "units")
    fingerprint = bytes.fromhex(terms["fingerprint"][2:])
    made.put(made.key, "_slots", accounts["debtor"], fingerprint, "id", contract="Fingerprints")
    made.put(1, "_keys", int(terms["keySet"]), layout.LENGTH, contract="Fingerprints")
    made.put(vrf.public_key(w.VRF_SECRET), "_keys", int(terms["keySet"]), 0, contract="Fingerprints")
