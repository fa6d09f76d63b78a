"""A small market for tests of receivables and financing: parties with keys and accounts, and a chain that is
only its events, fed to the same projections that follow a real one."""

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest
from eth_account import Account
from fastapi import FastAPI
from sqlalchemy import select

from backend.app import create_app, projections
from backend.chain import history
from backend.chain.abi import Abi
from backend.chain.contracts import Contract, Contracts
from backend.chain.projections import Event
from backend.chain.repository import Operation
from backend.invoices.service import InvoiceFacts
from backend.kit.database import Database
from backend.kit.ids import uuid7
from backend.kit.settings import load
from backend.parties import service as parties
from backend.receivables import service as receivables
from backend.signing.ledger import parse
from backend.signing.statements import OFFER, PARCEL, TERMS
from backend.signing.typed import check
from tests.backend.conftest import User, World

SUPPLIER, DEBTOR, FUNDER = 1, 2, 4
ZERO = "0x" + "00" * 20


def address(number: int) -> str:
    return Account.from_key(number.to_bytes(32, "big")).address


TOKEN = address(900)


def _inputs(members: str, structs: dict[str, str]) -> list[dict[str, Any]]:
    made = []
    for member in members.split(","):
        kind, name = member.split(" ")
        bare = kind.removesuffix("[]")
        if bare in structs:
            array = kind[len(bare) :]
            made.append(
                {"name": name, "type": "tuple" + array, "components": _inputs(structs[bare], structs)}
            )
        else:
            made.append({"name": name, "type": kind})
    return made


_STRUCTS = {
    "Terms": TERMS,
    "Offer": OFFER[len("Offer(") : -1],
    "Parcel": PARCEL[len("Parcel(") : -1],
    "Facts": "uint64[] sent,uint64[] reduced",
    "Confirmation": "address signer,uint256 nonce,uint256 deadline,bytes32[] otherFingerprints,"
    "bytes signature,bytes cosignature",
    "SignedAction": "address signer,uint256 nonce,uint256 deadline,uint256 gasFloor,bytes callData,"
    "bytes signature,bytes cosignature",
}


def abi(*functions: str) -> Abi:
    """An ABI of functions written as in Solidity, structs by name."""
    entries = []
    for function in functions:
        name, _, rest = function.partition("(")
        entries.append(
            {"type": "function", "name": name, "inputs": _inputs(rest[:-1], _STRUCTS), "outputs": []}
        )
    return Abi(entries)


_RELAY = "relay(SignedAction action)"


@pytest.fixture
def contracts() -> Contracts:
    """The contracts' functions that the API prepares calls of."""
    return market_contracts()


def market_contracts() -> Contracts:
    """The same, for tests that need more contracts beside them."""
    receivables = abi(
        _RELAY,
        "issueAndConfirm(Terms terms,Confirmation confirmation)",
        "transfer(bytes32 id,address from,address to,uint64 units)",
        "pay(bytes32 id,uint64 amount)",
        "payAsDebtor(Terms terms,uint8 lot,uint64 payment)",
        "redeem(bytes32 id,address account)",
        "dispute(Terms terms,uint64 disputed,bytes32 reason)",
        "endDispute(Terms terms,uint8 lot)",
        "issueCreditNote(Terms terms,uint8 lot,uint64 total,bytes32 note)",
        "joinCreditNote(bytes32 id,address account,bytes32 note,uint64 amount)",
        "closeOutside(bytes32 id,address account,uint64 amount,bytes32 paymentReference)",
        "waiveInterest(bytes32 id,address account,bool waived)",
        "writeOff(bytes32 id,address account)",
        "allowReceipt(bytes32 id,address account,uint64 units)",
    )
    financing = abi(
        _RELAY,
        "accept(Offer offer,uint64 minPrice,bytes signature)",
        "acceptWith(Offer offer,uint64 minPrice,bytes signature,bytes cosignature,bytes permit)",
        "cancelOffer(Offer offer)",
        "acknowledgeCash(Offer offer,bytes32 paymentReference)",
        "lapse(Offer offer)",
        "demandWarranty(Offer offer,uint256 parcel,bytes32 evidence)",
        "answerWarranty(Offer offer,uint256 parcel,bool admitted,bytes32 answer)",
        "performRecourse(Offer offer,uint256 parcel,bool warranty,uint64 maxPrice,Facts facts)",
        "releaseReserve(Offer offer,Facts facts,address account)",
    )
    participants = abi(_RELAY, "setStandingConsent(address account,bool open)")
    made = [
        Contract(name, address(number), found, {"name": f"Tallystick {name}", "version": "1"})
        for name, number, found in (
            ("Participants", 901, participants),
            ("Receivables", 902, receivables),
            ("Financing", 903, financing),
            ("ProvenanceLog", 904, abi(_RELAY)),
        )
    ]
    return Contracts(31337, 0, "0x" + "00" * 32, made)


@pytest.fixture
def deployment(tmp_path: Path, contracts: Contracts) -> Path:
    """The deployment record of these contracts and one token."""
    path = tmp_path / "31337.json"
    token = {"symbol": "tEUR", "decimals": 6, "currency": "EUR", "exponent": 4, "name": "Test euro"}
    record = {
        "chain_id": 31337,
        "contracts": {contracts.at(at).name: {"address": at} for at in contracts.addresses},
        "tokens": {TOKEN: token},
    }
    path.write_text(json.dumps(record))
    return path


@pytest.fixture
def app(database: Database, contracts: Contracts, deployment: Path) -> FastAPI:
    """The application; invoices come from `invoices`, which stands for the invoices room."""
    return create_app(load({"TALLYSTICK_DEPLOYMENT": str(deployment)}), contracts, database)


@dataclass
class Member:
    """A party with one account, one key and one user who may sign."""

    user: User
    account: str
    key: Any

    @property
    def party_id(self) -> UUID:
        return self.user.party_id


@dataclass
class Market:
    """The parties, the invoices and the events so far."""

    world: World
    contracts: Contracts
    deployment: Path
    invoices: dict[UUID, InvoiceFacts] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)
    members: int = 0

    async def happened(
        self, contract: str, name: str, when: datetime | None = None, *, tx: str | None = None, **args: Any
    ) -> None:
        """An event on the chain: stored, and folded by every projection it concerns."""
        number = len(self.events) + 1
        moment = (when or datetime.now(UTC)).replace(microsecond=0)
        event = Event(
            contract,
            name,
            args,
            ZERO,
            number,
            f"0x{number:064x}",
            moment,
            tx or f"0x{number + 4096:064x}",
            0,
        )
        self.events.append(event)
        async with self.world.database.transaction() as session:
            await history.add_events(session, self.world.ledger_id, projections(), [event])

    async def takes_back(self) -> None:
        """The chain's newest event is gone with its block, as after a reorganisation."""
        self.events.pop()
        ledger_id = self.world.ledger_id
        async with self.world.database.transaction() as session:
            touched = await history.remove_events(session, ledger_id, above=len(self.events))
            await history.rebuild(session, ledger_id, projections(), touched)

    async def member(self, roles: int) -> Member:
        """A party admitted with an account and a key for everything."""
        self.members += 1
        user, account = await self.world.user(), address(100 + self.members)
        key = Account.from_key((500 + self.members).to_bytes(32, "big"))
        async with self.world.database.transaction() as session:
            party = await parties.get_party(session, self.world.ledger_id, user.party_id)
            await parties.link_account(session, party, account)
        forever, padded = 2**40 - 1, "0x" + key.address[2:].lower().rjust(64, "0")
        await self.happened(
            "Participants",
            "AccountAdmitted",
            account=account,
            commitment="0x" + "01" * 32,
            roles=roles,
            validUntil=forever,
            evidence="0x" + "02" * 32,
            hosted=False,
        )
        grant = {"scopes": 1023, "flags": 0, "epoch": 0, "from": 0, "until": forever}
        grant |= {"limit": 2**64 - 1, "alone": 2**64 - 1}
        await self.happened("Participants", "KeyGranted", account=account, key=padded, grant=grant)
        return Member(user, account, key)

    async def sign(self, member: Member, prepared: httpx.Response, key: Any = None) -> httpx.Response:
        """Signs an action the way the local signer does, and hands the signature in."""
        assert prepared.status_code == 201, prepared.text
        document = check(prepared.json()["typed_data"], parse(self.deployment))
        assert "0x" + document.digest().hex() == prepared.json()["digest"]
        signed = (key or member.key).sign_message(document.signable())
        path = prepared.json()["links"]["signatures"]
        return await member.user.post(path, json={"signature": "0x" + bytes(signed.signature).hex()})

    def invoice(self, seller: Member, buyer: Member | None, **changes: Any) -> UUID:
        """An invoice the invoices room would know."""
        facts = {
            "id": uuid7(),
            "number": "RE-1",
            "seller_party_id": seller.party_id,
            "buyer_party_id": buyer.party_id if buyer else None,
            "buyer_name": "Example Waterworks Limited",
            "currency": "EUR",
            "payable": 5_950_000,
            "due_date": datetime.now(UTC).date() + timedelta(days=60),
            "document_root": "0x" + "0d" * 32,
            "key_set": 1,
            "fingerprints": ["0x" + "0f" * 32],
        }
        invoice = InvoiceFacts(**(facts | changes))
        self.invoices[invoice.id] = invoice
        return invoice.id

    async def operations(self) -> Sequence[Operation]:
        """What waits to be sent, oldest first."""
        async with self.world.database.reading() as session:
            return (await session.scalars(select(Operation).order_by(Operation.id))).all()

    async def agreed(self, supplier: Member, debtor: Member, **wishes: Any) -> dict[str, Any]:
        """A receivable both sides signed, not yet on the chain."""
        invoice = self.invoice(supplier, debtor)
        made = await supplier.user.post("/v1/receivables", json={"invoice_id": str(invoice)} | wishes)
        assert made.status_code == 201, made.text
        place = made.json()["links"]["self"]
        put = await self.sign(supplier, await supplier.user.post(f"{place}/issue"))
        assert put.status_code == 202, put.text
        said = await self.sign(debtor, await debtor.user.post(f"{place}/confirmation"))
        assert said.status_code == 202, said.text
        return (await supplier.user.get(place)).json()

    async def on_chain(self, supplier: Member, debtor: Member, **wishes: Any) -> dict[str, Any]:
        """A confirmed receivable on the chain."""
        made = await self.agreed(supplier, debtor, **wishes)
        key, terms = made["chain_id"], made["terms"]
        await self.happened("Receivables", "Issued", id=key, **terms)
        await self.transferred(key, ZERO, supplier.account, terms["amount"])
        await self.happened("Receivables", "Confirmed", id=key, signer=debtor.key.address)
        slot = {"debtor": debtor.account, "fingerprint": terms["fingerprint"]}
        await self.happened("Fingerprints", "FingerprintTaken", id=key, **slot)
        return (await supplier.user.get(made["links"]["self"])).json()

    async def transferred(self, key: str, giver: str, taker: str, units: int, tx: str | None = None) -> None:
        """Units changed hands."""
        await self.happened(
            "Receivables",
            "TransferSingle",
            tx=tx,
            **{"id": int(key, 16), "from": giver, "to": taker, "value": units},
        )


@pytest.fixture
async def market(
    world: World, contracts: Contracts, deployment: Path, monkeypatch: pytest.MonkeyPatch
) -> Market:
    """A market whose euro is settled in one token."""
    market = Market(world, contracts, deployment)

    async def read_invoice(session: Any, caller: Any, invoice_id: UUID) -> InvoiceFacts:
        return market.invoices[invoice_id]

    async def mark_in_use(session: Any, ledger_id: UUID, invoice_id: UUID) -> None:
        assert invoice_id in market.invoices

    async def recheck_all(session: Any, ledger_id: UUID, invoice_ids: Collection[UUID]) -> dict[UUID, Any]:
        assert set(invoice_ids) <= set(market.invoices)
        return {}

    world.app.state.read_invoice = read_invoice
    monkeypatch.setattr(receivables, "mark_in_use", mark_in_use)
    monkeypatch.setattr(receivables, "recheck_all", recheck_all)
    await market.happened(
        "Receivables",
        "CurrencyAdmitted",
        currency=2**32 - 1,
        token=TOKEN,
        code="0x455552",
        exponent=4,
        minimum=100,
    )
    return market
